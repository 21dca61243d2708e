package oidc_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// each runs a test on every kind of database, with a client "app" and its
// secret, the user logged in by password.
func each(t *testing.T, edit func(*oidc.Client), run func(t *testing.T, w *world, secret string), edits ...func(*oidc.Config)) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		w := newWorld(t, o, edits...)
		secret := w.client(edit)
		w.login(acr.Password)
		run(t, w, secret)
	})
}

// Rows 42, 46, 48, 57, 59 and 65: the plain flow.
func TestCodeFlow(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		got := w.authorize(request("nonce", "n-1"))
		if got.Get("state") != "xyz" || got.Get("iss") != issuer {
			t.Errorf("answer %v, want state and iss (RFC 9207)", got)
		}
		a := w.wantTokens("code", w.nodes[0].redeem(secret, got.Get("code")))
		if a.text("token_type") != "Bearer" || a.text("scope") != "openid" || a.Body["expires_in"] != float64(300) {
			t.Errorf("answer %v, want Bearer, scope openid and a number of seconds", a.Body)
		}
		id := claims(t, a.text("id_token"))
		if id["nonce"] != "n-1" || id["sub"] != w.user.ID || id["acr"] != "Default" || id["aud"] != "app" {
			t.Errorf("ID token %v, want nonce, sub, acr and aud", id)
		}
		if got := w.nodes[1].userinfo(a.text("access_token")); got != http.StatusOK {
			t.Errorf("userinfo = %d, want 200", got)
		}
		if n := len(w.events(audit.TokenIssued)); n != 1 {
			t.Errorf("%d events %s, want 1", n, audit.TokenIssued)
		}
	})
}

// race redeems one code n times at once.
func race(t *testing.T, n int) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		code := w.code()
		got := w.parallel(n, func(n *node) answer { return n.redeem(secret, code) })
		won := successes(got)
		if len(won) != 1 {
			t.Fatalf("%d of %d redemptions succeeded, want 1", len(won), n)
		}
		for _, a := range got {
			if a.Status != http.StatusOK && a.text("error") != string(oidc.InvalidGrant) {
				t.Errorf("a loser got %d %v, want invalid_grant", a.Status, a.Body)
			}
		}
		if got := w.nodes[0].userinfo(won[0].text("access_token")); got != http.StatusUnauthorized {
			t.Errorf("userinfo after the race = %d, want 401: what the code gave is revoked", got)
		}
		w.wantRefused("refresh after the race", w.nodes[0].refresh(secret, won[0].text("refresh_token")), 400, oidc.InvalidGrant)
	})
}

func TestCodeRace8(t *testing.T)   { race(t, 8) }
func TestCodeRace200(t *testing.T) { race(t, 200) }

func TestCodeRaceTwoNodes(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		code := w.code()
		if got := len(successes(w.parallel(2, func(n *node) answer { return n.redeem(secret, code) }))); got != 1 {
			t.Errorf("%d nodes redeemed the code, want 1", got)
		}
	})
}

func TestCodeReuseRevokesAll(t *testing.T) {
	t.Parallel()
	for _, wait := range []time.Duration{0, 30 * time.Second, 2 * time.Minute} {
		t.Run(wait.String(), func(t *testing.T) {
			each(t, nil, func(t *testing.T, w *world, secret string) {
				code := w.code()
				first := w.wantTokens("first use", w.nodes[0].redeem(secret, code))
				next := w.wantTokens("refresh", w.nodes[0].refresh(secret, first.text("refresh_token")))
				w.o.Clock.Advance(wait)
				w.wantRefused("second use", w.nodes[1].redeem(secret, code), 400, oidc.InvalidGrant)
				for _, token := range []string{first.text("access_token"), next.text("access_token")} {
					if got := w.nodes[0].userinfo(token); got != http.StatusUnauthorized {
						t.Errorf("userinfo = %d, want 401", got)
					}
				}
				w.wantRefused("refresh", w.nodes[0].refresh(secret, next.text("refresh_token")), 400, oidc.InvalidGrant)
			})
		})
	}
}

// Vikunja CVE-2026-35597: the request fails, what it has found out stands.
func TestReuseRevocationCommits(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		code := w.code()
		w.wantTokens("first use", w.nodes[0].redeem(secret, code))
		w.wantRefused("second use", w.nodes[0].redeem(secret, code), 400, oidc.InvalidGrant)
		found := w.events(audit.TokenReuseDetected)
		if len(found) != 1 || found[0].Outcome != audit.Refused || found[0].Reason != "code" {
			t.Fatalf("events %v, want one refusal of a code", found)
		}
		g, err := w.db.Grant(t.Context(), found[0].Target.ID)
		if err != nil || g.RevokedAt.IsZero() {
			t.Errorf("grant revoked at %v (%v), want revoked", g.RevokedAt, err)
		}
	})
}

