package servertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// accountWorld is somebody at the pages of the own account.
type accountWorld struct {
	*world
	b   *servertest.Browser
	who servertest.Person
}

func newAccountWorld(t *testing.T, edits ...func(*config.Config)) *accountWorld {
	t.Helper()
	edits = append([]func(*config.Config){func(c *config.Config) { c.Delivery.SMTP.URL, c.Delivery.SMTP.From = "", "" }}, edits...)
	w := &accountWorld{world: newWorld(t, "sqlite", edits...)}
	w.b = w.Browser(t)
	w.who = w.NewPerson(t, "nora.quill", `"displayName":"Nora Quill"`)
	return w
}

// open goes to a page of the account and logs in as far as that asks.
func (w *accountWorld) open(path string) servertest.Page {
	w.t.Helper()
	w.b.Asked = nil
	return w.b.LogIn(w.b.Open(path), w.who)
}

// said checks where the browser is and what the page says.
func (w *accountWorld) said(p servertest.Page, path, text string) servertest.Page {
	w.t.Helper()
	if p.URL.Path != path || !strings.Contains(p.Text(), text) {
		w.t.Fatalf("at %s (%d), want %s with %q:\n%s", p.URL, p.Status, path, text, p.Text())
	}
	return p
}

// asked checks which questions the last walk has put.
func (w *accountWorld) asked(want ...string) {
	w.t.Helper()
	if got := strings.Join(w.b.Asked, " "); got != strings.Join(want, " ") {
		w.t.Errorf("asked for %q, want %q", got, strings.Join(want, " "))
	}
}

// addApp enrols an authenticator app on its page and returns it. The next code
// of it is good at once, for the clock moves on.
func (w *accountWorld) addApp(name string) servertest.Authenticator {
	w.t.Helper()
	p := w.open("/account/security/app")
	p = w.b.Submit(p, "app")
	secret := strings.Join(strings.Fields(between(w.t, p.Body, `<code class="secret">`, `</code>`)), "")
	app := servertest.Authenticator{URI: "otpauth://totp/x?" + url.Values{"secret": {secret}}.Encode()}
	p = w.b.Submit(p, "code", "code", app.Code(w.t, w.clock.Now()), "name", name)
	w.clock.advance(30 * time.Second)
	if p.Status != http.StatusOK {
		w.t.Fatalf("enrol app: %d %s", p.Status, p.Text())
	}
	return app
}

// uses has the person show this app, by its name.
func (w *accountWorld) uses(app servertest.Authenticator, name string) {
	w.who.Factor = name
	w.who.Code = func(tb testing.TB) string {
		tb.Helper()
		code := app.Code(tb, w.clock.Now())
		return code
	}
}

// addEmail enrols an address on its page.
func (w *accountWorld) addEmail(address, name string) servertest.Page {
	w.t.Helper()
	p := w.open("/account/security/email")
	p = w.b.Submit(p, "email", "value", address)
	return w.b.Submit(p, "code", "code", w.MailedCode(w.t, address), "name", name)
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, text, ok := strings.Cut(text, from)
	out, _, ended := strings.Cut(text, to)
	if !ok || !ended {
		t.Fatalf("no %q … %q in:\n%s", from, to, text)
	}
	return out
}

// credential is the path of the page of a credential with this name.
func (w *accountWorld) credential(name string) string {
	w.t.Helper()
	p := w.open("/account/security")
	for i, chunk := range strings.Split(p.Body, `<li class="row">`) {
		if i == 0 {
			continue // what stands before the first
		}
		if strings.Contains(chunk, ">"+name+"<") {
			return between(w.t, chunk, `href="`, `"`)
		}
	}
	w.t.Fatalf("no credential %q:\n%s", name, p.Text())
	return ""
}

