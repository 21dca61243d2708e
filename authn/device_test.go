package authn_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// eachRemembering runs a test in worlds that remember browsers for 30 days, in
// which ann has an authenticator app.
func eachRemembering(t *testing.T, run func(w *world)) {
	t.Helper()
	eachWorld(t, func(t *testing.T, w *world) {
		w.engine = w.node(w.db, func(cfg *authn.Config) { cfg.RememberFor = 30 * 24 * time.Hour })
		w.enrolApp()
		run(w)
	})
}

// remembered is a browser that ann had remembered, without its sessions.
func (w *world) remembered() *browser {
	w.Helper()
	b := w.browser()
	id := b.begin(reach("Remembered"))
	b.mustLogin(id, "ann", annPassword)
	b.remember(id)
	b.mustCode(id, w.appCode())
	b.mustIssue(id)
	if len(b.v.Devices) != 1 {
		w.Fatalf("the cookie holds %d browsers, want 1", len(b.v.Devices))
	}
	b.v.Sessions = nil
	w.o.Clock.Advance(time.Minute) // another code
	return b
}

// remember ticks the box.
func (b *browser) remember(id string) {
	b.Helper()
	b.check(b.e.Remember(b.Context(), b.v, b.load(id), true))
}

// password logs in with the password and returns what comes next.
func (b *browser) password(asked want) (string, authn.Step) {
	b.Helper()
	id := b.begin(asked)
	b.mustLogin(id, "ann", annPassword)
	return id, b.next(id)
}

// TestRememberedOnlyByItsEqual: what a remembered browser may not stand for
// remembers none, though the box was ticked.
func TestRememberedOnlyByItsEqual(t *testing.T) {
	t.Parallel()
	eachRemembering(t, func(w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", "ann@example.org")
		w.engine = w.node(w.db, func(cfg *authn.Config) {
			cfg.RememberFor, cfg.RememberedBy = 30*24*time.Hour, []acr.Factor{acr.TOTP}
		})
		b := w.browser()
		id := b.begin(reach("Remembered"))
		b.mustLogin(id, "ann", annPassword)
		b.remember(id)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		if ask := stepIs[authn.AskCode](w, b.next(id)); ask.MayRemember {
			w.Error("the box is there for a mailed code")
		}
		b.mustCode(id, w.lastCode())
		b.mustIssue(id)
		if len(b.v.Devices) != 0 {
			w.Error("a mailed code made this browser remembered")
		}
		other := w.browser()
		id = other.begin(reach("Remembered"))
		other.mustLogin(id, "ann", annPassword)
		w.check(other.choose(id, "", acr.TOTP, ""))
		other.remember(id)
		other.mustCode(id, w.appCode())
		other.mustIssue(id)
		if len(other.v.Devices) != 1 {
			w.Error("the app made no browser remembered")
		}
	})
}

func TestRememberedBrowser(t *testing.T) {
	t.Parallel()
	eachRemembering(t, func(w *world) {
		b := w.remembered()
		id, step := b.password(reach("Remembered"))
		ready := stepIs[authn.Ready](w, step)
		if amr := ready.Issue.AMR; !slices.Equal(amr, []string{"pwd"}) {
			w.Errorf("amr %v: a remembered browser proves nothing", amr)
		}
		b.mustIssue(id)
		all := must(b.e.Devices(w.Context(), w.ann))(w)
		if len(all) != 1 || !all[0].LastUsedAt.Equal(w.o.Clock.Now()) || all[0].UserAgent != "test/1.0" || all[0].IP != "192.0.2.1" {
			w.Errorf("listed: %+v", all)
		}
		if n := len(w.events(audit.DeviceRemembered)); n != 1 {
			w.Errorf("%d events, want 1", n)
		}
	})
}

// TestRememberedBrowserIsNotEnough: it satisfies neither an ACR that does not
// name it, nor prompt=login, nor max_age, and nothing without the password.
func TestRememberedBrowserIsNotEnough(t *testing.T) {
	t.Parallel()
	eachRemembering(t, func(w *world) {
		b := w.remembered()
		stepIs[authn.AskLogin](w, b.next(b.begin(reach("Remembered"))))
		for name, asked := range map[string]want{
			"another ACR":  reach("MFA"),
			"prompt=login": {ACRs: []string{"Remembered"}, Login: true},
			"max_age":      {ACRs: []string{"Remembered"}, MaxAge: new(time.Hour)},
			"max_age=0":    {ACRs: []string{"Remembered"}, MaxAge: new(time.Duration(0))},
		} {
			b.v.Sessions = nil
			if _, step := b.password(asked); stepIs[authn.AskCode](w, step).Choice.Factor != acr.TOTP {
				w.Errorf("%s: %+v", name, step)
			}
		}
	})
}