func TestForeignClientDoesNotBurnCode(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		other := w.client(func(c *oidc.Client) { c.ID = "other" })
		code := w.code()
		form := pairs("grant_type", "authorization_code", "code", code, "redirect_uri", "https://app.example.com/cb")
		w.wantRefused("foreign client", w.nodes[0].post(oidc.PathToken, "other", other, form), 400, oidc.InvalidGrant)
		first := w.wantTokens("its client", w.nodes[0].redeem(secret, code))
		// Nor does it revoke what came of a code that was used.
		w.wantRefused("foreign client again", w.nodes[0].post(oidc.PathToken, "other", other, form), 400, oidc.InvalidGrant)
		if got := w.nodes[0].userinfo(first.text("access_token")); got != http.StatusOK {
			t.Errorf("userinfo = %d, want 200", got)
		}
	})
}

func TestWrongVerifierDoesNotBurnCode(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		code := w.code("code_challenge", challenge(), "code_challenge_method", "S256")
		for name, more := range map[string][]string{
			"no verifier":        nil,
			"wrong verifier":     {"code_verifier", verifier[1:] + "A"},
			"other redirect_uri": {"code_verifier", verifier, "redirect_uri", "https://app.example.com/cb?"},
			"no redirect_uri":    {"code_verifier", verifier, "redirect_uri", ""},
		} {
			w.wantRefused(name, w.nodes[0].redeem(secret, code, more...), 400, oidc.InvalidGrant)
		}
		w.wantTokens("right verifier", w.nodes[0].redeem(secret, code, "code_verifier", verifier))
	})
}

// Rows 14 to 16; authentik CVE-2024-23647.
func TestPKCEStripped(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		for name, more := range map[string][]string{
			"plain":              {"code_challenge", verifier, "code_challenge_method", "plain"},
			"missing method":     {"code_challenge", challenge()},
			"unknown method":     {"code_challenge", challenge(), "code_challenge_method", "s256"},
			"short challenge":    {"code_challenge", "short", "code_challenge_method", "S256"},
			"method alone":       {"code_challenge_method", "S256"},
			"characters of base": {"code_challenge", challenge()[1:] + "+", "code_challenge_method", "S256"},
		} {
			if got := w.authorize(request(more...)); got.Get("error") != "invalid_request" {
				t.Errorf("%s: %v, want invalid_request", name, got)
			}
		}
		w.wantRefused("verifier without challenge", w.nodes[0].redeem(secret, w.code(), "code_verifier", verifier), 400, oidc.InvalidGrant)
		w.edit(func(c *oidc.Client) { c.RequirePKCE = true })
		if got := w.authorize(request()); got.Get("error") != "invalid_request" {
			t.Errorf("client that requires PKCE: %v, want invalid_request", got)
		}
	})
}

func TestPublicClientNeedsPKCE(t *testing.T) {
	each(t, func(c *oidc.Client) { c.Type = oidc.SPA }, func(t *testing.T, w *world, _ string) {
		if got := w.authorize(request()); got.Get("error") != "invalid_request" {
			t.Errorf("without challenge: %v, want invalid_request", got)
		}
		code := w.code("code_challenge", challenge(), "code_challenge_method", "S256")
		form := pairs("grant_type", "authorization_code", "code", code, "client_id", "app",
			"redirect_uri", "https://app.example.com/cb", "code_verifier", verifier)
		w.wantTokens("with verifier", w.nodes[0].post(oidc.PathToken, "", "", form))
	})
}

func TestCodeExpires(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		code := w.code()
		w.o.Clock.Advance(time.Minute)
		w.wantRefused("after 60 s", w.nodes[0].redeem(secret, code), 400, oidc.InvalidGrant)
	})
}

// Security.md section 2.1: locks are checked at the exchange too.
func TestCodeRechecksUserAndSession(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		code := w.code()
		s := w.nodes[0].desk.session
		if _, err := w.db.EndSession(t.Context(), w.user.ID, s.ID, w.o.Clock.Now()); err != nil {
			t.Fatalf("EndSession: %v", err)
		}
		w.wantRefused("ended session", w.nodes[0].redeem(secret, code), 400, oidc.InvalidGrant)
		w.login(acr.Password)
		code = w.code()
		w.edit(func(c *oidc.Client) { c.Disabled = true })
		w.wantRefused("disabled client", w.nodes[0].redeem(secret, code), 401, oidc.InvalidClient)
	})
}