// TestAccountFirstFactor: whoever has no second factor enrols the first after a
// login of at most fifteen minutes; from then on it is asked for.
func TestAccountFirstFactor(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.said(w.open("/account"), "/account", "Only your password protects this account")
	w.asked(servertest.KindLogin)
	w.clock.advance(16 * time.Minute)
	w.said(w.open("/account/security"), "/account/security", "You have none yet")
	w.asked()
	w.open("/account/security/app")
	w.asked(servertest.KindLogin) // the login is older than 15 minutes
	app := w.addApp("Work phone")
	w.uses(app, "Work phone")
	w.clock.advance(time.Minute)
	w.said(w.open("/account/security"), "/account/security", "Work phone")
	w.asked(servertest.KindFactor, servertest.KindCode) // the app, or a recovery code
}

// TestAccountSeveralOfAKind: apps and addresses beside the first are named,
// used to log in, switched off, preferred and removed; SCIM sees the first of
// each kind only.
func TestAccountSeveralOfAKind(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	first := w.addApp("First app")
	w.uses(first, "First app")
	second := w.addApp("Second app")
	w.clock.advance(time.Minute)
	w.addEmail("nora@example.com", "Main mail")
	w.clock.advance(time.Minute)
	p := w.addEmail("nora@example.org", "Other mail")
	w.said(p, "/account/security", "It was added.")
	for _, name := range []string{"First app", "Second app", "Main mail", "Other mail"} {
		w.said(w.open("/account/security"), "/account/security", name)
	}
	r := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.who.ID+"/validatedEmailAddresses", "")
	if !strings.Contains(r.Body, "nora@example.com") || strings.Contains(r.Body, "nora@example.org") {
		t.Errorf("SCIM shows %s, want the first address only", r.Body)
	}
	if p := w.said(w.b.Open("/account/security"), "/account/security", "n***@example.org"); strings.Contains(p.Body, "nora@example.org") {
		t.Error("the page shows an address in full")
	}

	w.clock.advance(10 * time.Minute)
	w.uses(second, "Second app")
	path := w.credential("First app")
	p = w.open(path)
	w.asked(servertest.KindFactor, servertest.KindCode)
	w.said(w.b.Submit(p, "off"), "/account/security", "Switched off.")
	w.said(w.b.Submit(w.b.Open(path), "rename", "name", "Old app"), "/account/security", "Old app")
	w.said(w.b.Submit(w.b.Open(path), "on"), "/account/security", "It was switched on.")
	w.said(w.b.Submit(w.b.Open(w.credential("Other mail")), "prefer", "factor", "email_otp"), "/account/security", "Asked for first.")
	p = w.b.Submit(w.b.Open(w.credential("Second app")), "remove")
	// What was proved by the app that is gone counts no more.
	w.uses(first, "Old app")
	p = w.b.LogIn(p, w.who)
	w.said(p, "/account/security", "Old app")
	if strings.Contains(p.Text(), "Second app") {
		t.Errorf("the removed app is still listed: %s", p.Text())
	}
	w.wantEvents("factor.enrolled", "address.validated", "factor.changed", "factor.removed", "session.rotated")
}

// wantEvents checks that audit events of these names are there.
func (w *accountWorld) wantEvents(names ...string) {
	w.t.Helper()
	for _, name := range names {
		if len(w.events(audit.Name(name))) == 0 {
			w.t.Errorf("no audit event %s", name)
		}
	}
}

// TestAccountStepUp: a change asks for a second factor of at most five minutes,
// at the page and at the form alike, and leads back; nothing changes without it.
func TestAccountStepUp(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	app := w.addApp("Phone")
	w.uses(app, "Phone")
	path := w.credential("Phone")
	p := w.open(path)
	w.clock.advance(6 * time.Minute)
	w.b.Asked = nil
	back := w.b.Submit(p, "remove") // the form is of this session, but the proof is old
	if back.Kind() != servertest.KindFactor {
		t.Fatalf("a stale form led to %s: %s", back.URL, back.Text())
	}
	w.said(w.b.LogIn(back, w.who), "/account/security", "Phone")
	w.clock.advance(30 * time.Second)
	p = w.b.Submit(w.open(path), "remove")
	w.said(w.b.LogIn(p, w.who), "/account/security", "It was removed.")
}

