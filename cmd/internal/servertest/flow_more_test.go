package servertest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	jsonflow "github.com/sallyport-id/sallyport/oidc/flow"
)

// begun is a login on the page of an application that has just begun.
func (w town) begun(t *testing.T, app *servertest.Application, pairs ...string) (*servertest.LoginUI, servertest.Message) {
	t.Helper()
	ui := w.LoginUI(t, uiOrigin)
	m := ui.Get(ui.Open(app.AuthURL(pairs...)))
	wantFlow(t, m, "login", false)
	return ui, m
}

// atSecond goes on to the second factor.
func atSecond(t *testing.T, ui *servertest.LoginUI, m servertest.Message, who servertest.Person) servertest.Message {
	t.Helper()
	m = ui.Put(m.With(jsonflow.PasswordURN, "username", who.UserName, "password", who.Password))
	wantFlow(t, m, "login", true)
	m = ui.Get(ui.Follow(m).URI)
	wantFlow(t, m, "secondFactor", false)
	return m
}

func TestFlowConsent(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann := w.NewPerson(t, "ann")
		app := ownPages(t, w.Server, func(c *oidc.Client) { c.Trusted = false })
		ui, m := w.begun(t, app, "scope", "openid profile email")
		m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
		next := ui.Follow(m)
		if !strings.Contains(next.URI, "/authentication/approve/") {
			t.Fatalf("followUp = %v", next)
		}
		m = ui.Get(next.URI)
		wantFlow(t, m, "approve", false)
		if m.Doc["approved"] != false {
			t.Errorf("consent: %s", m.Body)
		}
		names := map[string]bool{}
		for _, one := range m.Doc["scopes"].([]any) {
			o := one.(map[string]any)
			names[o["name"].(string)] = o["optional"].(bool)
		}
		if diff := cmp.Diff(map[string]bool{"openid": false, "profile": true, "email": true}, names); diff != "" {
			t.Errorf("scopes (-want +got):\n%s", diff)
		}
		for name, one := range map[string]servertest.Message{
			"a scope that is not asked for": m.With("", "approved", true, "optionalScopes", []string{"phone"}),
			"no decision":                   m.With("", "approved", nil),
			"an authenticator":              m.With(jsonflow.PasswordURN, "password", "x"),
			"unlocking nothing":             m.With("", "unlockACR", "MFA"),
		} {
			wantFault(t, name, ui.Put(one), http.StatusBadRequest, "invalidValue", "")
			m = ui.Get(m.Location())
		}
		yes := ui.Put(m.With("", "approved", true, "optionalScopes", []string{"email"}))
		wantFlow(t, yes, "approve", true)
		m = ui.Get(yes.Location())
		no := ui.Put(m.With("", "approved", false))
		wantFlow(t, no, "approve", true)
		// The last word counts.
		old := ui.Get(yes.Doc["followUp"].(map[string]any)["$ref"].(string))
		wantFault(t, "a decision that was taken back", old, http.StatusBadRequest, "invalidValue", "out of date")
		answer := ui.Finish(ui.Follow(no))
		if answer.Get("error") != "access_denied" || answer.Has("code") {
			t.Errorf("answer %v", answer)
		}

		m = ui.Get(ui.Open(app.AuthURL("scope", "openid profile email")))
		wantFlow(t, m, "approve", false)
		m = ui.Put(m.With("", "approved", true, "optionalScopes", []string{"email"}))
		tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code"))
		if tokens.Scope != "openid email" {
			t.Errorf("scope %q", tokens.Scope)
		}
	})
}

func TestFlowWithKey(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann := w.withTOTP(t, w.NewPerson(t, "ann"))
		native := func(c *oidc.Client) {
			c.Type, c.LoginURI, c.RedirectURIs = oidc.Native, "", []string{"com.example.phone:/callback"}
		}
		app := ownPages(t, w.Server, native)
		verifier, challenge := pkcePair()
		params := app.Request("acr_values", "MFA", "code_challenge", challenge, "code_challenge_method", "S256")

		ui := w.LoginUI(t, "")
		ui.Key = jsonflow.NewKey()
		m := ui.Begin(params)
		uri, _ := m.Doc["flow_uri"].(string)
		if m.Status != http.StatusOK || uri == "" {
			t.Fatalf("begin: %d %s", m.Status, m.Body)
		}
		m = ui.Get(uri)
		thief := w.LoginUI(t, "")
		wantLost(t, "without the key", thief.Get(uri))
		thief.Key = jsonflow.NewKey()
		wantLost(t, "with another key", thief.Get(uri))

		m = atSecond(t, ui, m, ann)
		wantLost(t, "the session with another key", thief.Get(m.Location()))
		m = ui.Put(m.With(jsonflow.TOTPURN, "password", ann.Code(t)))
		wantFlow(t, m, "secondFactor", true)
		if m.Header.Get("Set-Cookie") != "" {
			t.Errorf("cookies: %v", m.Header)
		}
		next := ui.Follow(m)
		wantFault(t, "the end with another key", thief.Get(next.URI), http.StatusBadRequest, "invalidValue", "timed out")
		answer := ui.Finish(next)
		tokens := app.Redeem(t, answer.Get("code"), "code_verifier", verifier)
		if tokens.ACR() != "MFA" || tokens.Subject() != ann.ID {
			t.Errorf("acr %q, sub %q", tokens.ACR(), tokens.Subject())
		}
		beginFaults(t, w, app, params)
	})
}

