package authn_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

const annHome = "ann@home.example"

// confirming are worlds in which values of administrators are confirmed.
func confirming(t *testing.T, run func(w *world), edits ...func(*authn.Config)) {
	t.Helper()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.engine = w.node(w.db, func(cfg *authn.Config) {
			cfg.Confirmed = func(ctx context.Context, _ authn.Visitor, u authn.User, c authn.Confirmation) error {
				f := validation.Follower{Paths: w.paths, Records: w.db, Challenges: w.db, Audit: w.db, Held: w.db, Extras: w.db, Now: w.o.Clock.Now}
				return f.AssignedProved(ctx, scim.Caller{ActorType: "user", UserID: u.ID}, u.ID, u.Object, validation.Proved{
					Factor: c.Factor, Value: c.Value, JTI: c.JTI, Provider: c.Provider, At: w.o.Clock.Now(),
				})
			}
			for _, edit := range edits {
				edit(cfg)
			}
		})
		run(w)
	})
}

// assign gives ann a value as an administrator does.
func (w *world) assign(attribute, value string) {
	w.Helper()
	w.edit(w.ann, func(o schema.Object) {
		extension(o)[attribute], extension(o)["secondFactorEnabled"] = value, true
	})
	w.check(w.db.SetAssigned(w.Context(), w.ann, schema.SecondFactorURN+":"+attribute, value))
}

func (w *world) confirmed() bool {
	w.Helper()
	_, ok, err := w.db.Validated(w.Context(), w.ann, schema.SecondFactorURN+":secondFactorEmail", annHome)
	w.check(err)
	return ok
}

// toConfirm wants the question to confirm, with these factors.
func (b *browser) toConfirm(id string, factors ...acr.Factor) {
	b.Helper()
	ask := stepIs[authn.AskFactor](b, b.next(id))
	var got []acr.Factor
	for _, c := range ask.Choices {
		got = append(got, c.Factor)
	}
	if d := cmp.Diff(factors, got); d != "" || !ask.Confirms || ask.User.ID != b.ann {
		b.Fatalf("confirms %v, factors (-want +got):\n%s", ask.Confirms, d)
	}
}

// TestConfirmIsNoProof: nothing is appended to the ledger by it.
func TestConfirmIsNoProof(t *testing.T) {
	t.Parallel()
	confirming(t, func(w *world) {
		w.assign("secondFactorEmail", annHome)
		b := w.browser()
		id, _ := b.password(reach("MFA"))
		b.toConfirm(id, acr.EmailOTP)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		ask := stepIs[authn.AskCode](w, b.next(id))
		if !ask.Confirms || ask.MayRemember {
			w.Errorf("ask %+v", ask)
		}
		refused(w, b.code(id, "00000000"), authn.WrongCode)
		before := b.v.Sessions
		code := w.lastCode()
		b.mustCode(id, code)
		if !w.confirmed() || !cmp.Equal(before, b.v.Sessions) {
			w.Errorf("validated %v, session renewed %v", w.confirmed(), !cmp.Equal(before, b.v.Sessions))
		}
		refused(w, b.code(id, code), authn.OutOfStep)
		if _, err := b.issue(id); err == nil {
			w.Fatal("an answer was given")
		}
		if ask := stepIs[authn.AskFactor](w, b.next(id)); ask.Confirms {
			w.Fatal("asked to confirm again")
		}
		w.o.Clock.Advance(time.Minute)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		refused(w, b.code(id, code), authn.WrongCode)
		b.mustCode(id, w.lastCode())
		if ready := b.mustIssue(id); ready.Issue.ACR != "MFA" {
			w.Errorf("acr %s", ready.Issue.ACR)
		}
	})
}

// TestConfirmCountsBeforeWeakerLevels: the password alone no longer reaches what
// it would without the value.
func TestConfirmCountsBeforeWeakerLevels(t *testing.T) {
	t.Parallel()
	confirming(t, func(w *world) {
		w.assign("secondFactorEmail", annHome)
		b := w.browser()
		id, _ := b.password(reach("MFA", "Default"))
		b.toConfirm(id, acr.EmailOTP)
		if _, err := b.issue(id); err == nil {
			w.Error("an answer was given")
		}
		silent := b.begin(want{ACRs: []string{"MFA", "Default"}, Silent: true})
		if f := stepIs[authn.Failed](w, b.next(silent)); f.Reason != acr.InteractionRequired {
			w.Errorf("without a page: %v", f.Reason)
		}
		// A level that no such value reaches is out of reach as before.
		_, step := w.browser().password(reach("App"))
		if f := stepIs[authn.Failed](w, step); f.Reason != acr.Unreachable {
			w.Errorf("App: %v", f.Reason)
		}
		// Bob has none, whose level is the weaker one.
		c := w.browser()
		id = c.begin(reach("MFA", "Default"))
		c.mustLogin(id, "bob", bobPassword)
		if ready := c.mustIssue(id); ready.Issue.ACR != "Default" {
			w.Errorf("bob: acr %s", ready.Issue.ACR)
		}
	})
}

// TestConfirmNeedsAFreshLogin: an open session alone confirms nothing.
func TestConfirmNeedsAFreshLogin(t *testing.T) {
	t.Parallel()
	confirming(t, func(w *world) {
		b := w.browser()
		id, _ := b.password(reach("Default"))
		b.mustIssue(id)
		w.assign("secondFactorEmail", annHome)
		id = b.begin(reach("MFA"))
		if ask := stepIs[authn.AskLogin](w, b.next(id)); ask.User == nil || !cmp.Equal(ask.Factors, []acr.Factor{acr.Password}) {
			w.Errorf("asked for %+v", ask)
		}
		refused(w, b.choose(id, "", acr.EmailOTP, ""), authn.OutOfStep)
		b.mustLogin(id, "", annPassword)
		b.toConfirm(id, acr.EmailOTP)
	})
}

