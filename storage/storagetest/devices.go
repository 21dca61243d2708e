package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/storage"
)

// Devices is the conformance suite of authn.DeviceStore.
func Devices(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"a browser is what was stored, until it expires", deviceRoundTrip},
		{"those of a user are listed, newest first", deviceList},
		{"one is removed, by its user only", deviceRemoved},
		{"they end with the password, a factor, the credentials and the user", deviceEnds},
		{"what has expired is swept", deviceSwept},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func device(t *testing.T, o *Opener, db *storage.DB, user string) authn.Device {
	t.Helper()
	d := authn.Device{
		ID: NewID(t), UserID: user, SecretHash: []byte("hash"), UserAgent: "agent", IP: "192.0.2.1",
		CreatedAt: o.Clock.Now(), ExpiresAt: o.Clock.Now().Add(time.Hour),
	}
	if err := db.AddDevice(t.Context(), d); err != nil {
		t.Fatalf("AddDevice: %v", err)
	}
	return d
}

func deviceRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	want := device(t, o, nodes[0], NewID(t))
	used := o.Clock.Now().Add(time.Minute)
	for _, at := range []time.Time{used, used.Add(-time.Second)} {
		if err := nodes[1].UseDevice(t.Context(), want.ID, at); err != nil {
			t.Fatal(err)
		}
	}
	want.LastUsedAt = used
	got, err := nodes[0].Device(t.Context(), want.ID, want.ExpiresAt.Add(-time.Microsecond))
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v, browser (-want +got):\n%s", err, d)
	}
	_, err = nodes[0].Device(t.Context(), want.ID, want.ExpiresAt)
	wantIs(t, err, authn.ErrNoDevice)
	_, err = nodes[0].Device(t.Context(), NewID(t), o.Clock.Now())
	wantIs(t, err, authn.ErrNoDevice)
	for _, edit := range []func(*authn.Device){
		func(d *authn.Device) { d.ID = "" }, func(d *authn.Device) { d.UserID = "" },
		func(d *authn.Device) { d.SecretHash = nil }, func(d *authn.Device) { d.ExpiresAt = d.CreatedAt },
	} {
		bad := want
		bad.ID = NewID(t)
		if edit(&bad); nodes[0].AddDevice(t.Context(), bad) == nil {
			t.Errorf("AddDevice(%+v) = nil", bad)
		}
	}
}

func deviceList(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	var want []string
	for range 3 {
		o.Clock.Advance(time.Minute)
		want = append([]string{device(t, o, nodes[0], user).ID}, want...)
	}
	device(t, o, nodes[0], NewID(t))
	list := func(now time.Time) []string {
		all, err := nodes[1].Devices(t.Context(), user, now)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, d := range all {
			ids = append(ids, d.ID)
		}
		return ids
	}
	if d := cmp.Diff(want, list(o.Clock.Now())); d != "" {
		t.Errorf("browsers (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want[:2], list(o.Clock.Now().Add(58*time.Minute))); d != "" {
		t.Errorf("when the first has expired (-want +got):\n%s", d)
	}
}

func deviceRemoved(t *testing.T, o *Opener, nodes []*storage.DB) {
	d := device(t, o, nodes[0], NewID(t))
	for _, c := range []struct {
		user string
		want bool
	}{{NewID(t), false}, {d.UserID, true}, {d.UserID, false}} {
		if had, err := nodes[1].DeleteDevice(t.Context(), c.user, d.ID); err != nil || had != c.want {
			t.Errorf("DeleteDevice = %v, %v, want %v", had, err, c.want)
		}
	}
}

func deviceEnds(t *testing.T, o *Opener, nodes []*storage.DB) {
	r := Add(t, nodes[0], o.Type(t, "User"), o.User(t, "device-owner@example.com"))
	for name, end := range map[string]func(ctx context.Context) error{
		"password":    func(ctx context.Context) error { return nodes[1].SetPassword(ctx, r.ID, "hash", o.Clock.Now()) },
		"no password": func(ctx context.Context) error { return nodes[1].SetPassword(ctx, r.ID, "", o.Clock.Now()) },
		"factor":      func(ctx context.Context) error { return nodes[1].BumpFactorEpoch(ctx, r.ID, "totp") },
		"credentials": func(ctx context.Context) error { return nodes[1].BumpCredentialEpoch(ctx, r.ID) },
		"all of a user": func(ctx context.Context) error {
			n, err := nodes[1].DeleteDevices(ctx, r.ID)
			if n != 1 {
				t.Errorf("DeleteDevices = %d, want 1", n)
			}
			return err
		},
	} {
		d, other := device(t, o, nodes[0], r.ID), device(t, o, nodes[0], NewID(t))
		if err := nodes[1].InTx(t.Context(), end); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := nodes[0].Device(t.Context(), d.ID, o.Clock.Now())
		wantIs(t, err, authn.ErrNoDevice)
		if _, err := nodes[0].Device(t.Context(), other.ID, o.Clock.Now()); err != nil {
			t.Errorf("%s ends the browser of somebody else: %v", name, err)
		}
	}
	d := device(t, o, nodes[0], r.ID)
	if err := nodes[0].ReplaceHash(t.Context(), r.ID, "hash", "newer"); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[0].Device(t.Context(), d.ID, o.Clock.Now()); err != nil {
		t.Errorf("a newer hash of the same password ends it: %v", err)
	}
	if err := nodes[0].Delete(t.Context(), o.Type(t, "User"), r.ID); err != nil {
		t.Fatal(err)
	}
	_, err := nodes[0].Device(t.Context(), d.ID, o.Clock.Now())
	wantIs(t, err, authn.ErrNoDevice)
}

func deviceSwept(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	old := device(t, o, nodes[0], user)
	o.Clock.Advance(time.Hour)
	device(t, o, nodes[0], user)
	if _, err := nodes[0].Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	var left int
	err := o.Raw(t).QueryRowContext(t.Context(), "SELECT count(*) FROM devices WHERE user_id = $1 OR id = $2", user, old.ID).Scan(&left)
	if err != nil || left != 1 {
		t.Errorf("%d rows left, %v, want 1", left, err)
	}
}
