package authn_test

import (
	"context"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
)

// wearOut closes a credential of ann for good.
func (w *world) wearOut(credential string) {
	w.Helper()
	for range 200 {
		d, _, err := w.limits.factors.Attempt(w.Context(), w.ann, credential)
		w.check(err)
		if !d.Allowed && d.Limit == "factor_disabled" {
			return
		}
		w.o.Clock.Advance(2 * time.Hour)
	}
	w.Fatal("it never closes")
}

// TestWornOutFactorLetsNobodyPast: whoever knows the password and makes wrong
// codes until the second factor is closed for good gets no weaker level, and
// enrols nothing.
func TestWornOutFactorLetsNobodyPast(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]want{
		"a weaker level": reach("MFA", "Default"),
		"an enrolment":   enrolled(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enrolling(t, func(w *world) {
				w.enrolApp()
				_, step := w.browser().password(asked)
				w.wearOut(stepIs[authn.AskCode](w, step).Choice.Credential)
				b := w.browser()
				id, step := b.password(asked)
				if f := stepIs[authn.Failed](w, step); f.Reason != acr.Unreachable {
					w.Errorf("failed: %v", f.Reason)
				}
				if _, err := b.issue(id); err == nil {
					w.Error("an answer was given")
				}
			})
		})
	}
}

// TestWornOutFactorBesideAnother: another one does, and so does the value that an
// administrator sets, once it is confirmed.
func TestWornOutFactorBesideAnother(t *testing.T) {
	t.Parallel()
	confirming(t, func(w *world) {
		w.enrolApp()
		_, step := w.browser().password(reach("MFA", "Default"))
		w.wearOut(stepIs[authn.AskCode](w, step).Choice.Credential)
		w.assign("secondFactorEmail", annHome)
		b := w.browser()
		id, _ := b.password(reach("MFA", "Default"))
		b.toConfirm(id, acr.EmailOTP)
		w.check(w.db.InTx(w.Context(), func(ctx context.Context) error {
			return w.db.SetValidated(ctx, w.ann, "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User:secondFactorEmail", annHome, w.o.Clock.Now())
		}))
		if ask := stepIs[authn.AskFactor](w, b.next(id)); ask.Confirms || len(ask.Choices) != 1 || ask.Choices[0].Factor != acr.EmailOTP {
			w.Errorf("asked for %+v", ask)
		}
	})
}
