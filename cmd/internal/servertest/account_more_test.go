package servertest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// TestAccountAllOff: whoever has switched off every factor logs in by password
// alone, and can still switch one on, without a proof that nobody could give.
func TestAccountAllOff(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Phone"), "Phone")
	w.said(w.b.Submit(w.open(w.credential("Phone")), "off"), "/account/security", "Switched off.")
	w.clock.advance(20 * time.Minute)
	w.who.Factor, w.who.Code = "recovery_code", nil
	b := w.Browser(t)
	p := b.Open("/account/security")
	p = b.Submit(p, "login", "username", w.who.UserName, "password", w.who.Password)
	if p.Kind() != servertest.KindCode && p.URL.Path != "/account/security" {
		t.Fatalf("login with every factor off led to %s: %s", p.URL, p.Text())
	}
	// The session that switched it off goes on: it has shown its factors.
	p = w.b.Open("/account/security")
	if p.URL.Path == "/account/security" {
		id := between(t, p.Body, `name="credential" value="`, `"`)
		p = w.said(w.b.Submit(p, "on", "credential", id), "/account/security", "It was switched on.")
		if strings.Contains(p.Text(), "Switched off.") {
			t.Errorf("still off: %s", p.Text())
		}
	}
}

// TestAccountSwitchOnIsAChange: a factor that its owner has switched off, for the
// telephone was lost, comes back by a recent proof of another one only.
func TestAccountSwitchOnIsAChange(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Lost"), "Lost")
	kept := w.addApp("Kept")
	w.clock.advance(time.Minute)
	p := w.said(w.b.Submit(w.open(w.credential("Lost")), "off"), "/account/security", "Switched off.")
	id := between(t, p.Body, `name="credential" value="`, `"`)
	w.clock.advance(6 * time.Minute)
	p = w.b.Submit(w.b.Open("/account/security"), "on", "credential", id)
	if p.Kind() != servertest.KindFactor && p.Kind() != servertest.KindCode {
		t.Fatalf("switched on with an old proof: %s %s", p.URL, p.Text())
	}
	w.said(w.b.Open("/account/security"), "/account/security", "Switched off.")
	w.uses(kept, "Kept")
	w.b.LogIn(p, w.who)
	w.said(w.b.Submit(w.b.Open("/account/security"), "on", "credential", id), "/account/security", "It was switched on.")
}

// TestAccountSameAddress: an address is one credential, wherever it stands.
func TestAccountSameAddress(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Phone"), "Phone")
	w.clock.advance(time.Minute)
	w.addEmail("nora@example.com", "Main")
	w.clock.advance(time.Minute)
	w.addEmail("nora@example.org", "Other")
	for _, known := range []string{"nora@example.com", "nora@EXAMPLE.com", "nora@example.org"} {
		w.clock.advance(time.Minute)
		p := w.b.Submit(w.open("/account/security/email"), "email", "value", known)
		if p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Text(), "You have this one already") {
			t.Errorf("%s again: %d %s", known, p.Status, p.Text())
		}
	}
	// By SCIM the further address becomes the value of the attribute.
	w.clock.advance(2 * time.Minute)
	w.WithEmail(t, w.who, "nora@example.org")
	p := w.open("/account/security")
	if n := strings.Count(p.Body, `row-name">n***@example.org`); n != 1 {
		t.Errorf("nora@example.org is there %d times, want once:\n%s", n, p.Text())
	}
}

// TestAccountLastFactorGone: with the last second factor go the recovery codes,
// and with the first come some.
func TestAccountLastFactorGone(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Phone"), "Phone")
	w.said(w.open("/account/security"), "/account/security", "10 left.")
	p := w.b.Submit(w.open(w.credential("Phone")), "remove")
	p = w.said(w.b.LogIn(p, w.who), "/account/security", "You have none yet")
	if strings.Contains(p.Text(), "left.") {
		t.Errorf("recovery codes outlive the last factor: %s", p.Text())
	}
	w.said(w.open("/account"), "/account", "Only your password protects this account")
}

