package oidc_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc"
)

// asked sends a request that needs a page and returns its stored transaction.
func (w *world) asked(more ...string) authn.Txn {
	w.t.Helper()
	reply, _, err := w.nodes[0].Authorize(w.t.Context(), authn.Visitor{}, request(more...))
	page, ok := reply.(oidc.Interact)
	if !ok || err != nil {
		w.t.Fatalf("Authorize(%v) = %#v, %v, want the pages", more, reply, err)
	}
	return w.txn(page.Txn)
}

func (w *world) txn(id string) authn.Txn {
	w.t.Helper()
	t, err := w.db.Txn(w.t.Context(), id)
	if err != nil {
		w.t.Fatalf("Txn: %v", err)
	}
	return t
}

// view continues a transaction and wants the consent page.
func (w *world) view(t authn.Txn) *oidc.ConsentView {
	w.t.Helper()
	reply, view, err := w.nodes[0].Continue(w.t.Context(), authn.Visitor{}, t, w.ready(t))
	if err != nil || view == nil {
		w.t.Fatalf("Continue = %#v, %v, want the consent page", reply, err)
	}
	return view
}

func (w *world) ready(t authn.Txn) authn.Ready {
	w.t.Helper()
	step, err := w.nodes[0].desk.decide(w.t.Context(), t)
	ready, ok := step.(authn.Ready)
	if !ok || err != nil {
		w.t.Fatalf("step = %#v, %v, want Ready", step, err)
	}
	return ready
}

// consent answers the page and returns the tokens of the code.
func (w *world) consent(secret string, t authn.Txn, granted ...string) answer {
	w.t.Helper()
	reply, err := w.nodes[0].Consent(w.t.Context(), authn.Visitor{}, t, granted)
	if err != nil {
		w.t.Fatalf("Consent: %v", err)
	}
	return w.wantTokens("code", w.nodes[0].redeem(secret, w.queryOf(reply).Get("code")))
}

func untrusted(c *oidc.Client) { c.Trusted = false }

// Rows 11, 20 and 58.
func TestConsentIsRemembered(t *testing.T) {
	each(t, untrusted, func(t *testing.T, w *world, secret string) {
		txn := w.asked("scope", "openid email offline_access")
		var names []string
		for _, s := range w.view(txn).Scopes {
			names = append(names, s.Name)
		}
		if diff := cmp.Diff([]string{"openid", "email", "offline_access"}, names); diff != "" {
			t.Errorf("the page shows (-want +got):\n%s", diff)
		}
		// What was not asked for is not granted, whatever the form says.
		got := w.consent(secret, txn, "email", "phone")
		if got.text("scope") != "openid email" {
			t.Errorf("scope = %q, want openid email", got.text("scope"))
		}
		if got := w.authorize(request("scope", "openid email offline_access", "prompt", "none")); got.Get("code") == "" {
			t.Errorf("second time: %v, want a code without asking", got)
		}
		if got := w.authorize(request("scope", "openid phone", "prompt", "none")); got.Get("error") != "consent_required" {
			t.Errorf("a scope never asked about: %v, want consent_required", got)
		}
		w.asked("prompt", "consent")
		if _, err := w.nodes[0].Consent(t.Context(), authn.Visitor{}, w.txn(txn.ID), nil); err == nil {
			t.Error("one transaction was answered twice")
		}
		if n := len(w.events(audit.ConsentGranted)); n != 1 {
			t.Errorf("%d events %s, want 1", n, audit.ConsentGranted)
		}
	})
}

func TestDenyAndCancel(t *testing.T) {
	each(t, untrusted, func(t *testing.T, w *world, _ string) {
		for name, end := range map[string]func(*node, authn.Txn) (oidc.Reply, error){
			"deny":   func(n *node, txn authn.Txn) (oidc.Reply, error) { return n.Deny(t.Context(), authn.Visitor{}, txn) },
			"cancel": func(n *node, txn authn.Txn) (oidc.Reply, error) { return n.Cancel(t.Context(), authn.Visitor{}, txn) },
		} {
			txn := w.asked()
			reply, err := end(w.nodes[0], txn)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := w.queryOf(reply); got.Get("error") != "access_denied" || got.Get("state") != "xyz" {
				t.Errorf("%s: %v, want access_denied with state", name, got)
			}
			if _, err := w.nodes[1].Consent(t.Context(), authn.Visitor{}, txn, nil); err == nil {
				t.Errorf("%s: consent after it gave an answer, want none", name)
			}
		}
	})
}

// bank makes a service whose scope wants MFA.
func (w *world) bank(fresh bool) {
	w.t.Helper()
	_, _, err := w.nodes[0].CreateService(w.t.Context(), command, oidc.Service{
		Name: "bank", Audience: "https://bank.example.com",
		Scopes: []oidc.ServiceScope{{Name: "payments", RequiredACR: "MFA", FreshAtConsent: fresh}, {Name: "balance"}},
	})
	if err != nil {
		w.t.Fatalf("CreateService: %v", err)
	}
	w.edit(func(c *oidc.Client) { c.Scopes = append(c.Scopes, "payments", "balance") })
}

