package servertest_test

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// Rows of the checklist of docs/oidc.md that are about what comes over the wire
// and that no flow of another test shows.

// Row 10: without the scope openid it is no login of OpenID Connect.
func TestRow10_WithoutOpenIDNoIDToken(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		for _, scope := range []string{"profile", ""} {
			tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", scope)), who).Code(t))
			if tokens.IDToken != "" || tokens.Scope != scope {
				t.Errorf("scope %q: ID token %q, scope %q", scope, tokens.IDToken, tokens.Scope)
			}
			if again := app.Refresh(t, tokens.RefreshToken); again.IDToken != "" {
				t.Errorf("scope %q: an ID token after refresh", scope)
			}
			if r := app.UserInfo(t, tokens.AccessToken); r.Status != http.StatusForbidden {
				t.Errorf("scope %q: userinfo = %d, want 403", scope, r.Status)
			}
		}
	})
}

// Row 12: a nonce comes back whole, on the way through the pages too.
func TestRow12_NonceIsWhole(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		for _, nonce := range []string{strings.Repeat("n", 64), strings.Repeat("0123456789abcdef", 256), `a+b%2B "é"&<x>`} {
			tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("nonce", nonce)), who).Code(t))
			if tokens.Claims["nonce"] != nonce {
				t.Errorf("nonce %.40v, want %.40q", tokens.Claims["nonce"], nonce)
			}
		}
	})
}

// Row 23: default_max_age counts where a request has no max_age of its own, and
// auth_time is always there.
func TestRow23_DefaultMaxAge(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		age := int64(60)
		app := w.Application(t, oidc.Client{Trusted: true, DefaultMaxAge: &age})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		first := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), who).Code(t))
		if first.AuthTime() == 0 {
			t.Error("no auth_time")
		}
		w.clock.advance(60 * time.Second)
		if p := b.Open(app.AuthURL()); p.Away == nil || p.Answer(t).Get("code") == "" {
			t.Errorf("asked again after exactly 60 s: %s", p.Text())
		}
		w.clock.advance(time.Second)
		if got := b.Open(app.AuthURL("prompt", "none")).Answer(t); got.Get("error") != "login_required" {
			t.Errorf("silently after 61 s: %v, want login_required", got)
		}
		if got := b.Open(app.AuthURL("prompt", "none", "max_age", "3600")).Answer(t); got.Get("code") == "" {
			t.Errorf("with a max_age of its own: %v, want a code", got)
		}
		p := b.Open(app.AuthURL())
		if p.Kind() != servertest.KindLogin {
			t.Fatalf("after 61 s: %q, want the login page", p.Kind())
		}
		second := app.Redeem(t, b.LogIn(p, who).Code(t))
		if second.AuthTime() != first.AuthTime()+61 {
			t.Errorf("auth_time %d, want %d", second.AuthTime(), first.AuthTime()+61)
		}
	})
}

// Row 33: beside a pushed request or a request object nothing counts but
// client_id.
func TestRow33_OutsideParametersAreNotUsed(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		h := newHolder(t, w)
		keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: h.key.Public(), Algorithm: "ES256", Use: "sig"}}})
		if err != nil {
			t.Fatal(err)
		}
		app := w.Application(t, oidc.Client{Trusted: true, JWKS: keys, RedirectURIs: []string{"https://app.example.com/cb", "https://app.example.com/other"}})
		other := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		b.LogIn(b.Open(app.AuthURL()), who)
		inside := map[string]any{"response_type": "code", "client_id": app.ID, "redirect_uri": app.RedirectURIs[0], "scope": "openid", "nonce": "inside"}
		push := func() string {
			form := url.Values{}
			for name, value := range inside {
				text, _ := value.(string)
				form.Set(name, text)
			}
			r := app.Post(t, "/oauth/par", form)
			var pushed struct {
				URI string `json:"request_uri"`
			}
			if err := json.Unmarshal([]byte(r.Body), &pushed); err != nil || r.Status != http.StatusCreated {
				t.Fatalf("push: %d %s", r.Status, r.Body)
			}
			return pushed.URI
		}
		object := map[string]any{"iss": app.ID, "aud": w.Issuer(), "exp": w.clock.Now().Add(time.Minute).Unix()}
		maps.Copy(object, inside)
		signed := func() string { return h.sign(t, (&jose.SignerOptions{}).WithType("oauth-authz-req+jwt"), object) }
		for name, take := range map[string]func() string{"request_uri": push, "request": signed} {
			outside := app.Request("state", "outside", "nonce", "outside", "scope", "openid email", "prompt", "login",
				"redirect_uri", app.RedirectURIs[1], "response_mode", "form_post", name, take())
			p := b.Open("/oauth/authorize?" + outside.Encode())
			answer := p.Answer(t)
			if p.Posted != nil || answer.Has("state") || p.Away.Path != "/cb" {
				t.Errorf("%s: answer %v at %v", name, answer, p.Away)
			}
			tokens := app.Redeem(t, p.Code(t))
			if tokens.Scope != "openid" || tokens.Claims["nonce"] != "inside" {
				t.Errorf("%s: scope %q, nonce %v", name, tokens.Scope, tokens.Claims["nonce"])
			}
			foreign := b.Open("/oauth/authorize?" + url.Values{"client_id": {other.ID}, name: {take()}}.Encode())
			if foreign.Away != nil || foreign.Status < 400 {
				t.Errorf("%s of another client: %d %v", name, foreign.Status, foreign.Away)
			}
		}
	})
}

