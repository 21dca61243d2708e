package servertest_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// askCode is a new browser of a person at the question for a recovery code.
func (w town) askCode(t *testing.T, app *servertest.Application, who servertest.Person) (*servertest.Browser, servertest.Page) {
	t.Helper()
	b := w.Browser(t)
	p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
	p = b.Submit(p, "factor", "factor", "recovery_code")
	wantKind(t, p, servertest.KindCode)
	return b, p
}

// A recovery code stands for the second factor, once, in one login.
func TestLoginWithRecoveryCode(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		codes := w.withCodes(t, who)
		b, p := w.askCode(t, app, who)
		wantRefused(t, "a wrong code", b.Submit(p, "code", "code", "AAAA-BBBB-CCCC-DDDD"), http.StatusUnprocessableEntity)
		tokens := app.Redeem(t, b.Submit(p, "code", "code", strings.ToLower(codes[3])).Code(t))
		if got := tokens.Claims["amr"]; !cmp.Equal(got, []any{"mfa", "otp", "pwd"}) {
			t.Errorf("amr = %v", got)
		}
		// It was one login: the next one asks again, in this very session too.
		wantSilent(t, b, app, "interaction_required", "acr_values", "MFA")
		b, p = w.askCode(t, app, who)
		wantRefused(t, "the same code again", b.Submit(p, "code", "code", codes[3]), http.StatusUnprocessableEntity)
		b.Submit(p, "code", "code", codes[4]).Code(t)
		used := w.events(t, audit.RecoveryCodeUsed)
		if len(used) != 2 || !strings.Contains(string(used[0].Detail)+string(used[1].Detail), `"left":8`) || used[0].Target.ID != who.ID {
			t.Errorf("events: %v", used)
		}
		if r := w.Do(t, http.MethodGet, me("/recoveryCodes"), w.ownToken(t, who), ""); !strings.Contains(r.Body, `"remaining":8`) {
			t.Errorf("left: %s", r.Body)
		}
	})
}

// The last code works; then the factor is not offered any more.
func TestLastRecoveryCode(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	app := w.Application(t, oidc.Client{Trusted: true})
	who := w.withTOTP(t, w.NewPerson(t, "ann"))
	for _, code := range w.withCodes(t, who) {
		b, p := w.askCode(t, app, who)
		b.Submit(p, "code", "code", code).Code(t)
	}
	b := w.Browser(t)
	p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
	wantKind(t, p, servertest.KindCode) // of the app, which alone is left
	if strings.Contains(p.Text(), "ecovery code") {
		t.Errorf("recovery codes are still offered:\n%s", p.Text())
	}
	b.Submit(p, "code", "code", who.Code(t)).Code(t)
}

// One code, 200 logins at once: one of them succeeds.
func TestRecoveryCodeRace(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		code := w.withCodes(t, who)[0]
		const people = 4 // tries in a row before the factor pauses
		browsers := make([]*servertest.Browser, people)
		pages := make([]servertest.Page, people)
		for i := range people {
			browsers[i], pages[i] = w.askCode(t, app, who)
		}
		var in atomic.Int32
		var wg sync.WaitGroup
		for i := range people {
			wg.Go(func() {
				if p := browsers[i].Submit(pages[i], "code", "code", code); p.Away != nil && p.Away.Query().Has("code") {
					in.Add(1)
				}
			})
		}
		wg.Wait()
		if in.Load() != 1 {
			t.Errorf("%d logins with one code", in.Load())
		}
	})
}

