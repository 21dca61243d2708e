package servertest_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestPagesRecovery walks through the pages of recovery and registration in a
// browser: the way from the login page, wrong answers, the link of the message,
// the meter, and back. axe-core judges each, and the browser may complain of
// nothing.
func TestPagesRecovery(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t, func(c *config.Config) { c.SignUp.Enabled = true })
	w.enrolBoth()
	letters := town{w.Server, w.clock}
	b := newBrowser(t)
	b.open(w.authorizeURL())
	b.wait(`a[href^="/recover?"]`)
	b.judge("login-links")
	b.press(`a[href^="/recover?"]`, "#login")
	b.judge("recover")
	b.press("button.primary", "#fault")
	b.judge("recover-empty")
	b.fill("#login", "dr.veil")
	b.press("button.primary", "#code")
	b.judge("recover-code")
	b.fill("#code", "00000000")
	b.press("button.primary", "#fault")
	b.judge("recover-code-wrong")
	b.open(letters.letter(t, address, 2).link(t)) // the first was a code to enrol
	b.wait("button.primary")
	if where := b.location(); !strings.HasSuffix(where, "/continue/link") {
		t.Errorf("after the link at %s", where)
	}
	b.judge("recover-confirm")
	b.press("button.primary", "#new_password")
	b.judge("recover-password")
	b.fill("#new_password", "password1")
	b.run(chromedp.WaitVisible(".meter.bad", chromedp.ByQuery))
	b.judge("recover-meter-bad")
	b.fill("#new_password", newWords)
	b.run(chromedp.WaitVisible(".meter:not(.bad)", chromedp.ByQuery))
	if got := b.text(".meter span"); !strings.HasPrefix(got, "Very good") && !strings.HasPrefix(got, "Good") {
		t.Errorf("the meter says %q", got)
	}
	b.judge("recover-meter-good")
	b.press("button.primary", "a.button")
	b.judge("recover-done")
	b.press("a.button", "#username")
	b.fill("#username", "dr.veil")
	b.fill("#password", newWords)
	b.press("button.primary", `#consent, button[name="factor"]`)

	for path, name := range map[string]string{"/recover/username": "recover-username", "/verify": "verify-account", "/signup": "sign-up"} {
		b.open(w.URL() + path)
		b.wait("#login")
		b.judge(name)
	}
	b.fill("#login", "new@example.org")
	b.open(w.URL() + "/recover/username")
	b.fill("#login", "nobody@example.org")
	b.press("button.primary", ".leave")
	b.judge("recover-told")
	b.open(w.URL() + "/continue/link/" + strings.Repeat("A", 43))
	b.wait("h1")
	b.judge("recover-link-dead")
	b.noComplaints()
}

// TestPagesRecoveryWithoutScripts: no page needs them.
func TestPagesRecoveryWithoutScripts(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.enrolBoth()
	b := newBrowser(t)
	b.scripts(false)
	b.open(w.URL() + "/recover")
	b.run(chromedp.SendKeys("#login", "dr.veil", chromedp.ByQuery), chromedp.Click("button.primary", chromedp.ByQuery))
	b.wait("#code")
	code := town{w.Server, w.clock}.letter(t, address, 2).Code
	b.run(chromedp.SendKeys("#code", code, chromedp.ByQuery), chromedp.Click("button.primary", chromedp.ByQuery))
	b.wait("#new_password")
	b.run(chromedp.SendKeys("#new_password", newWords, chromedp.ByQuery), chromedp.Click("button.primary", chromedp.ByQuery))
	b.wait("h1")
	b.run(chromedp.WaitNotPresent("#new_password", chromedp.ByQuery))
	if got := b.text("h1"); got != "Your password was set" {
		t.Errorf("last page: %q", got)
	}
	b.noComplaints()
}