// TestConfirmBeforeEnrolment: where users may enrol on the way, the value of an
// administrator comes first.
func TestConfirmBeforeEnrolment(t *testing.T) {
	t.Parallel()
	confirming(t, func(w *world) {
		w.assign("secondFactorPhoneNumber", annPhone)
		b := w.browser()
		id, _ := b.password(enrolled())
		b.toConfirm(id, acr.SMSOTP, acr.VoiceOTP)
	}, func(cfg *authn.Config) {
		cfg.MayEnrol = func(context.Context, authn.User) (bool, error) { return true, nil }
	})
}

// TestConfirmTakesOneOfTwo: the right code counts once, in whichever tab.
func TestConfirmTakesOneOfTwo(t *testing.T) {
	t.Parallel()
	confirming(t, func(w *world) {
		w.assign("secondFactorEmail", annHome)
		b := w.browser()
		id, _ := b.password(reach("MFA"))
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		code := w.lastCode()
		loaded := b.load(id)
		var wg sync.WaitGroup
		var taken atomic.Int32
		for range 4 {
			wg.Go(func() {
				if _, err := b.e.Code(w.Context(), b.v, loaded, code); err == nil {
					taken.Add(1)
				}
			})
		}
		wg.Wait()
		if taken.Load() != 1 || !w.confirmed() {
			w.Errorf("taken %d times, validated %v", taken.Load(), w.confirmed())
		}
	})
}

// TestConfirmOfWhatIsGone: the code is worth nothing once the value, the user or
// the session is another.
func TestConfirmOfWhatIsGone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w *world, b *browser){
		"another value": func(w *world, _ *browser) { w.assign("secondFactorEmail", "other@home.example") },
		"not assigned": func(w *world, _ *browser) {
			_, err := w.db.ClearValidated(w.Context(), w.ann)
			w.check(err)
		},
		"switched off": func(w *world, _ *browser) { w.second(w.ann, false) },
		"deactivated":  func(w *world, _ *browser) { w.active(w.ann, false) },
		"logged out": func(w *world, _ *browser) {
			_, err := w.db.EndSessions(w.Context(), w.ann, "", w.o.Clock.Now())
			w.check(err)
		},
		"another browser": func(_ *world, b *browser) { b.v.Sessions = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			confirming(t, func(w *world) {
				w.assign("secondFactorEmail", annHome)
				b := w.browser()
				id, _ := b.password(reach("MFA"))
				w.check(b.choose(id, "", acr.EmailOTP, ""))
				code := w.lastCode()
				change(w, b)
				if err := b.code(id, code); err == nil || w.confirmed() {
					w.Errorf("error %v, validated %v", err, w.confirmed())
				}
			})
		})
	}
}

// TestConfirmIsNotWornOut: wrong codes close the way, they do not spare it.
func TestConfirmIsNotWornOut(t *testing.T) {
	t.Parallel()
	confirming(t, func(w *world) {
		w.assign("secondFactorEmail", annHome)
		counter := "enrol:" + schema.SecondFactorURN + ":secondFactorEmail"
		for range 200 {
			b := w.browser()
			_, step := b.password(reach("MFA", "Default"))
			if failed, ok := step.(authn.Failed); ok {
				if failed.Reason != acr.Unreachable {
					w.Errorf("failed: %v", failed.Reason)
				}
				return
			}
			stepIs[authn.AskFactor](w, step)
			for range 5 {
				if _, _, err := w.limits.factors.Attempt(w.Context(), w.ann, counter); err != nil {
					w.Fatal(err)
				}
			}
			w.o.Clock.Advance(25 * time.Hour)
		}
		w.Error("the value never closed")
	})
}

// TestConfirmBesideTheSameExtra: an address that is verified beside the
// attribute is shown, or lets nobody past it when it is switched off.
func TestConfirmBesideTheSameExtra(t *testing.T) {
	t.Parallel()
	confirming(t, func(w *world) {
		w.assign("secondFactorEmail", annHome)
		name := w.extraAddress(validation.EnrolledEmail, annHome)
		w.set(name, func(s *validation.CredentialSetting) { s.Off = true })
		b := w.browser()
		id, _ := b.password(reach("MFA"))
		stepIs[authn.Failed](w, b.next(id))
		w.set(name, func(s *validation.CredentialSetting) { s.Off = false })
		if ask := stepIs[authn.AskFactor](w, b.next(id)); ask.Confirms {
			w.Error("asked to confirm what is verified already")
		}
	})
}

// TestProvedAddressIsOneCredential: what an invitation proves takes the place of
// the same address beside the attributes, so that one channel never counts twice.
func TestProvedAddressIsOneCredential(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(_ *testing.T, w *world) {
		w.assign("secondFactorEmail", annHome)
		w.extraAddress(validation.EnrolledEmail, annHome)
		u := must(w.db.UserByID(w.Context(), w.ann))(w)
		f := validation.Follower{Paths: w.paths, Records: w.db, Challenges: w.db, Audit: w.db, Held: w.db, Extras: w.db, Now: w.o.Clock.Now}
		w.check(w.db.InTx(w.Context(), func(ctx context.Context) error {
			return f.AddressProved(ctx, scim.Caller{ActorType: "browser"}, w.ann, u.Object, annHome, w.o.Clock.Now())
		}))
		has := must(w.db.Holdings(w.Context(), w.ann))(w)
		if len(has.Addresses) > 0 || !w.confirmed() {
			w.Errorf("addresses %v, validated %v", has.Addresses, w.confirmed())
		}
	})
}
