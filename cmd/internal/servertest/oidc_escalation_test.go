package servertest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// TestDeviceReachesNoDirectory: what a user approves on the page for devices is
// about that user, whatever the client is registered for. A token with
// scim:write would else be one of an administrator.
func TestDeviceReachesNoDirectory(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		own, admin := scim.OwnScope("manage_profile"), scim.AdminScope("sessions")
		app := w.Application(t, oidc.Client{
			GrantTypes: []string{oidc.GrantDevice, oidc.GrantCode, oidc.GrantClient, oidc.GrantRefresh},
			Scopes:     []string{"openid", "offline_access", own, admin, "scim:read", "scim:write", "scim:admin"},
		})
		ann, bob := w.NewPerson(t, "ann"), w.NewPerson(t, "bob")
		poll, code := startDevice(t, app, url.Values{"scope": {"openid offline_access scim:read scim:write scim:admin " + admin + " " + own}})
		b := w.Browser(t)
		b.LogIn(b.Submit(b.Open("/device"), "device", "user_code", code), ann)
		tokens := decodeTokens(t, app.Post(t, "/oauth/token", poll))
		for _, scope := range []string{"scim:", ":admin:"} {
			if strings.Contains(tokens.Scope, scope) {
				t.Errorf("scope %q of a user's token", tokens.Scope)
			}
		}
		for _, path := range []string{"/scim/v2/Users", "/scim/v2/Users/" + bob.ID} {
			if got := w.Do(t, http.MethodGet, path, tokens.AccessToken, ""); got.Status < 400 {
				t.Errorf("GET %s with ann's token = %d %s", path, got.Status, got.Body)
			}
		}
		if got := w.Do(t, http.MethodGet, "/scim/v2/Me", tokens.AccessToken, ""); got.Status != http.StatusOK {
			t.Errorf("GET /Me = %d %s, want 200", got.Status, got.Body)
		}
		more := app.TryRefresh(t, tokens.RefreshToken, "scope", "openid scim:write")
		wantOAuthError(t, "scim:write by refresh", more, 400, "invalid_scope")
		refused := app.Post(t, "/oauth/device_authorization", url.Values{"scope": {"scim:write"}})
		wantOAuthError(t, "nothing but the directory", refused, 400, "invalid_scope")
	})
}

// startDevice begins a device flow and returns how to poll, and the user code.
func startDevice(t *testing.T, app *servertest.Application, form url.Values) (poll url.Values, userCode string) {
	t.Helper()
	r := app.Post(t, "/oauth/device_authorization", form)
	var d struct {
		Code     string `json:"device_code"`
		UserCode string `json:"user_code"`
	}
	if err := json.Unmarshal([]byte(r.Body), &d); err != nil || r.Status != http.StatusOK {
		t.Fatalf("device authorization: %d %s", r.Status, r.Body)
	}
	return url.Values{"grant_type": {oidc.GrantDevice}, "device_code": {d.Code}}, d.UserCode
}

func decodeTokens(t *testing.T, r servertest.Reply) servertest.Tokens {
	t.Helper()
	tokens := servertest.Tokens{Reply: r}
	if err := json.Unmarshal([]byte(r.Body), &tokens); err != nil || r.Status != http.StatusOK {
		t.Fatalf("tokens: %d %s", r.Status, r.Body)
	}
	return tokens
}

// services registers two resource servers: a bank and a shop.
func (w town) services(t *testing.T) {
	t.Helper()
	for _, s := range []oidc.Service{
		{Name: "bank", Audience: "https://bank.example.com", Scopes: []oidc.ServiceScope{{Name: "payments"}}},
		{Name: "shop", Audience: "https://shop.example.com", Scopes: []oidc.ServiceScope{{Name: "orders"}}},
	} {
		if _, _, err := w.Directory().Provider.CreateService(context.Background(), audit.Party{Type: "command"}, s); err != nil {
			t.Fatalf("CreateService(%s): %v", s.Name, err)
		}
	}
}

