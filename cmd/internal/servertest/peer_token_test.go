package servertest_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// TestPeer_19: Zitadel CVE-2026-27840. What is opaque matches in full: codes,
// refresh tokens, opaque access tokens, secrets of sessions and of clients.
func TestPeer_19(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true, OpaqueAccessToken: true, Scopes: []string{"openid", "offline_access"}})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		code := b.LogIn(b.Open(app.AuthURL("scope", "openid offline_access")), who).Code(t)
		for _, text := range misread(code) {
			wantOAuthError(t, "code "+text, app.TryRedeem(t, text), 400, "invalid_grant")
		}
		tokens := app.Redeem(t, code)
		for _, text := range misread(tokens.RefreshToken) {
			wantOAuthError(t, "refresh token "+text, app.TryRefresh(t, text), 400, "invalid_grant")
		}
		for _, text := range misread(tokens.AccessToken) {
			if r := app.UserInfo(t, text); r.Status != http.StatusUnauthorized {
				t.Errorf("access token %s: %d", text, r.Status)
			}
		}
		secret := app.Secret
		for _, text := range misread(secret) {
			app.Secret = text
			wantOAuthError(t, "secret "+text, app.TryRefresh(t, tokens.RefreshToken), 401, "invalid_client")
		}
		app.Secret = secret
		for _, c := range b.Cookies() {
			if c.Name != "sp_session" {
				continue
			}
			for _, text := range misread(c.Value) {
				r := w.get(t, app.AuthURL("prompt", "none"), "Cookie", "sp_session="+text)
				if !strings.Contains(r.Header.Get("Location"), "login_required") {
					t.Errorf("session %s: %d to %s", text, r.Status, r.Header.Get("Location"))
				}
			}
		}
		if r := app.UserInfo(t, app.Refresh(t, tokens.RefreshToken).AccessToken); r.Status != http.StatusOK {
			t.Errorf("what is whole: %d %s", r.Status, r.Body)
		}
	})
}

// misread are texts that are almost the secret.
func misread(secret string) []string {
	out := []string{secret + "A", secret + "=", "A" + secret, secret + secret, swapped(secret)}
	for cut := 1; cut < len(secret); cut += 1 + len(secret)/8 {
		out = append(out, secret[:len(secret)-cut], secret[cut:])
	}
	return out
}

// swapped changes the case of the letters.
func swapped(s string) string {
	if lower := strings.ToLower(s); lower != s {
		return lower
	}
	return strings.ToUpper(s)
}

// get sends a request with headers, names and values in turn.
func (w town) get(t *testing.T, address string, headers ...string) servertest.Reply {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = w.Issuer() + address
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	return servertest.Send(t, w.HTTP(), req)
}

// TestPeer_20: Zitadel CVE-2026-55672, Pocket ID CVE-2026-28513. A code is of
// this client and unexpired: either fault alone is enough to refuse it.
func TestPeer_20(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app, other := w.Application(t, oidc.Client{Trusted: true}), w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		code := b.LogIn(b.Open(app.AuthURL()), who).Code(t)
		wantOAuthError(t, "another client", other.TryRedeem(t, code), 400, "invalid_grant")
		app.Redeem(t, code)
		code = b.Open(app.AuthURL()).Code(t)
		w.clock.advance(60 * time.Second)
		wantOAuthError(t, "expired", app.TryRedeem(t, code), 400, "invalid_grant")
		wantOAuthError(t, "expired, another client", other.TryRedeem(t, code), 400, "invalid_grant")
	})
}

// TestPeer_21: Pocket ID GHSA-hp74-gm6m-2qm5. Times are kept per method: neither
// a fresh password nor a refresh makes an old second factor fresh.
func TestPeer_21(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		scopes := append(scim.OwnScopes(), "openid", "offline_access")
		app := w.Application(t, oidc.Client{Trusted: true, Scopes: scopes})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		all := strings.Join(scopes, " ")
		b := w.Browser(t)
		app.Redeem(t, b.LogIn(b.Open(app.AuthURL("acr_values", "MFA", "scope", all)), who).Code(t))
		w.clock.advance(10 * time.Minute)
		// max_age makes the password stale; it is shown, the code is not.
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA", "max_age", "60", "scope", all)), who)
		wantKind(t, p, servertest.KindCode)
		wantSilent(t, b, app, "interaction_required", "acr_values", "MFA", "max_age", "60")
		tokens := app.Redeem(t, b.Open(app.AuthURL("acr_values", "MFA", "scope", all)).Code(t))
		for range 2 {
			if age := w.clock.Now().Unix() - tokens.AuthTime(); age < 600 {
				t.Errorf("auth_time is %d s ago, want that of the code", age)
			}
			if r := w.Do(t, http.MethodDelete, "/scim/v2/Me/totp", tokens.AccessToken, ""); r.Status != http.StatusUnauthorized ||
				!strings.Contains(r.Header.Get("WWW-Authenticate"), "insufficient_user_authentication") {
				t.Errorf("DELETE totp: %d %s", r.Status, r.Body)
			}
			tokens = app.Refresh(t, tokens.RefreshToken)
		}
	})
}