func lock(view *oidc.ConsentView, name string) (acrName string, reachable bool) {
	for _, s := range view.Scopes {
		if s.Name == name {
			return s.LockedACR, s.Reachable
		}
	}
	return "absent", false
}

// Granted, skipped, silent.
func TestScopeLockedUntilVerified(t *testing.T) {
	noFloor := func(c *oidc.Config) { c.Policy.UserFloorOff = true }
	each(t, untrusted, func(t *testing.T, w *world, secret string) {
		w.bank(false)
		w.edit(func(c *oidc.Client) { c.PermittedACRs = []string{"Default"} })
		// A user without a factor: narrower, and never asked again about it.
		txn := w.asked("scope", "openid payments balance")
		if name, reachable := lock(w.view(txn), "payments"); name != "MFA" || reachable {
			t.Errorf("without a factor: locked by %q, reachable %t", name, reachable)
		}
		if got := w.consent(secret, txn, "payments", "balance").text("scope"); got != "openid balance" {
			t.Errorf("scope = %q, want openid balance", got)
		}
		// With a factor that is not shown: locked, whatever the form says.
		w.enrol(acr.TOTP)
		txn = w.asked("scope", "openid payments balance")
		if name, reachable := lock(w.view(txn), "payments"); name != "MFA" || !reachable {
			t.Errorf("with a factor: locked by %q, reachable %t", name, reachable)
		}
		if got := w.consent(secret, txn, "payments", "balance").text("scope"); got != "openid balance" {
			t.Errorf("skipped: scope = %q, want openid balance", got)
		}
		// Verified: open.
		w.login(acr.Password, acr.TOTP)
		txn = w.asked("scope", "openid payments balance", "prompt", "consent")
		if name, _ := lock(w.view(txn), "payments"); name != "" {
			t.Errorf("verified: locked by %q", name)
		}
		tokens := w.consent(secret, txn, "payments", "balance")
		if tokens.text("scope") != "openid payments balance" {
			t.Errorf("verified: scope = %q, want all", tokens.text("scope"))
		}
		if got := w.authorize(request("scope", "openid payments", "prompt", "none")); got.Get("code") == "" {
			t.Errorf("silent while fresh: %v, want a code", got)
		}
		// Silent and stale: the user would have to show the factor again.
		w.o.Clock.Advance(7 * time.Hour)
		if got := w.authorize(request("scope", "openid payments", "prompt", "none")); got.Get("error") != "interaction_required" {
			t.Errorf("silent and stale: %v, want interaction_required", got)
		}
	}, noFloor)
}

func TestLockedScopeOfClientCredentials(t *testing.T) {
	each(t, func(c *oidc.Client) { c.GrantTypes = []string{oidc.GrantCode, oidc.GrantClient} }, func(t *testing.T, w *world, secret string) {
		w.bank(false)
		form := pairs("grant_type", oidc.GrantClient, "scope", "payments")
		w.wantRefused("a locked scope", w.nodes[0].post(oidc.PathToken, "app", secret, form), 400, oidc.InvalidScope)
		a := w.wantTokens("an open one", w.nodes[0].post(oidc.PathToken, "app", secret, pairs("grant_type", oidc.GrantClient, "scope", "balance")))
		if got := claims(t, a.text("access_token"))["aud"]; got != "https://bank.example.com" {
			t.Errorf("aud = %v, want the service", got)
		}
	})
}

// Row 77: RFC 9700 section 2.6.
func TestCORS(t *testing.T) {
	each(t, func(c *oidc.Client) { c.Origins = []string{"https://account.example.com"} }, func(t *testing.T, w *world, _ string) {
		w.client(func(c *oidc.Client) {
			c.ID, c.Type, c.RedirectURIs = "spa", oidc.SPA, []string{"https://spa.example.com/cb"}
		})
		ask := func(method, path, origin string) http.Header {
			r := httptest.NewRequest(method, path, http.NoBody)
			r.Header.Set("Origin", origin)
			if method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			return w.nodes[0].do(r).Header
		}
		for _, path := range []string{"/.well-known/openid-configuration", oidc.PathJWKS, oidc.PathToken, oidc.PathUserInfo, oidc.PathRevoke, "/scim/v2/Me"} {
			for origin, want := range map[string]string{
				"https://account.example.com": "https://account.example.com",
				"https://spa.example.com":     "https://spa.example.com",
				"https://app.example.com":     "", // a confidential client's redirect URI is no origin
				"https://evil.example.com":    "",
				"null":                        "",
			} {
				for _, method := range []string{http.MethodGet, http.MethodOptions} {
					h := ask(method, path, origin)
					if got := h.Get("Access-Control-Allow-Origin"); got != want {
						t.Errorf("%s %s from %s: allowed origin %q, want %q", method, path, origin, got, want)
					}
					if h.Get("Access-Control-Allow-Credentials") != "" || !strings.Contains(h.Get("Vary"), "Origin") {
						t.Errorf("%s %s: headers %v, want Vary: Origin and no credentials", method, path, h)
					}
				}
			}
		}
		if got := ask(http.MethodGet, oidc.PathAuthorize, "https://spa.example.com").Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("authorize allows %q, want none", got)
		}
	})
}