// TestAccountSecondFactorSwitch: switching second factors off asks for one,
// switching them on asks for nothing more than the login.
func TestAccountSecondFactorSwitch(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Phone"), "Phone")
	p := w.open("/account/security")
	w.clock.advance(10 * time.Minute)
	p = w.b.Submit(p, "second-factor", "to", "off")
	if p.Kind() != servertest.KindFactor {
		t.Fatalf("switching off with an old proof led to %s: %s", p.URL, p.Text())
	}
	w.clock.advance(30 * time.Second)
	p = w.b.Submit(w.b.LogIn(p, w.who), "second-factor", "to", "off")
	w.said(p, "/account/security", "Second factors are off.")
	w.said(w.b.Submit(p, "second-factor", "to", "on"), "/account/security", "Phone")
}

// TestAccountPassword: the password changes by the present one, under the rules
// of the API, and the other sessions end.
func TestAccountPassword(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	other := w.Browser(t)
	w.said(other.LogIn(other.Open("/account"), w.who), "/account", "Nora Quill")
	w.open("/account/security")
	p := w.b.Open("/account/security/password")
	bad := w.b.Submit(p, "password", "current_password", "not the password", "new_password", "brindle harbour eleven")
	if bad.Status != http.StatusUnprocessableEntity || !strings.Contains(bad.Text(), "The current password is not right") {
		t.Fatalf("wrong password: %d %s", bad.Status, bad.Text())
	}
	w.clock.advance(time.Minute)
	bad = w.b.Submit(p, "password", "current_password", w.who.Password, "new_password", "nora.quill")
	if bad.Status != http.StatusUnprocessableEntity || !strings.Contains(bad.Text(), "Choose another password") {
		t.Fatalf("password that is the name: %d %s", bad.Status, bad.Text())
	}
	w.said(w.b.Submit(p, "password", "current_password", w.who.Password, "new_password", "brindle harbour eleven"),
		"/account/security", "Your password was changed.")
	if p := other.Open("/account"); p.Kind() != servertest.KindLogin {
		t.Errorf("the other browser is still logged in at %s", p.URL)
	}
	w.said(w.b.Open("/account"), "/account", "Nora Quill")
}

// TestAccountSessions: a user sees the own sessions and ends one, or all others.
func TestAccountSessions(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	var others []*servertest.Browser
	for range 3 {
		b := w.Browser(t)
		b.LogIn(b.Open("/account"), w.who)
		others = append(others, b)
	}
	p := w.said(w.open("/account/sessions"), "/account/sessions", "This one.")
	if n := strings.Count(p.Body, `name="session"`); n != 3 {
		t.Fatalf("%d sessions to end, want 3: %s", n, p.Text())
	}
	id := between(t, p.Body, `name="session" value="`, `"`)
	p = w.said(w.b.Submit(p, "end", "session", id), "/account/sessions", "That browser was signed out.")
	if n := strings.Count(p.Body, `name="session"`); n != 2 {
		t.Errorf("%d sessions to end after one, want 2: %s", n, p.Text())
	}
	w.said(w.b.Submit(p, "others"), "/account/sessions", "You are signed out everywhere else.")
	for i, b := range others {
		if p := b.Open("/account"); p.Kind() != servertest.KindLogin {
			t.Errorf("browser %d is still logged in at %s", i, p.URL)
		}
	}
	w.said(w.b.Open("/account"), "/account", "Nora Quill")
}

