package servertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestPagesTour walks through every page with password, mailed code, app and
// consent; axe-core judges each, and the browser may complain of nothing.
func TestPagesTour(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.enrolBoth()
	b := newBrowser(t)
	b.open(w.authorizeURL("scope", "openid profile email payments", "acr_values", "MFA"))
	b.wait("#username")
	b.judge("login")
	b.press("button.primary", "#fault")
	b.judge("login-empty")
	b.fill("#username", "dr.veil")
	b.fill("#password", "not the password")
	b.press("button.primary", "#fault")
	b.judge("login-refused")
	b.fill("#password", loginPassword)
	b.press("button.primary", `button[name="factor"]`)
	b.judge("factor")
	b.press(`button[value^="email_otp"]`, "#code")
	b.judge("code-email")
	b.fill("#code", wrong(w.inboxCode()))
	b.press("button.primary", "#fault")
	b.judge("code-wrong")
	b.press(`button[value^="totp"]`, "#code")
	b.judge("code-app")
	b.fill("#code", w.appCode())
	b.press("button.primary", "#consent")
	b.judge("consent")
	if got := b.text(".scopes"); !strings.Contains(got, "Pay on your behalf") || !strings.Contains(got, "Verify to allow") {
		t.Errorf("scopes: %s", got)
	}
	b.press(`button[name="acr"]`, "#password")
	b.judge("verify")
	b.press(`form[action$="/skip"] button`, "#consent")
	b.press(`button[value="allow"]`, "#arrived")
	answer := w.client.answers()
	if len(answer) != 1 || answer[0].Get("code") == "" || answer[0].Get("state") != "s1" || answer[0].Get("iss") != w.URL() {
		t.Fatalf("answer: %v", answer)
	}
	b.noComplaints()
	w.tourAgain(b)
	b.noComplaints()
}

// tourAgain shows the pages of somebody who is logged in.
func (w *pagesWorld) tourAgain(b *tab) {
	w.t.Helper()
	b.open(w.authorizeURL("prompt", "select_account"))
	b.wait(`button[name="account"]`)
	b.judge("account")
	b.open(w.authorizeURL("prompt", "login"))
	b.wait("#password")
	b.judge("login-again")
	b.open(w.authorizeURL("client_id", "nobody"))
	b.wait("code")
	b.judge("error-request")
	b.open(w.URL() + "/login/00000000-0000-7000-8000-000000000000")
	b.wait("h1")
	b.judge("error-expired")
	b.open(w.URL() + "/device")
	b.wait("#user_code")
	b.judge("device")
	b.fill("#user_code", "BBBB-CCCC")
	b.press("button.primary", "#fault")
	b.judge("device-wrong")
	code := w.deviceCode()
	b.open(w.URL() + "/device?user_code=" + code)
	b.wait("#user_code")
	b.press("button.primary", "#consent")
	b.judge("consent-device")
	b.press(`button[value="allow"]`, "h1")
	if got := b.text("h1"); got != "Your device is connected" {
		w.t.Errorf("after allowing: %q", got)
	}
	b.judge("done")
	b.open(w.URL() + "/oauth/logout")
	b.wait(`input[name="ticket"] ~ button`)
	b.judge("logout")
	b.press("button.primary", "h1")
	if got := b.text("h1"); got != "You are signed out" {
		w.t.Errorf("after logging out: %q", got)
	}
	b.judge("logged-out")
	w.client.answers()
	b.open(w.authorizeURL("prompt", "none"))
	b.wait("#arrived")
	if got := w.client.answers(); len(got) != 1 || got[0].Get("error") != "login_required" {
		w.t.Errorf("after logout prompt=none: %v", got)
	}
}

// deviceCode asks for a device code as a device does.
func (w *pagesWorld) deviceCode() string {
	w.t.Helper()
	res, err := http.PostForm(w.URL()+"/oauth/device_authorization", url.Values{"client_id": {"shop"}, "scope": {"openid email"}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var body strings.Builder
	if err := res.Write(&body); err != nil {
		w.t.Fatal(err)
	}
	_, text, _ := strings.Cut(body.String(), "\r\n\r\n")
	return str(w.t, text[strings.Index(text, "{"):strings.LastIndex(text, "}")+1], "user_code")
}

// TestPagesNewPassword: a password that an administrator wants changed is
// changed before anything else.
func TestPagesNewPassword(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.must(http.StatusOK, http.MethodPut, w.path("account"), `{"mustChangePassword":true}`)
	b := newBrowser(t)
	b.open(w.authorizeURL())
	b.signIn("#new_password")
	b.judge("password")
	b.fill("#new_password", "short")
	b.press("button.primary", "#fault")
	b.judge("password-refused")
	b.fill("#new_password", "seven lanterns of the marsh")
	b.press("button.primary", "#consent")
	b.noComplaints()
}

// TestPagesFormPost: the answer is posted by the script, and by a button where
// scripts do not run.
func TestPagesFormPost(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	b := newBrowser(t)
	b.open(w.authorizeURL("response_mode", "form_post"))
	b.signIn("#consent")
	b.press(`button[value="allow"]`, "#arrived")
	w.client.mu.Lock()
	how := strings.Join(w.client.how, " ")
	w.client.mu.Unlock()
	if got := w.client.answers(); how != http.MethodPost || len(got) != 1 || got[0].Get("code") == "" {
		t.Errorf("answers by %s: %v", how, got)
	}
	b.noComplaints()
	b.scripts(false)
	b.open(w.authorizeURL("response_mode", "form_post"))
	b.wait("form[data-submit] button")
	b.press("form[data-submit] button", "#arrived")
	if got := w.client.answers(); len(got) != 1 || got[0].Get("code") == "" {
		t.Errorf("answers without scripts: %v", got)
	}
}

// TestPagesWithoutScripts: a login with both factors works with JavaScript off.
func TestPagesWithoutScripts(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.enrolBoth()
	b := newBrowser(t)
	b.scripts(false)
	b.open(w.authorizeURL("acr_values", "MFA"))
	b.signIn(`button[name="factor"]`)
	b.press(`button[value^="email_otp"]`, "#code")
	b.wait(`form[action$="/send"] button:not([disabled])`)
	w.clock.advance(31 * time.Second)
	b.press(`form[action$="/send"] button`, "#code")
	b.fill("#code", w.inboxCode())
	b.press("button.primary", "#consent")
	b.press(`button[value="allow"]`, "#arrived")
	if got := w.client.answers(); len(got) != 1 || got[0].Get("code") == "" {
		t.Errorf("answers: %v", got)
	}
}

// TestPagesByKeyboard: the whole login with Tab, Enter, Space and typing.
func TestPagesByKeyboard(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.enrolBoth()
	b := newBrowser(t)
	b.open(w.authorizeURL("acr_values", "MFA"))
	b.wait("#username")
	b.keys("dr.veil", "\t", loginPassword, "\r")
	b.wait(`button[name="factor"]`)
	b.tabTo(`button[value^="totp"]`)
	b.keys("\r")
	b.wait("#code")
	b.keys(w.appCode(), "\r")
	b.wait("#consent")
	b.tabTo(`input[name="scope"][value="email"]`)
	b.keys(" ")
	b.tabTo(`button[value="allow"]`)
	b.keys("\r")
	b.wait("#arrived")
	answers := w.client.answers()
	if len(answers) != 1 || answers[0].Get("code") == "" {
		t.Fatalf("answers: %v", answers)
	}
	b.noComplaints()
}
