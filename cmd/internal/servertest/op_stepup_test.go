package servertest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// TestFactorChangeNeedsMFA is the loop of RFC 9470 from end to end (Keycloak
// CVE-2026-3429): an application may not switch off the second factor with an
// access token of a login that is not recent, learns from the challenge what to
// ask for, has the user show it, and may then, with the token that it had.
func TestFactorChangeNeedsMFA(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Name: "Account", Trusted: true, Scopes: append(oidc.StandardScopes(), scim.OwnScopes()...)})
		veil := w.withTOTP(t, w.NewPerson(t, "dr.veil"))
		b := w.Browser(t)
		asked := strings.Join(append([]string{"openid"}, scim.OwnScopes()...), " ")
		tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", asked)), veil).Code(t))
		w.clock.advance(6 * time.Minute)
		tokens = app.Refresh(t, tokens.RefreshToken)
		writes := [][3]string{
			{http.MethodDelete, me("/totp"), ""},
			{http.MethodPost, me("/totp"), ""},
			{http.MethodPost, me("/validatedEmailAddresses"), emailBody("new@example.com")},
			{http.MethodPatch, me(""), patchBody(`"op":"replace","path":"secondFactorEnabled","value":false`)},
		}
		for _, c := range writes {
			wantFactor(t, w.Do(t, c[0], c[1], tokens.AccessToken, c[2]))
		}
		if r := w.Do(t, http.MethodGet, me(""), tokens.AccessToken, ""); r.Status != http.StatusOK || !strings.Contains(r.Body, `"secondFactorEnabled":true`) {
			t.Fatalf("the record: %d %s", r.Status, r.Body)
		}

		// The application sends the user back with what the challenge says.
		b.Asked = nil
		w.clock.advance(30 * time.Second)
		p := b.Open(app.AuthURL("scope", asked, "acr_values", "MFA", "max_age", "300"))
		if p.Kind() != servertest.KindLogin {
			t.Fatalf("the step-up shows %q", p.Kind())
		}
		// Half of it is not enough.
		p = b.Submit(p, "login", "password", veil.Password)
		wantFactor(t, w.Do(t, http.MethodDelete, me("/totp"), tokens.AccessToken, ""))
		again := app.Redeem(t, b.LogIn(p, veil).Code(t))
		if again.ACR() != "MFA" || again.AuthTime() <= tokens.AuthTime() {
			t.Errorf("ID token %v, want MFA later than %d", again.Claims, tokens.AuthTime())
		}
		if r := w.Do(t, http.MethodDelete, me("/totp"), tokens.AccessToken, ""); r.Status != http.StatusNoContent {
			t.Errorf("after the step-up: %d %s", r.Status, r.Body)
		}
		// The factor is gone with its proofs: what needs it is no longer given.
		if got := b.Open(app.AuthURL("acr_values", "MFA", "prompt", "none")).Answer(t); got.Get("code") != "" {
			t.Errorf("MFA without a factor: %v", got)
		}
	})
}