// TestAccountAttacks: forms of other sites, of other sessions and of other
// pages change nothing, nor does anything of another user's.
//
//nolint:tparallel // its parts share a browser or a provider
func TestAccountAttacks(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Phone"), "Phone")
	path := w.credential("Phone")
	page := w.open(path)
	mallory := w.NewPerson(t, "mal.lory")
	evil := w.Browser(t)
	theirs := evil.LogIn(evil.Open("/account/sessions"), mallory)
	token, _ := theirs.Value("others", "csrf")
	if token == "" {
		home := evil.LogIn(evil.Open("/account/security/app"), mallory)
		token, _ = home.Value("app", "csrf")
	}
	own, _ := page.Value("rename", "csrf")
	for _, c := range []struct {
		name   string
		b      *servertest.Browser
		path   string
		form   url.Values
		status int
	}{
		{"no token", w.b, path + "/remove", url.Values{}, http.StatusForbidden},
		{"token of another user's session", w.b, path + "/remove", url.Values{"csrf": {token}}, http.StatusForbidden},
		{"token of another page of this session", w.b, "/account/sessions/others", url.Values{"csrf": {own}}, http.StatusForbidden},
		{"this session's token from another browser", evil, path + "/remove", url.Values{"csrf": {own}}, http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.b.Post(c.path, c.form)
			if p.Status != c.status {
				t.Errorf("%d, want %d: %s", p.Status, c.status, p.Text())
			}
		})
	}
	w.said(w.open("/account/security"), "/account/security", "Phone")
	if p := evil.LogIn(evil.Open(path), mallory); p.Status != http.StatusNotFound {
		t.Errorf("another user's credential: %d %s", p.Status, p.Text())
	}
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		if got := w.crossSite(path+"/remove", name, value, own); got != http.StatusForbidden {
			t.Errorf("%s %s: %d, want 403", name, value, got)
		}
	}
}

// crossSite posts a form with the cookies and the token of the browser, as a
// page of another site that knew it would.
func (w *accountWorld) crossSite(path, header, value, token string) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.URL()+path, strings.NewReader(url.Values{"csrf": {token}}.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set(header, value)
	for _, c := range w.b.Cookies() {
		req.AddCookie(c)
	}
	return servertest.Send(w.t, w.HTTP(), req).Status
}

// TestAccountOtherUsersState: the state of an enrolment is good for the session
// that began it only.
func TestAccountOtherUsersState(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	p := w.b.Submit(w.open("/account/security/email"), "email", "value", "nora@example.com")
	state, ok := p.Value("code", "state")
	if !ok {
		t.Fatalf("no state on the page: %s", p.Text())
	}
	code := w.MailedCode(t, "nora@example.com")
	for _, who := range []servertest.Person{w.NewPerson(t, "mal.lory"), w.who} {
		other := w.Browser(t)
		token, _ := other.LogIn(other.Open("/account/security/email"), who).Value("email", "csrf")
		got := other.Post("/account/security/email/code", url.Values{"csrf": {token}, "state": {state}, "code": {code}})
		if got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Text(), "Start again") {
			t.Errorf("state of another session as %s: %d %s", who.UserName, got.Status, got.Text())
		}
	}
	if p := w.b.Submit(p, "code", "code", code); !strings.Contains(p.Text(), "Your recovery codes were made") {
		t.Errorf("the session that began: %d %s", p.Status, p.Text())
	}
}

// TestAccountWrongCodes: the tries of an enrolment are those of the API.
func TestAccountWrongCodes(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	p := w.b.Submit(w.open("/account/security/email"), "email", "value", "nora@example.com")
	code := wrong(w.MailedCode(t, "nora@example.com"))
	for i := range 5 {
		p = w.b.Submit(p, "code", "code", code)
		if p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Text(), "This code is not right") {
			t.Fatalf("try %d: %d %s", i, p.Status, p.Text())
		}
	}
	p = w.b.Submit(p, "code", "code", code)
	if !strings.Contains(p.Text(), "too many wrong codes") {
		t.Errorf("after five tries: %d %s", p.Status, p.Text())
	}
	for _, bad := range []string{"", "nobody", "a@b@c"} {
		p := w.b.Submit(w.b.Open("/account/security/email"), "email", "value", bad)
		if p.Status != http.StatusUnprocessableEntity {
			t.Errorf("address %q: %d %s", bad, p.Status, p.Text())
		}
	}
}

// TestAccountReturnIsOurs: a login leads back to pages of the account only,
// whatever the address says.
func TestAccountReturnIsOurs(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	for _, path := range []string{
		"/account/security?to=https://evil.example/", "/account/security?done=%3Cscript%3E",
		"/account/security/credential/" + url.PathEscape("//evil.example"),
	} {
		p := w.open(path)
		if p.Away != nil || !strings.HasPrefix(p.URL.Path, "/account/security") || strings.Contains(p.Body, "<script>") {
			t.Errorf("%s led to %s %v", path, p.URL, p.Away)
		}
	}
}