// TestAccountRecoveryCodes: codes are shown once, to keep as a file, and new
// ones replace them; each gets its user in once.
func TestAccountRecoveryCodes(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Phone"), "Phone")
	p := w.b.Submit(w.open("/account/security/recovery"), "recovery")
	if p.Status != http.StatusOK || strings.Count(p.Body, "<li><code>") != 10 || !strings.Contains(p.Body, `download="recovery-codes.txt"`) {
		t.Fatalf("new codes: %d %s", p.Status, p.Text())
	}
	if p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control of the codes: %q", p.Header.Get("Cache-Control"))
	}
	code := between(t, p.Body, "<li><code>", "</code>")
	if again := w.b.Open("/account/security/recovery"); strings.Contains(again.Body, code) {
		t.Error("the codes are shown again")
	}
	lost := w.Browser(t)
	who := w.who
	who.Factor, who.Code = "recovery_code", func(testing.TB) string { return code }
	if p := lost.LogIn(lost.Open("/account/security"), who); !strings.Contains(p.Text(), "9 left.") {
		t.Errorf("after a login by recovery code: %s %s", p.URL, p.Text())
	}
	// Whoever has lost the app sets up another one with that login.
	p = lost.Open("/account/security/app")
	if p.URL.Path != "/account/security/app" {
		t.Errorf("after a recovery code the page of apps led to %s: %s", p.URL, p.Text())
	}
}

// TestAccountSecondPassword: it is set under the rules of passwords, listed and
// removed.
func TestAccountSecondPassword(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.said(w.open("/account"), "/account", "Nora Quill")
	p := w.b.Open("/account/security/second-password")
	for _, bad := range []string{"", "short", "password"} {
		if got := w.b.Submit(p, "second-password", "new_password", bad); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("second password %q: %d %s", bad, got.Status, got.Text())
		}
	}
	w.said(w.b.Submit(p, "second-password", "new_password", "brindle harbour eleven"), "/account/security", "It was added.")
	p = w.b.Open(w.credential("Second password"))
	p = w.said(w.b.Submit(p, "remove"), "/account/security", "It was removed.")
	w.said(p, "/account/security", "You have none.")
}

// TestAccountRememberedBrowsers: they are listed, and forgotten at once.
func TestAccountRememberedBrowsers(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t, rememberACR, func(c *config.Config) { c.DefaultACRs = []string{"Known", "Default"} })
	w.uses(w.addApp("Phone"), "Phone")
	p := w.b.Open("/account/security")
	p = w.b.Submit(p, "code", "code", w.who.Code(t), "remember", "on")
	w.said(p, "/account/security", "Phone")
	p = w.said(w.b.Open("/account/sessions"), "/account/sessions", "Remembered browsers")
	p = w.b.Submit(p, "forget", "device", between(t, p.Body, `name="device" value="`, `"`))
	w.said(p, "/account/sessions", "That browser is no longer remembered.")
	if strings.Contains(p.Text(), "Remembered browsers") {
		t.Errorf("still listed: %s", p.Text())
	}
}