// TestPeer_22: Pocket ID CVE-2026-43983. A refresh is judged anew: user, client,
// what the client may have. (A user who is switched off: row 31.)
func TestPeer_22(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann")
		for name, edit := range map[string]func(*oidc.Client) error{
			"client switched off": func(c *oidc.Client) error { c.Disabled = true; return nil },
			"grant type taken":    func(c *oidc.Client) error { c.GrantTypes = []string{oidc.GrantCode}; return nil },
			"policy tightened":    func(c *oidc.Client) error { c.RequiredACR = "MFA"; return nil },
		} {
			app := w.Application(t, oidc.Client{Trusted: true, Scopes: []string{"openid", "email", "offline_access"}})
			b := w.Browser(t)
			tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", "openid email offline_access")), who).Code(t))
			w.edit(t, app, edit)
			if r := app.TryRefresh(t, tokens.RefreshToken); r.Status < 400 || r.Status >= 500 {
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
			}
		}
		app := w.Application(t, oidc.Client{Trusted: true, Scopes: []string{"openid", "email", "offline_access"}})
		b := w.Browser(t)
		tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", "openid email offline_access")), who).Code(t))
		w.edit(t, app, func(c *oidc.Client) error { c.Scopes = []string{"openid", "offline_access"}; return nil })
		if again := app.Refresh(t, tokens.RefreshToken); strings.Contains(again.Scope, "email") {
			t.Errorf("scope %q after the client lost email", again.Scope)
		}
	})
}

func (w town) edit(t *testing.T, app *servertest.Application, edit func(*oidc.Client) error) {
	t.Helper()
	if _, err := w.Directory().Provider.UpdateClient(t.Context(), byCommand(), app.ID, edit); err != nil {
		t.Fatalf("change client: %v", err)
	}
}

// TestPeer_32: authentik CVE-2024-23647. PKCE cannot be taken out of a request,
// nor its verifier.
func TestPeer_32(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		verifier := strings.Repeat("v", 50)
		sum := sha256.Sum256([]byte(verifier))
		challenge := base64.RawURLEncoding.EncodeToString(sum[:])
		for _, kind := range []oidc.ClientType{oidc.Web, oidc.SPA} {
			app := w.Application(t, oidc.Client{Trusted: true, Type: kind})
			take := func() string {
				return b.LogIn(b.Open(app.AuthURL("code_challenge", challenge, "code_challenge_method", "S256")), who).Code(t)
			}
			wantOAuthError(t, "no verifier", app.TryRedeem(t, take()), 400, "invalid_grant")
			wantOAuthError(t, "another verifier", app.TryRedeem(t, take(), "code_verifier", strings.Repeat("w", 50)), 400, "invalid_grant")
			wantOAuthError(t, "the challenge itself", app.TryRedeem(t, take(), "code_verifier", challenge), 400, "invalid_grant")
			app.Redeem(t, take(), "code_verifier", verifier)
			for _, pairs := range [][]string{
				{"code_challenge", verifier, "code_challenge_method", "plain"},
				{"code_challenge", verifier},
				{"code_challenge_method", "S256"},
				{"code_challenge", challenge, "code_challenge_method", "s256"},
			} {
				if answer := b.Open(app.AuthURL(pairs...)).Answer(t); answer.Get("error") != "invalid_request" {
					t.Errorf("%v: %v, want invalid_request", pairs, answer)
				}
			}
			if kind == oidc.SPA {
				if answer := b.Open(app.AuthURL()).Answer(t); answer.Get("error") != "invalid_request" {
					t.Errorf("a public client without PKCE: %v", answer)
				}
				continue
			}
			bare := b.Open(app.AuthURL()).Code(t)
			if r := app.TryRedeem(t, bare, "code_verifier", verifier); r.Status != http.StatusBadRequest {
				t.Errorf("verifier without challenge: %d %s", r.Status, r.Body)
			}
		}
	})
}

