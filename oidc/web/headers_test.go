package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/web"
)

// at gets a path under a Host header.
func (b *browser) at(host, path string) page {
	b.t.Helper()
	other := *b
	other.host = &host
	return other.get(path)
}

// TestCookies: names, attributes and life (security.md section 4).
func TestCookies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		issuer, prefix string
		secure         bool
	}{{issuer, "__Host-", true}, {"http://127.0.0.1:8080", "", false}} {
		f := newFake()
		b := newBrowser(t, newWeb(t, f, func(c *web.Config) { c.Issuer = test.issuer }))
		b.base = test.issuer
		begun := b.get("/oauth/authorize")
		f.grants = authn.Grants{Sessions: []string{"s-1", "s-2", "s-3", "s-4", "s-5", "s-6"}, Known: []string{"k1", "k2"}}
		p := b.post("/login/t1/login", loginForm(b))
		for _, want := range []struct {
			page  page
			name  string
			value string
			life  int
		}{
			{begun, "sp_browser", f.browser, 0},
			{p, "sp_session", "s-1.s-2.s-3.s-4.s-5", 0},
			{p, "sp_known", "k1.k2", 365 * 24 * 3600},
		} {
			c := cookieNamed(want.page, test.prefix+want.name)
			if c == nil {
				t.Errorf("%s: no cookie %s", test.issuer, test.prefix+want.name)
				continue
			}
			if c.Value != want.value || c.MaxAge != want.life || c.Path != "/" || c.Domain != "" ||
				c.Secure != test.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode {
				t.Errorf("cookie %s = %s", want.name, c)
			}
		}
		f.grants = authn.Grants{}
		b.get("/login/t1")
		if !slices.Equal(f.visitor.Sessions, []string{"s-1", "s-2", "s-3", "s-4", "s-5"}) || !slices.Equal(f.visitor.Known, []string{"k1", "k2"}) {
			t.Errorf("read back %q and %q", f.visitor.Sessions, f.visitor.Known)
		}
	}
}

// TestBareCookiesDoNotCount: with https a cookie without the prefix, which a
// sub-domain could set, is not read (security.md section 8 row 16).
func TestBareCookiesDoNotCount(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	b.header = http.Header{"Cookie": {"sp_session=evil; sp_browser=evil; sp_known=evil"}}
	b.get("/oauth/authorize")
	if v := f.visitor; len(v.Sessions) > 0 || len(v.Known) > 0 || v.Browser == "evil" || v.Browser == "" {
		t.Errorf("visitor = %+v", v)
	}
}

// TestHostileCookies: what is no secret of ours is not there.
func TestHostileCookies(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"a.b":                           {"a", "b"},
		"a.a.b":                         {"a", "b"},
		"..a..":                         {"a"},
		"a b.c":                         {"c"},
		"a.b.c.d.e.f":                   {"a", "b", "c", "d", "e"},
		"":                              nil,
		"ä":                             nil,
		"a'--.<b>.c%00.d":               {"d"},
		strings.Repeat("a", 300) + ".b": {"b"},
	} {
		f := newFake()
		b := newBrowser(t, newWeb(t, f))
		b.header = http.Header{"Cookie": {"__Host-sp_session=" + value}}
		b.get("/oauth/authorize")
		if !slices.Equal(f.visitor.Sessions, want) {
			t.Errorf("sessions of %q = %q, want %q", value, f.visitor.Sessions, want)
		}
	}
}

// TestBrowserCookieOnNeed: an answer without a page leaves no cookie; one that
// is there is kept.
func TestBrowserCookieOnNeed(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.begin = oidc.Redirect{URL: "https://shop.example/cb?error=login_required"}
	b := newBrowser(t, newWeb(t, f))
	if p := b.get("/oauth/authorize?prompt=none"); len(p.Header.Values("Set-Cookie")) > 0 {
		t.Errorf("cookies %q, want none", p.Header.Values("Set-Cookie"))
	}
	f.begin = oidc.Interact{Txn: "t1"}
	b.get("/oauth/authorize")
	first := f.visitor.Browser
	if p := b.get("/oauth/authorize"); len(p.Header.Values("Set-Cookie")) > 0 || f.visitor.Browser != first {
		t.Errorf("a second request got %q", p.Header.Values("Set-Cookie"))
	}
}

