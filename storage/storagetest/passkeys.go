package storagetest

import (
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/passkey"
	"github.com/sallyport-id/sallyport/storage"
)

// Passkeys is the conformance suite of passkey.Store.
func Passkeys(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"a passkey is what was stored, and found by its credential", passkeyRoundTrip},
		{"a credential is registered once, whoever has it", passkeyOnce},
		{"a user has so many and no more", passkeyMost},
		{"of two uses of one record one counts", passkeyUses},
		{"only its user renames and removes it", passkeyOwner},
		{"a ceremony is taken once, by its session and user", ceremonies},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func newPasskey(t *testing.T, o *Opener) passkey.Passkey {
	t.Helper()
	return passkey.Passkey{
		ID: NewID(t), UserID: NewID(t), CredentialID: []byte(NewID(t)), Record: json.RawMessage(`{"n":0}`), Name: "phone", CreatedAt: o.Clock.Now(),
	}
}

func addPasskey(t *testing.T, db *storage.DB, p passkey.Passkey) passkey.Passkey {
	t.Helper()
	if err := db.AddPasskey(t.Context(), p); err != nil {
		t.Fatalf("AddPasskey: %v", err)
	}
	return p
}

// wantPasskey checks an error by its sentinel; nil is success.
func wantPasskey(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func passkeyRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	want := addPasskey(t, nodes[0], newPasskey(t, o))
	later := want
	later.ID, later.CredentialID, later.CreatedAt = NewID(t), []byte(NewID(t)), want.CreatedAt.Add(time.Second)
	addPasskey(t, nodes[0], later)
	got, err := nodes[1].Passkeys(t.Context(), want.UserID)
	if diff := cmp.Diff([]passkey.Passkey{want, later}, got); diff != "" || err != nil {
		t.Errorf("Passkeys, %v (-want +got):\n%s", err, diff)
	}
	one, err := nodes[1].PasskeyByCredential(t.Context(), want.CredentialID)
	if diff := cmp.Diff(want, one); diff != "" || err != nil {
		t.Errorf("PasskeyByCredential, %v (-want +got):\n%s", err, diff)
	}
	for _, id := range [][]byte{nil, []byte("nobody's")} {
		_, err := nodes[0].PasskeyByCredential(t.Context(), id)
		wantPasskey(t, "an unknown credential", err, passkey.ErrNotFound)
	}
}

func passkeyOnce(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := addPasskey(t, nodes[0], newPasskey(t, o))
	other := newPasskey(t, o)
	other.CredentialID = p.CredentialID
	wantPasskey(t, "of another user", nodes[1].AddPasskey(t.Context(), other), passkey.ErrTaken)
}

func passkeyMost(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	for i := range passkey.Most + 1 {
		p := newPasskey(t, o)
		p.UserID = user
		want := error(nil)
		if i == passkey.Most {
			want = passkey.ErrTooMany
		}
		wantPasskey(t, "one more", nodes[0].AddPasskey(t.Context(), p), want)
	}
}

func passkeyUses(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := addPasskey(t, nodes[0], newPasskey(t, o))
	at := o.Clock.Now().Add(time.Minute)
	var counted atomic.Int64
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := nodes[i%2].UsePasskey(t.Context(), p.ID, p.Record, json.RawMessage(`{"n":1}`), at)
			switch {
			case err == nil:
				counted.Add(1)
			case !errors.Is(err, passkey.ErrChanged):
				t.Errorf("UsePasskey: %v", err)
			}
		})
	}
	wg.Wait()
	if n := counted.Load(); n != 1 {
		t.Errorf("%d uses of one record counted", n)
	}
	got, err := nodes[1].PasskeyByCredential(t.Context(), p.CredentialID)
	if err != nil || string(got.Record) != `{"n":1}` || !got.LastUsedAt.Equal(at) {
		t.Errorf("after the use: %+v, %v", got, err)
	}
	wantPasskey(t, "one that is gone", nodes[0].UsePasskey(t.Context(), NewID(t), p.Record, p.Record, at), passkey.ErrNotFound)
}

func passkeyOwner(t *testing.T, o *Opener, nodes []*storage.DB) {
	p, db := addPasskey(t, nodes[0], newPasskey(t, o)), nodes[1]
	wantPasskey(t, "renamed by another", db.RenamePasskey(t.Context(), NewID(t), p.ID, "mine"), passkey.ErrNotFound)
	wantPasskey(t, "removed by another", db.RemovePasskey(t.Context(), NewID(t), p.ID), passkey.ErrNotFound)
	wantPasskey(t, "renamed", db.RenamePasskey(t.Context(), p.UserID, p.ID, "key ring"), nil)
	if got, err := db.Passkeys(t.Context(), p.UserID); err != nil || len(got) != 1 || got[0].Name != "key ring" {
		t.Errorf("Passkeys = %+v, %v", got, err)
	}
	wantPasskey(t, "removed", db.RemovePasskey(t.Context(), p.UserID, p.ID), nil)
	wantPasskey(t, "removed again", db.RemovePasskey(t.Context(), p.UserID, p.ID), passkey.ErrNotFound)
}

func ceremonies(t *testing.T, o *Opener, nodes []*storage.DB) {
	session, user, ctx := NewID(t), NewID(t), t.Context()
	first := passkey.Ceremony{Data: json.RawMessage(`{"challenge":"a"}`), Expires: o.Clock.Now().Add(5 * time.Minute)}
	next := passkey.Ceremony{Data: json.RawMessage(`{"challenge":"b"}`), Expires: first.Expires}
	for _, c := range []passkey.Ceremony{first, next} {
		if err := nodes[0].HoldCeremony(ctx, session, user, c); err != nil {
			t.Fatalf("HoldCeremony: %v", err)
		}
	}
	_, err := nodes[0].TakeCeremony(ctx, NewID(t), user)
	wantPasskey(t, "in another session", err, passkey.ErrNotFound)
	_, err = nodes[0].TakeCeremony(ctx, session, NewID(t))
	wantPasskey(t, "by another user", err, passkey.ErrNotFound)
	var taken atomic.Int64
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			got, err := nodes[i%2].TakeCeremony(ctx, session, user)
			switch {
			case err == nil && cmp.Equal(got, next):
				taken.Add(1)
			case !errors.Is(err, passkey.ErrNotFound):
				t.Errorf("TakeCeremony = %+v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := taken.Load(); n != 1 {
		t.Errorf("taken %d times", n)
	}
	if err := nodes[0].HoldCeremony(ctx, session, user, first); err != nil {
		t.Fatal(err)
	}
	o.Clock.Advance(6 * time.Minute)
	if _, err := nodes[0].Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = nodes[0].TakeCeremony(ctx, session, user)
	wantPasskey(t, "swept", err, passkey.ErrNotFound)
}
