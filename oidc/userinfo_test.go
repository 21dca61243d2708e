package oidc

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/schema"
)

// userInfo asks with a Bearer header.
func (b *bench) userInfo(tb testing.TB, token string) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequest(http.MethodGet, PathUserInfo, nil)
	r.Header.Set(echo.HeaderAuthorization, "Bearer "+token)
	return b.serve(b.serveUserInfo, r)
}

// Row 72: GET and POST with the header, POST with the body.
func TestRow72_UserInfoIsAskedThreeWays(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	token := b.accessToken(t, "openid")
	post := httptest.NewRequest(http.MethodPost, PathUserInfo, nil)
	post.Header.Set(echo.HeaderAuthorization, "bearer "+token)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"GET":         b.userInfo(t, token),
		"POST header": b.serve(b.serveUserInfo, post),
		"POST body":   b.serve(b.serveUserInfo, form(PathUserInfo, "", "", url.Values{"access_token": {token}})),
	} {
		if w.Code != http.StatusOK || w.Header().Get(echo.HeaderCacheControl) != "no-store" {
			t.Errorf("%s: status %d, Cache-Control %q", name, w.Code, w.Header().Get(echo.HeaderCacheControl))
		}
		if diff := cmp.Diff(map[string]any{"sub": "0190-user"}, answerOf(t, w)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Row 74 and RFC 6750 section 2: refusals with status and challenge.
func TestRow74_UserInfoRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	token := b.accessToken(t, "openid")
	narrow := b.accessToken(t, "profile")
	both := form(PathUserInfo, "", "", url.Values{"access_token": {token}})
	both.Header.Set(echo.HeaderAuthorization, "Bearer "+token)
	twice := httptest.NewRequest(http.MethodGet, PathUserInfo, nil)
	twice.Header["Authorization"] = []string{"Bearer " + token, "Bearer " + token}
	for name, c := range map[string]struct {
		r      *http.Request
		status int
		code   string
	}{
		"nothing":               {httptest.NewRequest(http.MethodGet, PathUserInfo, nil), 401, "invalid_token"},
		"in the URL":            {httptest.NewRequest(http.MethodGet, PathUserInfo+"?access_token="+token, nil), 401, "invalid_token"},
		"in header and body":    {both, 400, "invalid_request"},
		"two headers":           {twice, 400, "invalid_request"},
		"repeated in the body":  {form(PathUserInfo, "", "", url.Values{"access_token": {token, token}}), 400, "invalid_request"},
		"bad token in the body": {form(PathUserInfo, "", "", url.Values{"access_token": {"x"}}), 401, "invalid_token"},
	} {
		w := b.serve(b.serveUserInfo, c.r)
		if got := answerOf(t, w)["error"]; w.Code != c.status || got != c.code {
			t.Errorf("%s: %d %v, want %d %s", name, w.Code, got, c.status, c.code)
		}
		if c.status == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: 401 without a challenge", name)
		}
	}
	w := b.userInfo(t, narrow)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("without openid: %d %q", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	delete(b.rows.users, "0190-user")
	if w := b.userInfo(t, token); w.Code != http.StatusUnauthorized {
		t.Errorf("user deleted: %d, want 401", w.Code)
	}
}

// Rows 75, 76: each scope brings its claims, with the right types.
func TestRow76_ClaimsOfScopes(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		c.Validated = func(_ context.Context, _ authn.User, claim, value string) (bool, error) {
			return claim == "email" && value == "ann@example.com", nil
		}
	})
	b.rows.groups["0190-user"] = []Group{{ID: "1", Name: "admins"}, {ID: "2", Name: "staff"}}
	profile := map[string]any{
		"name": "Ann Archer", "given_name": "Ann", "family_name": "Archer", "nickname": "annie",
		"preferred_username": "ann", "profile": "https://example.com/ann", "zoneinfo": "Europe/Vienna",
		"locale": "de-AT", "updated_at": float64(testUser().Modified.Unix()),
	}
	for scope, want := range map[string]map[string]any{
		"profile": profile,
		"email":   {"email": "ann@example.com", "email_verified": true},
		"phone":   {"phone_number": "+4312345", "phone_number_verified": false},
		"address": {"address": map[string]any{"street_address": "Ring 1", "postal_code": "1010", "country": "AT"}},
		"groups":  {"groups": []any{"admins", "staff"}},
	} {
		want["sub"] = "0190-user"
		if diff := cmp.Diff(want, answerOf(t, b.userInfo(t, b.accessToken(t, "openid", scope)))); diff != "" {
			t.Errorf("scope %s (-want +got):\n%s", scope, diff)
		}
	}
	// Empty ones are left out: a user with nothing but a name.
	b.rows.users["0190-user"] = authn.User{ID: "0190-user", UserName: "x", Object: schema.Object{"userName": "x"}}
	b.rows.groups = nil
	got := answerOf(t, b.userInfo(t, b.accessToken(t, append(StandardScopes(), "openid")...)))
	if diff := cmp.Diff(map[string]any{"sub": "0190-user", "preferred_username": "x"}, got); diff != "" {
		t.Errorf("a bare user (-want +got):\n%s", diff)
	}
}

// Row 30: claims that the claims parameter asks for come without their scope.
func TestRow30_ClaimsParameterAtUserInfo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.grant(func(g *Grant) {
		g.Claims = json.RawMessage(`{"userinfo":{"name":{"essential":true},"phone_number_verified":null,"sub":{"value":"0190-user"},"x":null}}`)
	})
	want := map[string]any{"sub": "0190-user", "name": "Ann Archer", "phone_number_verified": false}
	if diff := cmp.Diff(want, answerOf(t, b.userInfo(t, b.accessToken(t, "openid")))); diff != "" {
		t.Errorf("UserInfo (-want +got):\n%s", diff)
	}
}

func TestClaimsMapping(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		c.Claims = map[string]string{
			"department": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
			"name":       "urn:ietf:params:scim:schemas:core:2.0:User:DISPLAYNAME",
			"nickname":   "", "mails": "emails", "sub": "userName", "iss": "userName",
			"missing": "urn:example:absent:thing", "deep": "userName.sub",
		}
	})
	got := answerOf(t, b.userInfo(t, b.accessToken(t, "openid", "profile")))
	if got["department"] != "Lab" || got["name"] != "Ann A." || got["sub"] != "0190-user" {
		t.Errorf("UserInfo = %v, want the mapped department and name, and sub as it is", got)
	}
	for _, absent := range []string{"nickname", "iss", "missing", "deep"} {
		if v, has := got[absent]; has {
			t.Errorf("UserInfo has %s = %v", absent, v)
		}
	}
	if diff := cmp.Diff(map[string]any{"value": "ann@example.com", "primary": true}, got["mails"]); diff != "" {
		t.Errorf("a complex claim (-want +got):\n%s", diff)
	}
}

// Core 5.3.2: a signed answer has iss and aud and is a JWT of its own type.
func TestSignedUserInfo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.client(func(c *Client) { c.UserInfoAlg = "ES256" })
	w := b.userInfo(t, b.accessToken(t, "openid"))
	if got := w.Header().Get(echo.HeaderContentType); w.Code != http.StatusOK || got != "application/jwt" {
		t.Fatalf("signed UserInfo: %d %s", w.Code, got)
	}
	want := map[string]any{"sub": "0190-user", "iss": testIssuer, "aud": "app"}
	if diff := cmp.Diff(want, b.claimsOf(t, w.Body.String(), "userinfo+jwt")); diff != "" {
		t.Errorf("signed UserInfo (-want +got):\n%s", diff)
	}
}
