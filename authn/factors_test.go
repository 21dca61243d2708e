package authn_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

var mfa = want{ACRs: []string{"MFA"}}

// atCode brings a browser to the page that asks for ann's app.
func (w *world) atCode(r want) (*browser, string) {
	w.Helper()
	b := w.browser()
	id := b.begin(r)
	b.mustLogin(id, "ann", annPassword)
	stepIs[authn.AskCode](w, b.next(id))
	return b, id
}

// TestSentCodes: e-mail, SMS and a call, chosen by the person, each to a
// validated destination that is shown masked.
func TestSentCodes(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.enrolAddress(w.ann, "secondFactorPhoneNumber", annPhone)
		w.second(w.ann, true)
		for _, c := range []struct {
			factor acr.Factor
			masked string
			amr    []string
			digits int
		}{
			{acr.EmailOTP, delivery.Mask(delivery.Email, annEmail), []string{"mfa", "otp", "pwd"}, 8},
			{acr.SMSOTP, delivery.Mask(delivery.SMS, annPhone), []string{"mca", "mfa", "otp", "pwd", "sms"}, 6},
			{acr.VoiceOTP, delivery.Mask(delivery.SMS, annPhone), []string{"mca", "mfa", "otp", "pwd", "tel"}, 6},
		} {
			w.o.Clock.Advance(time.Hour)
			b := w.browser()
			id := b.begin(mfa)
			b.mustLogin(id, "ann", annPassword)
			ask := stepIs[authn.AskFactor](w, b.next(id))
			if len(ask.Choices) != 3 || w.messages() != 0 {
				t.Fatalf("choices %+v, %d messages before one was chosen", ask.Choices, w.messages())
			}
			i := slices.IndexFunc(ask.Choices, func(x authn.Choice) bool { return x.Factor == c.factor })
			w.check(b.choose(id, "", c.factor, ask.Choices[i].Credential))
			code := stepIs[authn.AskCode](w, b.next(id))
			if code.Choice.Masked != c.masked || code.Digits != c.digits || len(code.Others) != 2 ||
				!code.ResendAt.Equal(w.o.Clock.Now().Add(30*time.Second)) {
				t.Errorf("%s: asked %+v", c.factor, code)
			}
			b.mustCode(id, w.lastCode())
			ready := b.mustIssue(id)
			if ready.Issue.ACR != "MFA" || !slices.Equal(ready.Issue.AMR, c.amr) {
				t.Errorf("%s: amr %v, want %v", c.factor, ready.Issue.AMR, c.amr)
			}
			if !ready.Session.Proofs[1].Second || ready.Session.Proofs[0].Second {
				t.Errorf("ledger %+v", ready.Session.Proofs)
			}
		}
		sent := w.events(audit.ChallengeSent)
		if len(sent) != 3 || strings.Contains(string(sent[0].Detail), annEmail) {
			t.Errorf("record of sends %+v", sent)
		}
	})
}

// TestResend: another code after the countdown, and the older one is dead; a
// second tab does not shorten the wait; the last code stays good meanwhile.
func TestResend(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		b := w.browser()
		id := b.begin(mfa)
		b.mustLogin(id, "ann", annPassword)
		refused(w, b.e.Send(w.Context(), b.v, b.load(id)), authn.OutOfStep)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		first := w.lastCode()
		w.check(b.choose(id, "", acr.EmailOTP, "")) // a reload sends nothing
		if w.messages() != 1 {
			t.Errorf("%d messages after a reload", w.messages())
		}
		if r := refused(w, b.e.Send(w.Context(), b.v, b.load(id)), authn.SendLimited); r.RetryAfter != 30*time.Second {
			t.Errorf("wait %v", r.RetryAfter)
		}
		tab := b.begin(mfa)
		refused(w, b.choose(tab, "", acr.EmailOTP, ""), authn.SendLimited)
		w.o.Clock.Advance(30 * time.Second)
		w.check(b.e.Send(w.Context(), b.v, b.load(id)))
		if ask := stepIs[authn.AskCode](w, b.next(id)); !ask.ResendAt.Equal(w.o.Clock.Now().Add(time.Minute)) {
			t.Errorf("resend at %v", ask.ResendAt)
		}
		second := w.lastCode()
		if first != second { // as all but one in 10^8 are
			refused(w, b.code(id, first), authn.WrongCode)
		}
		b.mustCode(id, second)
		b.mustIssue(id)
	})
}

