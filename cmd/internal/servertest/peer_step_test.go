package servertest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestPeer_36: Vikunja CVE-2026-35597. A failure stays counted when the
// transaction that found it is undone: a code of an app that was used before is
// undone together with its proof, and counts (see TestAttemptSurvivesRollback
// for the API).
func TestPeer_36(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		used := who.Code(t)
		b.Submit(p, "code", "code", used).Code(t)
		b = w.Browser(t)
		p = password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		for range 5 {
			wantRefused(t, "used before", b.Submit(p, "code", "code", used), http.StatusUnprocessableEntity)
		}
		w.clock.advance(30 * time.Second)
		wantRefused(t, "a new code after five", b.Submit(p, "code", "code", who.Code(t)), http.StatusTooManyRequests)
	})
}

// TestPeer_38: CVE-2026-8760. Codes expire, and tries are limited without
// another send (past the limit: row 10).
func TestPeer_38(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.WithEmail(t, w.NewPerson(t, "ann"), "ann@example.org")
		w.clock.advance(time.Hour)
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		p = b.Submit(p, "factor", "factor", "email_otp")
		base, code := p.URL.Path, who.Code(t)
		w.clock.advance(9 * time.Minute)
		p = b.Submit(p, "code", "code", wrong(code)) // the login stays awake
		w.clock.advance(time.Minute + time.Second)
		wantRefused(t, "an expired code", b.Submit(p, "code", "code", code), http.StatusUnprocessableEntity, http.StatusGone)
		if got := b.Open(base); got.Away != nil {
			t.Errorf("the login went on to %v", got.Away)
		}
		wantSilent(t, b, app, "interaction_required", "acr_values", "MFA")
	})
}

// TestPeer_42: Devolutions CVE-2026-9047. What was begun before a factor was set
// up anew is void, and so is what the old one has proved.
func TestPeer_42(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		old := who.Code
		waiting := w.Browser(t)
		stale := password(waiting, waiting.Open(app.AuthURL("acr_values", "MFA")), who)
		b.Submit(p, "code", "code", who.Code(t)).Code(t)
		w.clock.advance(time.Minute)
		w.withTOTP(t, who)
		if got := waiting.Submit(stale, "code", "code", old(t)); got.Away != nil && got.Away.Query().Has("code") {
			t.Error("a code of the old app was taken")
		}
		for _, browser := range []*servertest.Browser{b, waiting} {
			if answer := browser.Open(app.AuthURL("acr_values", "MFA", "prompt", "none")).Answer(t); answer.Has("code") {
				t.Errorf("what the old app proved still counts: %v", answer)
			}
		}
	})
}

// TestPeer_45: Apereo CAS execution replay. The address and the form of a step
// are dead in any other browser, and everywhere after the answer.
func TestPeer_45(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		p = b.Submit(p, "code", "code", who.Code(t))
		wantKind(t, p, servertest.KindConsent)
		csrf, _ := p.Value("consent", "csrf")
		form := url.Values{"csrf": {csrf}, "decision": {"allow"}, "scope": {"openid"}}
		thief := w.Browser(t)
		thief.Open(app.AuthURL())
		wantRefused(t, "address in another browser", thief.Open(p.URL.Path), http.StatusBadRequest)
		wantRefused(t, "form in another browser", thief.Post(p.URL.Path+"/consent", form), http.StatusBadRequest)
		b.Submit(p, "consent", "decision", "allow").Code(t)
		wantRefused(t, "address after the answer", b.Open(p.URL.Path), http.StatusGone)
		wantRefused(t, "form after the answer", b.Post(p.URL.Path+"/consent", form), http.StatusGone)
	})
}