// pkcePair is a verifier with its challenge (RFC 7636 section 4).
func pkcePair() (verifier, challenge string) {
	verifier = jsonflow.NewKey()
	sum := sha256.Sum256([]byte(verifier))
	return verifier, base64.RawURLEncoding.EncodeToString(sum[:])
}

// beginFaults are the ways in which no login begins with a key.
func beginFaults(t *testing.T, w town, app *servertest.Application, params url.Values) {
	t.Helper()
	ui := w.LoginUI(t, "")
	for name, key := range map[string]string{"no key": "", "a short key": "short", "a long key": strings.Repeat("a", 200), "an odd key": strings.Repeat("a", 50) + "!"} {
		ui.Key = key
		wantFault(t, name, ui.Begin(params), http.StatusBadRequest, "invalidValue", jsonflow.KeyHeader)
	}
	ui.Key = jsonflow.NewKey()
	ui.Origin = uiOrigin
	wantFault(t, "a browser", ui.Begin(params), http.StatusForbidden, "", "Browsers")
	ui.Origin = ""
	for name, c := range map[string]oidc.Client{
		"not first-party": {Type: oidc.Native}, "no native app": {FirstParty: true},
	} {
		other := w.Application(t, c)
		wantFault(t, name, ui.Begin(other.Request()), http.StatusForbidden, "", "first-party")
	}
	params.Set("client_id", "nobody")
	wantFault(t, "an unknown application", ui.Begin(params), http.StatusForbidden, "", "first-party")
	params.Set("client_id", app.ID)
	params.Set("response_type", "token")
	if m := ui.Begin(params); m.Status != http.StatusOK || !strings.Contains(m.Body, "error=unsupported_response_type") {
		t.Errorf("a bad request: %d %s", m.Status, m.Body)
	}
	params.Set("redirect_uri", "https://evil.example/cb")
	if m := ui.Begin(params); m.Doc["error"] == nil || m.Doc["continue_redirect_uri"] != nil {
		t.Errorf("a foreign redirect_uri: %d %s", m.Status, m.Body)
	}
}

// changingFlow is what differs between two messages alike.
var changingFlow = regexp.MustCompile(`(/(login|authorize|Password%20Recovery|Username%20Recovery|Verify%20Account|Registration)/)[A-Za-z0-9_-]+|"resendAfter":\d+`)

func TestFlowCodeFirst(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.SwitchSecondFactor(t, w.WithEmail(t, w.NewPerson(t, "ann"), "ann@example.org"), false)
		w.clock.advance(15 * time.Minute)
		app := ownPages(t, w.Server)
		var same []string
		for _, name := range []string{"nobody", "ann"} {
			ui, m := w.begun(t, app)
			wantMember(t, m, jsonflow.AccountLookupURN, "status", "ready", "lookupParameters", `["username"]`)
			m = ui.Put(m.With(jsonflow.AccountLookupURN, "lookupParameters", map[string]any{"username": name}))
			wantMember(t, m, jsonflow.AccountLookupURN, "status", "success")
			m = ui.Put(m.With(jsonflow.EmailCodeURN, "codeRequested", true))
			wantFlow(t, m, "login", false)
			wantMember(t, m, jsonflow.EmailCodeURN, "codeSent", "true", "attributeValue", "")
			bad := ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", "00000000"))
			wantMember(t, bad, jsonflow.EmailCodeURN, "status", "failure", "error", "invalidCredentials")
			same = append(same, changingFlow.ReplaceAllString(m.Body+bad.Body, ""))
			if name != "ann" {
				continue
			}
			var codes []string // the one that validated the address is long gone
			w.until(t, "the code", func() bool {
				codes = nil
				for _, l := range w.letters(t, "ann@example.org") {
					if l.Code != "" {
						codes = append(codes, l.Code)
					}
				}
				return len(codes) > 0
			})
			m = ui.Put(bad.With(jsonflow.EmailCodeURN, "verifyCode", codes[0]))
			wantFlow(t, m, "login", true)
			app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code"))
		}
		if diff := cmp.Diff(same[0], same[1]); diff != "" {
			t.Errorf("an unknown and a known name differ:\n%s", diff)
		}
	}, easyACR, func(c *config.Config) { c.DefaultACRs = []string{"Easy"} })
}