// TestPeer_33: Casdoor CVE-2026-9091, CVE-2025-4210. Nothing but what is public
// answers without a credential, and no endpoint gives tokens for a password.
func TestPeer_33(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann")
		for _, path := range []string{
			"/scim/v2/Users", "/scim/v2/Users/" + who.ID, "/scim/v2/Groups", "/scim/v2/Me", "/scim/v2/Me/totp", "/scim/v2/Me/sessions",
			"/scim/v2/Users/" + who.ID + "/sessions", "/scim/v2/Users/" + who.ID + "/consents", "/scim/v2/Users/" + who.ID + "/password",
			"/scim/v2/Bulk", "/scim/v2/.search", "/oauth/userinfo",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
				for _, token := range []string{"", "x", "null", "undefined", who.ID} {
					if r := w.Do(t, method, path, token, ""); r.Status != http.StatusUnauthorized && r.Status != http.StatusMethodNotAllowed {
						t.Errorf("%s %s with token %q: %d %s", method, path, token, r.Status, r.Body)
					}
				}
			}
		}
		app := w.Application(t, oidc.Client{Trusted: true})
		for _, path := range []string{"/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke", "/oauth/device_authorization"} {
			stranger := *app
			stranger.Secret = "wrong"
			for _, grant := range []string{"password", "authorization_code", "client_credentials", "refresh_token", "implicit"} {
				form := url.Values{"grant_type": {grant}, "username": {who.UserName}, "password": {who.Password}, "token": {"x"}, "code": {"x"}}
				wantOAuthError(t, path+" "+grant, stranger.Post(t, path, form), 401, "invalid_client")
			}
		}
		r := app.Post(t, "/oauth/token", url.Values{"grant_type": {"password"}, "username": {who.UserName}, "password": {who.Password}})
		wantOAuthError(t, "grant_type=password", r, 400, "unsupported_grant_type")
	})
}

// TestPeer_35: Casdoor CVE-2026-9097, Zitadel CVE-2026-55669 (GO-2026-5732). An
// assertion of a client is refused for each claim that is wrong or missing.
func TestPeer_35(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		h := newHolder(t, w)
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &h.key.PublicKey, KeyID: "k1"}}})
		if err != nil {
			t.Fatal(err)
		}
		app := w.Application(t, oidc.Client{
			Type: oidc.Machine, AuthMethod: oidc.PrivateKeyJWT, JWKS: set, GrantTypes: []string{oidc.GrantClient}, Scopes: []string{"scim:read"},
		})
		now := w.clock.Now().Unix()
		form := func(more map[string]any) url.Values {
			claims := map[string]any{"iss": app.ID, "sub": app.ID, "aud": w.Issuer(), "jti": rand.Text(), "iat": now, "exp": now + 60}
			maps.Copy(claims, more)
			maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
			return url.Values{
				"grant_type": {"client_credentials"}, "scope": {"scim:read"}, "client_assertion": {h.sign(t, nil, claims)},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			}
		}
		for _, claim := range []string{"iss", "sub", "aud", "exp"} {
			wantOAuthError(t, "without "+claim, post(t, w.Server, app, "", form(map[string]any{claim: nil})), 401, "invalid_client")
		}
		for name, more := range map[string]map[string]any{
			"aud of another": {"aud": "https://other.example.com"}, "aud with a slash": {"aud": w.Issuer() + "/"}, "aud empty": {"aud": ""},
			"expired": {"exp": now - 60}, "good for ever": {"exp": now + 10*365*24*3600}, "exp is text": {"exp": "tomorrow"},
			"issued tomorrow": {"iat": now + 24*3600, "exp": now + 24*3600 + 60}, "not before tomorrow": {"nbf": now + 24*3600},
			"iss of another": {"iss": "other"}, "sub of another": {"sub": "other"},
		} {
			wantOAuthError(t, name, post(t, w.Server, app, "", form(more)), 401, "invalid_client")
		}
		tokensOf(t, post(t, w.Server, app, "", form(nil)))
	})
}