// TestCodeExpires: by the clock of the server; and another value of the factor
// ends it too.
func TestCodeExpires(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		b := w.browser()
		id := b.begin(mfa)
		b.mustLogin(id, "ann", annPassword)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		code := w.lastCode()
		w.o.Clock.Advance(9*time.Minute + 59*time.Second)
		refused(w, b.code(id, ""), authn.Missing)
		refused(w, b.code(id, "00000000x"), authn.WrongCode)
		w.o.Clock.Advance(2 * time.Second)
		if _, err := b.e.Load(w.Context(), b.v, id); !errors.Is(err, authn.ErrTxnExpired) {
			t.Fatalf("Load after 10 minutes without use = %v", err)
		}
		id = b.begin(mfa)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		old := w.lastCode()
		w.enrolAddress(w.ann, "secondFactorEmail", "other@example.org")
		refused(w, b.code(id, old), authn.OutOfStep) // that destination is gone
		if code == "" {
			t.Error("no code")
		}
	})
}

// TestTOTPStepRace: 200 parallel posts of one right code are one proof.
func TestTOTPStepRace(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b, id := w.atCode(mfa)
		txn, code := b.load(id), w.appCode()
		var right atomic.Int64
		var granted sync.Map
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				g, err := b.e.Code(w.Context(), b.v, txn, code)
				if _, refusal := errors.AsType[*authn.Refusal](err); err != nil && !refusal {
					t.Errorf("Code: %v", err)
				}
				if err == nil {
					right.Add(1)
					granted.Store("sessions", g)
				}
			})
		}
		wg.Wait()
		if right.Load() != 1 {
			t.Fatalf("%d right answers, want 1", right.Load())
		}
		g, _ := granted.Load("sessions")
		b.take(g.(authn.Grants))
		ready := b.mustIssue(id)
		if n := proofsOf(ready.Session, acr.TOTP); n != 1 {
			t.Errorf("%d proofs of the app, want 1", n)
		}
	})
}

func proofsOf(s session.Session, f acr.Factor) int {
	n := 0
	for _, p := range s.Proofs {
		if p.Factor == f {
			n++
		}
	}
	return n
}

// TestAttemptCounterRace: of 200 parallel guesses exactly 5 are judged, for an
// app and for a sent code.
func TestAttemptCounterRace(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		b := w.browser()
		id := b.begin(mfa)
		b.mustLogin(id, "ann", annPassword)
		for n, f := range []acr.Factor{acr.TOTP, acr.EmailOTP} {
			w.check(b.choose(id, "", f, ""))
			txn := b.load(id)
			var wrong, other atomic.Int64
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					_, err := b.e.Code(w.Context(), b.v, txn, "wrong!")
					r, ok := errors.AsType[*authn.Refusal](err)
					switch {
					case !ok:
						t.Errorf("Code: %v", err)
					case r.Reason == authn.WrongCode:
						wrong.Add(1)
					case r.Reason == authn.FactorLocked || r.Reason == authn.CodeExpired:
						other.Add(1)
					default:
						t.Errorf("refused %v", r.Reason)
					}
				})
			}
			wg.Wait()
			if wrong.Load() != 5 || other.Load() != 195 {
				t.Errorf("%s: %d judged, %d not, want 5 and 195", f, wrong.Load(), other.Load())
			}
			if got := len(w.events(audit.ChallengeFailed)); got != 5*(n+1) {
				t.Errorf("%s: %d failures in the record", f, got)
			}
		}
		// The right code is not judged either while the app is closed; the other
		// factor, the password and enrolment are counted apart.
		refused(w, b.choose(id, "", acr.TOTP, ""), authn.FactorLocked)
		w.o.Clock.Advance(5*time.Minute + time.Second)
		id = b.begin(mfa)
		w.check(b.choose(id, "", acr.TOTP, ""))
		b.mustCode(id, w.appCode())
	})
}

// TestOTPCodeTwice: one code in two transactions is one proof.
func TestOTPCodeTwice(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b, id := w.atCode(mfa)
		c, other := w.atCode(mfa) // another browser of the same person
		code := w.appCode()
		b.mustCode(id, code)
		refused(w, c.code(other, code), authn.WrongCode)
		w.o.Clock.Advance(30 * time.Second)
		refused(w, c.code(other, code), authn.WrongCode) // within the skew, but used
		c.mustCode(other, w.appCode())
	})
}

