package oidc

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

func document(t *testing.T, b *bench) map[string]any {
	t.Helper()
	w := b.serve(b.discovery(), httptest.NewRequest(http.MethodGet, wellKnownOpenID, nil))
	if got := w.Header().Get(echo.HeaderContentType); w.Code != http.StatusOK || got != "application/json" {
		t.Fatalf("discovery: %d %s", w.Code, got)
	}
	return answerOf(t, w)
}

// Rows 36, 78 to 81: issuer and endpoints, no empty members, only what works.
func TestRow80_DiscoveryTellsWhatWorks(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		c.Locales = []string{"en", "de"}
		c.Scopes = []ServiceScope{{Name: "extra"}}
	})
	doc := document(t, b)
	for name, value := range doc {
		if list, ok := value.([]any); value == nil || value == "" || ok && len(list) == 0 {
			t.Errorf("%s is empty", name)
		}
		if strings.HasSuffix(name, "_endpoint") || name == "jwks_uri" {
			if text, _ := value.(string); !strings.HasPrefix(text, testIssuer+"/oauth/") {
				t.Errorf("%s = %v", name, value)
			}
		}
	}
	for name, want := range map[string]any{
		"issuer": testIssuer, "request_uri_parameter_supported": false, "request_parameter_supported": true,
		"claims_parameter_supported": true, "authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
	} {
		if doc[name] != want {
			t.Errorf("%s = %v, want %v", name, doc[name], want)
		}
	}
	lists := map[string][]string{}
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		t.Fatal(err)
	}
	for name, text := range members {
		var list []string
		if json.Unmarshal(text, &list) == nil {
			lists[name] = list
		}
	}
	for name, want := range map[string][]string{
		"acr_values_supported": {"Default", "MFA"}, "response_types_supported": {"code"},
		"response_modes_supported": {"query", "form_post"}, "subject_types_supported": {"public"},
		"code_challenge_methods_supported": {"S256"}, "ui_locales_supported": {"en", "de"},
	} {
		if !slices.Equal(lists[name], want) {
			t.Errorf("%s = %v, want %v", name, lists[name], want)
		}
	}
	for name, want := range map[string][]string{
		"id_token_signing_alg_values_supported": {"RS256", "ES256"}, "dpop_signing_alg_values_supported": {"ES256"},
		"scopes_supported": {"openid", "offline_access", "extra"}, "claims_supported": {"sub", "acr", "amr", "auth_time", "sid", "email_verified"},
		"grant_types_supported":                 {GrantCode, GrantRefresh, GrantClient, GrantDevice},
		"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
	} {
		for _, value := range want {
			if !slices.Contains(lists[name], value) {
				t.Errorf("%s = %v lacks %s", name, lists[name], value)
			}
		}
	}
	for name, list := range lists {
		if strings.Contains(name, "_alg_") && (slices.Contains(list, "none") || slices.Contains(list, "HS256")) {
			t.Errorf("%s = %v", name, list)
		}
	}
	if slices.Contains(lists["introspection_endpoint_auth_methods_supported"], "none") {
		t.Error("introspection is offered to public clients")
	}
	if _, has := doc["registration_endpoint"]; has {
		t.Error("registration is advertised although it is off")
	}
	if _, has := document(t, newBench(t, func(c *Config) { c.Registration.Enabled = true }))["registration_endpoint"]; !has {
		t.Error("registration is on and not advertised")
	}
}

// Row 78: an issuer with a path has the document in both places.
func TestRow78_IssuerWithPath(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Issuer = "https://id.example.com/tenant" })
	want := []string{
		"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server",
		"/tenant/.well-known/openid-configuration", "/.well-known/openid-configuration/tenant",
		"/.well-known/oauth-authorization-server/tenant",
	}
	if got := b.discoveryPaths(); !slices.Equal(got, want) {
		t.Errorf("discoveryPaths = %v, want %v", got, want)
	}
	if got := document(t, b)["token_endpoint"]; got != "https://id.example.com/tenant/oauth/token" {
		t.Errorf("token_endpoint = %v", got)
	}
}

// Row 70: the key set may be kept, and is answered 304 to who has it. Host and
// forwarded headers change nothing.
func TestRow70_KeySetIsCached(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.accessToken(t, "openid")
	w := b.serve(b.serveJWKS, httptest.NewRequest(http.MethodGet, PathJWKS, nil))
	etag := w.Header().Get("ETag")
	if w.Code != http.StatusOK || etag == "" || w.Header().Get(echo.HeaderCacheControl) != "public, max-age=900" {
		t.Fatalf("key set: %d, ETag %q, Cache-Control %q", w.Code, etag, w.Header().Get(echo.HeaderCacheControl))
	}
	for value, want := range map[string]int{etag: 304, "W/" + etag: 304, `"x", ` + etag: 304, "*": 304, `"x"`: 200} {
		r := httptest.NewRequest(http.MethodGet, PathJWKS, nil)
		r.Header.Set("If-None-Match", value)
		if w := b.serve(b.serveJWKS, r); w.Code != want || want == 304 && w.Body.Len() > 0 {
			t.Errorf("If-None-Match %s: %d, want %d", value, w.Code, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, wellKnownOpenID, nil)
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	if w := b.serve(b.discovery(), r); strings.Contains(w.Body.String(), "evil") {
		t.Error("the host of the request stands in the document")
	}
}

// Every endpoint of the document that answers JSON is mounted.
func TestEndpointsAreMounted(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.Registration.Enabled = true })
	mounted := map[string]bool{}
	for _, r := range b.tokenRoutes() {
		mounted[testIssuer+r.path] = true
	}
	for name, value := range document(t, b) {
		text, _ := value.(string)
		switch name {
		case "authorization_endpoint", "end_session_endpoint", "token_endpoint", "pushed_authorization_request_endpoint", "issuer":
			continue
		}
		if text != "" && !mounted[text] {
			t.Errorf("%s = %s is not mounted", name, text)
		}
	}
}
