package servertest_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestOP has one subtest for each module of the certification plans of the
// OpenID Foundation that this provider is to pass, under the name of the module:
// Basic OP, Config OP, RP-initiated logout OP and back-channel logout OP. What a
// module checks is told by its name and the documents it cites; no code of the
// suite was used.
func TestOP(t *testing.T) {
	t.Parallel()
	p := newPlan(t, func(c *config.Config) { c.Backchannel.AllowPrivate = true })
	basicPlan(p)
	basicPromptPlan(p)
	basicRefusalPlan(p)
	configPlan(p)
	logoutPlan(p)
	backchannelPlan(p)
}

func secretPost(c *oidc.Client) { c.AuthMethod = oidc.SecretPost }

// unsignable: no module of the plan may find that alg none is offered.
func (m module) wantNoneUnsupported() {
	m.Helper()
	for name, value := range m.metadata() {
		if strings.HasSuffix(name, "_signing_alg_values_supported") && slices.Contains(strs(value), "none") {
			m.Errorf("%s offers none", name)
		}
	}
}

func basicPlan(p plan) {
	p.module("oidcc-server", func(m module) { m.flow() })
	p.module("oidcc-server-client-secret-post", func(m module) {
		f := m.flow()
		// The method that is not registered is refused.
		m.app.AuthMethod = oidc.SecretBasic
		m.oauthError(m.app.TryRefresh(m, f.tokens.RefreshToken), http.StatusUnauthorized, "invalid_client")
	}, secretPost)
	p.module("oidcc-idtoken-signature", func(m module) {
		// checkIDToken accepts nothing but RS256 by a key with a kid.
		m.flow()
		if !slices.ContainsFunc(m.keys().Keys, func(k jose.JSONWebKey) bool { return k.Algorithm == "RS256" && k.Use == "sig" }) {
			m.Error("no key for RS256")
		}
	})
	p.module("oidcc-idtoken-unsigned", module.wantNoneUnsupported)
	p.module("oidcc-userinfo-get", func(m module) {
		f := m.flow("scope", "openid profile email")
		m.checkUserInfo(m.app.UserInfo(m, f.tokens.AccessToken), f.tokens.Subject())
	})
	p.module("oidcc-userinfo-post-header", func(m module) {
		f := m.flow("scope", "openid profile email")
		m.checkUserInfo(m.userInfoPost(url.Values{}, f.tokens.AccessToken), f.tokens.Subject())
	})
	p.module("oidcc-userinfo-post-body", func(m module) {
		f := m.flow("scope", "openid profile email")
		m.checkUserInfo(m.userInfoPost(url.Values{"access_token": {f.tokens.AccessToken}}, ""), f.tokens.Subject())
	})
	p.module("oidcc-ensure-request-without-nonce-succeeds-for-code-flow", func(m module) { m.flow("nonce", "") })
	scopeModules(p)
	p.module("oidcc-alternate-happy-flow", func(m module) {
		f := flow{request: m.app.Request("scope", "profile openid")}
		var query []string
		for _, name := range []string{"nonce", "state", "redirect_uri", "scope", "client_id", "response_type"} {
			query = append(query, name+"="+url.QueryEscape(f.request.Get(name)))
		}
		m.finish(f, m.b.Open("/oauth/authorize?"+strings.Join(query, "&")))
	})
	for _, display := range []string{"page", "popup"} {
		p.module("oidcc-display-"+display, func(m module) {
			f := flow{request: m.app.Request("display", display)}
			page := m.b.Open("/oauth/authorize?" + f.request.Encode())
			if page.Kind() != servertest.KindLogin {
				m.Errorf("display=%s shows %s, want the login", display, page.Text())
			}
			m.finish(f, page)
		})
	}
	p.module("oidcc-ensure-request-with-unknown-parameter-succeeds", func(m module) { m.flow("extra", "foobar") })
	p.module("oidcc-ensure-post-request-succeeds", func(m module) {
		f := flow{request: m.app.Request()}
		m.finish(f, m.b.Post("/oauth/authorize", f.request))
	})
	p.module("oidcc-ensure-request-with-valid-pkce-succeeds", func(m module) {
		verifier := rand.Text() + rand.Text()
		sum := sha256.Sum256([]byte(verifier))
		q := m.app.Request("code_challenge_method", "S256", "code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
		page := m.b.LogIn(m.b.Open("/oauth/authorize?"+q.Encode()), m.user)
		code := page.Code(m)
		m.oauthError(m.app.TryRedeem(m, code, "code_verifier", verifier+"x"), http.StatusBadRequest, "invalid_grant")
		m.oauthError(m.app.TryRedeem(m, code), http.StatusBadRequest, "invalid_grant")
		m.checkTokens(flow{q, page.Answer(m), m.app.Redeem(m, code, "code_verifier", verifier)})
	})
	p.module("oidcc-claims-essential", func(m module) {
		f := m.flow("claims", `{"userinfo":{"name":{"essential":true}}}`)
		if got := m.checkUserInfo(m.app.UserInfo(m, f.tokens.AccessToken), f.tokens.Subject())["name"]; got != "Jane Q. Doe" {
			m.Errorf("name %v, want that of the user", got)
		}
	})
}

// userInfoPost asks with a form and, unless it is empty, a bearer token.
func (m module) userInfoPost(form url.Values, token string) servertest.Reply {
	m.Helper()
	req, err := http.NewRequestWithContext(m.Context(), http.MethodPost, opIssuer+"/oauth/userinfo", strings.NewReader(form.Encode()))
	if err != nil {
		m.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return servertest.Send(m, m.s.HTTP(), req)
}

// scopeModules: what a scope asks for comes from UserInfo and not in the ID
// token (OpenID Connect Core 1.0 section 5.4).
func scopeModules(p plan) {
	scopes := map[string][]string{
		"profile": {
			"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
			"zoneinfo", "locale", "updated_at",
		},
		"email":   {"email", "email_verified"},
		"address": {"address"},
		"phone":   {"phone_number", "phone_number_verified"},
	}
	all := []string{}
	check := func(m module, scope string, want []string) {
		f := m.flow("scope", "openid "+scope)
		got := m.checkUserInfo(m.app.UserInfo(m, f.tokens.AccessToken), f.tokens.Subject())
		for _, name := range want {
			if _, there := got[name]; !there {
				m.Errorf("userinfo %v lacks %s", got, name)
			}
			if _, there := f.tokens.Claims[name]; there {
				m.Errorf("the ID token has %s", name)
			}
		}
		if len(got) != len(want)+1 {
			m.Errorf("userinfo %v, want sub and %v alone", got, want)
		}
	}
	for _, scope := range []string{"profile", "email", "address", "phone"} {
		p.module("oidcc-scope-"+scope, func(m module) { check(m, scope, scopes[scope]) })
		all = append(all, scopes[scope]...)
	}
	p.module("oidcc-scope-all", func(m module) { check(m, "profile email address phone", all) })
}

// basicPromptPlan are the modules on how often the user is asked, and how.
func basicPromptPlan(p plan) {
	p.module("oidcc-prompt-login", func(m module) {
		first := m.flow()
		m.askedAgain(first, time.Second, "prompt", "login")
	})
	p.module("oidcc-prompt-none-not-logged-in", func(m module) {
		m.wantError(m.app.Request("prompt", "none"), "login_required", "interaction_required", "account_selection_required", "consent_required")
	})
	p.module("oidcc-prompt-none-logged-in", func(m module) {
		first := m.flow()
		m.clock.advance(time.Second)
		m.sameLogin(first, m.silent())
	})
	p.module("oidcc-max-age-1", func(m module) {
		first := m.flow()
		again := m.askedAgain(first, 2*time.Second, "max_age", "1")
		if age := m.clock.Now().Unix() - again.tokens.AuthTime(); age > 1 {
			m.Errorf("auth_time is %d s old, want at most 1", age)
		}
	})
	p.module("oidcc-max-age-10000", func(m module) {
		first := m.flow("max_age", "15000")
		m.b.Asked = nil
		m.clock.advance(time.Second)
		m.sameLogin(first, m.flow("max_age", "10000"))
		if len(m.b.Asked) != 0 {
			m.Errorf("max_age=10000 asked %v", m.b.Asked)
		}
	})
	p.module("oidcc-id-token-hint", func(m module) {
		first := m.flow()
		m.sameLogin(first, m.silent("id_token_hint", first.tokens.IDToken))
		m.clock.advance(time.Hour) // an expired one is as good
		m.sameLogin(first, m.silent("id_token_hint", first.tokens.IDToken))
	})
	p.module("oidcc-login-hint", func(m module) {
		f := flow{request: m.app.Request("login_hint", "jane")}
		page := m.b.Open("/oauth/authorize?" + f.request.Encode())
		if got, _ := page.Value("login", "username"); got != "jane" {
			m.Errorf("username %q is filled in, want the hint", got)
		}
		m.finish(f, page)
	})
	p.module("oidcc-ui-locales", func(m module) {
		f := flow{request: m.app.Request("ui_locales", "se fr-CA de")}
		page := m.b.Open("/oauth/authorize?" + f.request.Encode())
		if !strings.Contains(page.Body, `<html lang="fr`) {
			m.Errorf("the page is not French: %s", page.Text())
		}
		m.finish(f, page)
	})
	p.module("oidcc-claims-locales", func(m module) { m.flow("claims_locales", "se") })
	p.module("oidcc-ensure-request-with-acr-values-succeeds", func(m module) {
		supported := strs(m.metadata()["acr_values_supported"])
		f := m.flow("acr_values", strings.Join(supported, " "))
		if len(supported) == 0 || !slices.Contains(supported, f.tokens.ACR()) {
			m.Errorf("acr %q, want one of %v", f.tokens.ACR(), supported)
		}
	})
}

// askedAgain makes a second request some time later that must ask for the
// password once more.
func (m module) askedAgain(first flow, after time.Duration, pairs ...string) flow {
	m.Helper()
	m.b.Asked = nil
	m.clock.advance(after)
	second := m.flow(pairs...)
	if !slices.Contains(m.b.Asked, servertest.KindLogin) {
		m.Errorf("%v asked %v, want the password", pairs, m.b.Asked)
	}
	if second.tokens.AuthTime() <= first.tokens.AuthTime() || second.tokens.Subject() != first.tokens.Subject() {
		m.Errorf("second ID token %v, want the same user later than %v", second.tokens.Claims, first.tokens.Claims)
	}
	return second
}

func (m module) sameLogin(first, second flow) {
	m.Helper()
	if first.tokens.Subject() != second.tokens.Subject() || first.tokens.AuthTime() != second.tokens.AuthTime() {
		m.Errorf("second ID token %v, want sub and auth_time of %v", second.tokens.Claims, first.tokens.Claims)
	}
}

// basicRefusalPlan are the modules that try what must not work.
func basicRefusalPlan(p plan) {
	p.module("oidcc-response-type-missing", func(m module) {
		m.wantError(m.app.Request("response_type", ""), "unsupported_response_type", "invalid_request")
	})
	for name, wait := range map[string]time.Duration{"oidcc-codereuse": 0, "oidcc-codereuse-30seconds": 30 * time.Second} {
		p.module(name, func(m module) {
			f := m.flow()
			m.clock.advance(wait)
			m.oauthError(m.app.TryRedeem(m, f.answer.Get("code")), http.StatusBadRequest, "invalid_grant")
			if r := m.app.UserInfo(m, f.tokens.AccessToken); r.Status != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), "invalid_token") {
				m.Errorf("the first access token still gets %d %s", r.Status, r.Body)
			}
			m.oauthError(m.app.TryRefresh(m, f.tokens.RefreshToken), http.StatusBadRequest, "invalid_grant")
		})
	}
	p.module("oidcc-ensure-registered-redirect-uri", func(m module) {
		for _, uri := range []string{"https://app.example.com/other", "https://app.example.com/cb?x=1", "https://app.example.com/cb/", "https://evil.example.com/cb", ""} {
			m.wantErrorPage(m.app.Request("redirect_uri", uri))
		}
		m.wantErrorPage(m.app.Request("client_id", "nobody"))
	})
	p.module("oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", func(m module) {
		m.wantError(m.app.Request("request_uri", "https://app.example.com/request.jwt"), "request_uri_not_supported")
	})
	p.module("oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", func(m module) {
		q := m.app.Request()
		m.wantError(setParam(q, "request", m.unsigned(q, q.Get("redirect_uri"))), "request_not_supported", "invalid_request_object")
	})
	p.module("oidcc-ensure-request-object-with-redirect-uri", func(m module) {
		// Unsigned ones are not supported, so the other redirect URI in the object
		// must never be used; nor the registered one outside, which the object
		// replaces, unless as the place for the error.
		q := m.app.Request()
		page := m.b.Open("/oauth/authorize?" + setParam(q, "request", m.unsigned(q, "https://evil.example.com/cb")).Encode())
		if page.Away != nil && (page.Away.Host != "app.example.com" || page.Answer(m).Get("error") == "") {
			m.Errorf("sent to %s", page.Away)
		}
		if page.Away == nil && page.Status < http.StatusBadRequest {
			m.Errorf("status %d: %s", page.Status, page.Text())
		}
	})
	p.module("oidcc-refresh-token", refreshModule)
}

