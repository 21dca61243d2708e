package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/federated"
)

func federatedLogin() authn.AskLogin {
	return authn.AskLogin{Factors: []acr.Factor{acr.Password, acr.Federated}, Reason: acr.Missing, Upstreams: []authn.Upstream{
		{ID: "corp", Name: `Corp & <Sons>`, Kind: "oidc"}, {ID: "google", Name: "Google", Kind: "google"},
	}}
}

// TestUpstreamButtons: the login page has a button for each provider, beside the
// password.
func TestUpstreamButtons(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.step = federatedLogin()
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	body := b.get("/login/t1").Body
	for _, want := range []string{
		`action="/login/t1/federate"`, `name="upstream" value="corp"`, "Continue with Corp &amp; &lt;Sons&gt;",
		`value="google"`, `name="password"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// TestAway: the browser is led to the provider by a page, not by a redirect that
// the policy for forms would stop, and tells it nothing of where it comes from.
func TestAway(t *testing.T) {
	t.Parallel()
	const where = "https://corp.example/authorize?state=s&nonce=n"
	for name, c := range map[string]struct {
		to     federated.Redirect
		want   []string
		policy string
	}{
		"by GET": {
			federated.Redirect{URL: where},
			[]string{`<meta http-equiv="refresh" content="0; url=https://corp.example/authorize?state=s&amp;nonce=n">`, `href="https://corp.example/authorize?state=s&amp;nonce=n"`},
			"form-action 'self' https://shop.example;",
		},
		"by POST": {
			federated.Redirect{URL: "https://corp.example/sso", Form: url.Values{"SAMLRequest": {"a<b"}}},
			[]string{`action="https://corp.example/sso"`, `name="SAMLRequest" value="a&lt;b"`, "data-submit"},
			"form-action 'self' https:;",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.step, f.away = federatedLogin(), c.to
			b := newBrowser(t, newWeb(t, f))
			b.begin()
			token := b.get("/login/t1").token(t)
			f.Calls()
			p := b.post("/login/t1/federate", url.Values{"csrf": {token}, "upstream": {"corp"}})
			if calls := f.Calls(); len(calls) != 1 || calls[0] != "federate corp" {
				t.Errorf("calls = %q", calls)
			}
			if p.Status != http.StatusOK || p.Header.Get("Referrer-Policy") != "no-referrer" ||
				!strings.Contains(p.Header.Get("Content-Security-Policy"), c.policy) {
				t.Errorf("answer = %d, %v", p.Status, p.Header)
			}
			for _, want := range c.want {
				if !strings.Contains(p.Body, want) {
					t.Errorf("the page lacks %s:\n%s", want, p.Body)
				}
			}
		})
	}
}

// TestAwayNowhere: an address that is none of the web is not shown.
func TestAwayNowhere(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.step, f.away = federatedLogin(), federated.Redirect{URL: "javascript:alert(1)"}
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	p := b.post("/login/t1/federate", url.Values{"csrf": {b.get("/login/t1").token(t)}, "upstream": {"corp"}})
	if p.Status != http.StatusInternalServerError || strings.Contains(p.Body, "javascript:") {
		t.Errorf("answer = %d:\n%s", p.Status, p.Body)
	}
}

// TestUpstreamRefused: a refused answer shows the login again, with the other
// ways to log in; one to no request an error page.
func TestUpstreamRefused(t *testing.T) {
	t.Parallel()
	for _, reason := range []authn.RefusalReason{
		authn.UpstreamDenied, authn.UpstreamDown, authn.UpstreamInvalid, authn.UpstreamOff, authn.UpstreamStale,
		authn.UpstreamNotLinked, authn.UpstreamOther, authn.UpstreamInactive,
	} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.step = federatedLogin()
			b := newBrowser(t, newWeb(t, f))
			b.begin()
			f.refusal = &authn.Refusal{Reason: reason, Provider: "Corp"}
			p := b.get("/federation/corp/callback?state=s&code=c")
			if p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Body, `role="alert"`) ||
				!strings.Contains(p.Body, `name="password"`) || strings.Contains(p.Body, "refusal.") {
				t.Errorf("answer = %d:\n%s", p.Status, p.Body)
			}
		})
	}
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	f.refusal = errNoRequest
	if p := b.get("/federation/corp/callback?state=s&code=c"); p.Status != http.StatusBadRequest {
		t.Errorf("an answer to no request = %d, want 400", p.Status)
	}
}

// TestUpstreamAnswer: an answer goes to the engine as it came, and the browser
// on to the login, or to the account.
func TestUpstreamAnswer(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.step = federatedLogin()
	f.grants = authn.Grants{Sessions: []string{"new-secret"}}
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	f.Calls()
	p := b.get("/federation/corp/callback?state=s&code=c&iss=https%3A%2F%2Fcorp.example")
	if calls := f.Calls(); len(calls) != 1 || calls[0] != "returned corp s code=c&iss=https%3A%2F%2Fcorp.example&state=s" {
		t.Errorf("calls = %q", calls)
	}
	if p.Status != http.StatusSeeOther || p.Header.Get("Location") != "/login/t1" || !strings.Contains(p.Header.Get("Set-Cookie"), "new-secret") {
		t.Errorf("answer = %d, %v", p.Status, p.Header)
	}
	f.linked = &federated.Link{Provider: "corp"}
	if p := b.get("/federation/corp/callback?state=s&code=c"); p.Header.Get("Location") != "/account/security?linked=corp" {
		t.Errorf("after linking: %q", p.Header.Get("Location"))
	}
}

// TestUpstreamPosts: an answer that another site posts is read without cookies,
// kept, and taken by a GET, once and at the same provider only.
func TestUpstreamPosts(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.step = federatedLogin()
	e := newWeb(t, f)
	b := newBrowser(t, e)
	b.begin()
	f.Calls()
	foreign := newBrowser(t, e)
	foreign.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://corp.example"}}
	p := foreign.post("/federation/corp/callback", url.Values{"state": {"s"}, "code": {"c"}})
	if p.Status != http.StatusSeeOther || p.Header.Get("Location") != "/federation/corp/callback?answer=h1" || len(p.Header.Values("Set-Cookie")) > 0 {
		t.Fatalf("answer = %d, %v", p.Status, p.Header)
	}
	if p := b.get("/federation/other/callback?answer=h1"); p.Status != http.StatusBadRequest {
		t.Errorf("at another provider = %d, want 400", p.Status)
	}
	foreign.post("/federation/corp/callback", url.Values{"state": {"s"}, "code": {"c"}})
	if p := b.get("/federation/corp/callback?answer=h1"); p.Header.Get("Location") != "/login/t1" {
		t.Errorf("answer = %d, %v", p.Status, p.Header)
	}
	if calls := f.Calls(); len(calls) != 1 || calls[0] != "returned corp s code=c&state=s" {
		t.Errorf("calls = %q", calls)
	}
	if p := b.get("/federation/corp/callback?answer=h1"); p.Status != http.StatusBadRequest {
		t.Errorf("a second time = %d, want 400", p.Status)
	}
}
