package servertest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestPagesAccountTour walks through the pages of the own account as somebody
// who begins with a password alone; axe-core judges each, and the browser may
// complain of nothing.
func TestPagesAccountTour(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	b := newBrowser(t)
	b.open(w.URL() + "/account")
	b.signIn(".parts")
	b.judge("account-home")
	b.press(`main a[href$="/account/security"]`, "#part-totp")
	b.judge("account-security-empty")
	b.press(`a[href$="/security/app"]`, "button.primary")
	b.judge("account-app")
	b.press("button.primary", ".qr svg")
	b.judge("account-app-code")
	w.secret = strings.Join(strings.Fields(b.text("code.secret")), "")
	b.fill("#code", "000000")
	b.press("button.primary", "#fault")
	b.judge("account-app-wrong")
	b.fill("#code", w.appCode())
	b.fill("#name", "Work phone")
	b.press("button.primary", ".codes")
	b.judge("account-recovery-made")
	b.press(`main a.primary`, `button[name="factor"]`) // now a second factor is asked for
	b.press(`button[value^="totp"]`, "#code")
	b.fill("#code", w.appCode())
	b.press("button.primary", "#part-totp")
	b.press(`a[href$="/security/email"]`, "#value")
	b.judge("account-email")
	b.fill("#value", "not an address")
	b.press("button.primary", "#fault")
	b.judge("account-email-wrong")
	b.fill("#value", address)
	b.press("button.primary", "#code")
	b.judge("account-email-code")
	b.fill("#code", w.inboxCode())
	b.press("button.primary", ".news")
	b.judge("account-security")
	b.press(`a[href$="/security/phone"]`, "#value")
	b.judge("account-phone")
	for path, name := range map[string]string{"password": "account-password", "second-password": "account-second", "recovery": "account-recovery"} {
		b.open(w.URL() + "/account/security/" + path)
		b.wait("main h1")
		b.judge(name)
	}
	b.open(w.URL() + "/account/security")
	b.press(`a[href*="/credential/totp"]`, `form[action$="/remove"]`)
	b.judge("account-credential")
	b.press(`form[action$="/off"] button`, ".news")
	b.press(`main a[href*="/credential/totp"]`, `form[action$="/on"]`)
	b.judge("account-credential-off")
	b.press(`form[action$="/on"] button`, ".news")
	b.press(`.parts a[href$="/account/sessions"]`, ".rows")
	b.judge("account-sessions")
	b.noComplaints()
}

// TestPagesAccountLanguages: every page of the account says the same in each
// language, with none of its texts left out.
func TestPagesAccountLanguages(t *testing.T) {
	t.Parallel()
	w := newAccountWorld(t)
	w.uses(w.addApp("Phone"), "Phone")
	w.clock.advance(time.Minute)
	path := w.credential("Phone")
	w.open(path)
	pages := map[string]bool{}
	for _, language := range []string{"en", "de", "fr", "es"} {
		w.b.Language = language
		for _, page := range []string{
			"/account", "/account/security", "/account/sessions", "/account/security/app", "/account/security/email", "/account/security/phone",
			"/account/security/password", "/account/security/second-password", "/account/security/recovery", path,
		} {
			p := w.b.Open(page)
			if p.Status != http.StatusOK || p.Header.Get("Content-Language") != language {
				t.Errorf("%s in %s: %d in %q", page, language, p.Status, p.Header.Get("Content-Language"))
			}
			if strings.Contains(p.Text(), "own.") || pages[p.Text()] {
				t.Errorf("%s in %s is not translated:\n%s", page, language, p.Text())
			}
			pages[p.Text()] = true
		}
	}
}
