package servertest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// withOffice adds a class that nobody here can have: it holds in a network that
// no test comes from.
func withOffice(c *config.Config) {
	c.ACRs = append(c.ACRs, config.ACR{
		Name: "Office", Needs: []config.Need{{AnyOf: []string{"password"}, MaxAge: new(12 * time.Hour)}},
		When: []config.Condition{{IP: &config.IPCondition{In: []string{"192.0.2.0/24"}}}},
	})
}

// situation is a browser in a state that the table of errors names.
type situation struct {
	town
	t    *testing.T
	app  *servertest.Application
	b    *servertest.Browser
	ann  servertest.Person // has a password alone
	veil servertest.Person // has an authenticator app too
}

// none wants an error to prompt=none.
func (s situation) none(code string, pairs ...string) {
	s.t.Helper()
	if answer := s.b.Open(s.app.AuthURL(append([]string{"prompt", "none"}, pairs...)...)).Answer(s.t); answer.Get("error") != code || answer.Get("iss") != s.Issuer() || answer.Get("state") == "" {
		s.t.Errorf("prompt=none %v: %v, want %q with state and iss", pairs, answer, code)
	} else if answer.Has("code") != (code == "") {
		s.t.Errorf("prompt=none %v: %v", pairs, answer)
	}
}

// shown wants a question.
func (s situation) shown(kind string, pairs ...string) servertest.Page {
	s.t.Helper()
	p := s.b.Open(s.app.AuthURL(pairs...))
	if p.Kind() != kind || p.Away != nil {
		s.t.Fatalf("%v: %q at %s, sent to %v, want %s:\n%s", pairs, p.Kind(), p.URL, p.Away, kind, p.Text())
	}
	return p
}

// refused wants an error by redirect.
func (s situation) refused(p servertest.Page, code, description string) {
	s.t.Helper()
	answer := p.Answer(s.t)
	if answer.Get("error") != code || description != "" && answer.Get("error_description") != description || answer.Get("iss") != s.Issuer() {
		s.t.Errorf("%v, want %s %q", answer, code, description)
	}
}

func (s situation) login(who servertest.Person, pairs ...string) servertest.Tokens {
	s.t.Helper()
	return s.app.Redeem(s.t, s.b.LogIn(s.b.Open(s.app.AuthURL(pairs...)), who).Code(s.t))
}

// TestErrorsOfLogins puts a browser into each situation of the table of errors of
// logins, and makes the request with prompt=none and without.
func TestErrorsOfLogins(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		ann := w.NewPerson(t, "ann")
		veil := w.withTOTP(t, w.NewPerson(t, "dr.veil"))
		for name, run := range map[string]func(situation){
			"nobody is logged in": noSession, "hint of another user": anotherUser, "first factor stale": staleFirst, "second factor missing": missingSecond,
			"several accounts": severalAccounts, "consent missing": noConsent, "context and permission": unmetOtherwise, "left": left,
			"attempts used up": attemptsUsedUp, "disabled": disabled, "malformed": malformed, "transaction over": overTxn, "downgrade": downgraded,
		} {
			t.Run(name, func(t *testing.T) { //nolint:paralleltest // one clock
				app := w.Application(t, oidc.Client{Name: "My App", Trusted: true})
				w.clock.advance(30 * time.Second)
				run(situation{w, t, app, w.Browser(t), ann, veil})
			})
		}
	}, withOffice)
}

func noSession(s situation) {
	s.none("login_required")
	p := s.shown(servertest.KindLogin, "login_hint", "ann")
	if got, _ := p.Value("login", "username"); got != "ann" {
		s.t.Errorf("username %q, want the hint", got)
	}
}

