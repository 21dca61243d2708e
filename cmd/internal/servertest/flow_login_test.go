package servertest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	jsonflow "github.com/sallyport-id/sallyport/oidc/flow"
)

const (
	uiOrigin = "https://login.example.com"
	uiPage   = uiOrigin + "/start?lang=en"
)

// ownPages is a first-party application with a login page of its own.
func (w *world) ownPages(edits ...func(*oidc.Client)) *servertest.Application {
	w.t.Helper()
	return ownPages(w.t, w.Server, edits...)
}

func ownPages(t *testing.T, s *servertest.Server, edits ...func(*oidc.Client)) *servertest.Application {
	t.Helper()
	c := oidc.Client{Name: "Shop", Trusted: true, FirstParty: true, LoginURI: uiPage}
	for _, edit := range edits {
		edit(&c)
	}
	return s.Application(t, c)
}

// withSMS validates a number of the person through SCIM and switches second
// factors on.
func (w *world) withSMS(who servertest.Person, number string) servertest.Person {
	w.t.Helper()
	was := w.user
	w.user = who.ID
	defer func() { w.user = was }()
	r := w.must(http.StatusCreated, "POST", w.path("validatedPhoneNumbers"),
		fmt.Sprintf(`{"schemas":[%q],"attributePath":"secondFactorPhoneNumber","attributeValue":%q}`, phoneURN, number))
	s := w.opened(r, w.smsCode())
	if r := w.put(s, s.code); r.Status != http.StatusOK {
		w.t.Fatalf("validate the number: %d %s", r.Status, r.Body)
	}
	w.SwitchSecondFactor(w.t, who, true)
	return who
}

// wantMember fails unless the member of an authenticator has these values.
func wantMember(t *testing.T, m servertest.Message, urn string, pairs ...string) {
	t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		if got := m.Member(urn, pairs[i]); got != pairs[i+1] {
			t.Errorf("%s.%s = %q, want %q in %s", urn, pairs[i], got, pairs[i+1], m.Body)
		}
	}
}

// wantFlow fails unless the message is of that kind and as satisfied as said.
func wantFlow(t *testing.T, m servertest.Message, kind string, success bool) {
	t.Helper()
	if m.Status != http.StatusOK || m.ResourceType() != kind || m.Success() != success {
		t.Fatalf("%d %s success %v, want %s %v: %s", m.Status, m.ResourceType(), m.Success(), kind, success, m.Body)
	}
}

func TestFlowPasswordAndTOTP(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ann := w.WithTOTP(t, w.NewPerson(t, "ann", `"displayName":"Ann Example"`), w.clock.Now)
		w.clock.advance(30 * time.Second)
		app, ui := w.ownPages(), w.LoginUI(t, uiOrigin)

		m := ui.Get(ui.Open(app.AuthURL("acr_values", "MFA", "login_hint", "ann")))
		wantFlow(t, m, "login", false)
		wantMember(t, m, jsonflow.PasswordURN, "status", "ready", "username", "ann", "password", "")
		if got := m.Member("client", "name"); got != "Shop" {
			t.Errorf("client.name = %q", got)
		}
		if origin := m.Header.Get("Access-Control-Allow-Origin"); origin != uiOrigin || m.Header.Get("Access-Control-Allow-Credentials") != "true" {
			t.Errorf("CORS headers %v", m.Header)
		}

		m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
		wantFlow(t, m, "login", true)
		wantMember(t, m, jsonflow.PasswordURN, "status", "success", "password", "")
		next := ui.Follow(m)
		if next.Name != "flow_uri" || !strings.Contains(next.URI, "/authentication/secondFactor/") {
			t.Fatalf("followUp = %v", next)
		}

		m = ui.Get(next.URI)
		wantFlow(t, m, "secondFactor", false)
		wantMember(t, m, jsonflow.TOTPURN, "status", "ready", "digits", "6")
		wantMember(t, m, "sessionIdentityResource", "userName", "ann", "name.formatted", "Ann Example")
		m = ui.Put(m.With(jsonflow.TOTPURN, "password", ann.Code(t)))
		wantFlow(t, m, "secondFactor", true)
		wantMember(t, m, jsonflow.TOTPURN, "status", "success")

		answer := ui.Finish(ui.Follow(m))
		tokens := app.Redeem(t, answer.Get("code"))
		if tokens.ACR() != "MFA" || tokens.Subject() != ann.ID {
			t.Errorf("acr %q, sub %q", tokens.ACR(), tokens.Subject())
		}

		// The session is that of the browser: the next login asks nothing.
		to := ui.Redirect(app.AuthURL("acr_values", "MFA"))
		if !to.Query().Has("code") {
			t.Errorf("the second login leads to %s", to)
		}
	})
}

