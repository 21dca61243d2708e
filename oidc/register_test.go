package oidc

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
)

// mounted serves the routes of the provider as the server does.
func (b *bench) mounted() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) { _ = WriteError(c, b.errorOf(err)) }
	for _, r := range b.tokenRoutes() {
		e.Add(r.method, r.path, r.handle)
	}
	return e
}

func call(h http.Handler, method, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationJSON)
	if token != "" {
		r.Header.Set(echo.HeaderAuthorization, "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func registering(t *testing.T, open bool) *bench {
	t.Helper()
	return newBench(t, func(c *Config) {
		c.Registration = Registration{Enabled: true, Open: open, Token: hashOf("initial token")}
	})
}

const webDocument = `{"client_name":"Shop","redirect_uris":["https://shop.example.com/cb"],"grant_types":["authorization_code","refresh_token"],
	"scope":"openid email scim:write payments nonsense","post_logout_redirect_uris":["https://shop.example.com/bye"],
	"id_token_signed_response_alg":"ES256","contacts":["ops@shop.example.com"],"trusted":true,"required_acr":"","scim_profile":"rfc","type":"machine"}`

// Row 83: off by default; an initial access token unless open.
func TestRow83_RegistrationIsGuarded(t *testing.T) {
	t.Parallel()
	if w := call(newBench(t).mounted(), http.MethodPost, PathRegister, "", webDocument); w.Code != http.StatusNotFound {
		t.Errorf("off: %d, want 404", w.Code)
	}
	h := registering(t, false).mounted()
	for token, want := range map[string]int{"": 401, "wrong": 401, "initial token": 201} {
		if w := call(h, http.MethodPost, PathRegister, token, webDocument); w.Code != want {
			t.Errorf("token %q: %d %s, want %d", token, w.Code, w.Body, want)
		}
	}
	b := newBench(t, func(c *Config) { c.Registration = Registration{Enabled: true} })
	for _, token := range []string{"", "x"} {
		if w := call(b.mounted(), http.MethodPost, PathRegister, token, webDocument); w.Code != 401 {
			t.Errorf("no initial token configured, %q sent: %d, want 401", token, w.Code)
		}
	}
}

// Row 83: all metadata comes back, defaults included; what only an operator may
// say is not taken from the document; secrets are stored as hashes.
func TestRow83_RegistrationAnswersEverything(t *testing.T) {
	t.Parallel()
	b := registering(t, true)
	w := call(b.mounted(), http.MethodPost, PathRegister, "", webDocument)
	if w.Code != http.StatusCreated || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("registration: %d %s", w.Code, w.Body)
	}
	got := answerOf(t, w)
	id, _ := got["client_id"].(string)
	secret, _ := got["client_secret"].(string)
	token, _ := got["registration_access_token"].(string)
	for _, name := range []string{"client_id", "client_secret", "registration_access_token"} {
		delete(got, name)
	}
	want := map[string]any{
		"client_name": "Shop", "application_type": "web", "token_endpoint_auth_method": "client_secret_basic",
		"redirect_uris": []any{"https://shop.example.com/cb"}, "post_logout_redirect_uris": []any{"https://shop.example.com/bye"},
		"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"},
		"scope": "openid email", "subject_type": "public", "id_token_signed_response_alg": "ES256",
		"contacts": []any{"ops@shop.example.com"}, "client_id_issued_at": float64(b.clock().Unix()),
		"client_secret_expires_at": 0.0, "registration_client_uri": testIssuer + PathRegister + "/" + id,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	c := b.rows.clients[id]
	if c.Trusted || c.Type != Web || c.Profile != "" {
		t.Errorf("the document made the client trusted %v, %s, profile %q", c.Trusted, c.Type, c.Profile)
	}
	if !sameHash(c.Secrets[0].Hash, hashOf(secret)) || !sameHash(c.RegistrationHash, hashOf(token)) || len(secret) != 43 {
		t.Error("the secrets are not those that are stored as hashes")
	}
}

