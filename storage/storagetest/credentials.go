package storagetest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// Credentials is the conformance suite of validation.HoldingStore, SettingStore
// and ExtraStore.
func Credentials(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"of an unknown user there is nothing", holdingsOfNobody},
		{"all that a user holds is read in one go", holdingsOfSomebody},
		{"an extra app is what was stored", extraAppRoundTrip},
		{"the secret of an extra app stands nowhere in clear", extraAppSealed},
		{"parallel uses of one step of an extra app succeed once", extraStepsRace},
		{"an address is kept once", extraAddressOnce},
		{"what is removed is gone, with its setting", extraRemoved},
		{"a setting is edited under a lock", settingEdits},
		{"one credential is preferred", settingPreferred},
		{"a use moves forward only", settingUse},
		{"settings of an app end with it", settingOfApp},
		{"they end with their user", credentialsEndWithUser},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func holdings(t *testing.T, db *storage.DB, user string) validation.Holdings {
	t.Helper()
	h, err := db.Holdings(t.Context(), user)
	if err != nil {
		t.Fatalf("Holdings: %v", err)
	}
	return h
}

func addApp(t *testing.T, db *storage.DB, e totp.Enrolment) totp.Enrolment {
	t.Helper()
	id, err := db.AddExtraApp(t.Context(), e)
	if err != nil || id == "" {
		t.Fatalf("AddExtraApp = %q, %v", id, err)
	}
	e.ID = id
	return e
}

func addAddress(t *testing.T, db *storage.DB, a validation.ExtraAddress) validation.ExtraAddress {
	t.Helper()
	id, err := db.AddExtraAddress(t.Context(), a)
	if err != nil || id == "" {
		t.Fatalf("AddExtraAddress = %q, %v", id, err)
	}
	a.ID = id
	return a
}

func holdingsOfNobody(t *testing.T, _ *Opener, nodes []*storage.DB) {
	if d := cmp.Diff(validation.Holdings{}, holdings(t, nodes[0], NewID(t))); d != "" {
		t.Errorf("holdings (-want +got):\n%s", d)
	}
}

func holdingsOfSomebody(t *testing.T, o *Opener, nodes []*storage.DB) {
	first := enrol(t, nodes[0], newEnrolment(t, o))
	user, now := first.UserID, o.Clock.Now()
	extra := newEnrolment(t, o)
	extra.UserID = user
	extra = addApp(t, nodes[0], extra)
	mail := addAddress(t, nodes[1], validation.ExtraAddress{UserID: user, Kind: validation.EnrolledEmail, Value: "a@example.org", CreatedAt: now})
	phone := addAddress(t, nodes[1], validation.ExtraAddress{
		UserID: user, Kind: validation.EnrolledPhone, Value: "+4915112345678", CreatedAt: now.Add(time.Second),
	})
	second, err := nodes[0].SetSecondPassword(t.Context(), validation.SecondPassword{UserID: user, Hash: "h", ChangedAt: now})
	if err != nil {
		t.Fatal(err)
	}
	nameCredential(t, nodes[0], user, "email:"+mail.ID)
	// Those of somebody else are not there.
	addAddress(t, nodes[0], validation.ExtraAddress{UserID: NewID(t), Kind: validation.EnrolledEmail, Value: "a@example.org", CreatedAt: now})
	want := validation.Holdings{
		App:            &validation.HeldApp{ID: first.ID, Digits: first.Digits, CreatedAt: first.CreatedAt},
		Apps:           []validation.HeldApp{{ID: extra.ID, Digits: extra.Digits, CreatedAt: extra.CreatedAt}},
		Addresses:      []validation.ExtraAddress{mail, phone},
		SecondPassword: second,
		Settings:       map[string]validation.CredentialSetting{"email:" + mail.ID: {Credential: "email:" + mail.ID, Name: "mine"}},
	}
	if d := cmp.Diff(want, holdings(t, nodes[1], user)); d != "" {
		t.Errorf("holdings (-want +got):\n%s", d)
	}
}

func extraAppRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	want := newEnrolment(t, o)
	_, err := nodes[0].ExtraApp(t.Context(), want.UserID, NewID(t))
	wantIs(t, err, totp.ErrNotEnrolled)
	want = addApp(t, nodes[0], want)
	got, err := nodes[1].ExtraApp(t.Context(), want.UserID, want.ID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, app (-want +got):\n%s", err, diff)
	}
	_, err = nodes[1].ExtraApp(t.Context(), NewID(t), want.ID)
	wantIs(t, err, totp.ErrNotEnrolled)
	for _, bad := range []totp.Enrolment{{UserID: want.UserID}, {Secret: want.Secret}} {
		if _, err := nodes[0].AddExtraApp(t.Context(), bad); err == nil {
			t.Errorf("AddExtraApp(%+v) = nil", bad)
		}
	}
}