// push pushes a request and returns its request_uri.
func (w *world) push(secret string, more ...string) string {
	w.t.Helper()
	a := w.nodes[0].post(oidc.PathPAR, "app", secret, request(more...))
	if a.Status != http.StatusCreated || a.text("request_uri") == "" || a.Body["expires_in"] != float64(90) {
		w.t.Fatalf("PAR: %d %v, want 201 with request_uri for 90 s", a.Status, a.Body)
	}
	return a.text("request_uri")
}

// Row 103.
func TestPARReload(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		w.client(func(c *oidc.Client) { c.ID = "other" })
		uri := w.push(secret, "state", "inner")
		w.nodes[0].desk.session = nil
		for range 2 {
			reply, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, pairs("client_id", "app", "request_uri", uri, "state", "outer"))
			if _, ok := reply.(oidc.Interact); !ok || err != nil {
				t.Fatalf("a reload gave %#v %v, want the pages", reply, err)
			}
		}
		if _, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, pairs("client_id", "other", "request_uri", uri)); !isPageError(err) {
			t.Errorf("another client: %v, want a page", err)
		}
		w.login(acr.Password)
		if got := w.authorize(pairs("client_id", "app", "request_uri", uri, "state", "outer")); got.Get("code") == "" || got.Get("state") != "inner" {
			t.Fatalf("completion: %v, want a code and the pushed state (RFC 9101 section 6.3)", got)
		}
		_, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, pairs("client_id", "app", "request_uri", uri))
		if e := new(oidc.PageError); !errors.As(err, &e) || e.Code != oidc.InvalidRequestURI {
			t.Errorf("after completion: %v, want invalid_request_uri", err)
		}
		uri = w.push(secret)
		w.o.Clock.Advance(90 * time.Second)
		if got := w.authorize(pairs("client_id", "app", "request_uri", uri, "redirect_uri", "https://app.example.com/cb")); got.Get("error") != "invalid_request_uri" {
			t.Errorf("after 90 s: %v, want invalid_request_uri", got)
		}
	})
}

func TestPARCompletionRace(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		uri := w.push(secret)
		codes := make(chan string, 8)
		w.parallel(8, func(n *node) answer {
			reply, _, err := n.Authorize(t.Context(), authn.Visitor{}, pairs("client_id", "app", "request_uri", uri))
			if err == nil {
				codes <- w.queryOf(reply).Get("code")
			} else {
				codes <- ""
			}
			return answer{}
		})
		close(codes)
		var got []string
		for code := range codes {
			if code != "" {
				got = append(got, code)
			}
		}
		if len(got) != 1 {
			t.Errorf("%d codes of one request_uri, want 1", len(got))
		}
	})
}

func TestPARRefuses(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		for _, c := range []struct {
			name string
			more []string
			code oidc.Code
		}{
			{"request_uri in the body", []string{"request_uri", "urn:x"}, oidc.InvalidRequest},
			{"unregistered redirect_uri", []string{"redirect_uri", "https://evil.example.com/"}, oidc.InvalidRequest},
			{"unknown prompt", []string{"prompt", "maybe"}, oidc.InvalidRequest},
			{"response_type token", []string{"response_type", "token"}, oidc.UnsupportedResponseType},
		} {
			w.wantRefused(c.name, w.nodes[0].post(oidc.PathPAR, "app", secret, request(c.more...)), 400, c.code)
		}
		w.wantRefused("wrong secret", w.nodes[0].post(oidc.PathPAR, "app", secret+"x", request()), 401, oidc.InvalidClient)
		w.edit(func(c *oidc.Client) { c.RequirePAR = true })
		if got := w.authorize(request()); got.Get("error") != "invalid_request" {
			t.Errorf("a client that must push: %v, want invalid_request", got)
		}
		if got := w.authorize(pairs("client_id", "app", "request_uri", w.push(secret))); got.Get("code") == "" {
			t.Errorf("pushed: %v, want a code", got)
		}
	})
}

