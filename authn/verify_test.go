package authn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
)

// TestConsentSurvivesProofs: proofs that a person gives on the consent page are
// judged by when the page was first shown, so the transaction keeps that; what
// the next person wants to unlock, and has seen, starts anew.
func TestConsentSurvivesProofs(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolApp()
		b := w.browser()
		id := b.begin(want{ACRs: []string{"Default"}})
		b.mustLogin(id, "ann", annPassword)
		shown := w.o.Clock.Now().Add(time.Second).UTC().Truncate(time.Microsecond)
		_, err := w.db.UpdateTxn(w.Context(), id, w.o.Clock.Now(), func(row *authn.Txn) error {
			row.Progress.ConsentAt = shown
			return nil
		})
		w.check(err)
		w.check(b.e.Verify(w.Context(), b.v, b.load(id), "MFA"))
		b.mustCode(id, w.appCode())
		got := b.load(id).Progress
		if !got.ConsentAt.Equal(shown) || len(got.Verify) != 1 {
			w.Errorf("after a proof: consent at %v, verify %v, want %v and MFA", got.ConsentAt, got.Verify, shown)
		}
		w.check(b.e.Another(w.Context(), b.v, b.load(id)))
		if got := b.load(id).Progress; !got.ConsentAt.IsZero() || len(got.Verify) != 0 {
			w.Errorf("for somebody else: consent at %v, verify %v, want nothing", got.ConsentAt, got.Verify)
		}
	})
}

// TestVerifyIsBounded: no form makes a transaction grow without end.
func TestVerifyIsBounded(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		id := b.begin(want{ACRs: []string{"Default"}})
		refused(w, b.e.Verify(w.Context(), b.v, b.load(id), strings.Repeat("a", 60000)), authn.OutOfStep)
		for n := range 100 {
			if err := b.e.Verify(w.Context(), b.v, b.load(id), fmt.Sprint("acr", n)); err != nil {
				refused(w, err, authn.OutOfStep)
			}
		}
		if n := len(b.load(id).Progress.Verify); n > 20 {
			t.Errorf("%d names are kept", n)
		}
	})
}
