package oidc

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
)

func (b *bench) introspectAs(t *testing.T, user, secret, token string) map[string]any {
	t.Helper()
	w := b.serve(b.serveIntrospect, form(PathIntrospect, user, secret, url.Values{"token": {token}}))
	if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("introspection as %s: %d %s", user, w.Code, w.Body)
	}
	return answerOf(t, w)
}

// Rows 84, 97: a token meant for the caller is described with acr, amr and
// auth_time; about any other the answer is {"active":false} alone.
func TestRow84_Introspection(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	own := b.accessToken(t, "openid")
	banks := b.accessToken(t, "payments")
	now := float64(b.clock().Unix())
	got := b.introspectAs(t, "bank", "bank secret", banks)
	if got["jti"] == "" {
		t.Error("jti is missing")
	}
	delete(got, "jti")
	want := map[string]any{
		"active": true, "scope": "payments", "client_id": "app", "token_type": "Bearer", "exp": now + 300, "iat": now,
		"sub": "0190-user", "aud": "https://bank.example.com", "iss": testIssuer, "sid": "sid1",
		"acr": "MFA", "amr": []any{"mfa", "otp", "pwd"}, "auth_time": now - 60,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("introspection by the service (-want +got):\n%s", diff)
	}
	if got := b.introspectAs(t, "app", "app secret", own); got["active"] != true {
		t.Errorf("introspection by the client itself = %v", got)
	}
	b.rows.clients["other"] = Client{ID: "other", AuthMethod: SecretBasic, Secrets: []ClientSecret{{Hash: hashOf("s")}}}
	nothing := map[string]any{"active": false}
	for name, got := range map[string]map[string]any{
		"not meant for the service": b.introspectAs(t, "bank", "bank secret", own),
		"of another client":         b.introspectAs(t, "other", "s", own),
		"unknown":                   b.introspectAs(t, "bank", "bank secret", "x"),
		"garbage with dots":         b.introspectAs(t, "bank", "bank secret", "x.y.z"),
	} {
		if diff := cmp.Diff(nothing, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	b.add(5 * time.Minute)
	if diff := cmp.Diff(nothing, b.introspectAs(t, "app", "app secret", own)); diff != "" {
		t.Errorf("expired (-want +got):\n%s", diff)
	}
}

// Nobody asks without a credential, and a public client has none.
func TestIntrospectionNeedsACredential(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.rows.clients["spa"] = Client{ID: "spa", Type: SPA, AuthMethod: NoAuth}
	token := b.accessToken(t, "payments")
	for name, r := range map[string]*http.Request{
		"nobody":              form(PathIntrospect, "", "", url.Values{"token": {token}}),
		"wrong secret":        form(PathIntrospect, "bank", "x", url.Values{"token": {token}}),
		"empty secret":        form(PathIntrospect, "bank", "", url.Values{"token": {token}}),
		"secret of the other": form(PathIntrospect, "bank", "app secret", url.Values{"token": {token}}),
		"public client":       form(PathIntrospect, "", "", url.Values{"token": {token}, "client_id": {"spa"}}),
	} {
		w := b.serve(b.serveIntrospect, r)
		if got := answerOf(t, w); w.Code != http.StatusUnauthorized || got["error"] != "invalid_client" || got["active"] != nil {
			t.Errorf("%s: %d %v, want 401 invalid_client", name, w.Code, got)
		}
	}
	w := b.serve(b.serveIntrospect, form(PathIntrospect, "bank", "bank secret", url.Values{}))
	if got := answerOf(t, w)["error"]; w.Code != http.StatusBadRequest || got != "invalid_request" {
		t.Errorf("without a token: %d %v", w.Code, got)
	}
}

// Row 64 at introspection: a bound token says so, and to which key.
func TestIntrospectionOfBoundToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	token, _ := bound(t, b, false)
	got := b.introspectAs(t, "app", "app secret", token)
	if got["token_type"] != "DPoP" {
		t.Errorf("token_type = %v, want DPoP", got["token_type"])
	}
	if diff := cmp.Diff(map[string]any{"jkt": b.rows.grants["g1"].KeyThumbprint}, got["cnf"]); diff != "" {
		t.Errorf("cnf (-want +got):\n%s", diff)
	}
}

func (b *bench) refreshToken(secret string, edit func(*Refresh)) {
	r := Refresh{Hash: hashOf(secret), GrantID: "g1", Scopes: []string{"openid"}, CreatedAt: b.clock(), ExpiresAt: b.clock().Add(time.Hour)}
	edit(&r)
	b.rows.refresh[string(r.Hash)] = r
}

// A client may ask about its own refresh tokens, a service not.
func TestIntrospectionOfRefreshToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.refreshToken("live", func(*Refresh) {})
	b.refreshToken("used", func(r *Refresh) { r.UsedAt = b.clock() })
	b.refreshToken("over", func(r *Refresh) { r.ExpiresAt = b.clock() })
	if got := b.introspectAs(t, "app", "app secret", "live"); got["active"] != true || got["scope"] != "openid" || got["acr"] != "MFA" || got["token_type"] != nil {
		t.Errorf("live = %v", got)
	}
	b.rows.clients["other"] = Client{ID: "other", AuthMethod: SecretBasic, Secrets: []ClientSecret{{Hash: hashOf("s")}}}
	for name, got := range map[string]map[string]any{
		"used":       b.introspectAs(t, "app", "app secret", "used"),
		"over":       b.introspectAs(t, "app", "app secret", "over"),
		"of another": b.introspectAs(t, "other", "s", "live"),
		"by service": b.introspectAs(t, "bank", "bank secret", "live"),
	} {
		if diff := cmp.Diff(map[string]any{"active": false}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Row 85: either kind of token ends the grant; unknown ones and those of others
// are answered 200 without effect; the hint is only a hint.
func TestRow85_Revocation(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token   func(b *bench) string
		user    string
		secret  string
		hint    string
		revoked bool
	}{
		"refresh token":      {func(b *bench) string { b.refreshToken("r", func(*Refresh) {}); return "r" }, "app", "app secret", "", true},
		"used refresh token": {func(b *bench) string { b.refreshToken("r", func(r *Refresh) { r.UsedAt = b.clock() }); return "r" }, "app", "app secret", "", true},
		"access token":       {func(b *bench) string { return b.accessToken(t, "openid") }, "app", "app secret", "", true},
		"opaque access token": {func(b *bench) string {
			b.client(func(c *Client) { c.OpaqueAccessToken = true })
			return b.accessToken(t)
		}, "app", "app secret", "", true},
		"hint of another kind":  {func(b *bench) string { return b.accessToken(t, "openid") }, "app", "app secret", "refresh_token", true},
		"unknown hint":          {func(b *bench) string { return b.accessToken(t, "openid") }, "app", "app secret", "x", true},
		"unknown":               {func(*bench) string { return "x" }, "app", "app secret", "", false},
		"of another client":     {func(b *bench) string { return b.accessToken(t, "openid") }, "other", "s", "", false},
		"ID token is no access": {func(b *bench) string { return idOf(t, b) }, "app", "app secret", "", false},
	} {
		b := newBench(t)
		b.rows.clients["other"] = Client{ID: "other", AuthMethod: SecretBasic, Secrets: []ClientSecret{{Hash: hashOf("s")}}}
		values := url.Values{"token": {c.token(b)}}
		if c.hint != "" {
			values.Set("token_type_hint", c.hint)
		}
		w := b.serve(b.serveRevoke, form(PathRevoke, c.user, c.secret, values))
		if w.Code != http.StatusOK || w.Body.Len() != 0 {
			t.Errorf("%s: %d %q, want 200 and nothing", name, w.Code, w.Body)
		}
		if got := !b.rows.grants["g1"].RevokedAt.IsZero(); got != c.revoked {
			t.Errorf("%s: revoked = %v, want %v", name, got, c.revoked)
		}
		if got := len(b.rows.events) == 1 && b.rows.events[0].Name == audit.TokenRevoked; got != c.revoked {
			t.Errorf("%s: events = %v", name, b.rows.events)
		}
	}
	b := newBench(t)
	w := b.serve(b.serveRevoke, form(PathRevoke, "app", "wrong", url.Values{"token": {"x"}}))
	if w.Code != http.StatusUnauthorized {
		t.Errorf("wrong secret: %d, want 401", w.Code)
	}
	w = b.serve(b.serveRevoke, form(PathRevoke, "app", "app secret", url.Values{}))
	if w.Code != http.StatusBadRequest {
		t.Errorf("no token: %d, want 400", w.Code)
	}
}

func idOf(t *testing.T, b *bench) string {
	t.Helper()
	token, err := b.mintIDToken(t.Context(), b.rows.clients["app"], b.rows.grants["g1"], "")
	if err != nil {
		t.Fatal(err)
	}
	return token
}
