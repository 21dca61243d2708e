package servertest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/sallyport-id/sallyport/authn"
)

// plainBrowser is a browser without a screen: cookies, forms, no scripts.
type plainBrowser struct {
	t      *testing.T
	client *http.Client
}

// seen is a page at the end of a chain of redirects.
type seen struct {
	status int
	url    *url.URL
	header http.Header
	body   string
}

func newPlainBrowser(t *testing.T) *plainBrowser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &plainBrowser{t: t, client: &http.Client{Jar: jar, Timeout: patience}}
}

func (b *plainBrowser) get(address string) seen {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil)
}

func (b *plainBrowser) do(method, address string, form url.Values) seen {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return seen{res.StatusCode, res.Request.URL, res.Header, string(body)}
}

var hiddenCSRF = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// token is the token of the forms of a page.
func (s seen) token(t *testing.T) string {
	t.Helper()
	found := hiddenCSRF.FindStringSubmatch(s.body)
	if found == nil {
		t.Fatalf("%s has no form: %d\n%s", s.url, s.status, s.body)
	}
	return found[1]
}

// base is the dispatcher of the transaction of a page.
func (s seen) base() string {
	parts := strings.SplitN(s.url.Path, "/", 4)
	return s.url.Scheme + "://" + s.url.Host + "/login/" + parts[2]
}

// send posts a form of the page.
func (b *plainBrowser) send(from seen, action string, fields ...string) seen {
	b.t.Helper()
	form := url.Values{"csrf": {from.token(b.t)}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, from.base()+"/"+action, form)
}

// proveBoth logs in with password and app, up to the page behind them.
func (w *pagesWorld) proveBoth(b *plainBrowser, more ...string) seen {
	w.t.Helper()
	p := b.get(w.authorizeURL(append([]string{"acr_values", "MFA"}, more...)...))
	p = b.send(p, "login", "username", "dr.veil", "password", loginPassword)
	p = b.send(p, "factor", "factor", "totp")
	return b.send(p, "code", "code", w.appCode())
}

// TestStepURLReplay (specification of the provider, section 10): the address of
// a step, taken after the code was shown, is dead in any other browser, and
// everywhere once the answer was given (security.md section 8 row 45).
func TestStepURLReplay(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.enrolBoth()
	b := newPlainBrowser(t)
	p := w.proveBoth(b)
	if p.status != http.StatusOK || !strings.Contains(p.body, `name="decision"`) {
		t.Fatalf("after both factors: %d\n%s", p.status, p.body)
	}
	consent := url.Values{"csrf": {p.token(t)}, "decision": {"allow"}, "scope": {"openid"}}
	thief := newPlainBrowser(t)
	thief.get(w.authorizeURL()) // has a browser cookie of its own
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		address := p.base()
		if method == http.MethodPost {
			address += "/consent"
		}
		if s := thief.do(method, address, consent); s.status != http.StatusBadRequest || !strings.Contains(s.body, "Start again at the application") {
			t.Errorf("%s by another browser: %d at %s", method, s.status, s.url)
		}
	}
	if got := w.client.answers(); len(got) > 0 {
		t.Fatalf("another browser got %v", got)
	}
	if s := b.do(http.MethodPost, p.base()+"/consent", consent); s.url.Path != "/cb" {
		t.Fatalf("consent leads to %s", s.url)
	}
	if got := w.client.answers(); len(got) != 1 || got[0].Get("code") == "" {
		t.Fatalf("answers %v", got)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		address := p.base()
		if method == http.MethodPost {
			address += "/consent"
		}
		if s := b.do(method, address, consent); s.status != http.StatusGone || s.url.Path == "/cb" {
			t.Errorf("%s after the answer: %d at %s, want 410", method, s.status, s.url)
		}
	}
	if got := w.client.answers(); len(got) > 0 {
		t.Errorf("a second answer: %v", got)
	}
}

