package servertest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// hostileTexts are what a parameter may hold that databases, JSON, HTML or
// headers could choke on.
func hostileTexts() []string {
	return []string{
		"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "\u202e", "\r\nSet-Cookie: a=b", `"><script>alert(1)</script>`, `\u0000`, "%00", "%", "'--",
		strings.Repeat("a", 9000), strings.Repeat("ä ", 5000), "\U0010ffff", "\u2028", "{", "[[[[[[[[", "null", "-1", "1e9", "99999999999999999999",
	}
}

// TestHostileParameters sends every text in every parameter of every endpoint of
// the provider, before and after a login, on both databases: nothing is a server
// error (the browser and post check that), nothing leads anywhere but to the
// application, and what the application gets is what it sent.
func TestHostileParameters(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Name: "My App", Trusted: true, PostLogoutRedirectURIs: []string{"https://app.example.com/out"}})
		who := w.NewPerson(t, "ann")
		member := w.Browser(t)
		tokens := app.Redeem(t, member.LogIn(member.Open(app.AuthURL()), who).Code(t))
		for _, text := range hostileTexts() {
			hostileAuthorize(t, w, app, member, text)
			hostilePages(t, w, app, who, text)
			hostileEndpoints(t, w, app, tokens, text)
		}
		// None of it has cost the person anything.
		tokens = app.Refresh(t, tokens.RefreshToken)
		if r := app.UserInfo(t, tokens.AccessToken); r.Status != http.StatusOK {
			t.Errorf("userinfo afterwards: %d %s", r.Status, r.Body)
		}
	})
}

func hostileAuthorize(t *testing.T, w town, app *servertest.Application, member *servertest.Browser, text string) {
	t.Helper()
	twice := app.Request()
	twice[text] = []string{"a", "b"}
	if p := member.Open("/oauth/authorize?" + twice.Encode()); p.Away == nil || p.Answer(t).Get("error") != "invalid_request" || !errorText.MatchString(p.Answer(t).Get("error_description")) {
		t.Errorf("a parameter %.20q twice leads to %v, %d", text, p.Away, p.Status)
	}
	for _, name := range []string{
		"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "response_mode", "display", "prompt", "max_age",
		"ui_locales", "claims_locales", "id_token_hint", "login_hint", "acr_values", "claims", "request", "request_uri",
		"code_challenge", "code_challenge_method", "dpop_jkt", "resource", "unknown",
	} {
		stranger := w.Browser(t)
		for _, b := range []*servertest.Browser{stranger, member} {
			p := b.Open(app.AuthURL(name, text))
			if p.Away == nil {
				if p.Kind() == servertest.KindOther && (p.Status < 400 || strings.Contains(p.Body, "<script>alert")) {
					t.Errorf("%s=%.20q: %d %s", name, text, p.Status, p.Text())
				}
				continue
			}
			if p.Away.Scheme+"://"+p.Away.Host+p.Away.Path != app.RedirectURIs[0] {
				t.Errorf("%s=%.20q leads to %s", name, text, p.Away)
			}
			answer := p.Answer(t)
			if name == "state" && answer.Has("state") && answer.Get("state") != text {
				t.Errorf("state %.20q came back as %.20q", text, answer.Get("state"))
			}
			if e := answer.Get("error"); e != "" && !errorText.MatchString(answer.Get("error_description")) || e == "server_error" {
				t.Errorf("%s=%.20q: %v", name, text, answer)
			}
		}
	}
}

// hostilePages fills the forms.
func hostilePages(t *testing.T, w town, app *servertest.Application, who servertest.Person, text string) {
	t.Helper()
	b := w.Browser(t)
	p := b.Open(app.AuthURL("prompt", "login"))
	refused := func(what string, p servertest.Page, statuses ...int) {
		t.Helper()
		if p.Away != nil || !slices.Contains(statuses, p.Status) || strings.Contains(p.Body, "<script>alert") {
			t.Errorf("%s %.20q: sent to %v, %d %s", what, text, p.Away, p.Status, p.Text())
		}
	}
	refused("username", b.Submit(p, "login", "username", text, "password", who.Password), 422, 429)
	refused("csrf", b.Submit(p, "login", "username", who.UserName, "password", who.Password, "csrf", text), 403)
	refused("user_code", b.Submit(b.Open("/device"), "device", "user_code", text), 422, 429)
	refused("user_code in the address", b.Open("/device?user_code="+url.QueryEscape(text)), 200)
	refused("txn", b.Open("/login/"+url.PathEscape(text)), 400, 404, 410)
	refused("held", b.Open("/oauth/authorize/held/"+url.PathEscape(text)), 400, 404, 410)
	for _, name := range []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales"} {
		refused("logout "+name, b.Open("/oauth/logout?"+url.Values{name: {text}}.Encode()), 200, 400)
	}
	// The wait that wrong names have earned is over.
	w.clock.advance(5 * time.Minute)
}

func hostileEndpoints(t *testing.T, w town, app *servertest.Application, tokens servertest.Tokens, text string) {
	t.Helper()
	post := func(path string, pairs ...string) {
		t.Helper()
		form := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		r := app.Post(t, path, form)
		if r.Status >= http.StatusInternalServerError || r.Status < 400 && path == "/oauth/token" {
			t.Errorf("%s %.60q: %d %s", path, pairs, r.Status, r.Body)
		}
	}
	uri := app.RedirectURIs[0]
	post("/oauth/token", "grant_type", text)
	post("/oauth/token", "grant_type", "authorization_code", "code", text, "redirect_uri", uri)
	post("/oauth/token", "grant_type", "authorization_code", "code", "x", "redirect_uri", text)
	post("/oauth/token", "grant_type", "authorization_code", "code", "x", "redirect_uri", uri, "code_verifier", text)
	post("/oauth/token", "grant_type", "refresh_token", "refresh_token", text)
	post("/oauth/token", "grant_type", "refresh_token", "refresh_token", "x", "scope", text)
	post("/oauth/token", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", text)
	post("/oauth/token", "grant_type", "client_credentials", "scope", text)
	post("/oauth/token", "grant_type", "authorization_code", "client_assertion", text, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	for _, name := range []string{"state", "nonce", "claims", "login_hint", "redirect_uri", "scope", "max_age", "request", "code_challenge"} {
		post("/oauth/par", "response_type", "code", "redirect_uri", uri, "scope", "openid", name, text)
	}
	post("/oauth/introspect", "token", text)
	post("/oauth/introspect", "token", "x", "token_type_hint", text)
	post("/oauth/revoke", "token", text)
	post("/oauth/device_authorization", "scope", text)
	post("/oauth/device_authorization", "scope", "openid", "acr_values", text)
	for _, path := range []string{"/oauth/token", "/oauth/par", "/oauth/introspect", "/oauth/revoke", "/oauth/device_authorization"} {
		hostileClient(t, w, path, text)
	}
	for _, header := range []string{"Authorization", "DPoP"} {
		if strings.ContainsAny(text, "\x00\r\n") {
			continue // no client can send it
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.Issuer()+"/oauth/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "DPoP "+tokens.AccessToken)
		req.Header.Set(header, "Bearer "+text)
		if r := servertest.Send(t, w.HTTP(), req); r.Status < 400 || r.Status >= 500 {
			t.Errorf("%s %.20q: %d %s", header, text, r.Status, r.Body)
		}
	}
}

// hostileClient calls itself by the text, in the header and in the form.
func hostileClient(t *testing.T, w town, path, text string) {
	t.Helper()
	for _, form := range []url.Values{{}, {"client_id": {text}}, {"client_id": {text}, "client_secret": {text}}, {text: {"a", "b"}}} {
		form.Set("grant_type", "client_credentials")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Issuer()+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if !form.Has("client_id") {
			req.SetBasicAuth(url.QueryEscape(text), url.QueryEscape(text))
		}
		if r := servertest.Send(t, w.HTTP(), req); r.Status < 400 || r.Status >= 500 {
			t.Errorf("%s as client %.20q: %d %s", path, text, r.Status, r.Body)
		}
	}
}