func anotherUser(s situation) {
	veil := s.login(s.veil)
	sub := fmt.Sprintf(`{"id_token":{"sub":{"value":%q}}}`, s.veil.ID)
	for _, pairs := range [][]string{{"id_token_hint", veil.IDToken}, {"claims", sub}} {
		s.b = s.Browser(s.t)
		s.login(s.ann)
		s.none("login_required", pairs...)
		p := s.shown(servertest.KindLogin, pairs...)
		// Ann is not to be asked for: whatever she answers, she does not get in.
		p = s.b.Submit(p, "login", "username", s.ann.UserName, "password", s.ann.Password)
		if p.Away != nil || p.Status != http.StatusUnprocessableEntity {
			s.t.Errorf("%v: ann is sent to %v, %d %s", pairs, p.Away, p.Status, p.Text())
		}
		s.clock.advance(30 * time.Second)
		if got := s.app.Redeem(s.t, s.b.LogIn(p, s.veil).Code(s.t)); got.Subject() != s.veil.ID {
			s.t.Errorf("%v: token of %s, want %s", pairs, got.Subject(), s.veil.ID)
		}
		// Both are logged in now, and the right one is taken without a question.
		s.none("", pairs...)
	}
}

func staleFirst(s situation) {
	s.login(s.ann)
	s.clock.advance(11 * time.Hour)
	s.b.Open(s.app.AuthURL("prompt", "none")) // the session is in use
	s.clock.advance(time.Hour + time.Second)
	s.none("login_required")
	if got := s.app.Redeem(s.t, s.b.LogIn(s.shown(servertest.KindLogin), s.ann).Code(s.t)); got.Subject() != s.ann.ID {
		s.t.Errorf("token of %s", got.Subject())
	}
	s.none("")
}

func missingSecond(s situation) {
	p := s.b.Submit(s.shown(servertest.KindLogin), "login", "username", s.veil.UserName, "password", s.veil.Password)
	if p.Kind() != servertest.KindCode {
		s.t.Fatalf("after the password %q", p.Kind())
	}
	s.none("interaction_required")
	s.none("interaction_required", "acr_values", "Default") // the user floor
	s.shown(servertest.KindCode)
}

func severalAccounts(s situation) {
	s.login(s.ann)
	p := s.shown(servertest.KindLogin, "prompt", "login")
	p = s.b.Submit(p, "another")
	veil := s.app.Redeem(s.t, s.b.LogIn(p, s.veil).Code(s.t))
	if veil.Subject() != s.veil.ID {
		s.t.Fatalf("token of %s, want the other account", veil.Subject())
	}
	s.none("account_selection_required")
	s.none("", "id_token_hint", veil.IDToken)
	p = s.shown(servertest.KindAccount, "prompt", "select_account")
	for _, who := range []servertest.Person{s.ann, s.veil} {
		got := s.app.Redeem(s.t, s.b.LogIn(s.shown(servertest.KindAccount, "prompt", "select_account"), who).Code(s.t))
		if got.Subject() != who.ID {
			s.t.Errorf("token of %s, want %s", got.Subject(), who.UserName)
		}
	}
	if got := s.b.Submit(p, "another"); got.Kind() != servertest.KindLogin {
		s.t.Errorf("another account leads to %q", got.Kind())
	}
}

func noConsent(s situation) {
	s.login(s.ann)
	s.app = s.Application(s.t, oidc.Client{Name: "Stranger"})
	s.none("consent_required")
	p := s.shown(servertest.KindConsent)
	s.none("consent_required")
	s.refused(s.b.Submit(p, "consent", "decision", "deny"), "access_denied", "")
	s.none("consent_required")
	if s.b.Submit(s.shown(servertest.KindConsent), "consent", "decision", "allow").Code(s.t) == "" {
		s.t.Error("no code")
	}
	s.none("")
	s.none("consent_required", "scope", "openid email")
	s.shown(servertest.KindConsent, "prompt", "consent")
}