// Row 61: a token is for the resources whose scopes it has, and for no other: a
// resource server that looks at the audience alone must not be reached by an
// application that may have none of its scopes.
func TestRow61_ResourceWithoutScope(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.services(t)
		app := w.Application(t, oidc.Client{
			Trusted: true, Scopes: []string{"openid", "email", "payments"},
			GrantTypes: []string{oidc.GrantDevice, oidc.GrantCode, oidc.GrantClient, oidc.GrantRefresh},
		})
		who := w.NewPerson(t, "ann")
		const bank, shop = "https://bank.example.com", "https://shop.example.com"
		b := w.Browser(t)
		code := func(pairs ...string) string { return b.LogIn(b.Open(app.AuthURL(pairs...)), who).Code(t) }
		both := code("scope", "openid email payments")
		wantOAuthError(t, "code for the shop", app.TryRedeem(t, both, "resource", shop), 400, "invalid_target")
		tokens := app.Redeem(t, both, "resource", bank)
		got := servertest.ClaimsOf(t, tokens.AccessToken)
		if got["aud"] != bank || tokens.Scope != "openid payments" {
			t.Errorf("token for the bank: aud %v, scope %q", got["aud"], tokens.Scope)
		}
		wantOAuthError(t, "refresh for the shop", app.TryRefresh(t, tokens.RefreshToken, "resource", shop), 400, "invalid_target")
		wantOAuthError(t, "a machine for the shop", app.Post(t, "/oauth/token",
			url.Values{"grant_type": {"client_credentials"}, "resource": {shop}}), 400, "invalid_target")
		wantOAuthError(t, "a machine for users", app.Post(t, "/oauth/token",
			url.Values{"grant_type": {"client_credentials"}, "resource": {w.Issuer() + "/scim/v2"}}), 400, "invalid_target")
		wantOAuthError(t, "a device for the shop", app.Post(t, "/oauth/device_authorization",
			url.Values{"scope": {"openid"}, "resource": {shop}}), 400, "invalid_target")
		for _, pairs := range [][]string{
			{"scope", "openid", "resource", shop},
			{"scope", "openid payments", "resource", shop},
			{"scope", "openid email", "resource", bank},
			{"scope", "", "resource", shop},
		} {
			if answer := b.Open(app.AuthURL(pairs...)).Answer(t); answer.Get("error") != "invalid_target" {
				t.Errorf("request %v: %v, want invalid_target", pairs, answer)
			}
		}
		narrow := app.Redeem(t, code("scope", "openid payments", "resource", bank))
		if aud := servertest.ClaimsOf(t, narrow.AccessToken)["aud"]; aud != bank {
			t.Errorf("aud %v, want the bank alone", aud)
		}
		// A token for the bank does not open ours.
		if r := app.UserInfo(t, narrow.AccessToken); r.Status != http.StatusUnauthorized {
			t.Errorf("userinfo with a token for the bank = %d", r.Status)
		}
	})
}

