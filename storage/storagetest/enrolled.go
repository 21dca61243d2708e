package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// TOTP is the conformance suite of totp.Store.
func TOTP(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"an enrolment is what was stored", totpRoundTrip},
		{"the secret stands nowhere in clear", totpSealed},
		{"swapped secrets open for nobody", totpSwapped},
		{"a step counts once, and only forward", stepsForward},
		{"parallel uses of one step on two nodes succeed once", stepsRace},
		{"a step of a replaced secret does not count", stepOfReplaced},
		{"what is rolled back did not count", stepRollsBack},
		{"it ends with its user", totpEndsWithUser},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func newEnrolment(t *testing.T, o *Opener) totp.Enrolment {
	t.Helper()
	return totp.Enrolment{
		UserID: NewID(t), Secret: totp.Secret("marker-totp-secret-x"), Algorithm: totp.SHA256, Digits: 8,
		Period: time.Minute, LastStep: 1000, CreatedAt: o.Clock.Now(),
	}
}

// enrol stores an enrolment and returns it as it was stored.
func enrol(t *testing.T, db *storage.DB, e totp.Enrolment) totp.Enrolment {
	t.Helper()
	if err := db.PutTOTP(t.Context(), e); err != nil {
		t.Fatalf("PutTOTP: %v", err)
	}
	got, err := db.TOTP(t.Context(), e.UserID)
	if err != nil || got.ID == "" {
		t.Fatalf("TOTP = %v, %v", got, err)
	}
	return got
}

func wantRegistered(t *testing.T, db *storage.DB, userID string, want bool) {
	t.Helper()
	got, err := db.HasTOTP(t.Context(), userID)
	if err != nil || got != want {
		t.Errorf("HasTOTP = %v, %v, want %v", got, err, want)
	}
}

func totpRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	want := newEnrolment(t, o)
	wantRegistered(t, nodes[0], want.UserID, false)
	_, err := nodes[0].TOTP(t.Context(), want.UserID)
	wantIs(t, err, totp.ErrNotEnrolled)
	got := enrol(t, nodes[0], want)
	want.ID = got.ID
	if diff := cmp.Diff(want, got); diff != "" || string(got.Secret) != string(want.Secret) {
		t.Errorf("enrolment (-want +got):\n%s", diff)
	}
	wantRegistered(t, nodes[1], want.UserID, true)

	second := want
	second.Secret, second.Algorithm, second.Digits, second.LastStep = totp.Secret("another secret of 20"), totp.SHA1, 6, 5
	replaced := enrol(t, nodes[1], second)
	if replaced.ID == got.ID || string(replaced.Secret) != string(second.Secret) || replaced.LastStep != 5 {
		t.Errorf("after replacing: %v", replaced)
	}
	for i, want := range []bool{true, false} {
		if had, err := nodes[0].DeleteTOTP(t.Context(), second.UserID); err != nil || had != want {
			t.Errorf("DeleteTOTP %d = %v, %v, want %v", i, had, err, want)
		}
	}
	wantRegistered(t, nodes[1], want.UserID, false)
	for name, e := range map[string]totp.Enrolment{"no user": {Secret: totp.Secret("x")}, "no secret": {UserID: "u"}} {
		if err := nodes[0].PutTOTP(t.Context(), e); err == nil {
			t.Errorf("%s: PutTOTP took it", name)
		}
	}
}

func totpSealed(t *testing.T, o *Opener, nodes []*storage.DB) {
	e := enrol(t, nodes[0], newEnrolment(t, o))
	var sealed []byte
	err := o.Raw(t).QueryRow("SELECT sealed FROM totp_secrets WHERE user_id = $1", e.UserID).Scan(&sealed)
	if err != nil || len(sealed) <= len(e.Secret) {
		t.Fatalf("sealed secret of %d bytes, %v", len(sealed), err)
	}
	for i := range len(sealed) - 5 {
		if string(sealed[i:i+6]) == "marker" {
			t.Error("the secret stands in clear")
		}
	}
}