func unmetOtherwise(s situation) {
	const context, permitted = "The authentication context does not satisfy the requested level.", "None of the requested authentication contexts is permitted."
	// At once: whether a class is known tells nothing about anybody.
	s.refused(s.b.Open(s.app.AuthURL("acr_values", "Unknown")), "interaction_required", permitted)
	s.login(s.ann)
	s.refused(s.b.Open(s.app.AuthURL("acr_values", "Office")), "interaction_required", context)
	s.none("interaction_required", "acr_values", "Office")
	s.none("interaction_required", "acr_values", "Unknown")
	s.app = s.Application(s.t, oidc.Client{PermittedACRs: []string{"Default"}, Trusted: true})
	s.refused(s.b.Open(s.app.AuthURL("acr_values", "MFA")), "interaction_required", permitted)
	s.app = s.Application(s.t, oidc.Client{RequiredACR: "MFA", Trusted: true})
	s.none("interaction_required", "acr_values", "Default")
	s.app = s.Application(s.t, oidc.Client{ACRUnmetError: "unmet_authentication_requirements", Trusted: true})
	s.refused(s.b.Open(s.app.AuthURL("acr_values", "Unknown")), "unmet_authentication_requirements", permitted)
	s.refused(s.b.Open(s.app.AuthURL("acr_values", "Office")), "unmet_authentication_requirements", context)
}

// downgraded is acr_unmet: downgrade, for what was asked voluntarily.
func downgraded(s situation) {
	s.app = s.Application(s.t, oidc.Client{ACRUnmet: "downgrade", Trusted: true})
	for _, acr := range []string{"MFA", "Office", "Unknown"} {
		if got := s.login(s.ann, "acr_values", acr); got.ACR() != "Default" {
			s.t.Errorf("acr_values=%s gives %q, want Default", acr, got.ACR())
		}
	}
	s.none("interaction_required", "claims", `{"id_token":{"acr":{"essential":true,"value":"MFA"}}}`)
	s.app = s.Application(s.t, oidc.Client{ACRUnmet: "downgrade", RequiredACR: "MFA", Trusted: true})
	s.none("interaction_required", "acr_values", "MFA")
}

func left(s situation) {
	s.refused(s.b.Submit(s.shown(servertest.KindLogin), "cancel"), "access_denied", "")
	p := s.b.Submit(s.shown(servertest.KindLogin), "login", "username", s.veil.UserName, "password", s.veil.Password)
	s.refused(s.b.Submit(p, "cancel"), "access_denied", "")
	if again := s.b.Open(p.URL.String()); again.Away != nil {
		s.t.Errorf("a transaction that was left leads to %s", again.Away)
	}
}

func attemptsUsedUp(s situation) {
	late := s.withTOTP(s.t, s.NewPerson(s.t, "mrs.late"))
	p := s.b.Submit(s.shown(servertest.KindLogin), "login", "username", late.UserName, "password", late.Password)
	for range 20 {
		p = s.b.Submit(p, "code", "code", wrong(late.Code(s.t)))
		if p.Status == http.StatusTooManyRequests || p.Kind() != servertest.KindCode {
			break
		}
	}
	if p.Away != nil || p.Status != http.StatusTooManyRequests {
		s.t.Fatalf("sent to %v, %d, want a page that says to wait:\n%s", p.Away, p.Status, p.Text())
	}
	s.refused(s.b.Submit(p, "cancel"), "access_denied", "")
}

func disabled(s situation) {
	gone := s.NewPerson(s.t, "mr.gone")
	got := s.login(gone)
	s.PatchPerson(s.t, gone, `{"op":"replace","path":"active","value":false}`)
	answer := s.b.Open(s.app.AuthURL("prompt", "none")).Answer(s.t)
	if e := answer.Get("error"); e != "access_denied" && e != "login_required" {
		s.t.Errorf("prompt=none: %v, want access_denied, or login_required since the session is over", answer)
	}
	if r := s.app.TryRefresh(s.t, got.RefreshToken); r.Status != http.StatusBadRequest {
		s.t.Errorf("refresh of a disabled user: %d %s", r.Status, r.Body)
	}
	p := s.b.Submit(s.shown(servertest.KindLogin), "login", "username", gone.UserName, "password", gone.Password)
	if p.Away != nil || p.Status != http.StatusUnprocessableEntity {
		s.t.Errorf("sent to %v, %d: %s", p.Away, p.Status, p.Text())
	}
	s.refused(s.b.Submit(p, "cancel"), "access_denied", "")
}

