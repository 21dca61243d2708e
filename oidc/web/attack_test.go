package web_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/web"
)

// loginForm is the form of the login page, with its token.
func loginForm(b *browser) url.Values {
	return url.Values{"csrf": {b.get("/login/t1").token(b.t)}, "username": {"ann"}, "password": {"secret"}}
}

// TestForgedForms: a form without the token of exactly this page, transaction
// and browser does nothing (RFC 6749 section 10.12, row 39).
func TestForgedForms(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		forge func(b *browser, other *browser, f *fake, form url.Values)
		path  string
		want  int
	}{
		"no token": {func(_, _ *browser, _ *fake, form url.Values) { form.Del("csrf") }, "/login/t1/login", 403},
		"cut token": {func(_, _ *browser, _ *fake, form url.Values) {
			form.Set("csrf", form.Get("csrf")[:20])
		}, "/login/t1/login", 403},
		"token of another transaction": {func(*browser, *browser, *fake, url.Values) {}, "/login/t2/login", 403},
		"token of another page": {func(b, _ *browser, f *fake, form url.Values) {
			f.step = totpCode()
			form.Set("csrf", b.get("/login/t1").token(b.t))
		}, "/login/t1/login", 403},
		"token of another browser": {func(_, other *browser, f *fake, form url.Values) {
			owner := f.browser
			f.browser = ""
			other.begin()
			form.Set("csrf", other.get("/login/t1").token(other.t))
			f.browser = owner
		}, "/login/t1/login", 403},
		"from another site": {func(b, _ *browser, _ *fake, _ url.Values) {
			b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}
		}, "/login/t1/login", 403},
		"from a sibling host": {func(b, _ *browser, _ *fake, _ url.Values) {
			b.header = http.Header{"Sec-Fetch-Site": {"same-site"}}
		}, "/login/t1/login", 403},
		"from another origin, by an old browser": {func(b, _ *browser, _ *fake, _ url.Values) {
			b.header = http.Header{"Origin": {"https://evil.example"}}
		}, "/login/t1/login", 403},
		"unknown action": {func(*browser, *browser, *fake, url.Values) {}, "/login/t1/frobnicate", 404},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			e := newWeb(t, f)
			b := newBrowser(t, e)
			b.begin()
			form := loginForm(b)
			test.forge(b, newBrowser(t, e), f, form)
			f.Calls()
			if p := b.post(test.path, form); p.Status != test.want {
				t.Errorf("status = %d, want %d", p.Status, test.want)
			}
			if calls := f.Calls(); len(calls) > 0 {
				t.Errorf("the engine was asked: %q", calls)
			}
		})
	}
}

// TestForeignCookie: a form that is right but for the browser's cookie finds no
// transaction, and nothing tells whether there is one.
func TestForeignCookie(t *testing.T) {
	t.Parallel()
	f := newFake()
	e := newWeb(t, f)
	b, thief := newBrowser(t, e), newBrowser(t, e)
	b.begin()
	form := loginForm(b)
	f.Calls()
	p := thief.post("/login/t1/login", form)
	unknown := thief.post("/login/t9/login", form)
	if p.Status != http.StatusBadRequest || p.Body != unknown.Body {
		t.Errorf("status = %d, want the page of an unknown transaction", p.Status)
	}
	if calls := f.Calls(); len(calls) > 0 {
		t.Errorf("the engine was asked: %q", calls)
	}
}

