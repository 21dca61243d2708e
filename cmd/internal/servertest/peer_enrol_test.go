package servertest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// enrolPages are the pages on which something is enrolled.
func enrolPages() []string {
	return []string{
		"/account/security/app", "/account/security/email", "/account/security/phone", "/account/security/second-password",
		"/account/security/recovery",
	}
}

// TestPeer_15: Zitadel CVE-2026-105209, CVE-2026-105207, CVE-2026-105215.
// Factors are enrolled for oneself, after one's own proofs: not before the
// password, not for another user, and with no identifier of an account elsewhere
// that the client names.
func TestPeer_15(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann, bob := w.NewPerson(t, "ann"), w.NewPerson(t, "bob")
		for _, path := range enrolPages() {
			stranger := w.Browser(t)
			wantKind(t, stranger.Open(path), servertest.KindLogin)
			wantKind(t, stranger.Post(path, nil), servertest.KindLogin)
		}
		scope := "openid " + strings.Join(scim.OwnScopes(), " ")
		app := w.Application(t, oidc.Client{Trusted: true, Scopes: append(scim.OwnScopes(), "openid")})
		b := w.Browser(t)
		token := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", scope)), ann).Code(t)).AccessToken
		for _, resource := range []string{"totp", "validatedEmailAddresses", "validatedPhoneNumbers", "externalIdentities", "recoveryCodes"} {
			for _, body := range []string{`{}`, `{"attributePath":"secondFactorEmail","attributeValue":"ann@example.org"}`} {
				r := w.Do(t, http.MethodPost, "/scim/v2/Users/"+bob.ID+"/"+resource, token, body)
				if r.Status != http.StatusForbidden && r.Status != http.StatusNotFound {
					t.Errorf("POST %s of bob: %d %s", resource, r.Status, r.Body)
				}
			}
		}
		r := w.Do(t, http.MethodPost, "/scim/v2/Me/externalIdentities", token,
			`{"provider":{"name":"none"},"providerUserId":"12345","callbackUrl":"https://app.example.org/cb"}`)
		if r.Status < 400 || r.Status >= 500 {
			t.Errorf("link with an id of the client: %d %s", r.Status, r.Body)
		}
		for _, name := range []audit.Name{audit.FactorEnrolled, audit.FactorEnrolmentStarted, audit.FederationLinked, audit.RecoveryCodesGenerated} {
			if n := len(w.events(t, name)); n != 0 {
				t.Errorf("%d events %s", n, name)
			}
		}
	})
}

// TestPeer_15_SecondFactorOfOthers: whoever has a second password, or a factor
// that a service of others judges, has a second factor: the password alone
// enrols nothing beside it.
func TestPeer_15_SecondFactorOfOthers(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann := w.NewPerson(t, "ann", `"nickName":"4711"`)
		w.SwitchSecondFactor(t, ann, true)
		bob := w.NewPerson(t, "bob")
		b := w.Browser(t)
		p := b.LogIn(b.Open("/account/security/second-password"), bob)
		b.Submit(p, "second-password", "new_password", "brindle harbour eleven")
		w.SwitchSecondFactor(t, bob, true)
		for name, who := range map[string]servertest.Person{"plugged in": ann, "second password": bob} {
			for _, path := range enrolPages() {
				thief := w.Browser(t)
				p := password(thief, thief.Open(path), who)
				if p.URL.Path == path && p.Away == nil {
					t.Errorf("%s: %s opens to a password alone", name, path)
				}
			}
		}
		// The second password is the way in, for there is no better one.
		own := w.Browser(t)
		p = password(own, own.Open(enrolPages()[0]), bob)
		wantKind(t, p, servertest.KindCode)
		if p = own.Submit(p, "code", "secret", "brindle harbour eleven"); p.URL.Path != enrolPages()[0] || p.Status != http.StatusOK {
			t.Errorf("with the second password: %s %d\n%s", p.URL, p.Status, p.Text())
		}
	}, func(c *config.Config) {
		c.Authenticators = map[string]config.Authenticator{"card": {
			URL: "http://127.0.0.1:9/", Secret: "a secret that both sides share, long", Label: "Staff card",
			Category: "possession", AMR: []string{"hwk"}, Attribute: "nickName", Starts: true, AllowPrivate: true,
		}}
	})
}

// TestPluggedFactorBeginsOnThePage: the login page offers what services of others
// judge, and asks alike for a name that is nobody's.
func TestPluggedFactorBeginsOnThePage(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", func(c *config.Config) {
		c.Authenticators = map[string]config.Authenticator{"card": {
			URL: "http://127.0.0.1:9/", Secret: "a secret that both sides share, long", Label: "Staff card",
			Category: "possession", AMR: []string{"hwk"}, First: true, AllowPrivate: true,
		}}
		c.ACRs = append(c.ACRs, config.ACR{Name: "Card", Needs: []config.Need{{AnyOf: []string{"password", "card"}}}})
	})
	app := w.Application(t, oidc.Client{Trusted: true})
	ann := w.NewPerson(t, "ann")
	for _, name := range []string{ann.UserName, "nobody"} {
		b := w.Browser(t)
		p := b.Open(app.AuthURL("acr_values", "Card"))
		if !strings.Contains(p.Body, `name="factor" value="card"`) {
			t.Fatalf("nothing begins with a card:\n%s", p.Text())
		}
		p = b.Submit(p, "factor", "username", name, "factor", "card")
		wantKind(t, p, servertest.KindCode)
	}
}