// TestEmptyPostDoesNotAdvance: row 29 of security.md section 8.
func TestEmptyPostDoesNotAdvance(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b := w.browser()
		id := b.begin(mfa)
		for _, c := range [][2]string{{"", ""}, {"ann", ""}, {"", annPassword}} {
			refused(w, b.login(id, c[0], c[1]), authn.Missing)
		}
		refused(w, b.code(id, ""), authn.OutOfStep)
		refused(w, b.code(id, w.appCode()), authn.OutOfStep)
		refused(w, b.choose(id, "ann", acr.TOTP, ""), authn.OutOfStep)
		stepIs[authn.AskLogin](w, b.next(id))
		b.mustLogin(id, "ann", annPassword)
		refused(w, b.code(id, ""), authn.Missing)
		refused(w, b.login(id, "ann", annPassword), authn.OutOfStep)
		for _, bad := range []string{"0", "00000", "0000000", " " + w.appCode(), "１２３４５６"} { //nolint:gosmopolitan // full-width digits
			stepIs[authn.AskCode](w, b.next(id))
			refused(w, b.code(id, bad), authn.WrongCode)
		}
		if _, err := b.issue(id); !errors.Is(err, authn.ErrNotReady) {
			t.Errorf("Issue = %v", err)
		}
	})
}

// TestSecondTabStillAsksOTP: the password step of one tab lets no other tab, and
// no silent request, in with less.
func TestSecondTabStillAsksOTP(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b, first := w.atCode(want{ACRs: []string{"MFA", "Default"}})
		tab := b.begin(want{ACRs: []string{"MFA", "Default"}})
		stepIs[authn.AskCode](w, b.next(tab))
		silent := b.begin(want{ACRs: []string{"MFA", "Default"}, Silent: true})
		if f := stepIs[authn.Failed](w, b.next(silent)); f.Reason != acr.InteractionRequired {
			t.Errorf("silent: %v", f.Reason)
		}
		b.mustCode(first, w.appCode())
		if r := b.mustIssue(tab); r.Issue.ACR != "MFA" {
			t.Errorf("the second tab got %s", r.Issue.ACR)
		}
		b.mustIssue(first)
	})
}

// TestEnrolmentIsNotProof: the code that enrolled an app proves nothing, nor
// does it log in.
func TestEnrolmentIsNotProof(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.mustLogin(b.begin(want{ACRs: []string{"Default"}}), "ann", annPassword)
		w.enrolApp()
		code := w.appCode()
		e := must(w.db.TOTP(w.Context(), w.ann))(w)
		w.check(w.db.UseTOTPStep(w.Context(), e, w.o.Clock.Now().Unix()/30)) // as enrolling does
		id := b.begin(mfa)
		stepIs[authn.AskCode](w, b.next(id))
		refused(w, b.code(id, code), authn.WrongCode)
	})
}

// TestFirstFactorCodeIsNotSecond: the same channel twice is not two factors, nor
// one credential by two factors.
func TestFirstFactorCodeIsNotSecond(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		b := w.browser()
		id := b.begin(want{ACRs: []string{"MailTwice"}})
		w.check(b.choose(id, "ann", acr.EmailOTP, ""))
		must(b.e.SendQueued(w.Context()))(w)
		b.mustCode(id, w.lastCode())
		if f := stepIs[authn.Failed](w, b.next(id)); f.Reason != acr.Unreachable {
			t.Errorf("failed with %v", f.Reason)
		}
		w.enrolApp()
		stepIs[authn.AskCode](w, b.next(id))
		b.mustCode(id, w.appCode())
		if r := b.mustIssue(id); r.Issue.ACR != "MailTwice" {
			t.Errorf("issue %+v", r.Issue)
		}
	})
}

// TestUnmetHiddenBeforeFirstFactor: a stranger cannot tell who has a second
// factor; only after the password is it said.
func TestUnmetHiddenBeforeFirstFactor(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		for _, name := range []string{"ann", "bob", "nobody"} {
			b := w.browser()
			id := b.begin(mfa)
			stepIs[authn.AskLogin](w, b.next(id))
			refused(w, b.login(id, name, "wrong"), authn.BadCredentials)
			stepIs[authn.AskLogin](w, b.next(id))
		}
		b := w.browser()
		id := b.begin(mfa)
		b.mustLogin(id, "bob", bobPassword)
		if f := stepIs[authn.Failed](w, b.next(id)); f.Reason != acr.Unreachable {
			t.Errorf("failed with %v", f.Reason)
		}
	})
}

