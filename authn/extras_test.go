package authn_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp/totp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/validation"
	vtotp "github.com/sallyport-id/sallyport/validation/totp"
)

// extraApp gives ann another authenticator app: its credential and base32
// secret.
func (w *world) extraApp() (credential, secret string) {
	w.Helper()
	key := vtotp.NewSecret(vtotp.Default())
	id := must(w.db.AddExtraApp(w.Context(), vtotp.Enrolment{
		UserID: w.ann, Secret: key, Algorithm: vtotp.SHA1, Digits: 6, Period: 30 * time.Second, CreatedAt: w.o.Clock.Now(),
	}))(w)
	return validation.ExtraCredential(validation.EnrolledTOTP, id), key.Base32()
}

// extraAddress gives ann another address or number.
func (w *world) extraAddress(kind validation.EnrolledKind, value string) string {
	w.Helper()
	id := must(w.db.AddExtraAddress(w.Context(), validation.ExtraAddress{
		UserID: w.ann, Kind: kind, Value: value, CreatedAt: w.o.Clock.Now(),
	}))(w)
	return validation.ExtraCredential(kind, id)
}

func (w *world) set(credential string, edit func(*validation.CredentialSetting)) {
	w.Helper()
	w.check(w.db.SetCredential(w.Context(), w.ann, credential, func(s *validation.CredentialSetting) error {
		edit(s)
		return nil
	}))
}

// offers are the factors that the page offers.
func (b *browser) offers(id string) []authn.Choice {
	b.Helper()
	switch s := b.next(id).(type) {
	case authn.AskFactor:
		return s.Choices
	case authn.AskCode:
		return append([]authn.Choice{s.Choice}, s.Others...)
	default:
		b.Fatalf("step is %T", s)
		return nil
	}
}

// TestSeveralApps: each has its own secret, name and last step; a code of one is
// wrong at the other.
func TestSeveralApps(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolApp()
		extra, secret := w.extraApp()
		w.set(extra, func(s *validation.CredentialSetting) { s.Name = "Tablet" })
		b := w.browser()
		id := b.begin(reach("MFA"))
		b.mustLogin(id, "ann", annPassword)
		offered := b.offers(id)
		if len(offered) != 2 || offered[1].Credential != extra || offered[1].Name != "Tablet" {
			w.Fatalf("offered: %+v", offered)
		}
		refused(w, b.choose(id, "", acr.TOTP, ""), authn.OutOfStep) // which of them?
		w.check(b.choose(id, "", acr.TOTP, extra))
		code := must(totp.GenerateCode(secret, w.o.Clock.Now()))(w)
		if main := w.appCode(); main != code {
			refused(w, b.code(id, main), authn.WrongCode)
		}
		b.mustCode(id, code)
		b.mustIssue(id)
		// In the same step this app is used up, the other one is not.
		b = w.browser()
		id = b.begin(reach("MFA"))
		b.mustLogin(id, "ann", annPassword)
		w.check(b.choose(id, "", acr.TOTP, extra))
		refused(w, b.code(id, code), authn.WrongCode)
		w.check(b.choose(id, "", acr.TOTP, offered[0].Credential))
		b.mustCode(id, w.appCode())
		b.mustIssue(id)
	})
}

// TestExtraAppStepCountsOnce: two hundred right codes at once, in forty logins,
// make one proof.
func TestExtraAppStepCountsOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.second(w.ann, true)
		_, secret := w.extraApp()
		code := must(totp.GenerateCode(secret, w.o.Clock.Now()))(w)
		var wg sync.WaitGroup
		var right atomic.Int64
		for range 40 {
			b := w.browser()
			id := b.begin(reach("MFA"))
			b.mustLogin(id, "ann", annPassword)
			txn := b.load(id)
			for range 5 {
				wg.Go(func() {
					if _, err := b.e.Code(w.Context(), b.v, txn, code); err == nil {
						right.Add(1)
					}
				})
			}
		}
		wg.Wait()
		if n := right.Load(); n > 1 {
			w.Errorf("%d proofs from one code", n)
		}
	})
}