func extraAppSealed(t *testing.T, o *Opener, nodes []*storage.DB) {
	e := addApp(t, nodes[0], newEnrolment(t, o))
	other := addApp(t, nodes[0], newEnrolment(t, o))
	raw := o.Raw(t)
	var sealed []byte
	if err := raw.QueryRowContext(t.Context(), "SELECT sealed FROM extra_apps WHERE id = $1", e.ID).Scan(&sealed); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sealed), "marker") {
		t.Error("the secret stands in clear")
	}
	// A secret that was moved to another row opens for nobody.
	if _, err := raw.ExecContext(t.Context(), "UPDATE extra_apps SET sealed = $1 WHERE id = $2", sealed, other.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := nodes[0].ExtraApp(t.Context(), other.UserID, other.ID); err == nil || errors.Is(err, totp.ErrNotEnrolled) {
		t.Errorf("a moved secret: %v, %v", got, err)
	}
}

func extraStepsRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	e := addApp(t, nodes[0], newEnrolment(t, o))
	var counted atomic.Int32
	var wg sync.WaitGroup
	for i := range guesses {
		wg.Go(func() {
			switch err := nodes[i%2].UseExtraAppStep(context.Background(), e, 1001); {
			case err == nil:
				counted.Add(1)
			case !errors.Is(err, totp.ErrStepUsed):
				t.Errorf("UseExtraAppStep: %v", err)
			}
		})
	}
	wg.Wait()
	if counted.Load() != 1 {
		t.Errorf("the step counted %d times", counted.Load())
	}
	wantIs(t, nodes[0].UseExtraAppStep(t.Context(), e, 1000), totp.ErrStepUsed)
	if err := nodes[0].UseExtraAppStep(t.Context(), e, 1002); err != nil {
		t.Errorf("the next step: %v", err)
	}
	stranger := e
	stranger.UserID = NewID(t)
	wantIs(t, nodes[0].UseExtraAppStep(t.Context(), stranger, 2000), totp.ErrNotEnrolled)
}

func extraAddressOnce(t *testing.T, o *Opener, nodes []*storage.DB) {
	a := validation.ExtraAddress{UserID: NewID(t), Kind: validation.EnrolledEmail, Value: "a@example.org", CreatedAt: o.Clock.Now()}
	var kept, there atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, err := nodes[i%2].AddExtraAddress(context.Background(), a)
			switch {
			case err == nil:
				kept.Add(1)
			case errors.Is(err, validation.ErrExtraExists):
				there.Add(1)
			default:
				t.Errorf("AddExtraAddress: %v", err)
			}
		})
	}
	wg.Wait()
	if kept.Load() != 1 || there.Load() != 19 {
		t.Errorf("kept %d times, was there %d times", kept.Load(), there.Load())
	}
	for _, bad := range []validation.ExtraAddress{
		{Kind: a.Kind, Value: a.Value}, {UserID: a.UserID, Kind: a.Kind}, {UserID: a.UserID, Kind: validation.EnrolledTOTP, Value: "x"},
	} {
		if _, err := nodes[0].AddExtraAddress(t.Context(), bad); err == nil || errors.Is(err, validation.ErrExtraExists) {
			t.Errorf("AddExtraAddress(%+v) = %v", bad, err)
		}
	}
}

func extraRemoved(t *testing.T, o *Opener, nodes []*storage.DB) {
	e := newEnrolment(t, o)
	app := addApp(t, nodes[0], e)
	mail := addAddress(t, nodes[0], validation.ExtraAddress{UserID: e.UserID, Kind: validation.EnrolledEmail, Value: "a@example.org", CreatedAt: o.Clock.Now()})
	nameCredential(t, nodes[0], e.UserID, "totp:"+app.ID)
	nameCredential(t, nodes[0], e.UserID, "email:"+mail.ID)
	remove := func(user string, kind validation.EnrolledKind, id string, want bool) {
		t.Helper()
		if had, err := nodes[1].DeleteExtra(t.Context(), user, kind, id); err != nil || had != want {
			t.Errorf("DeleteExtra = %v, %v, want %v", had, err, want)
		}
	}
	remove(NewID(t), validation.EnrolledTOTP, app.ID, false)
	remove(e.UserID, validation.EnrolledPhone, mail.ID, false)
	remove(e.UserID, validation.EnrolledEmail, mail.ID, true)
	remove(e.UserID, validation.EnrolledTOTP, app.ID, true)
	remove(e.UserID, validation.EnrolledTOTP, app.ID, false)
	if d := cmp.Diff(validation.Holdings{}, holdings(t, nodes[0], e.UserID)); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	wantIs(t, nodes[0].UseExtraAppStep(t.Context(), app, 5000), totp.ErrNotEnrolled)
}

