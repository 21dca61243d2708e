package servertest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// active asks for a token as the service bank, and returns the whole answer.
func active(t *testing.T, w town, secret, token string) map[string]any {
	t.Helper()
	form := strings.NewReader(url.Values{"token": {token}}.Encode())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Issuer()+"/oauth/introspect", form)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("bank", secret)
	r := servertest.Send(t, w.HTTP(), req)
	var out map[string]any
	if err := json.Unmarshal([]byte(r.Body), &out); err != nil || r.Status != http.StatusOK {
		t.Fatalf("introspection: %d %s", r.Status, r.Body)
	}
	return out
}

// onlyInactive fails unless the answer is {"active":false} and nothing else.
func onlyInactive(t *testing.T, what string, got map[string]any) {
	t.Helper()
	if len(got) != 1 || got["active"] != false {
		t.Errorf("%s: %v, want {\"active\":false} alone", what, got)
	}
}

// TestTokenLife follows tokens to their end: introspection by the service they
// are for, revocation, a user who is switched off; at once on every node.
func TestTokenLife(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		second := w.neighbour(t)
		ctx := context.Background()
		by := audit.Party{Type: "command", Name: "test"}
		_, secret, err := w.Directory().Provider.CreateService(ctx, by, oidc.Service{
			Name: "bank", Audience: "https://bank.example.com", Scopes: []oidc.ServiceScope{{Name: "payments"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, opaque := range []bool{false, true} {
			app := w.Application(t, oidc.Client{OpaqueAccessToken: opaque, Scopes: []string{"openid", "payments", "offline_access"}})
			who := w.NewPerson(t, "ann"+app.ID)
			b := w.Browser(t)
			log := func() servertest.Tokens {
				t.Helper()
				return app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", "openid payments")), who).Code(t))
			}
			first := log()
			got := active(t, w, secret, first.AccessToken)
			if got["active"] != true || got["sub"] != who.ID || got["acr"] != first.ACR() || got["client_id"] != app.ID ||
				got["auth_time"] != float64(first.AuthTime()) || got["sid"] != first.Claims["sid"] {
				t.Errorf("introspection = %v, want what the ID token says: %v", got, first.Claims)
			}
			onlyInactive(t, "the refresh token", active(t, w, secret, first.RefreshToken))
			other := w.Application(t, oidc.Client{})
			if r := other.Post(t, "/oauth/revoke", url.Values{"token": {first.RefreshToken}}); r.Status != http.StatusOK {
				t.Errorf("revocation by another client: %d", r.Status)
			}
			alive(t, w, second, first.AccessToken, true)
			if r := app.Post(t, "/oauth/revoke", url.Values{"token": {first.RefreshToken}}); r.Status != http.StatusOK || r.Body != "" {
				t.Errorf("revocation: %d %s", r.Status, r.Body)
			}
			alive(t, w, second, first.AccessToken, false)
			onlyInactive(t, "revoked", active(t, w, secret, first.AccessToken))
			wantOAuthError(t, "refresh after revocation", app.TryRefresh(t, first.RefreshToken), 400, "invalid_grant")

			next := log()
			alive(t, w, second, next.AccessToken, true)
			w.PatchPerson(t, who, `{"op":"replace","path":"active","value":false}`)
			alive(t, w, second, next.AccessToken, false)
			onlyInactive(t, "user switched off", active(t, w, secret, next.AccessToken))
		}
	})
}

// alive asks UserInfo at both nodes.
func alive(t *testing.T, w town, second *servertest.Server, token string, want bool) {
	t.Helper()
	for name, node := range map[string]*servertest.Server{"first": w.Server, "second": second} {
		r := ask(t, node, "/oauth/userinfo", "Bearer", token, "")
		if got := r.Status == http.StatusOK; got != want {
			t.Errorf("UserInfo at the %s node: %d %s, want ok %v", name, r.Status, r.Body, want)
		}
		if !want && !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), `Bearer error="invalid_token"`) {
			t.Errorf("challenge %q", r.Header.Get("WWW-Authenticate"))
		}
	}
}

// notices is an application that takes logout tokens.
type notices struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	took   chan struct{}
}

func newNotices(t *testing.T) *notices {
	t.Helper()
	n := &notices{took: make(chan struct{}, 16)}
	n.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n.mu.Lock()
		n.bodies = append(n.bodies, string(body))
		n.mu.Unlock()
		n.took <- struct{}{}
	}))
	t.Cleanup(n.Close)
	return n
}