// totpSwapped exchanges the secrets of two users, and then their user ids,
// behind the back of the program (security.md section 3.2).
func totpSwapped(t *testing.T, o *Opener, nodes []*storage.DB) {
	raw := o.Raw(t)
	a, b := enrol(t, nodes[0], newEnrolment(t, o)), enrol(t, nodes[0], newEnrolment(t, o))
	sealed := map[string][]byte{}
	for _, e := range []totp.Enrolment{a, b} {
		var value []byte
		if err := raw.QueryRow("SELECT sealed FROM totp_secrets WHERE user_id = $1", e.UserID).Scan(&value); err != nil {
			t.Fatal(err)
		}
		sealed[e.UserID] = value
	}
	for to, from := range map[string]string{a.UserID: b.UserID, b.UserID: a.UserID} {
		if _, err := raw.Exec("UPDATE totp_secrets SET sealed = $1 WHERE user_id = $2", sealed[from], to); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range []totp.Enrolment{a, b} {
		got, err := nodes[1].TOTP(t.Context(), e.UserID)
		if err == nil || errors.Is(err, totp.ErrNotEnrolled) {
			t.Errorf("a swapped secret opens: %v, %v", got, err)
		}
		events, err := nodes[1].Events(t.Context(), audit.Filter{Name: audit.SealOpenFailed, Target: e.UserID})
		if err != nil || len(events) != 1 {
			t.Errorf("%d audit events, %v, want 1", len(events), err)
		}
	}
	// Left as it is, no other test could open all sealed values.
	for _, e := range []totp.Enrolment{a, b} {
		if _, err := nodes[0].DeleteTOTP(t.Context(), e.UserID); err != nil {
			t.Fatal(err)
		}
	}
}

func stepsForward(t *testing.T, o *Opener, nodes []*storage.DB) {
	e := enrol(t, nodes[0], newEnrolment(t, o)) // 1000 is the enrolling code's
	for _, c := range []struct {
		step int64
		want error
	}{
		{1000, totp.ErrStepUsed},
		{999, totp.ErrStepUsed},
		{1001, nil},
		{1001, totp.ErrStepUsed},
		{1000, totp.ErrStepUsed},
		{1005, nil},
		{1003, totp.ErrStepUsed},
		{1005, totp.ErrStepUsed},
		{1006, nil},
	} {
		if err := nodes[1].UseTOTPStep(t.Context(), e, c.step); !errors.Is(err, c.want) {
			t.Errorf("step %d: %v, want %v", c.step, err, c.want)
		}
	}
	got, err := nodes[0].TOTP(t.Context(), e.UserID)
	if err != nil || got.LastStep != 1006 {
		t.Errorf("last step %d, %v, want 1006", got.LastStep, err)
	}
}

func stepsRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	e := enrol(t, nodes[0], newEnrolment(t, o))
	var counted atomic.Int32
	var wg sync.WaitGroup
	for i := range guesses {
		wg.Go(func() {
			switch err := nodes[i%2].UseTOTPStep(context.Background(), e, 1001); {
			case err == nil:
				counted.Add(1)
			case !errors.Is(err, totp.ErrStepUsed):
				t.Errorf("UseTOTPStep: %v", err)
			}
		})
	}
	wg.Wait()
	if counted.Load() != 1 {
		t.Errorf("the step counted %d times", counted.Load())
	}
}

func stepOfReplaced(t *testing.T, o *Opener, nodes []*storage.DB) {
	old := enrol(t, nodes[0], newEnrolment(t, o))
	enrol(t, nodes[0], old)
	wantIs(t, nodes[1].UseTOTPStep(t.Context(), old, 2000), totp.ErrNotEnrolled)
	if _, err := nodes[0].DeleteTOTP(t.Context(), old.UserID); err != nil {
		t.Fatal(err)
	}
	wantIs(t, nodes[1].UseTOTPStep(t.Context(), old, 2000), totp.ErrNotEnrolled)
}

func stepRollsBack(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	e := enrol(t, db, newEnrolment(t, o))
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.UseTOTPStep(ctx, e, 1001); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	if err := db.UseTOTPStep(t.Context(), e, 1001); err != nil {
		t.Errorf("after the roll-back: %v", err)
	}
}

func totpEndsWithUser(t *testing.T, o *Opener, nodes []*storage.DB) {
	db := nodes[0]
	r := Add(t, db, o.Type(t, "User"), o.User(t, "totp-leaver@example.com"))
	e := newEnrolment(t, o)
	e.UserID = r.ID
	enrol(t, db, e)
	if err := db.Delete(t.Context(), o.Type(t, "User"), r.ID); err != nil {
		t.Fatal(err)
	}
	wantRegistered(t, db, r.ID, false)
}