// Row 53: who cannot keep a secret does not act for itself.
func TestRow53_PublicClientNeverActsForItself(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		for _, kind := range []oidc.ClientType{oidc.SPA, oidc.Native} {
			app := w.Application(t, oidc.Client{Type: kind})
			r := app.Post(t, "/oauth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"openid"}})
			wantOAuthError(t, string(kind), r, 400, "unauthorized_client")
			_, err := w.Directory().Provider.UpdateClient(t.Context(), audit.Party{Type: "command"}, app.ID, func(c *oidc.Client) error {
				c.GrantTypes = append(c.GrantTypes, oidc.GrantClient)
				return nil
			})
			if err == nil {
				t.Errorf("a client of type %s was registered for client_credentials", kind)
			}
		}
		machine := w.Application(t, oidc.Client{Type: oidc.Machine, Scopes: []string{"scim:read"}})
		r := machine.Post(t, "/oauth/token", url.Values{"grant_type": {"client_credentials"}})
		if r.Status != http.StatusOK || strings.Contains(r.Body, "refresh_token") {
			t.Errorf("a machine: %d %s, want an access token alone", r.Status, r.Body)
		}
	})
}

// Row 54: a refresh token is of one client; another neither uses nor burns it.
func TestRow54_RefreshTokenOfAnotherClient(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app, other := w.Application(t, oidc.Client{Trusted: true}), w.Application(t, oidc.Client{Trusted: true})
		b := w.Browser(t)
		tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), w.NewPerson(t, "ann")).Code(t))
		wantOAuthError(t, "another client", other.TryRefresh(t, tokens.RefreshToken), 400, "invalid_grant")
		wantOAuthError(t, "an access token", app.TryRefresh(t, tokens.AccessToken), 400, "invalid_grant")
		wantOAuthError(t, "cut short", app.TryRefresh(t, tokens.RefreshToken[1:]), 400, "invalid_grant")
		if next := app.Refresh(t, tokens.RefreshToken); app.UserInfo(t, next.AccessToken).Status != http.StatusOK {
			t.Error("the right client's tokens do not count any more")
		}
	})
}

// Row 62: a code is bound to the key that its request or its push named (RFC
// 9449 section 10).
func TestRow62_KeyOfTheRequest(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		h, thief := newHolder(t, w), newHolder(t, w)
		thumbprint := h.thumbprint(t)
		b := w.Browser(t)
		p := b.LogIn(b.Open(app.AuthURL("dpop_jkt", thumbprint)), w.NewPerson(t, "ann"))
		form := url.Values{"grant_type": {"authorization_code"}, "redirect_uri": app.RedirectURIs, "code": {p.Code(t)}}
		endpoint := w.Issuer() + "/oauth/token"
		wantOAuthError(t, "no proof", post(t, w.Server, app, "", form), 400, "invalid_dpop_proof")
		wantOAuthError(t, "another key", post(t, w.Server, app, thief.proof(t, "POST", endpoint, "", nil), form), 400, "invalid_grant")
		access, refresh, kind := tokensOf(t, post(t, w.Server, app, h.proof(t, "POST", endpoint, "", nil), form))
		if confirm, _ := servertest.ClaimsOf(t, access)["cnf"].(map[string]any); kind != "DPoP" || confirm["jkt"] != thumbprint {
			t.Errorf("token_type %s, cnf %v", kind, confirm)
		}
		again := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
		wantOAuthError(t, "refresh by another key", post(t, w.Server, app, thief.proof(t, "POST", endpoint, "", nil), again), 400, "invalid_grant")
		tokensOf(t, post(t, w.Server, app, h.proof(t, "POST", endpoint, "", nil), again))
	})
}

// thumbprint names the key (RFC 7638).
func (h holder) thumbprint(t *testing.T) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: h.key.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// Row 71: keys are long enough, and no symmetric algorithm is offered or taken.
func TestRow71_KeysAreLongEnough(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		var set jose.JSONWebKeySet
		r := w.Do(t, http.MethodGet, "/oauth/jwks", "", "")
		if err := json.Unmarshal([]byte(r.Body), &set); err != nil || len(set.Keys) < 2 {
			t.Fatalf("keys: %d %s: %v", r.Status, r.Body, err)
		}
		for _, k := range set.Keys {
			if key, isRSA := k.Key.(*rsa.PublicKey); isRSA && key.N.BitLen() < 2048 {
				t.Errorf("RSA key %s of %d bits", k.KeyID, key.N.BitLen())
			}
		}
		if doc := w.Do(t, http.MethodGet, "/.well-known/openid-configuration", "", ""); regexp.MustCompile(`"[a-z_]*alg_values_supported":\[[^]]*"(HS256|none)"`).MatchString(doc.Body) {
			t.Errorf("a symmetric algorithm or none is offered: %s", doc.Body)
		}
	})
}