// TestPeer_43: go-jose CVE-2026-34986, CVE-2024-28180. What only looks like a
// token is refused, fast, by every parser of one; the fuzz targets of packages
// oidc and validation/state go deeper.
func TestPeer_43(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
		huge := strings.Repeat("A", 20000)
		for _, text := range []string{
			part(`{"alg":"A128KW","enc":"A128GCM"}`) + "." + part("") + "." + part("a") + "." + part("b") + "." + part("c"),
			part(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`) + ".." + part("123456789012") + "." + huge + "." + part("1234567890123456"),
			part(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"}`) + ".AAAA.AAAA.AAAA.AAAA",
			part(`{"alg":"none"}`) + "." + part(`{"sub":"x"}`) + ".",
			part(`{"alg":"HS256","kid":"../../etc/passwd"}`) + "." + part(`{"iss":"`+w.Issuer()+`"}`) + "." + part("x"),
			part(`{"alg":"ES256","crit":["x"],"x":1}`) + "." + huge + "." + huge,
			part(`{"alg":"RS256","jwk":{"kty":"RSA","n":"AQ","e":"AQ"}}`) + "." + part(`{}`) + "." + part("x"),
			strings.Repeat("[", 10000), strings.Repeat(".", 10000), part(strings.Repeat(`{"a":`, 5000)) + "." + part("{}") + ".x", "....", "..", "",
		} {
			began := time.Now()
			b := w.Browser(t)
			for _, name := range []string{"request", "id_token_hint", "claims"} {
				if answer := b.Open(app.AuthURL(name, text, "prompt", "none")).Answer(t); text != "" && answer.Has("code") {
					t.Errorf("%s: %v", name, answer)
				}
			}
			if p := b.Open("/oauth/logout?" + url.Values{"id_token_hint": {text}}.Encode()); p.Status >= 500 {
				t.Errorf("logout: %d", p.Status)
			}
			for _, scheme := range []string{"Bearer ", "DPoP "} {
				for _, path := range []string{"/oauth/userinfo", "/scim/v2/Me"} {
					if r := w.get(t, path, "Authorization", scheme+text, "DPoP", text); r.Status < 400 || r.Status >= 500 {
						t.Errorf("%s%.40s at %s: %d", scheme, text, path, r.Status)
					}
				}
			}
			for _, form := range []url.Values{
				{"grant_type": {"refresh_token"}, "refresh_token": {text}},
				{"grant_type": {"client_credentials"}, "client_assertion": {text}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}},
			} {
				if r := app.Post(t, "/oauth/token", form); r.Status < 400 || r.Status >= 500 {
					t.Errorf("%.40s: %d %s", text, r.Status, r.Body)
				}
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%.60s took %v", text, took)
			}
		}
	})
}

// TestPeer_47: Ory CVE-2026-33503, CVE-2026-33504, CVE-2026-33505. What the
// server seals it seals with a secret of this deployment: tokens made with an
// empty, a zero or another server's key are refused.
func TestPeer_47(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		p := b.Open(app.AuthURL())
		browser := ""
		for _, c := range b.Cookies() {
			if c.Name == "sp_browser" {
				browser = c.Value
			}
		}
		txn := strings.TrimPrefix(p.URL.Path, "/login/")
		right, _ := p.Value("login", "csrf")
		for _, key := range [][]byte{nil, make([]byte, 32), []byte(strings.Repeat("a", 32)), []byte("sallyport")} {
			forged := formToken(key, txn, "login", browser)
			if forged == right {
				t.Fatalf("the key of forms is %q", key)
			}
			got := b.Post(p.URL.Path+"/login", url.Values{"csrf": {forged}, "username": {who.UserName}, "password": {who.Password}})
			wantRefused(t, "form token", got, http.StatusForbidden)
			signed := signedWith(t, key, map[string]any{"iss": w.Issuer(), "sub": who.ID, "aud": w.Issuer(), "exp": w.clock.Now().Add(time.Hour).Unix(), "iat": w.clock.Now().Unix()})
			if r := app.UserInfo(t, signed); r.Status != http.StatusUnauthorized {
				t.Errorf("access token by HMAC: %d", r.Status)
			}
		}
		// A server of the same kind has other keys: what one has made is nothing to
		// another.
		other := newTown(t, "sqlite", func(c *config.Config) { c.Issuer = w.Issuer() })
		foreign := other.Application(t, oidc.Client{ID: app.ID, Trusted: true})
		stranger := other.Browser(t)
		twin := other.NewPerson(t, "ann")
		tokens := foreign.Redeem(t, stranger.LogIn(stranger.Open(foreign.AuthURL()), twin).Code(t))
		if r := app.UserInfo(t, tokens.AccessToken); r.Status != http.StatusUnauthorized {
			t.Errorf("access token of another server: %d %s", r.Status, r.Body)
		}
	})
}

// formToken is a token of a form as the pages make it.
func formToken(key []byte, txn, page, browser string) string {
	mac := hmac.New(sha256.New, key)
	var length [4]byte
	for _, part := range []string{txn, page, browser} {
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func signedWith(t *testing.T, key []byte, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"at+jwt"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
