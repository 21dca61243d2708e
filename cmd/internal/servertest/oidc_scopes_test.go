package servertest_test

import (
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// lockedScopes are a scope that asks for a second factor and one that asks for
// it on the consent page itself; logins ask for a password alone.
func lockedScopes(c *config.Config) {
	c.DefaultACRs = []string{"Default"}
	c.Services = map[string]config.Service{"bank": {Audience: "https://bank.example.com", Scopes: map[string]config.Scope{
		"payments": {RequiredACR: "MFA"}, "transfer": {RequiredACR: "MFA", FreshAtConsent: true},
	}}}
}

// TestScopeLockedUntilVerified through the pages: a scope with a required ACR is
// locked, opens by a factor shown there, is left out when it is skipped or
// cannot be opened, and is not given silently once the factor is stale.
func TestScopeLockedUntilVerified(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		const asked = "openid payments transfer"
		app := w.Application(t, oidc.Client{Name: "Teller", Scopes: []string{"openid", "payments", "transfer"}})
		veil, plain := w.withTOTP(t, w.NewPerson(t, "dr.veil")), w.NewPerson(t, "mr.plain")
		b := w.Browser(t)
		consent := func(b *servertest.Browser, who servertest.Person, pairs ...string) servertest.Page {
			t.Helper()
			p := b.Open(app.AuthURL(pairs...))
			for p.Kind() == servertest.KindLogin {
				p = b.Submit(p, "login", "username", who.UserName, "password", who.Password)
			}
			if p.Kind() != servertest.KindConsent {
				t.Fatalf("%q instead of the consent page: %s", p.Kind(), p.Text())
			}
			return p
		}

		// Skipped: the scope is narrower. Whatever the form says, too.
		p := consent(b, veil, "scope", asked)
		if offers(p, "payments") || offers(p, "transfer") || len(p.Buttons("verify", "acr")) != 1 {
			t.Errorf("locked scopes are on offer, or cannot be opened: %s", p.Text())
		}
		skipped := app.Redeem(t, b.Submit(p, "consent", "decision", "allow", "scope", "openid", "scope", "payments", "scope", "transfer").Code(t))
		if skipped.Scope != "openid" || skipped.ACR() != "Default" {
			t.Errorf("skipped: scope %q, acr %q", skipped.Scope, skipped.ACR())
		}

		// Opened on the page: both, and the token says why.
		p = consent(b, veil, "scope", asked, "prompt", "consent")
		p = b.Submit(p, "verify", "acr", "MFA")
		// Fresh at consent: the password too, since it is a need of the ACR.
		p = b.Submit(p, "login", "password", veil.Password)
		p = b.Submit(p, "code", "code", veil.Code(t))
		if !offers(p, "payments") || !offers(p, "transfer") {
			t.Fatalf("still locked after the factor: %s", p.Text())
		}
		opened := app.Redeem(t, b.Submit(p, "consent", "decision", "allow").Code(t))
		if opened.Scope != asked || opened.ACR() != "MFA" {
			t.Errorf("opened: scope %q, acr %q", opened.Scope, opened.ACR())
		}

		// Silently: a fresh factor is enough for payments, never for transfer; a
		// stale one for neither.
		silent := func(scope string) string {
			return b.Open(app.AuthURL("scope", scope, "prompt", "none")).Answer(t).Get("error")
		}
		if got := silent("openid payments"); got != "" {
			t.Errorf("payments with a fresh factor: %q", got)
		}
		if got := silent(asked); got != "interaction_required" {
			t.Errorf("transfer with a factor from before: %q, want interaction_required", got)
		}
		w.clock.advance(6*time.Hour + time.Second)
		if got := silent("openid payments"); got != "interaction_required" {
			t.Errorf("payments with a stale factor: %q, want interaction_required", got)
		}

		// Who has no factor cannot open it and is not asked to.
		other := w.Browser(t)
		p = consent(other, plain, "scope", asked)
		if offers(p, "payments") || len(p.Buttons("verify", "acr")) != 0 {
			t.Errorf("a user without a factor is offered the scope: %s", p.Text())
		}
		if got := app.Redeem(t, other.LogIn(p, plain).Code(t)); got.Scope != "openid" {
			t.Errorf("a user without a factor: scope %q", got.Scope)
		}
	}, lockedScopes)
}
