package authn_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
)

// enrolling are worlds in which everybody but bob may enrol on the way.
func enrolling(t *testing.T, run func(w *world)) {
	t.Helper()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.engine = w.node(w.db, func(cfg *authn.Config) {
			cfg.MayEnrol = func(_ context.Context, u authn.User) (bool, error) { return u.ID != w.bob, nil }
		})
		run(w)
	})
}

// enrolled asks for a second factor that may be enrolled on the way.
func enrolled() want { return want{ACRs: []string{"MFA"}, MayEnrol: true} }

func TestInlineEnrolment(t *testing.T) {
	t.Parallel()
	enrolling(t, func(w *world) {
		b := w.browser()
		id, step := b.password(enrolled())
		ask := stepIs[authn.AskEnrol](w, step)
		if d := cmp.Diff([]acr.Factor{acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP}, ask.Factors); d != "" || ask.User.ID != w.ann {
			w.Errorf("to enrol (-want +got):\n%s", d)
		}
		// An enrolment is no proof: what was enrolled must be shown.
		w.enrolApp()
		refused(w, b.choose(id, "", acr.EmailOTP, ""), authn.OutOfStep)
		if code := stepIs[authn.AskCode](w, b.next(id)); code.Choice.Factor != acr.TOTP {
			w.Errorf("asked for %+v", code.Choice)
		}
		b.mustCode(id, w.appCode())
		if ready := b.mustIssue(id); ready.Issue.ACR != "MFA" {
			w.Errorf("acr %s", ready.Issue.ACR)
		}
	})
}

// TestInlineEnrolmentIsFor whom the operator lets, and for what lets users.
func TestInlineEnrolmentIsFor(t *testing.T) {
	t.Parallel()
	enrolling(t, func(w *world) {
		b := w.browser()
		id := b.begin(enrolled())
		b.mustLogin(id, "bob", bobPassword)
		if f := stepIs[authn.Failed](w, b.next(id)); f.Reason != acr.Unreachable {
			w.Errorf("bob: %v", f.Reason)
		}
		b = w.browser()
		_, step := b.password(reach("MFA"))
		stepIs[authn.Failed](w, step)
		nobody := w.browser()
		nobody.e = w.node(w.db, nil)
		_, step = nobody.password(enrolled())
		stepIs[authn.Failed](w, step)
	})
}

// TestInlineEnrolmentNeedsAFreshLogin: an open session alone enrols nothing.
func TestInlineEnrolmentNeedsAFreshLogin(t *testing.T) {
	t.Parallel()
	enrolling(t, func(w *world) {
		b := w.browser()
		id, _ := b.password(reach("Default"))
		b.mustIssue(id)
		id = b.begin(enrolled())
		if ask := stepIs[authn.AskLogin](w, b.next(id)); ask.User == nil || ask.User.ID != w.ann {
			w.Errorf("asked for %+v", ask)
		}
		if _, err := b.issue(id); err == nil {
			w.Error("an answer was given")
		}
		b.mustLogin(id, "", annPassword)
		stepIs[authn.AskEnrol](w, b.next(id))
	})
}

// TestInlineEnrolmentNeedsAMailedCode where there is a verified address, whose
// second factors are switched off or do not do.
func TestInlineEnrolmentNeedsAMailedCode(t *testing.T) {
	t.Parallel()
	app := want{ACRs: []string{"App"}, MayEnrol: true}
	for name, on := range map[string]bool{"switched off": false, "not enough": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enrolling(t, func(w *world) {
				w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
				w.second(w.ann, on)
				b := w.browser()
				id, step := b.password(app)
				ask := stepIs[authn.AskFactor](w, step)
				if len(ask.Choices) != 1 || ask.Choices[0].Factor != acr.EmailOTP {
					w.Fatalf("asked for %+v", ask.Choices)
				}
				w.check(b.choose(id, "", acr.EmailOTP, ""))
				refused(w, b.code(id, "00000000"), authn.WrongCode)
				b.mustCode(id, w.lastCode())
				if ask := stepIs[authn.AskEnrol](w, b.next(id)); !cmp.Equal(ask.Factors, []acr.Factor{acr.TOTP}) {
					w.Errorf("to enrol: %v", ask.Factors)
				}
				if _, err := b.issue(id); err == nil {
					w.Error("an answer was given")
				}
				// The code of another login does not do.
				id = b.begin(app)
				b.mustLogin(id, "", annPassword)
				stepIs[authn.AskFactor](w, b.next(id))
			})
		})
	}
}

// TestMailedCodeMayDoItself: where the address is what the rule wants, nothing
// is left to enrol.
func TestMailedCodeMayDoItself(t *testing.T) {
	t.Parallel()
	enrolling(t, func(w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		b := w.browser()
		id, _ := b.password(enrolled())
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		b.mustCode(id, w.lastCode())
		b.mustIssue(id)
	})
}

// TestInlineEnrolmentDoesNotPassAClosedAddress: wrong codes close the way, they
// do not spare it.
func TestInlineEnrolmentDoesNotPassAClosedAddress(t *testing.T) {
	t.Parallel()
	enrolling(t, func(w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		for range 200 {
			b := w.browser()
			_, step := b.password(enrolled())
			if failed, ok := step.(authn.Failed); ok {
				if failed.Reason != acr.Unreachable {
					w.Errorf("failed: %v", failed.Reason)
				}
				return
			}
			email := stepIs[authn.AskFactor](w, step).Choices[0].Credential
			for range 5 {
				if _, _, err := w.limits.factors.Attempt(w.Context(), w.ann, email); err != nil {
					w.Fatal(err)
				}
			}
			w.o.Clock.Advance(25 * time.Hour)
		}
		w.Error("the address never closed")
	})
}

// TestInlineEnrolmentSurvivesARestart: see TestPeer_3; whatever is begun anew, no
// answer is given before the enrolment.
func TestInlineEnrolmentSurvivesARestart(t *testing.T) {
	t.Parallel()
	enrolling(t, func(w *world) {
		b := w.browser()
		first, _ := b.password(enrolled())
		second := b.begin(enrolled())
		w.check(b.e.Another(w.Context(), b.v, b.load(first)))
		for _, id := range []string{first, second} {
			if _, err := b.issue(id); err == nil {
				w.Error("an answer was given")
			}
			stepIs[authn.AskLogin](w, b.next(id))
			b.mustLogin(id, "ann", annPassword)
			stepIs[authn.AskEnrol](w, b.next(id))
			if _, err := b.issue(id); err == nil {
				w.Error("an answer was given")
			}
		}
		refused(w, b.e.SkipStep(w.Context(), b.v, b.load(second)), authn.OutOfStep)
		refused(w, b.code(second, "000000"), authn.OutOfStep)
	})
}