func settingEdits(t *testing.T, _ *Opener, nodes []*storage.DB) {
	user := NewID(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			err := nodes[i%2].SetCredential(context.Background(), user, "totp:1", func(s *validation.CredentialSetting) error {
				s.Name += "x"
				return nil
			})
			if err != nil {
				t.Errorf("SetCredential: %v", err)
			}
		})
	}
	wg.Wait()
	if s := holdings(t, nodes[0], user).Setting("totp:1"); s.Name != strings.Repeat("x", 20) {
		t.Errorf("name %q: an edit was lost", s.Name)
	}
	no := errors.New("no")
	wantIs(t, nodes[0].SetCredential(t.Context(), user, "totp:1", func(s *validation.CredentialSetting) error {
		s.Off = true
		return no
	}), no)
	if s := holdings(t, nodes[0], user).Setting("totp:1"); s.Off {
		t.Error("an edit that failed was stored")
	}
	if err := nodes[0].ForgetCredential(t.Context(), user, "totp:1"); err != nil {
		t.Fatal(err)
	}
	if s := holdings(t, nodes[0], user).Setting("totp:1"); s != (validation.CredentialSetting{Credential: "totp:1"}) {
		t.Errorf("left: %+v", s)
	}
}

func settingPreferred(t *testing.T, _ *Opener, nodes []*storage.DB) {
	user := NewID(t)
	nameCredential(t, nodes[0], user, "phone:1")
	for _, c := range []struct{ credential, factor string }{
		{"phone:1", "voice_otp"}, {"totp:1", "totp"}, {"phone:1", "sms_otp"}, {"", ""},
	} {
		if err := nodes[1].PreferCredential(t.Context(), user, c.credential, c.factor); err != nil {
			t.Fatal(err)
		}
		for name, s := range holdings(t, nodes[0], user).Settings {
			want := ""
			if name == c.credential {
				want = c.factor
			}
			if s.Preferred != want {
				t.Errorf("after %v: %s is preferred as %q, want %q", c, name, s.Preferred, want)
			}
		}
	}
	if s := holdings(t, nodes[0], user).Setting("phone:1"); s.Name != "mine" {
		t.Errorf("the name is %q now", s.Name)
	}
}

func settingUse(t *testing.T, o *Opener, nodes []*storage.DB) {
	user, now := NewID(t), o.Clock.Now()
	nameCredential(t, nodes[0], user, "totp:1")
	for _, at := range []time.Time{now, now.Add(-time.Hour), now.Add(time.Second)} {
		if err := nodes[1].UseCredential(t.Context(), user, "totp:1", at); err != nil {
			t.Fatal(err)
		}
	}
	nameCredential(t, nodes[0], user, "totp:1")
	s := holdings(t, nodes[0], user).Setting("totp:1")
	if s.Name != "mine" || !s.LastUsedAt.Equal(now.Add(time.Second)) {
		t.Errorf("setting: %+v", s)
	}
}

func settingOfApp(t *testing.T, o *Opener, nodes []*storage.DB) {
	e := enrol(t, nodes[0], newEnrolment(t, o))
	nameCredential(t, nodes[0], e.UserID, "totp:"+e.ID)
	nameCredential(t, nodes[0], e.UserID, "email:x")
	e = enrol(t, nodes[0], e) // in place of the first
	wantSettings(t, nodes[0], e.UserID, "email:x")
	nameCredential(t, nodes[0], e.UserID, "totp:"+e.ID)
	if _, err := nodes[0].DeleteTOTP(t.Context(), e.UserID); err != nil {
		t.Fatal(err)
	}
	wantSettings(t, nodes[0], e.UserID, "email:x")
}

func credentialsEndWithUser(t *testing.T, o *Opener, nodes []*storage.DB) {
	r := Add(t, nodes[0], o.Type(t, "User"), o.User(t, "credentials-leaver@example.com"))
	e := newEnrolment(t, o)
	e.UserID = r.ID
	addApp(t, nodes[0], e)
	addAddress(t, nodes[0], validation.ExtraAddress{UserID: r.ID, Kind: validation.EnrolledEmail, Value: "a@example.org", CreatedAt: o.Clock.Now()})
	nameCredential(t, nodes[0], r.ID, "totp:x")
	if err := nodes[0].Delete(t.Context(), o.Type(t, "User"), r.ID); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(validation.Holdings{}, holdings(t, nodes[1], r.ID)); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
}