// TestLogoutOverHTTP logs out at the application's wish: the browser goes back
// with the state, the client is told by a logout token, nobody is logged in any
// more, and only offline_access survives.
func TestLogoutOverHTTP(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		n := newNotices(t)
		app := w.Application(t, oidc.Client{
			PostLogoutRedirectURIs: []string{"https://app.example.com/bye"}, BackchannelLogoutURI: n.URL + "/backchannel",
			Scopes: []string{"openid", "offline_access"},
		})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		online := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), who).Code(t))
		offline := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", "openid offline_access", "prompt", "consent")), who).Code(t))
		if online.Claims["sid"] == "" || online.Claims["sid"] != offline.Claims["sid"] {
			t.Errorf("sid %v and %v, want one for session and client", online.Claims["sid"], offline.Claims["sid"])
		}
		p := b.Open("/oauth/logout?" + url.Values{
			"id_token_hint": {online.IDToken}, "post_logout_redirect_uri": {"https://app.example.com/bye"}, "state": {"s1"},
		}.Encode())
		if p.Away == nil || p.Away.String() != "https://app.example.com/bye?state=s1" || p.Status != http.StatusSeeOther {
			t.Fatalf("sent to %v (%d), want the application with its state and nothing else", p.Away, p.Status)
		}
		if got := b.Open(app.AuthURL("prompt", "none")).Answer(t).Get("error"); got != "login_required" {
			t.Errorf("prompt=none after logout: %s, want login_required", got)
		}
		wantOAuthError(t, "refresh of the session", app.TryRefresh(t, online.RefreshToken), 400, "invalid_grant")
		if r := app.UserInfo(t, online.AccessToken); r.Status != http.StatusUnauthorized {
			t.Errorf("access token after logout: %d, want 401", r.Status)
		}
		app.Refresh(t, offline.RefreshToken)
		w.told(t, n, app, online)
	}, func(c *config.Config) { c.Backchannel.AllowPrivate = true })
}

// told waits for the logout token and judges it.
func (w town) told(t *testing.T, n *notices, app *servertest.Application, tokens servertest.Tokens) {
	t.Helper()
	select {
	case <-n.took:
	case <-time.After(20 * time.Second):
		t.Fatal("the client was not told of the logout")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	form, err := url.ParseQuery(n.bodies[0])
	if err != nil || len(form) != 1 {
		t.Fatalf("posted %v, want logout_token alone", n.bodies)
	}
	claims := servertest.ClaimsOf(t, form.Get("logout_token"))
	if claims["sid"] != tokens.Claims["sid"] || claims["sub"] != tokens.Subject() || claims["aud"] != app.ID || claims["nonce"] != nil {
		t.Errorf("logout token %v, want sid and sub of %v", claims, tokens.Claims)
	}
	if r := w.Do(t, http.MethodGet, "/oauth/userinfo", form.Get("logout_token"), ""); r.Status != http.StatusUnauthorized {
		t.Errorf("the logout token at UserInfo: %d, want 401", r.Status)
	}
}

// TestForgedLogoutAsks sends what anybody could send: the person is asked and
// goes nowhere.
func TestForgedLogoutAsks(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	app := w.Application(t, oidc.Client{PostLogoutRedirectURIs: []string{"https://app.example.com/bye"}})
	who, stranger := w.NewPerson(t, "ann"), w.NewPerson(t, "bob")
	b, theirs := w.Browser(t), w.Browser(t)
	own := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), who).Code(t))
	foreign := app.Redeem(t, theirs.LogIn(theirs.Open(app.AuthURL()), stranger).Code(t))
	parts := strings.Split(own.IDToken, ".")
	for name, q := range map[string]url.Values{
		"no hint":            {"client_id": {app.ID}, "post_logout_redirect_uri": {"https://app.example.com/bye"}},
		"hint of another":    {"id_token_hint": {foreign.IDToken}, "post_logout_redirect_uri": {"https://app.example.com/bye"}},
		"hint with alg none": {"id_token_hint": {"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + "."}, "post_logout_redirect_uri": {"https://app.example.com/bye"}},
		"query added":        {"id_token_hint": {own.IDToken}, "post_logout_redirect_uri": {"https://app.example.com/bye?x=1"}},
		"nothing":            {},
	} {
		p := b.Open("/oauth/logout?" + q.Encode())
		if p.Kind() != servertest.KindLogout || p.Away != nil {
			t.Errorf("%s: %q at %s, sent to %v, want the question", name, p.Kind(), p.URL, p.Away)
		}
	}
	if r := app.UserInfo(t, own.AccessToken); r.Status != http.StatusOK {
		t.Errorf("still logged in: %d", r.Status)
	}
}

// TestDeviceFlow shows a code on a device and approves it in a browser.
func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{GrantTypes: []string{oidc.GrantDevice, oidc.GrantCode, oidc.GrantRefresh}})
		who := w.NewPerson(t, "ann")
		r := app.Post(t, "/oauth/device_authorization", url.Values{"scope": {"openid"}})
		var d struct {
			Code     string `json:"device_code"`
			UserCode string `json:"user_code"`
			Complete string `json:"verification_uri_complete"`
		}
		if err := json.Unmarshal([]byte(r.Body), &d); err != nil || r.Status != http.StatusOK {
			t.Fatalf("device authorization: %d %s", r.Status, r.Body)
		}
		poll := url.Values{"grant_type": {oidc.GrantDevice}, "device_code": {d.Code}}
		wantOAuthError(t, "before approval", app.Post(t, "/oauth/token", poll), 400, "authorization_pending")
		wantOAuthError(t, "too soon", app.Post(t, "/oauth/token", poll), 400, "slow_down")
		b := w.Browser(t)
		p := b.Open("/device")
		if wrong := b.Submit(p, "device", "user_code", "BBBB-BBBB"); wrong.Kind() != servertest.KindDevice {
			t.Errorf("a wrong code leads to %q", wrong.Kind())
		}
		p = b.LogIn(b.Submit(p, "device", "user_code", strings.ToLower(d.UserCode)), who)
		if p.Status != http.StatusOK {
			t.Errorf("approval ends with %d: %s", p.Status, p.Text())
		}
		w.clock.advance(20 * time.Second)
		access, _, _ := tokensOf(t, app.Post(t, "/oauth/token", poll))
		if got := app.UserInfo(t, access); !strings.Contains(got.Body, who.ID) {
			t.Errorf("UserInfo of the device: %d %s", got.Status, got.Body)
		}
		w.clock.advance(20 * time.Second)
		wantOAuthError(t, "the device code again", app.Post(t, "/oauth/token", poll), 400, "invalid_grant")
	})
}