// TestRememberedBrowserOfSomebodyElse: the cookie of one user spares another
// nothing.
func TestRememberedBrowserOfSomebodyElse(t *testing.T) {
	t.Parallel()
	eachRemembering(t, func(w *world) {
		w.enrolAddress(w.bob, "secondFactorEmail", "bob@example.org")
		w.second(w.bob, true)
		b := w.remembered()
		id := b.begin(reach("Remembered"))
		b.mustLogin(id, "bob", bobPassword)
		stepIs[authn.AskFactor](w, b.next(id))
	})
}

// TestTamperedDeviceCookie: nothing that was not handed out is remembered.
func TestTamperedDeviceCookie(t *testing.T) {
	t.Parallel()
	eachRemembering(t, func(w *world) {
		good := w.remembered().v.Devices[0]
		id, secret, _ := strings.Cut(good, ".")
		other := w.remembered().v.Devices[0]
		_, otherSecret, _ := strings.Cut(other, ".")
		for _, text := range []string{
			"", ".", id, id + ".", "." + secret, id + "." + secret[1:], id + "." + secret + "A", id + "." + otherSecret,
			strings.ToUpper(id) + "." + secret, id + "." + strings.ToUpper(secret), id + ".." + secret, good + "." + secret,
			"{" + id + "}." + secret, "urn:uuid:" + id + "." + secret, "' OR 1=1 --." + secret, strings.ReplaceAll(id, "-", "") + "." + secret,
		} {
			b := w.browser()
			b.v.Devices = []string{text}
			if _, step := b.password(reach("Remembered")); stepIs[authn.AskCode](w, step).Choice.Factor != acr.TOTP {
				w.Errorf("cookie %q: %+v", text, step)
			}
		}
		// More than are handed out are not read.
		b := w.browser()
		b.v.Devices = append(slices.Repeat([]string{"x.y"}, authn.MostDevices), good)
		_, step := b.password(reach("Remembered"))
		stepIs[authn.AskCode](w, step)
		b.v.Devices = append(slices.Repeat([]string{"x.y"}, authn.MostDevices-1), good)
		stepIs[authn.Ready](w, b.next(b.begin(reach("Remembered"))))
	})
}

// TestRememberedBrowserEnds by its own age, by that of the ACR, and with what it
// stands for.
func TestRememberedBrowserEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, b *browser){
		"the ACR asks for less": func(w *world, _ *browser) { w.o.Clock.Advance(10*24*time.Hour + time.Second) },
		"too old":               func(w *world, _ *browser) { w.o.Clock.Advance(30 * 24 * time.Hour) },
		"another password": func(w *world, _ *browser) {
			hash := must(w.hasher.Rehash(w.Context(), annPassword))(w)
			w.check(w.db.SetPassword(w.Context(), w.ann, hash, w.o.Clock.Now()))
		},
		"a factor that ends": func(w *world, _ *browser) {
			w.check(w.db.InTx(w.Context(), func(ctx context.Context) error { return w.db.BumpFactorEpoch(ctx, w.ann, "secondFactorEmail") }))
		},
		"credentials that end": func(w *world, _ *browser) {
			w.check(w.db.InTx(w.Context(), func(ctx context.Context) error { return w.db.BumpCredentialEpoch(ctx, w.ann) }))
		},
		"taken off the list": func(w *world, b *browser) {
			id, _, _ := strings.Cut(b.v.Devices[0], ".")
			if had := must(b.e.ForgetDevice(w.Context(), b.v, w.bob, "s", id))(w); had {
				w.Error("bob ended a browser of ann's")
			}
			if had := must(b.e.ForgetDevice(w.Context(), b.v, w.ann, "s", id))(w); !had {
				w.Error("there was none")
			}
			if n := len(w.events(audit.DeviceForgotten)); n != 1 {
				w.Errorf("%d events, want 1", n)
			}
		},
		"switched off": func(w *world, b *browser) { b.e = w.node(w.db, nil) },
		"shortened": func(w *world, b *browser) {
			b.e = w.node(w.db, func(cfg *authn.Config) { cfg.RememberFor = 24 * time.Hour })
			w.o.Clock.Advance(24 * time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachRemembering(t, func(w *world) {
				b := w.remembered()
				end(w, b)
				_, step := b.password(reach("Remembered"))
				if ask := stepIs[authn.AskCode](w, step); ask.Choice.Factor != acr.TOTP {
					w.Errorf("asked for %+v", ask.Choice)
				}
			})
		})
	}
}

