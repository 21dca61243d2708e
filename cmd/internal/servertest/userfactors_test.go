package servertest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

func command(name string) scim.Caller {
	p, _ := scim.ProfileByName(scim.ProfileCompat)
	return scim.Caller{Name: name, Scopes: []string{scim.ScopeAdmin}, Profile: &p, ActorType: "command", Exempt: true}
}

// security.md section 6: a reset by an administrator takes the factors away with
// the sessions, gives a reason, is recorded, and tells the user.
func TestAdminResetsFactors(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		mails := w.validated()
		w.enrolTOTP()
		mails += len(w.notices(mails, 1))
		w.as(w.own(withFactor), http.StatusOK, http.MethodPut, me("/secondPassword"), secondBody(secondSecret))
		w.as(w.own(withFactor), http.StatusCreated, http.MethodPost, me("/recoveryCodes"), "")
		mails += len(w.notices(mails, 2))
		own := w.own(withFactor)
		all, err := w.Directory().Credentials()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := all.Reset(t.Context(), command("reset"), validation.ResetFactors{UserID: w.user}); err == nil {
			t.Error("a reset without a reason")
		}
		gone, err := all.Reset(t.Context(), command("reset"), validation.ResetFactors{
			UserID: w.user, Kinds: []validation.CredentialKind{validation.CredentialTOTP}, Reason: "ticket 4711",
		})
		if err != nil || len(gone) != 1 || gone[0].Kind != validation.CredentialTOTP {
			t.Fatalf("Reset = %v, %v", gone, err)
		}
		mails += len(w.notices(mails, 2)) // of the reset, and of the app
		w.as(own, http.StatusUnauthorized, http.MethodGet, me(""), "")
		left, err := all.ListOf(t.Context(), command("list"), w.user)
		if err != nil || left.Has(validation.CredentialTOTP) || len(left.Credentials) != 3 || !left.Password {
			t.Fatalf("left: %+v, %v", left, err)
		}
		if gone, err = all.Reset(t.Context(), command("reset"), validation.ResetFactors{UserID: w.user, Reason: "left"}); err != nil || len(gone) != 3 {
			t.Fatalf("Reset = %v, %v", gone, err)
		}
		got := strings.Join(w.notices(mails, 4), "\n")
		for _, want := range []string{"Ways to confirm logins were removed", "second password of your account was removed", "recovery codes of your account were removed"} {
			if !strings.Contains(got, want) {
				t.Errorf("no notice of %q:\n%s", want, got)
			}
		}
		if r := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, ""); strings.Contains(r.Body, address) {
			t.Errorf("the address is still there: %s", r.Body)
		}
		resets := w.about(audit.FactorResetByAdmin)
		if len(resets) != 2 || !strings.Contains(string(resets[0].Detail)+string(resets[1].Detail), `"reason":"ticket 4711"`) || resets[0].Actor.Type != "command" {
			t.Errorf("events: %v", resets)
		}
	}, announced)
}

// A value that an administrator sets is not validated, so that no code goes
// there (issue 5, point 10).
func TestAdminSetsValueUnvalidated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	w.enrolEmail()
	all, err := w.Directory().Credentials()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value     string
		validated int // credentials
	}{
		{"dr.veil@SAINTEANNE.com", 1}, // the very same value stays validated
		{"other@example.com", 0},
		{address, 0}, // setting it back does not bring the validation back
	} {
		if _, err := all.SetValue(t.Context(), command("set"), w.user, validation.EnrolledEmail, c.value); err != nil {
			t.Fatal(err)
		}
		v, err := all.ListOf(t.Context(), command("list"), w.user)
		if err != nil || len(v.Credentials) != c.validated || !v.Enabled {
			t.Errorf("after %s: %+v, %v, want %d credentials, and the flag", c.value, v, err, c.validated)
		}
	}
	if _, err := all.SetValue(t.Context(), command("set"), w.user, validation.EnrolledPhone, "12"); err == nil {
		t.Error("a bad number was taken")
	}
}