// TestStepsGoBack: each accepted form does its part and leads to the
// dispatcher, which alone knows what is next.
func TestStepsGoBack(t *testing.T) {
	t.Parallel()
	login := authn.AskLogin{Factors: []acr.Factor{acr.Password, acr.EmailOTP}}
	tests := []struct {
		action string
		step   authn.Step
		form   url.Values
		call   string
	}{
		{"login", login, url.Values{"username": {" ann "}, "password": {" pass word "}}, "login ann  pass word "},
		{"factor", login, url.Values{"username": {"ann"}, "factor": {"email_otp"}}, "choose ann email_otp "},
		{"factor", authn.AskFactor{User: ann(), Choices: choices()}, url.Values{"factor": {"sms_otp:a:b"}}, "choose  sms_otp a:b"},
		{"account", authn.AskAccount{}, url.Values{"account": {"s2"}}, "account s2"},
		{"another", totpCode(), url.Values{}, "another"},
		{"send", emailCode(), url.Values{}, "send"},
		{"code", totpCode(), url.Values{"code": {" 123456\t"}}, "code 123456"},
		{"skip", totpCode(), url.Values{}, "skip"},
		{"password", authn.AskNewPassword{User: ann()}, url.Values{"new_password": {" x y "}}, "password  x y "},
	}
	for _, test := range tests {
		t.Run(test.action+" "+test.call, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			b := newBrowser(t, newWeb(t, f))
			b.begin()
			f.step = test.step
			if _, ok := test.step.(authn.AskAccount); ok {
				f.step = authn.AskAccount{Accounts: []authn.Account{{SessionID: "s2", User: ann()}}}
			}
			f.txn.Progress.Verify = []string{"MFA"}
			test.form.Set("csrf", b.get("/login/t1").token(t))
			f.Calls()
			p := b.post("/login/t1/"+test.action, test.form)
			if p.Status != http.StatusSeeOther || p.Header.Get("Location") != "/login/t1" {
				t.Errorf("answer = %d to %q, want 303 to the dispatcher", p.Status, p.Header.Get("Location"))
			}
			if calls := f.Calls(); !slices.Equal(calls, []string{test.call}) {
				t.Errorf("asked %q, want %q", calls, test.call)
			}
		})
	}
}

// TestEmptyPostDoesNotAdvance (security.md section 8 row 29): an empty form
// stays at its step and reaches no authenticator.
func TestEmptyPostDoesNotAdvance(t *testing.T) {
	t.Parallel()
	for action, step := range map[string]authn.Step{
		"login": passwordLogin(), "code": totpCode(), "password": authn.AskNewPassword{User: ann(), MinLength: 8},
		"factor":  authn.AskFactor{User: ann(), Choices: choices()},
		"account": authn.AskAccount{Accounts: []authn.Account{{SessionID: "s1", User: ann()}}},
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			b := newBrowser(t, newWeb(t, f))
			b.begin()
			f.step = step
			csrf := b.get("/login/t1").token(t)
			f.Calls()
			p := b.post("/login/t1/"+action, url.Values{"csrf": {csrf}})
			if p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Body, `role="alert"`) {
				t.Errorf("status = %d, want 422 and the page again", p.Status)
			}
			if calls := f.Calls(); len(calls) > 0 {
				t.Errorf("the engine was asked: %q", calls)
			}
		})
	}
}

// TestConsentNeedsADecision: neither an empty form nor the enter key of a
// script grants anything; what is not ticked is not granted.
func TestConsentNeedsADecision(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		form     url.Values
		call     string
		location string
	}{
		"nothing": {url.Values{}, "", "/login/t1"},
		"allow":   {url.Values{"decision": {"allow"}, "scope": {"openid", "email"}}, "consent openid email", "https://shop.example/cb?code=c"},
		"deny":    {url.Values{"decision": {"deny"}, "scope": {"openid"}}, "deny", "https://shop.example/cb?code=c"},
		"both":    {url.Values{"decision": {"deny", "allow"}}, "deny", "https://shop.example/cb?code=c"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			b := newBrowser(t, newWeb(t, f))
			b.begin()
			f.step, f.ready, f.consent = authn.Ready{User: ann()}, nil, consentView()
			test.form.Set("csrf", b.get("/login/t1").token(t))
			f.Calls()
			p := b.post("/login/t1/consent", test.form)
			if p.Status != http.StatusSeeOther || p.Header.Get("Location") != test.location {
				t.Errorf("answer = %d to %q, want 303 to %q", p.Status, p.Header.Get("Location"), test.location)
			}
			if calls := strings.Join(f.Calls(), ","); calls != test.call {
				t.Errorf("asked %q, want %q", calls, test.call)
			}
		})
	}
}

