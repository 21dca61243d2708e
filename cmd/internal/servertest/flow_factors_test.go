package servertest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	jsonflow "github.com/sallyport-id/sallyport/oidc/flow"
	"github.com/sallyport-id/sallyport/validation"
)

// keyOptions asks for the options of a passkey in a message.
func keyOptions(t *testing.T, ui *servertest.LoginUI, m servertest.Message) (servertest.Message, *virtualwebauthn.AssertionOptions) {
	t.Helper()
	m = ui.Put(m.With(jsonflow.PasskeyURN, "optionsRequested", true))
	o, err := virtualwebauthn.ParseAssertionOptions(m.Member(jsonflow.PasskeyURN, "options"))
	if err != nil {
		t.Fatalf("options: %v in %s", err, m.Body)
	}
	return m, o
}

// TestFlowPasskey logs in with a passkey as the only factor, and as the second.
func TestFlowPasskey(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newKeyWorldOn(t, kind)
			w.register()
			app := w.ownPages()
			answer := func(ui *servertest.LoginUI, m servertest.Message, text string) servertest.Message {
				t.Helper()
				return ui.Put(m.With(jsonflow.PasskeyURN, "options", nil, "credential", json.RawMessage(text)))
			}
			ui := w.LoginUI(t, uiOrigin)
			m, o := keyOptions(t, ui, ui.Get(ui.Open(app.AuthURL())))
			if len(o.AllowCredentials) > 0 {
				t.Errorf("the options name credentials of somebody: %v", o.AllowCredentials)
			}
			w.rp.Origin = "https://evil.example"
			m = answer(ui, m, w.assertion(o))
			wantFlow(t, m, "login", false)
			wantMember(t, m, jsonflow.PasskeyURN, "status", "failure", "error", "invalidCredentials")
			w.rp.Origin = w.URL()
			m, o = keyOptions(t, ui, m)
			m = answer(ui, m, w.assertion(o))
			wantFlow(t, m, "login", true)
			if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.Subject() != w.who.ID || tokens.ACR() != "MFA" {
				t.Errorf("sub %q, acr %q", tokens.Subject(), tokens.ACR())
			}

			ui = w.LoginUI(t, uiOrigin)
			m = ui.Get(ui.Open(app.AuthURL("acr_values", "Both")))
			m = atSecond(t, ui, m, w.who)
			wantMember(t, m, jsonflow.PasskeyURN, "status", "ready")
			m, o = keyOptions(t, ui, m)
			if len(o.AllowCredentials) != 1 {
				t.Errorf("%d credentials are allowed", len(o.AllowCredentials))
			}
			m = answer(ui, m, w.assertion(o))
			wantFlow(t, m, "secondFactor", true)
			if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.ACR() != "Both" {
				t.Errorf("acr %q", tokens.ACR())
			}
		})
	}
}

// TestFlowSkip passes over an optional link of a chain, and nothing else.
func TestFlowSkip(t *testing.T) {
	t.Parallel()
	chain := secondChain(
		config.Link{Authenticator: "totp", Criteria: "optional-stop-on-success"},
		config.Link{Authenticator: "email_otp", Criteria: "optional-stop-on-success"})
	eachTown(t, func(t *testing.T, w town) {
		ann := w.NewPerson(t, "ann")
		w.WithEmail(t, ann, "ann@example.org")
		ann = w.withTOTP(t, ann)
		app := ownPages(t, w.Server)
		ui, m := w.begun(t, app, "acr_values", "Chained")
		wantFault(t, "skipping the login", ui.Put(m.With("", "skip", true)), http.StatusBadRequest, "invalidValue", "cannot be skipped")
		m = atSecond(t, ui, ui.Get(m.Location()), ann)
		if m.Doc["maySkip"] != true || m.Has(jsonflow.EmailCodeURN) {
			t.Fatalf("a chain asks for the app, which may be skipped: %s", m.Body)
		}
		m = ui.Put(m.With("", "skip", true))
		wantFlow(t, m, "secondFactor", false)
		if m.Has(jsonflow.TOTPURN) {
			t.Errorf("the app is asked for again: %s", m.Body)
		}
		w.clock.advance(time.Minute)
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "codeRequested", true))
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", w.MailedCode(t, "ann@example.org")))
		wantFlow(t, m, "secondFactor", true)
		if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.ACR() != "Chained" {
			t.Errorf("acr %q", tokens.ACR())
		}
		// What has to be shown is not skipped.
		ui, m = w.begun(t, app, "acr_values", "MFA")
		m = atSecond(t, ui, m, ann)
		if m.Doc["maySkip"] == true {
			t.Errorf("a second factor may be skipped: %s", m.Body)
		}
		wantFault(t, "skipping the second factor", ui.Put(m.With("", "skip", true)), http.StatusBadRequest, "invalidValue", "cannot be skipped")
	}, chain)
}