// Row 30 and section 5.5 of OpenID Connect Core 1.0: the claims parameter asks
// for claims, and the person and the operator allow them by the scopes that
// these claims belong to.
func TestRow30_ClaimsNeedConsent(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann", `"nickName":"Annie","emails":[{"value":"ann@example.com","primary":true}]`)
		const ask = `{"userinfo":{"nickname":{"essential":true},"email":null},"id_token":{"nickname":null,"email":null,"unknown":null}}`
		narrow := w.Application(t, oidc.Client{Name: "Narrow", Scopes: []string{"openid", "profile"}})
		b := w.Browser(t)
		p := b.Open(narrow.AuthURL("claims", ask))
		for p.Kind() == servertest.KindLogin {
			p = b.Submit(p, "login", "username", who.UserName, "password", who.Password)
		}
		if p.Kind() != servertest.KindConsent || !offers(p, "profile") || offers(p, "email") {
			t.Fatalf("consent page offers profile %t, email %t:\n%s", offers(p, "profile"), offers(p, "email"), p.Text())
		}
		check := func(what string, app *servertest.Application, tokens servertest.Tokens, nickname, email bool) {
			t.Helper()
			info := app.UserInfo(t, tokens.AccessToken).Body
			if tokens.Scope != "openid" {
				t.Errorf("%s: scope %q, want openid", what, tokens.Scope)
			}
			for claim, want := range map[string]bool{"nickname": nickname, "email": email} {
				if _, has := tokens.Claims[claim]; has != want || strings.Contains(info, `"`+claim+`"`) != want {
					t.Errorf("%s: %s in the ID token %t, userinfo %s; want it: %t", what, claim, has, info, want)
				}
			}
		}
		check("allowed", narrow, narrow.Redeem(t, b.LogIn(p, who).Code(t)), true, false)
		// It is remembered, so that prompt=none needs no page; another claim does.
		check("again", narrow, narrow.Redeem(t, b.Open(narrow.AuthURL("claims", ask, "prompt", "none")).Code(t)), true, false)

		wide := w.Application(t, oidc.Client{Name: "Wide"})
		wide.Redeem(t, b.LogIn(b.Open(wide.AuthURL()), who).Code(t))
		answer := b.Open(wide.AuthURL("claims", ask, "prompt", "none")).Answer(t)
		if answer.Get("error") != "consent_required" {
			t.Errorf("claims that nobody allowed, silently: %v, want consent_required", answer)
		}
		p = b.Open(wide.AuthURL("claims", ask))
		refused := b.Submit(p, "consent", "decision", "allow", "scope", "email")
		check("email alone", wide, wide.Redeem(t, refused.Code(t)), false, true)

		own := w.Application(t, oidc.Client{Name: "Own", Trusted: true})
		check("trusted", own, own.Redeem(t, b.LogIn(b.Open(own.AuthURL("claims", ask)), who).Code(t)), true, true)
	})
}

// offers reports whether a consent page has a scope.
func offers(p servertest.Page, scope string) bool {
	return strings.Contains(p.Body, `value="`+scope+`"`)
}

// TestCredentialsThatAreNoText: HTTP Basic may hold any bytes; those that no
// database keeps are nobody's, at every endpoint that takes them.
func TestCredentialsThatAreNoText(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		for _, pair := range []string{"\x00:\x00", "%00:%00", "%ff:x", "\xff\xfe:x", "app:%00", "app:%ff"} {
			for _, path := range []string{"/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/par", "/oauth/device_authorization"} {
				form := strings.NewReader(url.Values{"token": {"x"}, "grant_type": {"client_credentials"}}.Encode())
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Issuer()+path, form)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
				r := servertest.Send(t, w.HTTP(), req)
				wantOAuthError(t, path+" with "+url.QueryEscape(pair), r, 401, "invalid_client")
				if r.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s: no challenge after Basic", path)
				}
			}
		}
	})
}

// TestOddRegistrationHoldsNobody: whatever an application has written into its
// registration, its users can be logged out and deactivated.
func TestOddRegistrationHoldsNobody(t *testing.T) {
	t.Parallel()
	const key = `"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	eachTown(t, func(t *testing.T, w town) {
		for i, odd := range []string{
			`"\ud800"`, `"\u0000"`, `1e200000`, strings.Repeat("[", 3000) + strings.Repeat("]", 3000), `"backchannel_logout_uri"`,
		} {
			app := w.Application(t, oidc.Client{
				Trusted: true, PostLogoutRedirectURIs: []string{"https://app.example.com/out"},
				JWKS: json.RawMessage(`{"keys":[{` + key + `,"odd":` + odd + `}]}`),
			})
			who := w.NewPerson(t, "ann"+strconv.Itoa(i))
			b := w.Browser(t)
			tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), who).Code(t))
			out := b.Open("/oauth/logout?" + url.Values{
				"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {"https://app.example.com/out"},
			}.Encode())
			if out.Away == nil {
				t.Errorf("logout with %.20s: %d %s", odd, out.Status, out.Text())
			}
			app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), who).Code(t))
			w.PatchPerson(t, who, `{"op":"replace","path":"active","value":false}`)
		}
	})
}