// device approves a device authorization for the client and returns its code.
func (w *world) device(state oidc.DeviceState) string {
	w.t.Helper()
	now := w.o.Clock.Now()
	g := oidc.Grant{
		ID: storagetest.NewID(w.t), ClientID: "app", UserID: w.user.ID, Scopes: []string{"openid"}, Device: true,
		ACR: "Default", AMR: []string{"pwd"}, AuthTime: now, CreatedAt: now, ExpiresAt: now.Add(time.Hour), Offline: true,
	}
	code := storagetest.NewID(w.t)
	d := oidc.DeviceAuthorization{
		CodeHash: oidc.HashOf(code), UserCodeHash: oidc.HashOf("user " + code), ClientID: "app", State: state,
		Interval: 5 * time.Second, ExpiresAt: now.Add(10 * time.Minute), GrantID: g.ID,
	}
	if err := errors.Join(w.db.InsertGrant(w.t.Context(), g), w.db.InsertDevice(w.t.Context(), d)); err != nil {
		w.t.Fatalf("device: %v", err)
	}
	return code
}

func withDevices(c *oidc.Client) {
	c.GrantTypes = []string{oidc.GrantCode, oidc.GrantRefresh, oidc.GrantDevice}
}

func TestDeviceCodeRace(t *testing.T) {
	each(t, withDevices, func(t *testing.T, w *world, secret string) {
		form := pairs("grant_type", oidc.GrantDevice, "device_code", w.device(oidc.DeviceApproved))
		got := w.parallel(8, func(n *node) answer { return n.post(oidc.PathToken, "app", secret, form) })
		won := successes(got)
		if len(won) != 1 {
			t.Fatalf("%d token sets of one device code, want 1", len(won))
		}
		if got := w.nodes[0].userinfo(won[0].text("access_token")); got != http.StatusOK {
			t.Errorf("userinfo = %d, want 200", got)
		}
	})
}

// Row 86: RFC 8628 section 3.5.
func TestDevicePolls(t *testing.T) {
	each(t, withDevices, func(t *testing.T, w *world, secret string) {
		poll := func(code string) answer {
			return w.nodes[0].post(oidc.PathToken, "app", secret, pairs("grant_type", oidc.GrantDevice, "device_code", code))
		}
		code := w.device(oidc.DevicePending)
		w.wantRefused("first poll", poll(code), 400, oidc.AuthorizationPending)
		w.wantRefused("at once again", poll(code), 400, oidc.SlowDown)
		w.o.Clock.Advance(9 * time.Second)
		w.wantRefused("before 10 s", poll(code), 400, oidc.SlowDown)
		w.o.Clock.Advance(15 * time.Second)
		w.wantRefused("in time", poll(code), 400, oidc.AuthorizationPending)
		w.o.Clock.Advance(10 * time.Minute)
		w.wantRefused("after its life", poll(code), 400, oidc.ExpiredToken)
		w.wantRefused("denied", poll(w.device(oidc.DeviceDenied)), 400, oidc.AccessDenied)
		w.wantRefused("used", poll(w.device(oidc.DeviceUsed)), 400, oidc.InvalidGrant)
		w.wantRefused("unknown", poll("nothing"), 400, oidc.InvalidGrant)
		other := w.client(func(c *oidc.Client) { c.ID = "other"; withDevices(c) })
		w.wantRefused("foreign", w.nodes[0].post(oidc.PathToken, "other", other,
			pairs("grant_type", oidc.GrantDevice, "device_code", w.device(oidc.DeviceApproved))), 400, oidc.InvalidGrant)
	})
}

func TestClientCredentials(t *testing.T) {
	each(t, func(c *oidc.Client) {
		c.Type, c.RedirectURIs = oidc.Machine, nil
		c.Scopes = []string{"scim:read", "scim:write"}
	}, func(t *testing.T, w *world, secret string) {
		ask := func(more ...string) answer {
			return w.nodes[0].post(oidc.PathToken, "app", secret, pairs(append(more, "grant_type", oidc.GrantClient)...))
		}
		all := w.wantTokens("all scopes", ask())
		if all.text("scope") != "scim:read scim:write" || all.text("refresh_token") != "" || all.text("id_token") != "" {
			t.Errorf("answer %v, want both scopes, neither refresh nor ID token (RFC 6749 section 4.4.3)", all.Body)
		}
		token := claims(t, all.text("access_token"))
		if token["sub"] != "app" || token["client_id"] != "app" {
			t.Errorf("access token %v, want the client as sub (RFC 9068 section 2.2)", token)
		}
		if got := w.wantTokens("one scope", ask("scope", "scim:read")).text("scope"); got != "scim:read" {
			t.Errorf("scope = %q, want scim:read", got)
		}
		w.wantRefused("foreign scope", ask("scope", "scim:admin"), 400, oidc.InvalidScope)
		w.wantRefused("openid", ask("scope", "openid"), 400, oidc.InvalidScope)
		w.wantRefused("unknown resource", ask("resource", "https://nowhere.example.com"), 400, oidc.InvalidTarget)
	})
}