// TestPagesForgedForms: on a real server, a form without its token, with that of
// another transaction, and one sent by another site do nothing.
func TestPagesForgedForms(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	b := newPlainBrowser(t)
	first := b.get(w.authorizeURL())
	second := b.get(w.authorizeURL())
	form := url.Values{"username": {"dr.veil"}, "password": {loginPassword}}
	if s := b.do(http.MethodPost, first.base()+"/login", form); s.status != http.StatusForbidden {
		t.Errorf("without a token: %d", s.status)
	}
	form.Set("csrf", second.token(t))
	if s := b.do(http.MethodPost, first.base()+"/login", form); s.status != http.StatusForbidden {
		t.Errorf("with the token of another transaction: %d", s.status)
	}
	u, err := url.Parse(w.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "sp_session" {
			t.Errorf("a forged form has logged in")
		}
	}
	form.Set("csrf", first.token(t))
	if s := b.do(http.MethodPost, first.base()+"/login", form); s.status != http.StatusOK || !strings.Contains(s.body, `name="decision"`) {
		t.Errorf("with its own token: %d\n%s", s.status, s.body)
	}
}

// TestPagesTwoTabs: the password of one tab counts in the other, which goes on
// where the login is; the second tab has an answer of its own (security.md
// section 8 row 46).
func TestPagesTwoTabs(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.enrolBoth()
	b := newPlainBrowser(t)
	one := b.get(w.authorizeURL("state", "one", "acr_values", "MFA"))
	two := b.get(w.authorizeURL("state", "two", "acr_values", "MFA"))
	stale := two
	one = b.send(one, "login", "username", "dr.veil", "password", loginPassword)
	if !strings.Contains(one.body, `value="totp`) {
		t.Fatalf("after the password: %s", one.body)
	}
	if two = b.get(two.base()); !strings.Contains(two.body, `value="totp`) {
		t.Fatalf("the second tab asks for something else:\n%s", two.body)
	}
	// The form of the login page that still stands in the second tab.
	if s := b.do(http.MethodPost, stale.base()+"/login", url.Values{
		"csrf": {stale.token(t)}, "username": {"dr.veil"}, "password": {loginPassword},
	}); s.status != http.StatusOK || !strings.Contains(s.body, `value="totp`) || strings.Contains(s.body, `role="alert"`) {
		t.Errorf("the old form in the second tab: %d\n%s", s.status, s.body)
	}
	one = b.send(one, "factor", "factor", "totp")
	one = b.send(one, "code", "code", w.appCode())
	one = b.send(one, "consent", "decision", "allow", "scope", "openid", "scope", "email")
	two = b.get(two.base())
	if got := w.client.answers(); len(got) != 2 || got[0].Get("state") != "one" || got[1].Get("state") != "two" || got[0].Get("code") == got[1].Get("code") {
		t.Errorf("answers %v, second tab at %s", got, two.url)
	}
	_ = one
}

// TestPagesBackButton: going back after a step shows the step of now, and
// sending the old form leads there too.
func TestPagesBackButton(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.enrolBoth()
	b := newBrowser(t)
	b.open(w.authorizeURL("acr_values", "MFA"))
	b.signIn(`button[name="factor"]`)
	b.press(`button[value^="totp"]`, "#code")
	b.run(chromedp.NavigateBack())
	b.wait("h1")
	if got := b.text("h1"); got == "Sign in" {
		t.Errorf("going back shows %q", got)
	}
	b.wait(`#code, button[name="factor"]`)
	b.noComplaints()
}

// TestPagesExpire: a transaction that waited too long ends on a page, and the
// way out is the application.
func TestPagesExpire(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	b := newPlainBrowser(t)
	p := b.get(w.authorizeURL())
	w.clock.advance(authn.TxnIdle + time.Second)
	if s := b.send(p, "login", "username", "dr.veil", "password", loginPassword); s.status != http.StatusGone || !strings.Contains(s.body, "Start again at the application") {
		t.Errorf("after the idle time: %d", s.status)
	}
	p = b.get(w.authorizeURL())
	for range 3 {
		w.clock.advance(authn.TxnIdle - time.Second)
		b.send(p, "login", "username", "dr.veil", "password", "wrong wrong wrong")
	}
	w.clock.advance(time.Minute)
	if s := b.get(p.base()); s.status != http.StatusGone {
		t.Errorf("after the absolute time: %d", s.status)
	}
	if p = b.get(w.authorizeURL()); p.status != http.StatusOK || !strings.Contains(p.body, `name="password"`) {
		t.Errorf("starting again: %d", p.status)
	}
}