// TestRefusalStatus: what a refusal is answered with.
func TestRefusalStatus(t *testing.T) {
	t.Parallel()
	tests := []struct {
		reason authn.RefusalReason
		wait   time.Duration
		status int
		retry  string
	}{
		{authn.BadCredentials, 0, 422, ""},
		{authn.BadCredentials, 1500 * time.Millisecond, 422, "2"},
		{authn.WrongCode, 0, 422, ""},
		{authn.CodeExpired, 0, 422, ""},
		{authn.FactorLocked, 5 * time.Minute, 429, "300"},
		{authn.SendLimited, 30 * time.Second, 429, "30"},
		{authn.SendFailed, 0, 422, ""},
		{authn.Busy, 2 * time.Second, 503, "2"},
	}
	for _, test := range tests {
		t.Run(string(test.reason), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			b := newBrowser(t, newWeb(t, f))
			b.begin()
			f.step = totpCode()
			csrf := b.get("/login/t1").token(t)
			f.refusal = &authn.Refusal{Reason: test.reason, RetryAfter: test.wait}
			p := b.post("/login/t1/code", url.Values{"csrf": {csrf}, "code": {"123456"}})
			if p.Status != test.status || p.Header.Get("Retry-After") != test.retry {
				t.Errorf("answer = %d, Retry-After %q; want %d, %q", p.Status, p.Header.Get("Retry-After"), test.status, test.retry)
			}
		})
	}
}

// TestBackButton: a form of a step that is over, as after going back or in a
// second tab, leads to the step of now without a message.
func TestBackButton(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	form := loginForm(b)
	f.step, f.refusal = totpCode(), &authn.Refusal{Reason: authn.OutOfStep}
	if p := b.post("/login/t1/login", form); p.Status != http.StatusSeeOther || p.Header.Get("Location") != "/login/t1" {
		t.Errorf("answer = %d to %q, want 303 to the dispatcher", p.Status, p.Header.Get("Location"))
	}
	if p := b.get("/login/t1"); p.Status != http.StatusOK || !strings.Contains(p.Body, `name="code"`) || strings.Contains(p.Body, `role="alert"`) {
		t.Errorf("dispatcher = %d, want the code page without a fault", p.Status)
	}
}

// TestTxnOver: a transaction that cannot go on ends on a page, never in a
// redirect.
func TestTxnOver(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err    error
		status int
	}{{authn.ErrTxnUnknown, 400}, {authn.ErrTxnExpired, 410}, {authn.ErrTxnSpent, 410}} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			f := newFake()
			b := newBrowser(t, newWeb(t, f))
			b.begin()
			form := loginForm(b)
			f.load = test.err
			p := b.get("/login/t1")
			if method == http.MethodPost {
				p = b.post("/login/t1/login", form)
			}
			if p.Status != test.status || p.Header.Get("Location") != "" || !strings.Contains(p.Body, "Start again at the application") {
				t.Errorf("%s with %v = %d to %q, want page %d", method, test.err, p.Status, p.Header.Get("Location"), test.status)
			}
		}
	}
}

// TestNotReadyDoesNotLoop: a login that stops being ready when it is to be
// answered is asked again once, then gives up on a page.
func TestNotReadyDoesNotLoop(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	f.step, f.refusal = authn.Ready{User: ann()}, authn.ErrNotReady
	f.Calls()
	p := b.get("/login/t1")
	if calls := f.Calls(); p.Status != http.StatusServiceUnavailable || len(calls) != 2 {
		t.Errorf("answer = %d after %q, want 503 after two tries", p.Status, calls)
	}
}

// TestMisdirected: cookies count at configured hosts only (421, security.md
// section 4).
func TestMisdirected(t *testing.T) {
	t.Parallel()
	f := newFake()
	e := newWeb(t, f, func(c *web.Config) { c.PublicURLs = []string{"https://login.example:8443"} })
	for host, want := range map[string]int{
		"id.example": 303, "ID.example": 303, "id.example:443": 303, "login.example:8443": 303,
		"id.example:8443": 421, "evil.example": 421, "id.example.evil.example": 421, "login.example": 421, "": 421,
	} {
		b := newBrowser(t, e)
		if p := b.at(host, "/oauth/authorize"); p.Status != want {
			t.Errorf("host %q = %d, want %d", host, p.Status, want)
		}
	}
}