// TestSeveralAddresses: codes go to the one that was chosen, count for it only,
// and not once it is gone.
func TestSeveralAddresses(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		extra := w.extraAddress(validation.EnrolledEmail, "ann@second.example")
		number := w.extraAddress(validation.EnrolledPhone, annPhone)
		b := w.browser()
		id := b.begin(reach("MFA"))
		b.mustLogin(id, "ann", annPassword)
		var names []acr.Factor
		for _, c := range b.offers(id) {
			names = append(names, c.Factor)
		}
		if d := cmp.Diff([]acr.Factor{acr.EmailOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP}, names); d != "" {
			w.Error("offered (-want +got):\n" + d)
		}
		w.check(b.choose(id, "", acr.EmailOTP, extra))
		if ask := stepIs[authn.AskCode](w, b.next(id)); ask.Choice.Masked != "a***@second.example" {
			w.Errorf("sent to %s", ask.Choice.Masked)
		}
		code := w.lastCode()
		had := must(w.db.DeleteExtra(w.Context(), w.ann, validation.EnrolledEmail, extra[len("email:"):]))(w)
		if !had {
			w.Fatal("the address was not there")
		}
		refused(w, b.code(id, code), authn.OutOfStep)
		w.check(b.choose(id, "", acr.SMSOTP, number))
		b.mustCode(id, w.lastCode())
		b.mustIssue(id)
		// A proof does not outlive its credential.
		must(w.db.DeleteExtra(w.Context(), w.ann, validation.EnrolledPhone, number[len("phone:"):]))(w)
		stepIs[authn.AskFactor](w, b.next(b.begin(reach("MFA"))))
	})
}

// TestWhichOneIsAskedFirst: the preferred one, then the one used last; an app
// that is preferred is asked for at once.
func TestWhichOneIsAskedFirst(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolApp()
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		extra, _ := w.extraApp()
		phone := w.extraAddress(validation.EnrolledPhone, annPhone)
		login := func() (*browser, string) {
			b := w.browser()
			id := b.begin(reach("MFA"))
			b.mustLogin(id, "ann", annPassword)
			return b, id
		}
		first := func() authn.Choice {
			b, id := login()
			return b.offers(id)[0]
		}
		b, id := login()
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		b.mustCode(id, w.lastCode())
		if got := first(); got.Factor != acr.EmailOTP {
			w.Errorf("first is %+v, want the one used last", got)
		}
		w.check(w.db.PreferCredential(w.Context(), w.ann, phone, string(acr.VoiceOTP)))
		if got := first(); got.Factor != acr.VoiceOTP {
			w.Errorf("first is %+v, want the preferred one", got)
		}
		b, id = login()
		stepIs[authn.AskFactor](w, b.next(id)) // nobody is called unasked
		if n := w.messages(); n != 1 {
			w.Errorf("%d messages went out, want the one that was asked for", n)
		}
		w.check(w.db.PreferCredential(w.Context(), w.ann, extra, string(acr.TOTP)))
		b, id = login()
		if ask := stepIs[authn.AskCode](w, b.next(id)); ask.Choice.Credential != extra || len(ask.Others) != 4 {
			w.Errorf("asked for %+v, beside %d others", ask.Choice, len(ask.Others))
		}
		w.check(w.db.PreferCredential(w.Context(), w.ann, "", ""))
		if got := first(); got.Factor != acr.EmailOTP {
			w.Errorf("first is %+v after the preference was given up", got)
		}
	})
}

// TestSwitchedOffForLogin: it is not offered and a code on its way does not
// count, but what was shown with it before does.
func TestSwitchedOffForLogin(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolApp()
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		b := w.browser()
		id := b.begin(reach("MFA"))
		b.mustLogin(id, "ann", annPassword)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		email := stepIs[authn.AskCode](w, b.next(id)).Choice.Credential
		txn, code := b.load(id), w.lastCode()
		off := func(on bool) { w.set(email, func(s *validation.CredentialSetting) { s.Off = !on }) }
		off(false)
		if _, err := b.e.Code(w.Context(), b.v, txn, code); err == nil {
			w.Error("a code of what is switched off counted")
		}
		if offered := b.offers(id); len(offered) != 1 || offered[0].Factor != acr.TOTP {
			w.Errorf("offered: %+v", offered)
		}
		off(true)
		b.mustCode(id, code)
		b.mustIssue(id)
		off(false)
		stepIs[authn.Ready](w, b.next(b.begin(reach("MFA"))))
		held := must(w.db.Holdings(w.Context(), w.ann))(w)
		if s := held.Setting(email); !s.Off || !s.LastUsedAt.Equal(w.o.Clock.Now()) {
			w.Errorf("setting: %+v", s)
		}
	})
}