// TestFlowRemember remembers the browser of a login page, as the box of our own
// page does.
func TestFlowRemember(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann := w.withTOTP(t, w.NewPerson(t, "ann"))
		app := ownPages(t, w.Server)
		ui, m := w.begun(t, app, "acr_values", "Known")
		m = atSecond(t, ui, m, ann)
		if m.Doc["mayRemember"] != true || m.Doc["remember"] != false {
			t.Fatalf("nothing is said about remembering: %s", m.Body)
		}
		m = ui.Put(m.With(jsonflow.TOTPURN, "password", "000000").With("", "remember", true))
		if m.Doc["remember"] != true {
			t.Errorf("a wrong code has forgotten the wish: %s", m.Body)
		}
		m = ui.Put(m.With(jsonflow.TOTPURN, "password", ann.Code(t)))
		wantFlow(t, m, "secondFactor", true)
		app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code"))
		w.clock.advance(13 * time.Hour) // the session is over
		m = ui.Get(ui.Open(app.AuthURL("acr_values", "Known")))
		m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
		wantFlow(t, m, "login", true)
		if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.ACR() != "Known" {
			t.Errorf("acr %q", tokens.ACR())
		}
		// Another browser is asked.
		ui, m = w.begun(t, app, "acr_values", "Known")
		atSecond(t, ui, m, ann)
	}, rememberACR)
}

// TestFlowPluggedIn asks the authenticator that docs/extending.md shows.
func TestFlowPluggedIn(t *testing.T) {
	t.Parallel()
	const secret = "a secret that both sides share, long"
	url, lines := exampleService(t, secret)
	w := newTown(t, "sqlite", func(c *config.Config) {
		c.Authenticators = map[string]config.Authenticator{"card": {
			URL: url, Secret: secret, Label: "Staff card", Category: "possession", AMR: []string{"hwk"},
			Attribute: "nickName", Starts: true, Digits: 6, AllowPrivate: true,
		}}
		c.ACRs = append(c.ACRs, config.ACR{Name: "Card", Distinct: true, Needs: []config.Need{
			{AnyOf: []string{"password"}}, {AnyOf: []string{"card"}},
		}})
	})
	const urn = "urn:sallyport:params:scim:api:messages:2.0:PluggedInAuthenticationRequest:card"
	ann := w.NewPerson(t, "ann", `"nickName":"4711"`)
	w.SwitchSecondFactor(t, ann, true)
	app := ownPages(t, w.Server)
	ui, m := w.begun(t, app, "acr_values", "Card")
	m = atSecond(t, ui, m, ann)
	wantMember(t, m, urn, "status", "ready")
	m = ui.Put(m.With(urn, "startRequested", true))
	wantMember(t, m, urn, "status", "ready", "digits", "6")
	if !lines.Scan() {
		t.Fatal("the service made no code")
	}
	code := strings.TrimPrefix(lines.Text(), "code for card 4711 ")
	m = ui.Put(m.With(urn, "answer", wrong(code)))
	wantMember(t, m, urn, "status", "failure", "error", "invalidCredentials")
	m = ui.Put(m.With(urn, "answer", code))
	wantFlow(t, m, "secondFactor", true)
	if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.ACR() != "Card" {
		t.Errorf("acr %q", tokens.ACR())
	}
}

// accountFlow is the first message of a flow that a login offers.
func accountFlow(t *testing.T, ui *servertest.LoginUI, m servertest.Message, name string) servertest.Message {
	t.Helper()
	members, _ := m.Doc[jsonflow.PasswordURN].(map[string]any)
	offered, _ := members[name].(map[string]any)
	uri, _ := offered["$ref"].(string)
	if uri == "" {
		t.Fatalf("no %s in %s", name, m.Body)
	}
	return ui.Get(uri)
}

// TestFlowUserName mails the user name, and says the same to everybody.
func TestFlowUserName(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.NewPerson(t, "ann.veil", withMail("ann@example.org"))
		app := ownPages(t, w.Server)
		var same []string
		for _, address := range []string{"nobody@example.org", "ann@example.org"} {
			ui, m := w.begun(t, app)
			m = accountFlow(t, ui, m, "usernameRecovery")
			wantFlow(t, m, "Username Recovery", false)
			m = m.With(jsonflow.AccountLookupURN, "lookupParameters", map[string]any{"username": address})
			m = ui.Put(m.With(jsonflow.EmailCodeURN, "codeRequested", true))
			if m.Status != http.StatusOK || strings.Contains(m.Body, "ann.veil") {
				t.Fatalf("%s: %d %s", address, m.Status, m.Body)
			}
			same = append(same, changingFlow.ReplaceAllString(m.Body, ""))
		}
		if l := w.letter(t, "ann@example.org", 1); !strings.Contains(l.Text, "ann.veil") || l.Code != "" {
			t.Errorf("message %q", l.Text)
		}
		if same[0] != same[1] {
			t.Errorf("an unknown and a known address differ:\n%s\n%s", same[0], same[1])
		}
	})
}