func refreshModule(m module) {
	f := m.flow("scope", "openid profile")
	m.clock.advance(2 * time.Second)
	thief := m.s.Application(m, oidc.Client{Name: "Other"})
	m.oauthError(thief.TryRefresh(m, f.tokens.RefreshToken), http.StatusBadRequest, "invalid_grant")
	next := m.app.Refresh(m, f.tokens.RefreshToken)
	if next.AccessToken == f.tokens.AccessToken || next.AccessToken == "" {
		m.Error("the access token is the same")
	}
	if next.Header.Get("Cache-Control") != "no-store" || next.TokenType != "Bearer" {
		m.Errorf("answer %s %v", next.Body, next.Header)
	}
	m.checkIDToken(next.IDToken, "")
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "acr", "sid"} {
		if got, want := next.Claims[name], f.tokens.Claims[name]; fmt.Sprint(got) != fmt.Sprint(want) || got == nil {
			m.Errorf("refreshed ID token has %s %v, want %v", name, got, want)
		}
	}
	if next.Claims["iat"].(float64) <= f.tokens.Claims["iat"].(float64) {
		m.Errorf("refreshed ID token of %v, want later than %v", next.Claims["iat"], f.tokens.Claims["iat"])
	}
	m.checkUserInfo(m.app.UserInfo(m, next.AccessToken), f.tokens.Subject())
}

// unsigned is a request object with alg none.
func (m module) unsigned(q url.Values, redirect string) string {
	m.Helper()
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	return part(`{"alg":"none"}`) + "." + part(fmt.Sprintf(
		`{"iss":%q,"aud":%q,"client_id":%q,"response_type":"code","scope":"openid","redirect_uri":%q,"state":%q,"nonce":%q}`,
		m.app.ID, opIssuer, m.app.ID, redirect, q.Get("state"), q.Get("nonce"))) + "."
}

// wantErrorPage makes a request that must be answered on a page of ours.
func (m module) wantErrorPage(q url.Values) {
	m.Helper()
	p := m.b.Open("/oauth/authorize?" + q.Encode())
	if p.Away != nil || p.Status != http.StatusBadRequest || p.Kind() != servertest.KindOther {
		m.Errorf("%v: sent to %v, status %d, want a page with an error:\n%s", q, p.Away, p.Status, p.Text())
	}
}

func setParam(q url.Values, name, value string) url.Values {
	q.Set(name, value)
	return q
}

func strs(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		out = append(out, fmt.Sprint(e))
	}
	return out
}