func malformed(s situation) {
	for _, pair := range [][2]string{
		{"claims", "{"},
		{"claims", "[]"},
		{"claims", `{"id_token":{"acr":{"essential":true,"value":5}}}`},
		{"max_age", "-1"},
		{"max_age", "abc"},
		{"max_age", "1.5"},
		{"max_age", "+1"},
		{"prompt", "none login"},
		{"prompt", "LOGIN"},
		{"prompt", "create"},
		{"code_challenge_method", "plain"},
		{"code_challenge", "short"},
		{"id_token_hint", "x"},
	} {
		p := s.b.Open(s.app.AuthURL(pair[0], pair[1]))
		s.refused(p, "invalid_request", "")
	}
	q := s.app.Request()
	for _, name := range []string{"state", "nonce", "scope", "prompt", "max_age"} {
		twice := url.Values{}
		for n, v := range q {
			twice[n] = slices.Clone(v)
		}
		twice[name] = append(twice[name], "1", "2")
		s.refused(s.b.Open("/oauth/authorize?"+twice.Encode()), "invalid_request", "")
	}
	s.refused(s.b.Open(s.app.AuthURL("response_type", "token")), "unsupported_response_type", "")
	s.refused(s.b.Open(s.app.AuthURL("response_mode", "fragment")), "invalid_request", "")
}

func overTxn(s situation) {
	over := func(what string, b *servertest.Browser, address string) {
		s.t.Helper()
		p := b.Open(address)
		if p.Away != nil || p.Status < http.StatusBadRequest || p.Kind() != servertest.KindOther {
			s.t.Errorf("%s: sent to %v, %d %q:\n%s", what, p.Away, p.Status, p.Kind(), p.Text())
		}
	}
	p := s.shown(servertest.KindLogin)
	over("of another browser", s.Browser(s.t), p.URL.String())
	s.b.LogIn(p, s.ann).Code(s.t)
	over("spent", s.b, p.URL.String())
	p = s.shown(servertest.KindLogin, "prompt", "login")
	s.clock.advance(31 * time.Minute)
	over("expired", s.b, p.URL.String())
}

// TestPromptAndMaxAgeNotRemovable edits the address of a login: what the request
// demanded stands in the transaction, not in the browser.
func TestPromptAndMaxAgeNotRemovable(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	ann := w.NewPerson(t, "ann")
	app := w.Application(t, oidc.Client{Trusted: true})
	for _, demand := range [][]string{{"prompt", "login"}, {"max_age", "0"}, {"max_age", "1"}} {
		b := w.Browser(t)
		first := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), ann).Code(t))
		w.clock.advance(2 * time.Second)
		p := b.Open(app.AuthURL(demand...))
		for _, address := range []string{"?prompt=none", "?prompt=&max_age=", "?max_age=100000", "/", "/consent", "/code", ""} {
			if got := b.Open(p.URL.String() + address); got.Away != nil || got.Kind() != servertest.KindLogin && got.Status < http.StatusBadRequest {
				t.Errorf("%v, %s: sent to %v, %d %q", demand, address, got.Away, got.Status, got.Kind())
			}
		}
		b.Asked = nil
		second := app.Redeem(t, b.LogIn(b.Open(p.URL.String()), ann).Code(t))
		if !slices.Equal(b.Asked, []string{"login"}) || second.AuthTime() <= first.AuthTime() {
			t.Errorf("%v asked %v, auth_time %d after %d", demand, b.Asked, second.AuthTime(), first.AuthTime())
		}
	}
}