// TestPostedRequestIsHeld: a request that another site posts is stored and read
// by a GET of ours, so that Lax cookies arrive (row 1).
func TestPostedRequestIsHeld(t *testing.T) {
	t.Parallel()
	for _, route := range []string{"authorize", "logout"} {
		f := newFake()
		f.logout = oidc.LogoutView{Done: true}
		b := newBrowser(t, newWeb(t, f))
		b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://shop.example"}}
		p := b.post("/oauth/"+route, url.Values{"client_id": {"shop"}, "state": {"x", "y"}})
		want := "/oauth/" + route + "/held/h1"
		if p.Status != http.StatusSeeOther || p.Header.Get("Location") != want || len(p.Header.Values("Set-Cookie")) > 0 {
			t.Fatalf("POST %s = %d to %q, want 303 to %q without a cookie", route, p.Status, p.Header.Get("Location"), want)
		}
		b.get(want)
		if calls := f.Calls(); !slices.Equal(calls, []string{route + " client_id=shop&state=x&state=y"}) {
			t.Errorf("asked %q", calls)
		}
		if p := b.get("/oauth/" + route + "/held/h2"); p.Status != http.StatusBadRequest {
			t.Errorf("unknown handle = %d, want 400", p.Status)
		}
	}
}

// TestLogoutForm: the confirmation is a form of ours.
func TestLogoutForm(t *testing.T) {
	t.Parallel()
	f := newFake()
	user := ann()
	f.logout = oidc.LogoutView{User: &user, Ticket: "ticket-1"}
	b := newBrowser(t, newWeb(t, f))
	csrf := b.get("/oauth/logout").token(t)
	if p := b.post("/oauth/logout/confirm", url.Values{"ticket": {"ticket-1"}}); p.Status != http.StatusForbidden {
		t.Errorf("without a token = %d, want 403", p.Status)
	}
	f.Calls()
	f.logout, f.grants = oidc.LogoutView{Done: true, Redirect: "https://shop.example/bye?state=s"}, authn.Grants{Sessions: []string{}}
	p := b.post("/oauth/logout/confirm", url.Values{"csrf": {csrf}, "ticket": {"ticket-1"}})
	if p.Status != http.StatusSeeOther || p.Header.Get("Location") != f.logout.Redirect {
		t.Errorf("answer = %d to %q", p.Status, p.Header.Get("Location"))
	}
	if calls := f.Calls(); !slices.Equal(calls, []string{"confirm ticket-1"}) {
		t.Errorf("asked %q", calls)
	}
	if c := cookieNamed(p, "__Host-sp_session"); c == nil || c.MaxAge >= 0 {
		t.Errorf("session cookie = %v, want it removed", c)
	}
}

// TestDeviceForm: the form leads to the transaction of the code.
func TestDeviceForm(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	csrf := b.get("/device").token(t)
	p := b.post("/device", url.Values{"csrf": {csrf}, "user_code": {" wdjb-mjht "}})
	if p.Status != http.StatusSeeOther || p.Header.Get("Location") != "/login/t1" {
		t.Errorf("answer = %d to %q, want the transaction", p.Status, p.Header.Get("Location"))
	}
	if calls := f.Calls(); !slices.Equal(calls, []string{"device wdjb-mjht"}) {
		t.Errorf("asked %q", calls)
	}
	if p := b.post("/device", url.Values{"user_code": {"wdjb-mjht"}}); p.Status != http.StatusForbidden {
		t.Errorf("without a token = %d, want 403", p.Status)
	}
	f.refusal = &authn.Refusal{Reason: authn.FactorLocked, RetryAfter: time.Minute}
	if p := b.post("/device", url.Values{"csrf": {csrf}, "user_code": {"x"}}); p.Status != 429 || p.Header.Get("Retry-After") != "60" {
		t.Errorf("too many tries = %d, Retry-After %q", p.Status, p.Header.Get("Retry-After"))
	}
}

func cookieNamed(p page, name string) *http.Cookie {
	for _, line := range p.Header.Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == name {
			return c
		}
	}
	return nil
}

// TestInternalError: what went wrong is told to the log alone, with the
// reference that the page shows.
func TestInternalError(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := newFake()
	b := newBrowser(t, newWeb(t, f, func(c *web.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }))
	b.begin()
	f.load = errors.New("disk on fire")
	p := b.get("/login/t1")
	if p.Status != http.StatusInternalServerError || strings.Contains(p.Body, "fire") || !strings.Contains(p.Body, "<code>req-1</code>") {
		t.Errorf("page = %d:\n%s", p.Status, p.Body)
	}
	if !strings.Contains(log.String(), "disk on fire") || !strings.Contains(log.String(), "request_id=req-1") {
		t.Errorf("log: %s", log.String())
	}
}
