package servertest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/oidc"
)

// Application is a registered client that speaks the protocol by hand, with no
// library between it and the bytes.
type Application struct {
	oidc.Client
	Secret string
	server *Server
}

// Application registers a client; see NewClient for what it may leave out.
func (s *Server) Application(tb testing.TB, c oidc.Client) *Application {
	tb.Helper()
	a := &Application{server: s}
	a.Client, a.Secret = s.NewClient(tb, c)
	return a
}

// Through sends further requests to this node.
func (a *Application) Through(node *Server) { a.server = node }

// Request are the parameters of an authorization request: response_type,
// client_id, redirect_uri, scope openid, a state and a nonce, unless the names
// and values given say otherwise; an empty value leaves the parameter out.
func (a *Application) Request(pairs ...string) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {a.ID}, "scope": {"openid"},
		"state": {rand.Text()}, "nonce": {rand.Text()},
	}
	if len(a.RedirectURIs) > 0 {
		q.Set("redirect_uri", a.RedirectURIs[0])
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if q.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return q
}

// AuthURL is an authorization request as an address.
func (a *Application) AuthURL(pairs ...string) string {
	return a.server.Issuer() + "/oauth/authorize?" + a.Request(pairs...).Encode()
}

// Post sends a form to an endpoint with the client's registered authentication:
// its secret in the header or in the form, or its id alone.
func (a *Application) Post(tb testing.TB, path string, form url.Values) Reply {
	tb.Helper()
	body := maps.Clone(form)
	if body == nil {
		body = url.Values{}
	}
	switch a.AuthMethod {
	case oidc.SecretPost:
		body.Set("client_id", a.ID)
		body.Set("client_secret", a.Secret)
	case oidc.NoAuth:
		body.Set("client_id", a.ID)
	case oidc.SecretBasic, oidc.PrivateKeyJWT:
	}
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, a.server.Issuer()+path, strings.NewReader(body.Encode()))
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a.AuthMethod == oidc.SecretBasic {
		req.SetBasicAuth(url.QueryEscape(a.ID), url.QueryEscape(a.Secret))
	}
	return Send(tb, a.server.HTTP(), req)
}

// Redeem exchanges a code at the token endpoint; pairs are further parameters.
// Anything but tokens fails the test.
func (a *Application) Redeem(tb testing.TB, code string, pairs ...string) Tokens {
	tb.Helper()
	return newTokens(tb, a.TryRedeem(tb, code, pairs...))
}

// TryRedeem is Redeem that may fail.
func (a *Application) TryRedeem(tb testing.TB, code string, pairs ...string) Reply {
	tb.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}}
	if len(a.RedirectURIs) > 0 {
		form.Set("redirect_uri", a.RedirectURIs[0])
	}
	return a.Post(tb, "/oauth/token", setAll(form, pairs))
}

// Refresh uses a refresh token. Anything but tokens fails the test.
func (a *Application) Refresh(tb testing.TB, token string, pairs ...string) Tokens {
	tb.Helper()
	return newTokens(tb, a.TryRefresh(tb, token, pairs...))
}

// TryRefresh is Refresh that may fail.
func (a *Application) TryRefresh(tb testing.TB, token string, pairs ...string) Reply {
	tb.Helper()
	return a.Post(tb, "/oauth/token", setAll(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}, pairs))
}

// UserInfo asks with a bearer token.
func (a *Application) UserInfo(tb testing.TB, accessToken string) Reply {
	tb.Helper()
	return a.server.Do(tb, http.MethodGet, "/oauth/userinfo", accessToken, "")
}

func setAll(form url.Values, pairs []string) url.Values {
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// Tokens is an answer of the token endpoint. Claims are those of the ID token,
// whose signature is not checked here.
type Tokens struct {
	Reply        `json:"-"`
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	IDToken      string `json:"id_token"`
	Scope        string `json:"scope"`

	Claims map[string]any `json:"-"`
}

func newTokens(tb testing.TB, r Reply) Tokens {
	tb.Helper()
	if r.Status != http.StatusOK {
		tb.Fatalf("token endpoint: %d %s", r.Status, r.Body)
	}
	t := Tokens{Reply: r}
	if err := json.Unmarshal([]byte(r.Body), &t); err != nil {
		tb.Fatalf("token endpoint: %v in %s", err, r.Body)
	}
	if t.IDToken != "" {
		t.Claims = ClaimsOf(tb, t.IDToken)
	}
	return t
}

// ClaimsOf reads the claims of a JWT without checking its signature.
func ClaimsOf(tb testing.TB, token string) map[string]any {
	tb.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		tb.Fatalf("no JWT: %s", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		tb.Fatalf("claims of %s: %v", token, err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		tb.Fatalf("claims of %s: %v", token, err)
	}
	return claims
}

// ACR is the claim acr.
func (t Tokens) ACR() string { s, _ := t.Claims["acr"].(string); return s }

// Subject is the claim sub.
func (t Tokens) Subject() string { s, _ := t.Claims["sub"].(string); return s }

// AuthTime is the claim auth_time, in seconds since 1970.
func (t Tokens) AuthTime() int64 { n, _ := t.Claims["auth_time"].(float64); return int64(n) }