// UserSecurity is the conformance suite of epochs and validations.
func UserSecurity(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"epochs of a user and of a factor", epochs},
		{"a change of the password raises the credential epoch", passwordEpoch},
		{"an epoch read in a transaction stays until its end", epochsHold},
		{"concurrent raises are all counted", epochsRace},
		{"validated is the exact value", validations},
		{"assigned is not validated", assigned},
		{"they end with their user", securityEndsWithUser},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func wantEpochs(t *testing.T, db *storage.DB, user, factor string, credential, epoch int64) {
	t.Helper()
	c, f, err := db.Epochs(t.Context(), user, factor)
	if err != nil || c != credential || f != epoch {
		t.Errorf("Epochs(%s) = %d, %d, %v, want %d, %d", factor, c, f, err, credential, epoch)
	}
}

func epochs(t *testing.T, _ *Opener, nodes []*storage.DB) {
	user, other := NewID(t), NewID(t)
	wantEpochs(t, nodes[0], user, "totp", 0, 0)
	for range 2 {
		if err := nodes[0].BumpFactorEpoch(t.Context(), user, "totp"); err != nil {
			t.Fatal(err)
		}
	}
	if err := nodes[1].BumpCredentialEpoch(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	wantEpochs(t, nodes[1], user, "totp", 1, 2)
	wantEpochs(t, nodes[1], user, "secondFactorEmail", 1, 0)
	wantEpochs(t, nodes[1], other, "totp", 0, 0)
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		if err := nodes[0].BumpFactorEpoch(ctx, user, "totp"); err != nil {
			return err
		}
		if c, f, err := nodes[0].Epochs(ctx, user, "totp"); err != nil || c != 1 || f != 3 {
			t.Errorf("inside: %d, %d, %v, want 1, 3", c, f, err)
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	wantEpochs(t, nodes[0], user, "totp", 1, 2)
}

func passwordEpoch(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	for i, hash := range []string{"$hash1", "$hash2", ""} {
		if err := nodes[0].SetPassword(t.Context(), user, hash, o.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		wantEpochs(t, nodes[1], user, "totp", int64(i+1), 0)
	}
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		if err := nodes[0].SetPassword(ctx, user, "$hash3", o.Clock.Now()); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	wantEpochs(t, nodes[1], user, "totp", 3, 0)
}

// epochsHold reads an epoch in a transaction while another node wants to raise
// it: the raise comes after the end of the transaction, not between.
func epochsHold(t *testing.T, _ *Opener, nodes []*storage.DB) {
	user := NewID(t)
	began := make(chan struct{})
	done := make(chan error, 2)
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		_, before, err := nodes[0].Epochs(ctx, user, "totp")
		if err != nil {
			return err
		}
		go func() {
			close(began)
			done <- nodes[1].BumpFactorEpoch(context.WithoutCancel(ctx), user, "totp")
		}()
		go func() { done <- nodes[1].BumpCredentialEpoch(context.WithoutCancel(ctx), user) }()
		<-began
		for range 20 {
			credential, now, err := nodes[0].Epochs(ctx, user, "totp")
			if err != nil || now != before || credential != 0 {
				return fmt.Errorf("epoch changed within the transaction: %d, %d, %w", credential, now, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("raise: %v", err)
		}
	}
	wantEpochs(t, nodes[0], user, "totp", 1, 1)
}

func epochsRace(t *testing.T, _ *Opener, nodes []*storage.DB) {
	user := NewID(t)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			err := nodes[i%2].InTx(context.Background(), func(ctx context.Context) error {
				if err := nodes[i%2].BumpFactorEpoch(ctx, user, "totp"); err != nil {
					return err
				}
				return nodes[i%2].BumpCredentialEpoch(ctx, user)
			})
			if err != nil {
				t.Errorf("raise: %v", err)
			}
		})
	}
	wg.Wait()
	wantEpochs(t, nodes[0], user, "totp", 60, 60)
}

func validations(t *testing.T, o *Opener, nodes []*storage.DB) {
	db, user, at := nodes[0], NewID(t), o.Clock.Now()
	const path = "secondFactorEmail"
	want := func(user, path, value string, want bool) {
		t.Helper()
		got, ok, err := nodes[1].Validated(t.Context(), user, path, value)
		if err != nil || ok != want || (ok && !got.Equal(at)) || (!ok && !got.IsZero()) {
			t.Errorf("Validated(%s, %q) = %v, %v, %v, want %v", path, value, got, ok, err, want)
		}
	}
	want(user, path, "a@example.com", false)
	if err := db.SetValidated(t.Context(), user, path, "a@example.com", at); err != nil {
		t.Fatal(err)
	}
	want(user, path, "a@example.com", true)
	want(user, path, "A@example.com", false)
	want(user, path, "", false)
	want(user, "secondFactorPhoneNumber", "a@example.com", false)
	want(NewID(t), path, "a@example.com", false)

	at = at.Add(time.Minute)
	if err := db.SetValidated(t.Context(), user, path, "b@example.com", at); err != nil {
		t.Fatal(err)
	}
	want(user, path, "a@example.com", false)
	want(user, path, "b@example.com", true)

	// A record that is moved to another user or path does not count there.
	thief := NewID(t)
	_, err := o.Raw(t).Exec("INSERT INTO validations SELECT $1, path, value_hash, validated_at FROM validations WHERE user_id = $2", thief, user)
	if err != nil {
		t.Fatal(err)
	}
	want(thief, path, "b@example.com", false)

	for i, p := range []string{"p1", "p2", "p3"} {
		if err := db.SetValidated(t.Context(), user, p, "v", at); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	clearValidated := func(want int64, paths ...string) {
		t.Helper()
		n, err := db.ClearValidated(t.Context(), user, paths...)
		if err != nil || n != want {
			t.Errorf("ClearValidated(%v) = %d, %v, want %d", paths, n, err, want)
		}
	}
	clearValidated(2, "p1", "p2", "nothing")
	want(user, "p1", "v", false)
	want(user, "p3", "v", true)
	clearValidated(2)
	want(user, path, "b@example.com", false)
	clearValidated(0)
}

// assigned are values that an administrator has set: they are not validated, and
// a validation of the very value stays.
func assigned(t *testing.T, o *Opener, nodes []*storage.DB) {
	db, user := nodes[0], NewID(t)
	const path, value, other = "secondFactorEmail", "a@example.com", "b@example.com"
	want := func(value string, assigned, validated bool) {
		t.Helper()
		is, err := nodes[1].Assigned(t.Context(), user, path, value)
		_, ok, also := nodes[1].Validated(t.Context(), user, path, value)
		if is != assigned || ok != validated || err != nil || also != nil {
			t.Errorf("%s: assigned %v, %v, validated %v, %v, want %v and %v", value, is, err, ok, also, assigned, validated)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want(value, false, false)
	do(db.SetAssigned(t.Context(), user, path, value))
	want(value, true, false)
	want(other, false, false)
	do(db.SetValidated(t.Context(), user, path, value, o.Clock.Now()))
	want(value, false, true)
	do(db.SetAssigned(t.Context(), user, path, value))
	want(value, false, true)
	do(db.SetAssigned(t.Context(), user, path, other))
	want(value, false, false)
	want(other, true, false)
	_, err := db.ClearValidated(t.Context(), user, path)
	do(err)
	want(other, false, false)
}

func securityEndsWithUser(t *testing.T, o *Opener, nodes []*storage.DB) {
	db, user := nodes[0], o.Type(t, "User")
	r := Add(t, db, user, o.User(t, "security-leaver@example.com"))
	for _, do := range []func() error{
		func() error { return db.SetPassword(t.Context(), r.ID, "$hash", o.Clock.Now()) },
		func() error { return db.BumpFactorEpoch(t.Context(), r.ID, "totp") },
		func() error { return db.SetValidated(t.Context(), r.ID, "p", "v", o.Clock.Now()) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Delete(t.Context(), user, r.ID); err != nil {
		t.Fatal(err)
	}
	wantEpochs(t, db, r.ID, "totp", 0, 0)
	if _, ok, err := db.Validated(t.Context(), r.ID, "p", "v"); err != nil || ok {
		t.Errorf("Validated after the end of the user = %v, %v", ok, err)
	}
}