// TestRememberIsOfferedWhereItHelps, and taken nowhere else.
func TestRememberIsOfferedWhereItHelps(t *testing.T) {
	t.Parallel()
	eachRemembering(t, func(w *world) {
		b := w.browser()
		id, step := b.password(reach("Remembered"))
		if ask := stepIs[authn.AskCode](w, step); !ask.MayRemember || ask.Remember {
			w.Errorf("box: %v %v", ask.MayRemember, ask.Remember)
		}
		b.remember(id)
		refused(w, b.code(id, "000000"), authn.WrongCode)
		if ask := stepIs[authn.AskCode](w, b.next(id)); !ask.Remember {
			w.Error("a wrong code unticks the box")
		}
		w.check(b.e.Remember(w.Context(), b.v, b.load(id), false))
		b.mustCode(id, w.appCode())
		if b.v.Devices != nil {
			w.Error("remembered without being asked to")
		}
		w.o.Clock.Advance(time.Minute)
		plain := w.browser()
		id, step = plain.password(reach("MFA"))
		if ask := stepIs[authn.AskCode](w, step); ask.MayRemember {
			w.Error("offered where no rule counts it")
		}
		refused(w, plain.e.Remember(w.Context(), plain.v, plain.load(id), true), authn.OutOfStep)
		stranger := w.browser()
		id = stranger.begin(reach("Remembered"))
		refused(w, stranger.e.Remember(w.Context(), stranger.v, stranger.load(id), true), authn.OutOfStep)
	})
}

// TestOneBrowserRemembersSeveralUsers, five at most, and one only once.
func TestOneBrowserRemembersSeveralUsers(t *testing.T) {
	t.Parallel()
	eachRemembering(t, func(w *world) {
		b := w.remembered()
		first := b.v.Devices[0]
		id := b.begin(want{ACRs: []string{"Remembered"}, Login: true})
		b.mustLogin(id, "ann", annPassword)
		b.remember(id)
		b.mustCode(id, w.appCode())
		if len(b.v.Devices) != 1 || b.v.Devices[0] == first {
			w.Errorf("cookie %v after %v, want one other", b.v.Devices, first)
		}
		if n := len(must(b.e.Devices(w.Context(), w.ann))(w)); n != 1 {
			w.Errorf("%d browsers of ann, want the new one only", n)
		}
		w.enrolAddress(w.bob, "secondFactorEmail", "bob@example.org")
		w.second(w.bob, true)
		b.v.Sessions = nil
		id = b.begin(reach("Remembered"))
		b.mustLogin(id, "bob", bobPassword)
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		b.remember(id)
		b.mustCode(id, w.lastCode())
		if len(b.v.Devices) != 2 {
			w.Errorf("cookie holds %d, want both users", len(b.v.Devices))
		}
	})
}

// TestRememberInTwoTabs: two tabs that prove at once leave one browser each, and
// no proof is lost.
func TestRememberInTwoTabs(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		w := newWorld(t, o)
		w.engine = w.node(w.db, func(cfg *authn.Config) { cfg.RememberFor = 30 * 24 * time.Hour })
		w.enrolApp()
		b := w.browser()
		id := b.begin(reach("Remembered"))
		b.mustLogin(id, "ann", annPassword)
		b.remember(id)
		txn, code := b.load(id), w.appCode()
		var wg sync.WaitGroup
		var mu sync.Mutex
		var granted []authn.Grants
		for range 50 {
			wg.Go(func() {
				g, err := b.e.Code(w.Context(), b.v, txn, code)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					granted = append(granted, g)
				}
			})
		}
		wg.Wait()
		if len(granted) != 1 || len(granted[0].Devices) != 1 {
			t.Fatalf("%d proofs, want 1", len(granted))
		}
		if all := must(b.e.Devices(w.Context(), w.ann))(w); len(all) != 1 {
			t.Errorf("%d browsers, want 1", len(all))
		}
	})
}