// TestFactorSwitchedOff: second factors count while secondFactorEnabled is true.
func TestFactorSwitchedOff(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		w.second(w.ann, false)
		b := w.browser()
		id := b.begin(mfa)
		b.mustLogin(id, "ann", annPassword)
		stepIs[authn.Failed](w, b.next(id))
		has, choices, err := b.e.Enrolments(w.Context(), must(w.db.UserByID(w.Context(), w.ann))(w))
		if err != nil || len(has) != 1 || has[0].Factor != acr.Password || len(choices) != 0 {
			t.Errorf("enrolments %+v, %+v, %v", has, choices, err)
		}
		w.second(w.ann, true)
		stepIs[authn.AskCode](w, b.next(id))
	})
}

// TestDecideAgainAtIssue: what has changed after the last step counts.
func TestDecideAgainAtIssue(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for name, change := range map[string]func(r authn.Ready) error{
			"factor removed": func(authn.Ready) error {
				_, err := w.db.DeleteTOTP(w.Context(), w.ann)
				return err
			},
			"user disabled": func(authn.Ready) error { w.active(w.ann, false); return nil },
			"session ended": func(r authn.Ready) error {
				_, err := w.db.EndSession(w.Context(), w.ann, r.Session.ID, w.o.Clock.Now())
				return err
			},
			"proofs forgotten": func(authn.Ready) error {
				_, err := w.db.ForgetProofs(w.Context(), w.ann, acr.TOTP, "")
				return err
			},
		} {
			w.enrolApp()
			w.o.Clock.Advance(time.Minute)
			b, id := w.atCode(mfa)
			b.mustCode(id, w.appCode())
			ready := stepIs[authn.Ready](w, b.next(id))
			w.check(change(ready))
			if _, err := b.issue(id); !errors.Is(err, authn.ErrNotReady) {
				t.Errorf("%s: Issue = %v, want ErrNotReady", name, err)
			}
			w.active(w.ann, true)
			if got, err := w.db.Txn(w.Context(), id); err != nil || !got.IssuedAt.IsZero() {
				t.Errorf("%s: the transaction was spent: %v, %v", name, got.IssuedAt, err)
			}
		}
	})
}

// TestReplacedCredentialIsAnother: a proof of a value that was replaced counts
// no more, although the attribute has a validated value again.
func TestReplacedCredentialIsAnother(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		b := w.browser()
		id := b.begin(mfa)
		b.mustLogin(id, "ann", annPassword)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		b.mustCode(id, w.lastCode())
		stepIs[authn.Ready](w, b.next(id))
		w.o.Clock.Advance(time.Second)
		w.enrolAddress(w.ann, "secondFactorEmail", "other@example.org")
		stepIs[authn.AskFactor](w, b.next(id))
		w.edit(w.ann, func(o schema.Object) { delete(extension(o), "secondFactorEmail") })
		stepIs[authn.Failed](w, b.next(id))
	})
}

// TestRollBackKeepsAttempt: an attempt that was counted stays so although the
// transaction of its success fails (row 36).
func TestRollBackKeepsAttempt(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolApp()
		b, id := w.atCode(mfa)
		b.e = w.node(w.db, func(c *authn.Config) { c.Sessions = brokenLedger{c.Sessions} })
		if err := b.code(id, w.appCode()); err == nil || errors.Is(err, context.Canceled) {
			t.Fatalf("Code = %v", err)
		}
		b.e = w.engine
		for range 4 {
			refused(w, b.code(id, "000000x"), authn.WrongCode)
		}
		refused(w, b.code(id, w.appCode()), authn.FactorLocked)
		w.o.Clock.Advance(5*time.Minute + time.Second)
		b.mustCode(id, w.appCode()) // the step of the failed transaction was not used up
	})
}

// brokenLedger takes no proofs.
type brokenLedger struct{ session.Store }

func (brokenLedger) AddProof(context.Context, session.Proof, time.Time) error {
	return errors.New("disk full")
}