func TestFlowPasswordAndSMS(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ann := w.withSMS(w.NewPerson(t, "ann"), "+15125550123")
		w.clock.advance(10 * time.Minute)
		app, ui := w.ownPages(), w.LoginUI(t, uiOrigin)
		m := ui.Get(ui.Open(app.AuthURL("acr_values", "MFA")))
		m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
		m = ui.Get(ui.Follow(m).URI)
		wantFlow(t, m, "secondFactor", false)
		wantMember(t, m, jsonflow.TelephonyCodeURN, "status", "ready", "codeSent", "false")
		if masked := m.Member(jsonflow.TelephonyCodeURN, "attributeValue"); masked == "" || strings.Contains(masked, "5550") {
			t.Errorf("attributeValue = %q", masked)
		}

		// A code before any was asked for is none.
		m = ui.Put(m.With(jsonflow.TelephonyCodeURN, "verifyCode", "123456"))
		wantFlow(t, m, "secondFactor", false)
		wantMember(t, m, jsonflow.TelephonyCodeURN, "status", "failure", "error", "codeExpired")

		sent := len(w.twilio.Messages())
		m = ui.Put(m.With(jsonflow.TelephonyCodeURN, "codeRequested", true, "verifyCode", ""))
		wantFlow(t, m, "secondFactor", false)
		wantMember(t, m, jsonflow.TelephonyCodeURN, "status", "ready", "codeSent", "true")
		if got := len(w.twilio.Messages()) - sent; got != 1 {
			t.Fatalf("%d messages were sent, want 1", got)
		}
		m = ui.Put(m.With(jsonflow.TelephonyCodeURN, "verifyCode", "000000x"))
		wantMember(t, m, jsonflow.TelephonyCodeURN, "status", "failure", "error", "invalidCredentials", "codeSent", "true")
		// What comes back from the last answer says nothing: codeRequested stays.
		m = ui.Put(m.With(jsonflow.TelephonyCodeURN, "codeRequested", true, "verifyCode", w.smsCode()))
		wantFlow(t, m, "secondFactor", true)
		answer := ui.Finish(ui.Follow(m))
		if tokens := app.Redeem(t, answer.Get("code")); tokens.ACR() != "MFA" {
			t.Errorf("acr %q", tokens.ACR())
		}
	})
}

func TestFlowFailingLogin(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ann := w.NewPerson(t, "ann")
		app, ui := w.ownPages(), w.LoginUI(t, uiOrigin)
		m := ui.Get(ui.Open(app.AuthURL()))
		first := m.Location()
		for _, name := range []string{"ann", "nobody"} {
			m = ui.Put(m.With(jsonflow.PasswordURN, "username", name, "password", "not the password"))
			wantFlow(t, m, "login", false)
			wantMember(t, m, jsonflow.PasswordURN, "status", "failure", "error", "invalidCredentials",
				"errorDetail", "The user name or the password is wrong.", "password", "")
		}
		if m.Location() == first {
			t.Error("meta.location has not moved")
		}
		// The flow is not satisfied, so it is what follows itself.
		next := ui.Follow(m)
		if next.Name != "flow_uri" || !strings.Contains(next.URI, "/authentication/login/") {
			t.Errorf("followUp = %v", next)
		}
		m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
		wantFlow(t, m, "login", true)

		// Nothing in it is an answer.
		m = ui.Get(ui.Open(app.AuthURL("prompt", "login")))
		m = ui.Put(m)
		wantFlow(t, m, "login", false)
		if m.Member(jsonflow.PasswordURN, "status") != "ready" {
			t.Errorf("an empty message: %s", m.Body)
		}

		w.clock.advance(31 * time.Minute)
		m = ui.Put(m.With(jsonflow.PasswordURN, "password", ann.Password))
		if m.Status != http.StatusBadRequest || m.Doc["scimType"] != "invalidValue" || !strings.Contains(m.Body, "The request has timed out") {
			t.Errorf("after its time: %d %s", m.Status, m.Body)
		}
	})
}