// TestPagesCookies: what the browser keeps, by its own account.
func TestPagesCookies(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	b := newBrowser(t)
	b.open(w.authorizeURL())
	b.wait("#username")
	before := b.cookies()
	b.signIn("#consent")
	after := b.cookies()
	for _, name := range []string{"sp_browser", "sp_session", "sp_known"} {
		c := after[name]
		if c == nil {
			t.Errorf("no cookie %s in %v", name, after)
			continue
		}
		if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Session != (name != "sp_known") {
			t.Errorf("cookie %s: %+v", name, c)
		}
	}
	if before["sp_session"] != nil || before["sp_browser"] == nil || before["sp_browser"].Value != after["sp_browser"].Value {
		t.Errorf("before the login: %v", before)
	}
	first := after["sp_session"].Value
	b.open(w.authorizeURL("prompt", "login"))
	b.wait("#password")
	b.fill("#password", loginPassword)
	b.press("button.primary", "#consent")
	if again := b.cookies()["sp_session"].Value; again == first {
		t.Errorf("the secret of the session stayed over a login")
	}
}

func (b *tab) cookies() map[string]*network.Cookie {
	b.t.Helper()
	out := map[string]*network.Cookie{}
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		list, err := network.GetCookies().Do(ctx)
		for _, c := range list {
			out[c.Name] = c
		}
		return err
	}))
	return out
}

// TestPagesCrossSite: another site that posts to us in a real browser gets
// nowhere, but for an authorization request, which is meant to come from there.
func TestPagesCrossSite(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	b := newBrowser(t)
	b.open(w.authorizeURL())
	b.signIn("#consent")
	var csrf, base string
	b.run(chromedp.Evaluate(`document.querySelector("input[name=csrf]").value`, &csrf))
	base = b.location()
	// localhost and 127.0.0.1 are two sites.
	evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(rw, `<!doctype html><title>evil</title><link rel="icon" href="data:,"><form id="f" method="post" action="`+
			r.URL.Query().Get("to")+`">`+r.URL.Query().Get("fields")+`<button id="go">go</button></form>`)
	}))
	t.Cleanup(evil.Close)
	attack := func(to, fields string) {
		b.open(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1) + "/?" + url.Values{"to": {to}, "fields": {fields}}.Encode())
		b.press("#go", "h1")
	}
	attack(base+"/consent", `<input name="decision" value="allow"><input name="scope" value="openid"><input name="csrf" value="`+csrf+`">`)
	if got := b.text("h1"); got != "This form is no longer good" {
		t.Errorf("a forged consent shows %q at %s", got, b.location())
	}
	if got := w.client.answers(); len(got) > 0 {
		t.Errorf("a forged consent was taken: %v", got)
	}
	u, err := url.Parse(w.authorizeURL())
	if err != nil {
		t.Fatal(err)
	}
	var fields strings.Builder
	for name, values := range u.Query() {
		fields.WriteString(`<input name="` + name + `" value="` + values[0] + `">`)
	}
	attack(w.URL()+"/oauth/authorize", fields.String())
	if b.wait("#consent"); b.text(".person-login") != "dr.veil" {
		t.Errorf("a posted request does not find the session")
	}
}

// TestPagesHost: the pages answer at configured hosts only.
func TestPagesHost(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	for _, path := range []string{"/oauth/authorize", "/oauth/logout", "/device", "/login/x"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "evil.example"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s for another host: %d, want 421", path, res.StatusCode)
		}
	}
}
