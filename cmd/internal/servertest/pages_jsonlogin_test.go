package servertest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sallyport-id/sallyport/oidc"
)

// examplePage is the login page of docs/json-login.md.
func examplePage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../../docs/json-login.md")
	if err != nil {
		t.Fatal(err)
	}
	_, html, _ := strings.Cut(string(page), "```html\n")
	html, _, found := strings.Cut(html, "```")
	if !found {
		t.Fatal("docs/json-login.md has no page")
	}
	return html
}

// TestExampleOfJSONLogin logs in on the page of docs/json-login.md, which another
// server shows, in Chromium: wrong password, password, wrong code, code.
func TestExampleOfJSONLogin(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	html := examplePage(t)
	ui := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, _ *http.Request) {
		res.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(res, html)
	}))
	t.Cleanup(ui.Close)
	rp := newRelyingParty(t)
	app := ownPages(t, w.Server, func(c *oidc.Client) {
		c.LoginURI, c.RedirectURIs = ui.URL+"/login", []string{rp.srv.URL + "/cb"}
	})
	ann := w.withTOTP(t, w.NewPerson(t, "ann"))
	b := newBrowser(t)
	b.open(app.AuthURL("acr_values", "MFA", "redirect_uri", rp.srv.URL+"/cb"))
	b.wait(`input[name=username]`)
	if !strings.HasPrefix(b.location(), ui.URL) {
		t.Fatalf("the browser is at %s", b.location())
	}
	submit := func(next string, pairs ...string) {
		t.Helper()
		for i := 0; i+1 < len(pairs); i += 2 {
			b.fill("input[name="+pairs[i]+"]", pairs[i+1])
		}
		b.run(chromedp.Click("button", chromedp.ByQuery), chromedp.WaitVisible(next, chromedp.ByQuery))
	}
	submit(`#fault:not(:empty)`, "username", "ann", "password", "not it at all")
	if got := b.text("#fault"); !strings.Contains(got, "wrong") {
		t.Errorf("the page says %q", got)
	}
	submit(`#fields:not(:has([name=username])) input[name=password]`, "username", "ann", "password", ann.Password)
	submit(`#fault:not(:empty)`, "password", "000000")
	submit("#arrived", "password", ann.Code(t))
	answers := rp.answers()
	if len(answers) != 1 || answers[0].Get("code") == "" {
		t.Fatalf("answers %v", answers)
	}
	tokens := app.Redeem(t, answers[0].Get("code"), "redirect_uri", rp.srv.URL+"/cb")
	if tokens.Subject() != ann.ID || tokens.ACR() != "MFA" {
		t.Errorf("sub %q, acr %q", tokens.Subject(), tokens.ACR())
	}
	b.noComplaints()
}