// TestSwitchedOffAsFirstFactor: a code in place of a password is not sent there.
func TestSwitchedOffAsFirstFactor(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		held := must(w.db.Holdings(w.Context(), w.ann))(w)
		_, choices, err := w.engine.Enrolments(w.Context(), must(w.db.UserByID(w.Context(), w.ann))(w))
		w.check(err)
		if len(choices) != 0 || len(held.Settings) != 0 {
			w.Fatalf("second factors are off, yet there are %v", choices)
		}
		w.second(w.ann, true)
		_, choices, err = w.engine.Enrolments(w.Context(), must(w.db.UserByID(w.Context(), w.ann))(w))
		w.check(err)
		w.set(choices[0].Credential, func(s *validation.CredentialSetting) { s.Off = true })
		b := w.browser()
		id := b.begin(reach("Mail"))
		w.check(b.choose(id, "ann", acr.EmailOTP, ""))
		must(b.e.SendQueued(w.Context()))(w)
		if n := w.messages(); n != 0 {
			w.Errorf("%d messages went out", n)
		}
	})
}

// TestSkipStep: an optional link of a chain may be given up; a required one too,
// but then the chain has failed.
func TestSkipStep(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.enrolApp()
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		b := w.browser()
		id := b.begin(reach("Optional"))
		skip := func() error { return b.e.SkipStep(w.Context(), b.v, b.load(id)) }
		refused(w, skip(), authn.OutOfStep)
		b.mustLogin(id, "ann", annPassword)
		ask := stepIs[authn.AskCode](w, b.next(id))
		if ask.Choice.Factor != acr.TOTP || !ask.MaySkip {
			w.Fatalf("asked for %+v, may skip %v", ask.Choice, ask.MaySkip)
		}
		w.check(skip())
		if mail := stepIs[authn.AskFactor](w, b.next(id)); mail.Choices[0].Factor != acr.EmailOTP {
			w.Fatalf("then: %+v", mail)
		}
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		b.mustCode(id, w.lastCode())
		if ready := b.mustIssue(id); !slices.Equal(ready.Issue.AMR, []string{"mfa", "otp", "pwd"}) {
			w.Errorf("amr %v", ready.Issue.AMR)
		}
		b = w.browser()
		id = b.begin(reach("Optional"))
		b.mustLogin(id, "ann", annPassword)
		w.check(skip())
		w.check(skip())
		if f := stepIs[authn.Failed](w, b.next(id)); f.Reason != acr.ChainFailed {
			w.Errorf("without the required one: %v", f.Reason)
		}
		// In another login it is asked for again.
		stepIs[authn.AskCode](w, b.next(b.begin(reach("Optional"))))
	})
}

// TestExtraRemovedWhileItIsShown: whoever is first, a proof of what is gone counts
// for nothing.
func TestExtraRemovedWhileItIsShown(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.second(w.ann, true)
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		extra, secret := w.extraApp()
		b := w.browser()
		id := b.begin(reach("MFA"))
		b.mustLogin(id, "ann", annPassword)
		w.check(b.choose(id, "", acr.TOTP, extra))
		txn, code := b.load(id), must(totp.GenerateCode(secret, w.o.Clock.Now()))(w)
		var wg sync.WaitGroup
		var proved, removed atomic.Bool
		wg.Go(func() {
			g, err := b.e.Code(w.Context(), b.v, txn, code)
			if err == nil {
				b.take(g)
				proved.Store(true)
			}
		})
		wg.Go(func() {
			err := w.db.InTx(w.Context(), func(ctx context.Context) error {
				if err := w.db.BumpFactorEpoch(ctx, w.ann, extra); err != nil {
					return err
				}
				had, err := w.db.DeleteExtra(ctx, w.ann, validation.EnrolledTOTP, extra[len("totp:"):])
				removed.Store(had)
				return err
			})
			if err != nil {
				w.Error(err)
			}
		})
		wg.Wait()
		if !removed.Load() {
			w.Fatal("it was not removed")
		}
		// Whoever was first: it no longer exists, so its proof counts for nothing.
		stepIs[authn.AskFactor](w, b.next(b.begin(reach("MFA"))))
	})
}