func TestRegistrationRefuses(t *testing.T) {
	t.Parallel()
	h := registering(t, true).mounted()
	for name, c := range map[string]struct{ body, code string }{
		"not JSON":             {`{`, "invalid_client_metadata"},
		"an array":             {`[]`, "invalid_client_metadata"},
		"trailing data":        {webDocument + `{}`, "invalid_client_metadata"},
		"wrong type":           {`{"redirect_uris":"https://shop.example.com/cb"}`, "invalid_client_metadata"},
		"no redirect URI":      {`{"client_name":"x"}`, "invalid_redirect_uri"},
		"http redirect URI":    {`{"redirect_uris":["http://shop.example.com/cb"]}`, "invalid_redirect_uri"},
		"fragment":             {`{"redirect_uris":["https://shop.example.com/cb#x"]}`, "invalid_redirect_uri"},
		"wildcard":             {`{"redirect_uris":["https://*.example.com/cb"]}`, "invalid_redirect_uri"},
		"jwks_uri":             {`{"redirect_uris":["https://shop.example.com/cb"],"jwks_uri":"https://shop.example.com/k"}`, "invalid_client_metadata"},
		"pairwise":             {`{"redirect_uris":["https://shop.example.com/cb"],"subject_type":"pairwise"}`, "invalid_client_metadata"},
		"implicit":             {`{"redirect_uris":["https://shop.example.com/cb"],"response_types":["id_token"]}`, "invalid_client_metadata"},
		"unknown grant":        {`{"redirect_uris":["https://shop.example.com/cb"],"grant_types":["password"]}`, "invalid_client_metadata"},
		"alg none":             {`{"redirect_uris":["https://shop.example.com/cb"],"id_token_signed_response_alg":"none"}`, "invalid_client_metadata"},
		"HS256":                {`{"redirect_uris":["https://shop.example.com/cb"],"id_token_signed_response_alg":"HS256"}`, "invalid_client_metadata"},
		"unknown method":       {`{"redirect_uris":["https://shop.example.com/cb"],"token_endpoint_auth_method":"client_secret_jwt"}`, "invalid_client_metadata"},
		"private key in jwks":  {`{"redirect_uris":["https://shop.example.com/cb"],"jwks":{"keys":[{"kty":"oct","k":"AA"}]}}`, "invalid_client_metadata"},
		"key method, no keys":  {`{"redirect_uris":["https://shop.example.com/cb"],"token_endpoint_auth_method":"private_key_jwt"}`, "invalid_client_metadata"},
		"unknown ACR":          {`{"redirect_uris":["https://shop.example.com/cb"],"default_acr_values":["Gold"]}`, "invalid_client_metadata"},
		"unknown application":  {`{"redirect_uris":["https://shop.example.com/cb"],"application_type":"tv"}`, "invalid_client_metadata"},
		"more than can be one": {`{"client_name":"` + strings.Repeat("x", maxRegistration) + `"}`, "invalid_client_metadata"},
	} {
		w := call(h, http.MethodPost, PathRegister, "", c.body)
		if got := answerOf(t, w)["error"]; w.Code != http.StatusBadRequest || got != c.code {
			t.Errorf("%s: %d %v, want 400 %s", name, w.Code, got, c.code)
		}
	}
	r := httptest.NewRequest(http.MethodPost, PathRegister, strings.NewReader(webDocument))
	r.Header.Set(echo.HeaderContentType, "text/plain")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("text/plain: %d, want 400", w.Code)
	}
}

// RFC 7592: a client reads, replaces and removes its own registration, and no
// other.
func TestRegistrationIsManaged(t *testing.T) {
	t.Parallel()
	b := registering(t, true)
	h := b.mounted()
	first := answerOf(t, call(h, http.MethodPost, PathRegister, "", webDocument))
	second := answerOf(t, call(h, http.MethodPost, PathRegister, "", webDocument))
	text := func(m map[string]any, name string) string { s, _ := m[name].(string); return s }
	id, token := text(first, "client_id"), text(first, "registration_access_token")
	path := PathRegister + "/" + id
	for name, c := range map[string]struct{ path, token string }{
		"no token": {path, ""}, "wrong token": {path, "x"}, "token of another": {path, text(second, "registration_access_token")},
		"unknown client": {PathRegister + "/x", token}, "client without a token": {PathRegister + "/app", token},
		"secret as token": {path, text(first, "client_secret")},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			if w := call(h, method, c.path, c.token, webDocument); w.Code != http.StatusUnauthorized {
				t.Errorf("%s %s: %d, want 401", method, name, w.Code)
			}
		}
	}
	got := answerOf(t, call(h, http.MethodGet, path, token, ""))
	for _, name := range []string{"client_secret", "client_secret_expires_at"} {
		delete(first, name)
	}
	if diff := cmp.Diff(first, got); diff != "" {
		t.Errorf("GET (-registered +got):\n%s", diff)
	}
	put := func(edit func(map[string]any)) *httptest.ResponseRecorder {
		doc := map[string]any{"client_id": id, "client_name": "New", "redirect_uris": []string{"https://shop.example.com/new"}}
		edit(doc)
		body, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		return call(h, http.MethodPut, path, token, string(body))
	}
	for name, edit := range map[string]func(map[string]any){
		"no client_id":      func(d map[string]any) { delete(d, "client_id") },
		"another client_id": func(d map[string]any) { d["client_id"] = text(second, "client_id") },
		"wrong secret":      func(d map[string]any) { d["client_secret"] = "x" },
		"made public":       func(d map[string]any) { d["token_endpoint_auth_method"] = "none" },
		"bad redirect URI":  func(d map[string]any) { d["redirect_uris"] = []string{"http://x.example"} },
	} {
		if w := put(edit); w.Code != http.StatusBadRequest {
			t.Errorf("PUT with %s: %d %s, want 400", name, w.Code, w.Body)
		}
	}
	w := put(func(map[string]any) {})
	got = answerOf(t, w)
	if w.Code != http.StatusOK || got["client_name"] != "New" || got["post_logout_redirect_uris"] != nil || got["contacts"] != nil {
		t.Errorf("PUT: %d %v, want the new document alone", w.Code, got)
	}
	if c := b.rows.clients[id]; len(c.Secrets) != 1 || len(c.RegistrationHash) == 0 {
		t.Error("PUT has lost the secrets")
	}
	if w := call(h, http.MethodDelete, path, token, ""); w.Code != http.StatusNoContent {
		t.Errorf("DELETE: %d", w.Code)
	}
	if w := call(h, http.MethodGet, path, token, ""); w.Code != http.StatusUnauthorized {
		t.Errorf("GET after DELETE: %d, want 401", w.Code)
	}
}