// TestPageHeaders: every page and every redirect of ours is not stored, not
// framed, and loads from us alone (row 38; security.md section 4).
func TestPageHeaders(t *testing.T) {
	t.Parallel()
	const base = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'"
	const end = "; base-uri 'none'; frame-ancestors 'none'"
	for _, s := range scenes() {
		f := newFake()
		b := newBrowser(t, newWeb(t, f))
		b.begin()
		s.set(f)
		p := s.show(b)
		csp := p.Header.Get("Content-Security-Policy")
		wants := []string{base + end, base + " https://shop.example" + end}
		if !slices.Contains(wants, csp) || strings.HasPrefix(s.name, "error") != (csp == wants[0]) && !slices.Contains([]string{"device", "device_wrong", "logout", "loggedout"}, s.name) {
			t.Errorf("%s: Content-Security-Policy = %q", s.name, csp)
		}
		if p.Header.Get("Cache-Control") != "no-store" || p.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", s.name, p.Header)
		}
		referrer := "same-origin"
		if s.name == "formpost" {
			referrer = "no-referrer"
		}
		if got := p.Header.Get("Referrer-Policy"); got != referrer {
			t.Errorf("%s: Referrer-Policy = %q, want %q", s.name, got, referrer)
		}
		for _, banned := range []string{"<style", " style=", "onclick", "onload", "<script>", "javascript:", "http://"} {
			if strings.Contains(p.Body, banned) {
				t.Errorf("%s: the page contains %q", s.name, banned)
			}
		}
	}
}

// TestAnswerHeaders: an answer that carries a code tells nobody where it came
// from, and is a 303 (row 37).
func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	f.step = authn.Ready{User: ann()}
	p := b.get("/login/t1")
	if p.Status != http.StatusSeeOther || p.Header.Get("Location") != "https://shop.example/cb?code=c&state=s" ||
		p.Header.Get("Referrer-Policy") != "no-referrer" || p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer = %d %v", p.Status, p.Header)
	}
	f.step = authn.Failed{Reason: "unreachable"}
	p = b.get("/login/t1")
	if p.Status != http.StatusSeeOther || !strings.Contains(p.Header.Get("Location"), "interaction_required") {
		t.Errorf("failure = %d %v", p.Status, p.Header)
	}
}

// TestFormPostEscapes: what a request carried is text on the page, and the
// form may go to the client alone beside us (row 35).
func TestFormPostEscapes(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.begin = oidc.FormPost{URI: "com.example.app:/cb", Params: map[string]string{"state": `"><img src=x>`}}
	b := newBrowser(t, newWeb(t, f))
	p := b.get("/oauth/authorize")
	if strings.Contains(p.Body, "<img") || !strings.Contains(p.Body, `value="&#34;&gt;&lt;img src=x&gt;"`) {
		t.Errorf("state is not escaped:\n%s", p.Body)
	}
	if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' com.example.app:;") {
		t.Errorf("Content-Security-Policy = %q", csp)
	}
	if !strings.Contains(p.Body, `action="com.example.app:/cb"`) {
		t.Errorf("the form does not go to the application:\n%s", p.Body)
	}
}

// TestLanguages: ui_locales of the request, then the user, then the browser.
func TestLanguages(t *testing.T) {
	t.Parallel()
	french := ann()
	french.Object["preferredLanguage"] = "fr-CA"
	for _, test := range []struct {
		name, asked, browser, want string
		step                       authn.Step
	}{
		{"nothing", "", "", "en", passwordLogin()},
		{"browser", "", "de-AT,en;q=0.5", "de", passwordLogin()},
		{"request", "es", "de", "es", passwordLogin()},
		{"unknown request", "ja", "de", "de", passwordLogin()},
		{"user", "", "de", "fr", authn.AskCode{User: french}},
		{"request over user", "es", "de", "es", authn.AskCode{User: french}},
	} {
		f := newFake()
		b := newBrowser(t, newWeb(t, f))
		b.header = http.Header{"Accept-Language": {test.browser}}
		b.begin()
		f.step, f.txn.Languages = test.step, test.asked
		p := b.get("/login/t1")
		if !strings.Contains(p.Body, `<html lang="`+test.want+`">`) || p.Header.Get("Content-Language") != test.want {
			t.Errorf("%s: language %q, want %q", test.name, p.Header.Get("Content-Language"), test.want)
		}
	}
}

// TestErrorLanguage: pages without a transaction read ui_locales of the request.
func TestErrorLanguage(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.failure = &oidc.PageError{Code: oidc.InvalidRequest}
	p := newBrowser(t, newWeb(t, f)).get("/oauth/authorize?" + url.Values{"ui_locales": {"ja de-DE"}}.Encode())
	if !strings.Contains(p.Body, `<html lang="de">`) {
		t.Errorf("page is in %q, want de", p.Header.Get("Content-Language"))
	}
}