// Rows 46, 47, 50 and 51.
func TestTokenRequestForm(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		n := w.nodes[0]
		form := pairs("grant_type", "authorization_code", "code", "x")
		w.wantRefused("parameters in the URL", n.post(oidc.PathToken+"?grant_type=x", "app", secret, form), 400, oidc.InvalidRequest)
		twice := pairs("grant_type", "authorization_code", "code", "x", "code", "y")
		w.wantRefused("repeated", n.post(oidc.PathToken, "app", secret, twice), 400, oidc.InvalidRequest)
		w.wantRefused("JSON", n.post(oidc.PathToken, "app", secret, form, "Content-Type", "application/json"), 400, oidc.InvalidRequest)
		w.wantRefused("no grant_type", n.post(oidc.PathToken, "app", secret, pairs("code", "x")), 400, oidc.InvalidRequest)
		w.wantRefused("unknown grant_type", n.post(oidc.PathToken, "app", secret, pairs("grant_type", "password")), 400, oidc.UnsupportedGrantType)
		w.wantRefused("not allowed", n.post(oidc.PathToken, "app", secret, pairs("grant_type", oidc.GrantClient)), 400, oidc.UnauthorizedClient)
		post := pairs("grant_type", "authorization_code", "code", "x", "client_id", "app", "client_secret", secret)
		w.wantRefused("two methods", n.post(oidc.PathToken, "app", secret, post), 400, oidc.InvalidRequest)
		w.wantRefused("another method than the registered", n.post(oidc.PathToken, "", "", post), 401, oidc.InvalidClient)
		w.wantRefused("no method", n.post(oidc.PathToken, "", "", pairs("client_id", "app", "grant_type", "x")), 401, oidc.InvalidClient)
		a := n.post(oidc.PathToken, "app", "wrong", form)
		w.wantRefused("wrong secret", a, 401, oidc.InvalidClient)
		if a.Header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate after Basic (RFC 6749 section 5.2)")
		}
		w.wantRefused("unknown client", n.post(oidc.PathToken, "nobody", "wrong", form), 401, oidc.InvalidClient)
		w.edit(func(c *oidc.Client) { c.Disabled = true })
		w.wantRefused("disabled", n.post(oidc.PathToken, "app", secret, form), 401, oidc.InvalidClient)
		// The operator can see why, and nothing of what strangers typed.
		var why []string
		for _, e := range w.events(audit.ClientRefused) {
			if e.Outcome != audit.Refused || e.Target.ID != "app" {
				t.Errorf("event %+v, want a refusal of the client app", e)
			}
			why = append(why, e.Reason)
		}
		slices.Sort(why)
		if want := []string{"disabled", "method", "method", "secret"}; !slices.Equal(why, want) {
			t.Errorf("reasons %v, want %v", why, want)
		}
	})
}

// Section 2.3.1 of RFC 6749: the parts of Basic are form-urlencoded.
func TestBasicIsDecoded(t *testing.T) {
	each(t, func(c *oidc.Client) { c.ID = "app" }, func(t *testing.T, w *world, secret string) {
		r := pairs("grant_type", oidc.GrantRefresh, "refresh_token", "x")
		w.wantRefused("encoded id", w.nodes[0].post(oidc.PathToken, "", "", r,
			"Authorization", "Basic "+basic("%61pp", secret)), 400, oidc.InvalidGrant)
		w.wantRefused("broken escape", w.nodes[0].post(oidc.PathToken, "", "", r,
			"Authorization", "Basic "+basic("app", "%zz")), 401, oidc.InvalidClient)
	})
}

func TestRotateSecret(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		next, err := w.nodes[0].RotateSecret(t.Context(), command, "app", time.Hour)
		if err != nil {
			t.Fatalf("RotateSecret: %v", err)
		}
		form := pairs("grant_type", oidc.GrantRefresh, "refresh_token", "x")
		for _, s := range []string{secret, next} {
			w.wantRefused("good secret", w.nodes[1].post(oidc.PathToken, "app", s, form), 400, oidc.InvalidGrant)
		}
		w.o.Clock.Advance(time.Hour)
		w.wantRefused("former secret", w.nodes[1].post(oidc.PathToken, "app", secret, form), 401, oidc.InvalidClient)
		w.wantRefused("new secret", w.nodes[1].post(oidc.PathToken, "app", next, form), 400, oidc.InvalidGrant)
		names := w.events("client.")
		if !slices.ContainsFunc(names, func(e audit.Event) bool { return e.Name == audit.ClientChanged }) {
			t.Errorf("events %v, want %s", names, audit.ClientChanged)
		}
	})
}
