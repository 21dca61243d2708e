package servertest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestPagesCodeFirst: a code by e-mail in place of a password, where policy
// allows that. The page tells nobody whether the account exists.
func TestPagesCodeFirst(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t, func(c *config.Config) {
		c.ACRs = append(c.ACRs, config.ACR{Name: "Easy", Needs: []config.Need{{AnyOf: []string{"password", "email_otp"}}}})
		c.DefaultACRs = []string{"Easy"}
	})
	w.enrolBoth()
	b := newBrowser(t)
	b.open(w.authorizeURL())
	b.wait(`button[value="email_otp"]`)
	b.judge("login-or-code")
	b.press(`button[value="email_otp"]`, "#fault")
	b.fill("#username", "nobody.at.all")
	b.press(`button[value="email_otp"]`, "#code")
	stranger := b.text("main")
	b.judge("code-unknown")
	b.open(w.authorizeURL())
	b.wait("#username")
	b.fill("#username", "dr.veil")
	b.press(`button[value="email_otp"]`, "#code")
	if got := b.text("main"); got != stranger {
		t.Errorf("a known account sees\n%s\nan unknown one\n%s", got, stranger)
	}
	if _, err := w.Directory().SendQueuedCodes(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.fill("#code", w.inboxCode())
	b.press("button.primary", "#consent")
	b.press(`button[value="allow"]`, "#arrived")
	if got := w.client.answers(); len(got) != 1 || got[0].Get("code") == "" {
		t.Errorf("answers: %v", got)
	}
	b.noComplaints()
}

// TestPagesBranding: name, logo and colours of the operator, a client with a
// logo, in German by ui_locales although the browser asks for French.
func TestPagesBranding(t *testing.T) {
	t.Parallel()
	logo := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(logo, []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="140" height="36" viewBox="0 0 140 36"><rect width="140" height="36" rx="8" fill="#b8003c"/></svg>`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newPagesWorld(t, func(c *config.Config) {
		c.Branding = config.Branding{Name: "Gartenverein", Logo: logo, Colour: "#ffd000", ColourDark: "#3a0010"}
	})
	w.register("club", "Vereinskasse", func(c *oidc.Client) {
		c.LogoURI = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	})
	b := newBrowser(t)
	b.run(network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": "fr"}))
	b.open(w.authorizeURL("client_id", "club", "ui_locales", "tr de"))
	b.wait("#username")
	b.judge("branded-login")
	var lang, title string
	b.run(chromedp.Evaluate(`document.documentElement.lang`, &lang), chromedp.Title(&title))
	if lang != "de" || title != "Anmelden – Gartenverein" || !strings.Contains(b.text("main"), "Vereinskasse") {
		t.Errorf("page in %q titled %q:\n%s", lang, title, b.text("main"))
	}
	b.signIn("#consent")
	b.judge("branded-consent")
	b.noComplaints()
	b.open(w.authorizeURL())
	b.wait("h1")
	if b.run(chromedp.Evaluate(`document.documentElement.lang`, &lang)); lang != "fr" {
		t.Errorf("without ui_locales the page is in %q, want the browser's fr", lang)
	}
}