func TestFlowAccountsOfABrowser(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	ann, bob := w.NewPerson(t, "ann"), w.NewPerson(t, "bob")
	app := ownPages(t, w.Server)
	ui, m := w.begun(t, app)
	m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
	ui.Finish(ui.Follow(m))
	// Somebody else at the same browser.
	m = ui.Get(ui.Open(app.AuthURL("prompt", "login")))
	wantMember(t, m, "sessionIdentityResource", "userName", "ann")
	m = ui.Put(m.With("", "restart", true))
	if m.Has("sessionIdentityResource") {
		t.Errorf("after restart: %s", m.Body)
	}
	m = ui.Put(m.With(jsonflow.PasswordURN, "username", "bob", "password", bob.Password))
	ui.Finish(ui.Follow(m))

	m = ui.Get(ui.Open(app.AuthURL()))
	wantFlow(t, m, "login", false)
	ids := map[string]string{}
	for _, one := range m.Doc[jsonflow.AccountSelectionURN].(map[string]any)["accounts"].([]any) {
		o := one.(map[string]any)
		ids[o["userName"].(string)] = o["id"].(string)
	}
	if len(ids) != 2 {
		t.Fatalf("accounts: %s", m.Body)
	}
	wantFault(t, "a session of nobody", ui.Put(m.With(jsonflow.AccountSelectionURN, "accountId", "x")), http.StatusBadRequest, "invalidValue", "out of date")
	m = ui.Get(m.Location())
	m = ui.Put(m.With(jsonflow.AccountSelectionURN, "accountId", ids["ann"]))
	wantFlow(t, m, "login", true)
	if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.Subject() != ann.ID {
		t.Errorf("sub %q, want ann", tokens.Subject())
	}
}

func TestFlowNewPassword(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann, app := w.NewPerson(t, "ann"), ownPages(t, w.Server)
		must := func() {
			r := w.Do(t, http.MethodPut, "/scim/v2/Users/"+ann.ID+"/account", w.Token(t, "compat"), `{"mustChangePassword":true}`)
			if r.Status != http.StatusOK {
				t.Fatalf("mustChangePassword: %d %s", r.Status, r.Body)
			}
		}
		must()
		ui, m := w.begun(t, app)
		m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
		wantFlow(t, m, "login", false)
		wantMember(t, m, jsonflow.PasswordURN, "status", "failure", "error", "mustChangePassword")
		if !strings.Contains(m.Member(jsonflow.PasswordURN, "passwordRequirements"), "minPasswordLength") {
			t.Errorf("requirements: %s", m.Body)
		}
		if next := ui.Follow(m); next.Name != "flow_uri" {
			t.Errorf("followUp = %v", next)
		}
		m = ui.Put(m.With(jsonflow.PasswordURN, "newPassword", "short"))
		wantMember(t, m, jsonflow.PasswordURN, "status", "failure", "error", "invalidPassword")
		m = ui.Put(m.With(jsonflow.PasswordURN, "newPassword", newWords))
		wantFlow(t, m, "login", true)
		app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code"))

		// Old and new in one message, as clients of the original send them.
		must()
		ui, m = w.begun(t, app)
		m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", newWords, "newPassword", newWords+" and more"))
		wantFlow(t, m, "login", true)
	})
}

func TestFlowFurtherFactors(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := ownPages(t, w.Server)
		ann, bob := w.withTOTP(t, w.NewPerson(t, "ann")), w.NewPerson(t, "bob")
		codes := w.withCodes(t, ann)
		w.withSecond(t, bob)
		ui, m := w.begun(t, app, "acr_values", "MFA")
		m = atSecond(t, ui, m, ann)
		m = ui.Put(m.With(jsonflow.RecoveryCodeURN, "code", "AAAA-BBBB-CCCC-DDDD"))
		wantMember(t, m, jsonflow.RecoveryCodeURN, "status", "failure", "error", "invalidCredentials")
		m = ui.Put(m.With(jsonflow.RecoveryCodeURN, "code", codes[0]))
		wantFlow(t, m, "secondFactor", true)
		app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code"))

		ui, m = w.begun(t, app, "acr_values", "Twice")
		m = atSecond(t, ui, m, bob)
		m = ui.Put(m.With(jsonflow.SecondPasswordURN, "password", "wrong"))
		wantMember(t, m, jsonflow.SecondPasswordURN, "status", "failure")
		m = ui.Put(m.With(jsonflow.SecondPasswordURN, "password", secondSecret))
		wantFlow(t, m, "secondFactor", true)
		if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.ACR() != "Twice" {
			t.Errorf("acr %q", tokens.ACR())
		}
	}, secondACR)
}