// TestAccountNotices: what changes is announced to every proved address, the
// further ones included, with the one that goes.
func TestAccountNotices(t *testing.T) {
	t.Parallel()
	w := &accountWorld{world: newWorld(t, "sqlite", announced)}
	w.b, w.who = w.Browser(t), w.NewPerson(t, "nora.quill")
	w.uses(w.addApp("Phone"), "Phone")
	mailed := func(address, name string) {
		t.Helper()
		w.clock.advance(time.Minute)
		n := w.mail.count()
		p := w.b.Submit(w.open("/account/security/email"), "email", "value", address)
		code := mailedCode(t, w.mail.wait(t, n+1).text())
		w.said(w.b.Submit(p, "code", "code", code, "name", name), "/account/security", "It was added.")
	}
	mailed("nora@example.com", "Main")
	mailed("nora@example.org", "Other")
	path := w.credential("Other")
	w.open(path)
	if _, err := w.Directory().SendNotices(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := w.mail.count()
	w.said(w.b.Submit(w.b.Open(path), "remove"), "/account/security", "It was removed.")
	want := []string{
		"nora@example.com: " + removedText, "nora@example.org: " + removedText,
	}
	if diff := cmp.Diff(want, w.notices(n, 2)); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}

// removedText begins the notice of an address that is gone.
const removedText = "The e-mail address that was a second factor of your account was removed."

// mailedCode is the code of a message.
func mailedCode(t *testing.T, text string) string {
	t.Helper()
	code := regexp.MustCompile(`[0-9]{8}`).FindString(text)
	if code == "" {
		t.Fatalf("no code in %s", text)
	}
	return code
}

// TestAccountEnds: an inactive user is shown nothing, and a session that
// has ended leads to the login.
func TestAccountEnds(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	page := w.said(w.open("/account/sessions"), "/account/sessions", "This one.")
	token := "csrf"
	if v, ok := page.Value("others", "csrf"); ok {
		token = v
	}
	w.PatchPerson(t, w.who, `{"op":"replace","path":"active","value":false}`)
	if p := w.b.Open("/account/security"); p.Kind() != servertest.KindLogin {
		t.Errorf("an inactive user is at %s: %s", p.URL, p.Text())
	}
	if p := w.b.Post("/account/sessions/others", url.Values{"csrf": {token}}); p.Kind() != servertest.KindLogin {
		t.Errorf("a form of an inactive user led to %s: %s", p.URL, p.Text())
	}
}

// TestAccountEveryFormIsFresh: with a proof that is too old no form of the account
// changes anything, though its page was opened in time (security.md 6).
func TestAccountEveryFormIsFresh(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Phone"), "Phone")
	w.clock.advance(time.Minute)
	w.addEmail("nora@example.com", "Mail")
	phone, mail := w.credential("Phone"), w.credential("Mail")
	w.open(phone) // the last proof
	token := func(path, form string) string {
		t.Helper()
		value, ok := w.b.Open(path).Value(form, "csrf")
		if !ok {
			t.Fatalf("no form %q at %s", form, path)
		}
		return value
	}
	const root = "/account/security"
	list, one := token(root, "second-factor"), token(phone, "remove")
	forms := []struct {
		path string
		form url.Values
	}{
		{phone + "/remove", url.Values{"csrf": {one}}},
		{phone + "/off", url.Values{"csrf": {one}}},
		{phone + "/prefer", url.Values{"csrf": {one}, "factor": {"totp"}}},
		{phone + "/rename", url.Values{"csrf": {one}, "name": {"Stolen"}}},
		{mail + "/remove", url.Values{"csrf": {one}}},
		{root + "/second-factor", url.Values{"csrf": {list}, "to": {"off"}}},
		{root + "/identity/corp/link", url.Values{"csrf": {list}}},
		{root + "/identity/corp/unlink", url.Values{"csrf": {list}}},
		{root + "/app", url.Values{"csrf": {token(root+"/app", "app")}}},
		{root + "/email", url.Values{"csrf": {token(root+"/email", "email")}, "value": {"eve@example.org"}}},
		{root + "/password", url.Values{
			"csrf": {token(root+"/password", "password")}, "current_password": {w.who.Password}, "new_password": {newWords},
		}},
		{root + "/second-password", url.Values{"csrf": {token(root+"/second-password", "second-password")}, "new_password": {newWords}}},
		{root + "/passkey", url.Values{"csrf": {token(root+"/passkey", "passkey")}, "answer": {"{}"}}},
		{root + "/passkey/options", url.Values{"csrf": {token(root+"/passkey", "passkey")}}},
		{root + "/recovery", url.Values{"csrf": {token(root+"/recovery", "recovery")}}},
	}
	before := w.said(w.b.Open(root), root, "Phone").Text()
	w.clock.advance(6 * time.Minute)
	for _, c := range forms {
		p := w.b.Post(c.path, c.form)
		if p.Kind() != servertest.KindFactor && p.Kind() != servertest.KindCode {
			t.Errorf("%s: %d at %s, want the login:\n%s", c.path, p.Status, p.URL, p.Text())
		}
	}
	if after := w.said(w.b.Open(root), root, "Phone").Text(); after != before {
		t.Errorf("changed from\n%s\nto\n%s", before, after)
	}
}