// TestRegistrationOverHTTP registers a client with the initial access token and
// logs in with it.
func TestRegistrationOverHTTP(t *testing.T) {
	t.Parallel()
	const initial = "an initial access token of some length"
	eachTown(t, func(t *testing.T, w town) {
		document := `{"client_name":"Shop","redirect_uris":["https://shop.example.com/cb"],"id_token_signed_response_alg":"EdDSA"}`
		register := func(method, path, token, body string) servertest.Reply {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+token)
			return servertest.Send(t, w.HTTP(), req)
		}
		endpoint := w.Issuer() + "/oauth/register"
		wantOAuthError(t, "wrong initial token", register(http.MethodPost, endpoint, "x", document), 401, "invalid_token")
		r := register(http.MethodPost, endpoint, initial, document)
		var got struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
			Token  string `json:"registration_access_token"`
			URI    string `json:"registration_client_uri"`
		}
		if err := json.Unmarshal([]byte(r.Body), &got); err != nil || r.Status != http.StatusCreated {
			t.Fatalf("registration: %d %s", r.Status, r.Body)
		}
		app := w.Application(t, oidc.Client{})
		app.ID, app.Secret, app.RedirectURIs = got.ID, got.Secret, []string{"https://shop.example.com/cb"}
		b := w.Browser(t)
		tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), w.NewPerson(t, "ann")).Code(t))
		if r := register(http.MethodGet, got.URI, got.Token, ""); r.Status != http.StatusOK || strings.Contains(r.Body, got.Secret) {
			t.Errorf("own registration: %d %s", r.Status, r.Body)
		}
		if r := register(http.MethodDelete, got.URI, got.Token, ""); r.Status != http.StatusNoContent {
			t.Errorf("removal: %d %s", r.Status, r.Body)
		}
		if r := app.UserInfo(t, tokens.AccessToken); r.Status != http.StatusUnauthorized {
			t.Errorf("access token of a client that is gone: %d, want 401", r.Status)
		}
	}, func(c *config.Config) {
		c.Registration = config.Registration{Enabled: true, InitialAccessToken: initial}
	})
}