func TestFlowPasswordRecovery(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann := w.withTOTP(t, w.NewPerson(t, "ann", withMail("ann@example.org")))
		app := ownPages(t, w.Server)
		var same []string
		for _, name := range []string{"nobody", "ann"} {
			ui, m := w.begun(t, app, "acr_values", "MFA")
			ref := m.Doc[jsonflow.PasswordURN].(map[string]any)["passwordRecovery"].(map[string]any)
			if ref["type"] != "Password Recovery" {
				t.Errorf("passwordRecovery = %v", ref)
			}
			m = ui.Get(ref["$ref"].(string))
			wantFlow(t, m, "Password Recovery", false)
			started := m.Location()
			wantMember(t, m, jsonflow.AccountLookupURN, "status", "ready")
			m = m.With(jsonflow.AccountLookupURN, "lookupParameters", map[string]any{"username": name})
			m = ui.Put(m.With(jsonflow.EmailCodeURN, "codeRequested", true))
			wantFlow(t, m, "Password Recovery", false)
			wantMember(t, m, jsonflow.EmailCodeURN, "codeSent", "true")
			bad := ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", "00000000"))
			wantMember(t, bad, jsonflow.EmailCodeURN, "status", "failure", "error", "invalidCredentials")
			same = append(same, changingFlow.ReplaceAllString(m.Body+bad.Body, ""))
			if name != "ann" {
				continue
			}
			wantFault(t, "a message that was sent before", ui.PutTo(started, `{}`), http.StatusBadRequest, "invalidValue", "out of date")
			wantLost(t, "in another browser", w.LoginUI(t, uiOrigin).Get(bad.Location()))
			m = ui.Put(bad.With(jsonflow.EmailCodeURN, "verifyCode", w.letter(t, "ann@example.org", 1).Code))
			wantFlow(t, m, "Password Recovery", false)
			m = ui.Put(m.With("", "newPassword", "short"))
			if m.Doc["error"] != "invalidPassword" {
				t.Errorf("a short password: %s", m.Body)
			}
			m = ui.Put(m.With("", "newPassword", newWords))
			wantFlow(t, m, "Password Recovery", true)
			if ref := m.Doc["followUp"].(map[string]any); ref["type"] != "login" {
				t.Errorf("followUp = %v", ref)
			}
			// Nobody is logged in by it, and the second factor stays.
			m = ui.Get(m.Doc["followUp"].(map[string]any)["$ref"].(string))
			wantFlow(t, m, "login", false)
			ann.Password = newWords
			atSecond(t, ui, m, ann)
		}
		if diff := cmp.Diff(same[0], same[1]); diff != "" {
			t.Errorf("an unknown and a known name differ:\n%s", diff)
		}
	})
}

func TestFlowRegistration(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", func(c *config.Config) { c.SignUp.Enabled = true })
	app := ownPages(t, w.Server)
	ui, m := w.begun(t, app)
	ref := m.Doc[jsonflow.RegistrationURN].(map[string]any)["registration"].(map[string]any)
	m = ui.Get(ref["$ref"].(string))
	wantFlow(t, m, "Registration", false)
	wantMember(t, m, jsonflow.RegistrationURN, "registrableAttributes", `["email","givenName","familyName"]`)
	bad := ui.Put(m.With(jsonflow.RegistrationURN, "attributes", map[string]any{"email": "no address"}))
	wantMember(t, bad, jsonflow.RegistrationURN, "status", "failure", "error", "invalidAttribute")
	m = ui.Put(bad.With(jsonflow.RegistrationURN, "attributes", map[string]any{"email": "new@example.org", "givenName": "Newa", "familyName": "Neu"}))
	wantMember(t, m, jsonflow.EmailCodeURN, "codeSent", "true")
	m = ui.Put(m.With(jsonflow.EmailCodeURN, "verifyCode", w.letter(t, "new@example.org", 1).Code).With("", "newPassword", newWords))
	wantFlow(t, m, "Registration", true)
	m = ui.Get(m.Doc["followUp"].(map[string]any)["$ref"].(string))
	wantFlow(t, m, "login", false)
	m = ui.Put(m.With(jsonflow.PasswordURN, "username", "new@example.org", "password", newWords))
	wantFlow(t, m, "login", true)

	closed := newTown(t, "sqlite")
	_, m = closed.begun(t, ownPages(t, closed.Server))
	if m.Has(jsonflow.RegistrationURN) {
		t.Errorf("registration is offered: %s", m.Body)
	}
}