// oidc.md section 4: a recovery code never counts for a rule that names factors
// or a recency.
func TestRecoveryCodeCountsForNoRecency(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	app := w.Application(t, oidc.Client{Trusted: true})
	who := w.withTOTP(t, w.NewPerson(t, "ann"))
	codes := w.withCodes(t, who)
	b, p := w.askCode(t, app, who)
	b.Submit(p, "code", "code", codes[0]).Code(t)
	// The clock of second factors, which every rule with a recency reads, does not
	// know of it: there is no amr of a code in any session.
	r := w.Do(t, http.MethodGet, "/scim/v2/Users/"+who.ID+"/sessions", w.Token(t, "compat"), "")
	sessions, _ := object(t, r.Body)["Resources"].([]any)
	browsers := 0
	for _, one := range sessions {
		o, _ := one.(map[string]any)
		if cmp.Equal(o["lastLoginMethods"], []any{"pwd"}) {
			browsers++
			if o["lastSecondFactor"] != nil || o["lastSecondFactorMethods"] != nil {
				t.Errorf("a recovery code is a recent second factor: %v", o)
			}
		}
	}
	if browsers != 1 {
		t.Errorf("%d sessions of browsers: %s", browsers, r.Body)
	}
	// An ACR that asks for it within a time, on top of a login of the same session,
	// asks again at once.
	wantSilent(t, b, app, "interaction_required", "acr_values", "MFA", "max_age", "3600")
}

// A second password comes on top of a password, and makes it no login of
// several factors: both are knowledge.
func TestLoginWithSecondPassword(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann")
		w.withSecond(t, who)
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "Twice")), who)
		wantKind(t, p, servertest.KindCode)
		wantRefused(t, "the first password", b.Submit(p, "code", "secret", who.Password), http.StatusUnprocessableEntity)
		wantRefused(t, "with blanks", b.Submit(p, "code", "secret", secondSecret+" "), http.StatusUnprocessableEntity)
		tokens := app.Redeem(t, b.Submit(p, "code", "secret", secondSecret).Code(t))
		if got := tokens.Claims["amr"]; !cmp.Equal(got, []any{"pwd"}) {
			t.Errorf("amr = %v, want pwd alone", got)
		}
		// MFA does not name it, and nothing else is enrolled.
		if answer := b.Open(app.AuthURL("acr_values", "MFA", "prompt", "none")).Answer(t); answer.Has("code") {
			t.Errorf("a second password is MFA: %v", answer)
		}
	}, secondACR)
}

// Its counter is its own: after five failures it pauses, and the password still
// works (security.md section 2.1).
func TestSecondPasswordHasItsOwnCounter(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", secondACR)
	app := w.Application(t, oidc.Client{Trusted: true})
	who := w.NewPerson(t, "ann")
	w.withSecond(t, who)
	b := w.Browser(t)
	p := password(b, b.Open(app.AuthURL("acr_values", "Twice")), who)
	for range 5 {
		b.Submit(p, "code", "secret", "not this one at all")
	}
	wantRefused(t, "the right one after five", b.Submit(p, "code", "secret", secondSecret), http.StatusTooManyRequests)
	other := w.Browser(t)
	password(other, other.Open(app.AuthURL("acr_values", "Default")), who).Code(t)
	w.clock.advance(5*time.Minute + time.Second)
	b = w.Browser(t)
	p = password(b, b.Open(app.AuthURL("acr_values", "Twice")), who)
	b.Submit(p, "code", "secret", secondSecret).Code(t)
}

// A second password that is replaced or removed takes what it proved with it.
func TestSecondPasswordReplaced(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", secondACR)
	app := w.Application(t, oidc.Client{Trusted: true})
	who := w.NewPerson(t, "ann")
	w.withSecond(t, who)
	b := w.Browser(t)
	p := password(b, b.Open(app.AuthURL("acr_values", "Twice")), who)
	b.Submit(p, "code", "secret", secondSecret).Code(t)
	if answer := b.Open(app.AuthURL("acr_values", "Twice", "prompt", "none")).Answer(t); !answer.Has("code") {
		t.Fatalf("it does not count: %v", answer)
	}
	w.withSecond(t, who) // again, as somebody else: the session ends
	if answer := b.Open(app.AuthURL("acr_values", "Twice", "prompt", "none")).Answer(t); answer.Has("code") {
		t.Errorf("what the former one proved still counts: %v", answer)
	}
}