// TestFlowVerifyAccount proves the address of an account and logs nobody in.
func TestFlowVerifyAccount(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann", withMail("ann@example.org"))
		app := ownPages(t, w.Server)
		ui, m := w.begun(t, app)
		m = accountFlow(t, ui, m, "verifyAccount")
		wantFlow(t, m, "Verify Account", false)
		m = m.With(jsonflow.AccountLookupURN, "lookupParameters", map[string]any{"username": "ann"})
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "codeRequested", true))
		code := w.letter(t, "ann@example.org", 1).Code
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", wrong(code)))
		wantMember(t, m, jsonflow.EmailCodeURN, "status", "failure")
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", code))
		wantFlow(t, m, "Verify Account", true)
		if r := w.Do(t, http.MethodGet, "/scim/v2/Users/"+who.ID, w.Token(t, "rfc"), ""); !strings.Contains(r.Body, `"accountVerified":true`) {
			t.Errorf("user %s", r.Body)
		}
		follow, _ := m.Doc["followUp"].(map[string]any)
		uri, _ := follow["$ref"].(string)
		wantFlow(t, ui.Get(uri), "login", false)
	})
}

// TestFlowUnlock unlocks a scope with a factor that is shown at consent.
func TestFlowUnlock(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann := w.withTOTP(t, w.NewPerson(t, "ann"))
		app := ownPages(t, w.Server, func(c *oidc.Client) {
			c.Trusted, c.Scopes = false, []string{"openid", "payments"}
		})
		for _, unlocks := range []bool{false, true} {
			ui, m := w.begun(t, app, "scope", "openid payments", "acr_values", "MFA", "prompt", "consent login")
			m = atSecond(t, ui, m, ann)
			m = ui.Put(m.With(jsonflow.TOTPURN, "password", ann.Code(t)))
			w.clock.advance(30 * time.Second) // before consent is asked for
			m = ui.Get(ui.Follow(m).URI)
			wantFlow(t, m, "approve", false)
			if !strings.Contains(m.Body, `"requiredACR":"MFA"`) || !strings.Contains(m.Body, `"unlockable":true`) {
				t.Fatalf("payments is not locked: %s", m.Body)
			}
			wantFault(t, "a locked scope", ui.Put(m.With("", "approved", true, "optionalScopes", []string{"payments"})), http.StatusBadRequest, "invalidValue", "unlock")
			m = ui.Get(m.Location())
			granted, want := []string{}, "openid"
			if unlocks {
				w.clock.advance(30 * time.Second)
				m = ui.Put(m.With("", "unlockACR", "MFA"))
				m = ui.Get(ui.Follow(m).URI)
				for m.ResourceType() != "approve" {
					if m.Has(jsonflow.PasswordURN) {
						m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
					} else {
						m = ui.Put(m.With(jsonflow.TOTPURN, "password", ann.Code(t)))
					}
					if !m.Success() {
						t.Fatalf("unlocking: %s", m.Body)
					}
					m = ui.Get(ui.Follow(m).URI)
				}
				granted, want = []string{"payments"}, "openid payments"
			}
			m = ui.Put(m.With("", "approved", true, "optionalScopes", granted))
			wantFlow(t, m, "approve", true)
			if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.Scope != want {
				t.Errorf("unlocked %v: scope %q, want %q", unlocks, tokens.Scope, want)
			}
			w.clock.advance(30 * time.Second)
		}
	}, payments)
}

// TestFlowConfirms confirms the address of an administrator, and asks for another
// code then.
func TestFlowConfirms(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		const at = "ann.home@example.org"
		who := w.NewPerson(t, "ann")
		w.set(t, who, validation.EnrolledEmail, at)
		app := ownPages(t, w.Server)
		ui, m := w.begun(t, app, "acr_values", "MFA")
		m = atSecond(t, ui, m, who)
		if m.Doc["confirms"] != true {
			t.Fatalf("nothing says that the code confirms: %s", m.Body)
		}
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "codeRequested", true))
		enrolment := w.MailedCode(t, at)
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", enrolment))
		wantFlow(t, m, "secondFactor", false)
		if m.Doc["confirms"] == true || !w.validated(t, who) {
			t.Fatalf("validated %v: %s", w.validated(t, who), m.Body)
		}
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", enrolment))
		wantMember(t, m, jsonflow.EmailCodeURN, "status", "failure")
		w.clock.advance(time.Minute)
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "codeRequested", true, "verifyCode", ""))
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", enrolment))
		wantMember(t, m, jsonflow.EmailCodeURN, "status", "failure", "error", "invalidCredentials")
		m = ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", w.MailedCode(t, at)))
		wantFlow(t, m, "secondFactor", true)
		if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.ACR() != "MFA" {
			t.Errorf("acr %q", tokens.ACR())
		}
	})
}
