package servertest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// What broke elsewhere, as tests: each is named after its row of section 8 of
// the security rules. These are about logging in.

// wantSilent wants an error for a silent request.
func wantSilent(t *testing.T, b *servertest.Browser, app *servertest.Application, code string, pairs ...string) {
	t.Helper()
	answer := b.Open(app.AuthURL(append([]string{"prompt", "none"}, pairs...)...)).Answer(t)
	if answer.Get("error") != code || answer.Has("code") {
		t.Errorf("prompt=none %v: %v, want %s", pairs, answer, code)
	}
}

// wantRefused wants a page that stays where it is, with one of the statuses.
func wantRefused(t *testing.T, what string, p servertest.Page, statuses ...int) {
	t.Helper()
	if p.Away != nil || !slices.Contains(statuses, p.Status) {
		t.Errorf("%s: sent to %v, status %d:\n%s\nwant %v", what, p.Away, p.Status, p.Text(), statuses)
	}
}

// events are the audit rows of a name.
func (w town) events(t *testing.T, name audit.Name) []audit.Event {
	t.Helper()
	reader, ok := w.Directory().Audit.(audit.Reader)
	if !ok {
		t.Fatal("the audit log cannot be read")
	}
	list, err := reader.Events(t.Context(), audit.Filter{Name: name, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// password fills the login page.
func password(b *servertest.Browser, p servertest.Page, who servertest.Person) servertest.Page {
	if name, _ := p.Value("login", "username"); name == who.UserName {
		return b.Submit(p, "login", "password", who.Password)
	}
	return b.Submit(p, "login", "username", who.UserName, "password", who.Password)
}

func wantKind(t *testing.T, p servertest.Page, kind string) {
	t.Helper()
	if p.Kind() != kind || p.Away != nil {
		t.Fatalf("%q (%d) at %s, sent to %v, want %q:\n%s", p.Kind(), p.Status, p.URL, p.Away, kind, p.Text())
	}
}

// mailed lets a mailed code stand in for the password.
func mailed(c *config.Config) {
	c.ACRs = append(c.ACRs,
		config.ACR{Name: "Mail", Needs: []config.Need{{AnyOf: []string{"password", "email_otp"}}}},
		config.ACR{Name: "MailTwice", Needs: []config.Need{{AnyOf: []string{"email_otp"}}, {AnyOf: []string{"email_otp", "totp"}}}})
	c.UserFloor = false
}

// TestPeer_1: Keycloak CVE-2026-3429 (issue 47069). A session that has shown a
// password alone takes no factor away from its user.
func TestPeer_1(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		scopes := append(scim.OwnScopes(), "openid")
		app := w.Application(t, oidc.Client{Trusted: true, Scopes: scopes})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		weak := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", strings.Join(scopes, " "))), who).Code(t))
		who = w.withTOTP(t, who)
		for _, c := range [][3]string{
			{"DELETE", "/scim/v2/Me/totp", ""},
			{"POST", "/scim/v2/Me/totp", ""},
			{"PATCH", "/scim/v2/Me", patchBody(`"op":"replace","path":"secondFactorEnabled","value":false`)},
			{"PATCH", "/scim/v2/Me", patchBody(`"op":"remove","path":"` + factorURN + `"`)},
			{"PUT", "/scim/v2/Me/password", passwordBody(who.Password, "another long password")},
		} {
			r := w.Do(t, c[0], c[1], weak.AccessToken, c[2])
			challenge := r.Header.Get("WWW-Authenticate")
			if r.Status != http.StatusUnauthorized || !strings.Contains(challenge, "insufficient_user_authentication") ||
				!strings.Contains(challenge, "acr_values=") || !strings.Contains(challenge, "max_age=") {
				t.Errorf("%s %s: %d %q %s, want 401 and the challenge of RFC 9470", c[0], c[1], r.Status, challenge, r.Body)
			}
		}
		// With the second factor in the same session the token of the next login may.
		b.Asked = nil
		strong := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", strings.Join(scopes, " "), "acr_values", "MFA")), who).Code(t))
		if !slices.Contains(b.Asked, servertest.KindCode) {
			t.Fatalf("asked %v, want the code", b.Asked)
		}
		if r := w.Do(t, http.MethodDelete, "/scim/v2/Me/totp", strong.AccessToken, ""); r.Status != http.StatusNoContent {
			t.Errorf("DELETE with a fresh second factor: %d %s", r.Status, r.Body)
		}
	})
}

// TestPeer_3: Keycloak CVE-2026-94218. Beginning anew, as oneself or as nobody
// yet, keeps what the login owes.
func TestPeer_3(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true, RequiredACR: "MFA"})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL()), who)
		for range 3 {
			wantKind(t, p, servertest.KindCode)
			p = b.Submit(p, "another")
			wantKind(t, p, servertest.KindLogin)
			p = password(b, p, who)
		}
		wantKind(t, p, servertest.KindCode)
		wantKind(t, b.Open(app.AuthURL()), servertest.KindCode)
		wantKind(t, b.Open(app.AuthURL("acr_values", "Default")), servertest.KindCode)
		wantSilent(t, b, app, "interaction_required")
		if answer := b.Submit(p, "cancel").Answer(t); answer.Get("error") != "access_denied" || answer.Has("code") {
			t.Errorf("cancelled: %v", answer)
		}
	})
}

// TestPeer_4: Keycloak CVE-2026-9798, CVE-2026-16103. A factor that is locked is
// refused wherever it is asked for, with the right code too, and in a login that
// begins later; an account that is locked is row 31.
func TestPeer_4(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		for range 5 {
			p = b.Submit(p, "code", "code", wrong(who.Code(t)))
		}
		wantRefused(t, "right code in this login", b.Submit(p, "code", "code", who.Code(t)), http.StatusTooManyRequests)
		later := w.Browser(t)
		p = password(later, later.Open(app.AuthURL("acr_values", "MFA")), who)
		wantRefused(t, "right code in another login", later.Submit(p, "code", "code", who.Code(t)), http.StatusTooManyRequests)
		wantSilent(t, later, app, "interaction_required", "acr_values", "MFA")
		w.clock.advance(5*time.Minute + 30*time.Second)
		if got := later.Submit(p, "code", "code", who.Code(t)); got.Code(t) == "" {
			t.Error("after the pause")
		}
	})
}

// TestPeer_5: Keycloak GHSA-85v8-vx4w-q684, issue 46164. A right password
// between wrong codes gives no tries at codes back.
func TestPeer_5(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		for n := range 5 {
			b := w.Browser(t)
			p := password(b, b.Open(app.AuthURL("acr_values", "MFA", "prompt", "login")), who)
			if got := b.Submit(p, "code", "code", wrong(who.Code(t))); got.Status != http.StatusUnprocessableEntity {
				t.Fatalf("wrong code %d: %d", n+1, got.Status)
			}
		}
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		wantRefused(t, "right code after five wrong ones", b.Submit(p, "code", "code", who.Code(t)), http.StatusTooManyRequests)
		if len(w.events(t, audit.FactorPaused)) == 0 {
			t.Error("no factor.paused in the audit log")
		}
	})
}

// TestPeer_10: Zitadel CVE-2024-32868, CVE-2025-64102. After five wrong codes a
// sent code is dead, in the page that asked for it and after another password;
// TestDeadAfterFive is the same through the API.
func TestPeer_10(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.WithEmail(t, w.NewPerson(t, "ann"), "ann@example.org")
		w.clock.advance(time.Hour)
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		p = b.Submit(p, "factor", "factor", "email_otp")
		wantKind(t, p, servertest.KindCode)
		right := who.Code(t)
		for range 5 {
			p = b.Submit(p, "code", "code", wrong(right))
		}
		wantRefused(t, "sixth", b.Submit(p, "code", "code", right), http.StatusTooManyRequests, http.StatusUnprocessableEntity)
		w.clock.advance(5*time.Minute + time.Second) // the pause of the factor is over, the code lives
		wantRefused(t, "sixth, after the pause", b.Submit(p, "code", "code", right), http.StatusUnprocessableEntity)
		wantSilent(t, b, app, "interaction_required", "acr_values", "MFA")
	})
}

// TestPeer_11: Zitadel CVE-2025-64103. Where policy wants two factors, a session
// with one gets no code, by no form and by no endpoint.
func TestPeer_11(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{RequiredACR: "MFA"})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL()), who)
		wantKind(t, p, servertest.KindCode)
		csrf, _ := p.Value("code", "csrf")
		for _, action := range []string{"consent", "skip", "verify", "account", "password", "login", "code", "factor", "send"} {
			got := b.Post(p.URL.Path+"/"+action, url.Values{
				"csrf": {csrf}, "decision": {"allow"}, "scope": {"openid"}, "acr": {"Default"}, "account": {who.ID},
				"new_password": {"another long password"}, "username": {who.UserName}, "password": {who.Password}, "factor": {"password"},
			})
			if got.Away != nil {
				t.Errorf("%s sent the browser to %s", action, got.Away)
			}
		}
		wantKind(t, b.Open(p.URL.String()), servertest.KindCode)
		wantSilent(t, b, app, "interaction_required")
		wantSilent(t, b, app, "interaction_required", "acr_values", "Default", "max_age", "100000")
		for _, form := range []url.Values{
			{"grant_type": {"password"}, "username": {who.UserName}, "password": {who.Password}},
			{"grant_type": {"client_credentials"}, "scope": {"openid"}},
		} {
			if r := app.Post(t, "/oauth/token", form); r.Status < 400 {
				t.Errorf("%v: %d %s", form, r.Status, r.Body)
			}
		}
	})
}

// TestPeer_24: Ory Kratos CVE-2024-45042 (3801), issue 4317. A mailed code that
// stood in for the password is no second factor, and one channel twice is one.
func TestPeer_24(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.WithEmail(t, w.NewPerson(t, "ann"), "ann@example.org")
		w.clock.advance(2 * time.Hour)
		b := w.Browser(t)
		p := b.Submit(b.Open(app.AuthURL("acr_values", "Mail")), "factor", "username", "ann", "factor", "email_otp")
		if _, err := w.Directory().SendQueuedCodes(t.Context()); err != nil {
			t.Fatal(err)
		}
		p = b.Submit(p, "code", "code", who.Code(t))
		first := app.Redeem(t, p.Code(t))
		if first.ACR() != "Mail" || slices.Contains(strs(first.Claims["amr"]), "mfa") {
			t.Errorf("claims %v, want acr Mail of one factor", first.Claims)
		}
		w.clock.advance(2 * time.Hour)
		for _, want := range []string{"MFA", "MailTwice"} {
			got := b.Open(app.AuthURL("acr_values", want))
			if got.Away != nil && got.Away.Query().Has("code") {
				t.Errorf("%s by one mailed code", want)
			}
			wantNoCodeSilently(t, b, app, want)
		}
		// The same mailbox once more is the same factor.
		p = b.Open(app.AuthURL("acr_values", "MailTwice", "prompt", "login"))
		for range 3 {
			if p.Away != nil {
				break
			}
			w.clock.advance(2 * time.Minute)
			if p.Kind() == servertest.KindLogin || p.Kind() == servertest.KindFactor {
				p = b.Submit(p, "factor", "factor", "email_otp")
			}
			if _, err := w.Directory().SendQueuedCodes(t.Context()); err != nil {
				t.Fatal(err)
			}
			if p.Kind() == servertest.KindCode {
				p = b.Submit(p, "code", "code", who.Code(t))
			}
		}
		if p.Away == nil || p.Away.Query().Has("code") || p.Away.Query().Get("error") != "interaction_required" {
			t.Errorf("one mailbox twice ended at %v (%d):\n%s", p.Away, p.Status, p.Text())
		}
	}, mailed)
}

func wantNoCodeSilently(t *testing.T, b *servertest.Browser, app *servertest.Application, class string) {
	t.Helper()
	if answer := b.Open(app.AuthURL("acr_values", class, "prompt", "none")).Answer(t); answer.Has("code") {
		t.Errorf("prompt=none for %s: %v", class, answer)
	}
}

// TestPeer_25: Authelia CVE-2025-24806, CVE-2026-47203. However an account is
// written, its failures are counted together.
func TestPeer_25(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann", `"emails":[{"value":"ann@example.org","primary":true}]`)
		waits := 0
		for _, name := range []string{"ann", "ANN", "Ann", "ann@example.org", "ANN@Example.Org", "aNN", "\uff41nn", " ann "} {
			b := w.Browser(t)
			p := b.Submit(b.Open(app.AuthURL()), "login", "username", name, "password", "wrong")
			wantRefused(t, name, p, http.StatusUnprocessableEntity)
			if p.Header.Get("Retry-After") != "" {
				waits++
			}
		}
		if waits != 3 {
			t.Errorf("%d of 8 tries came too early, want those after the fifth", waits)
		}
		b := w.Browser(t)
		wantRefused(t, "right password, too early", password(b, b.Open(app.AuthURL()), who), http.StatusUnprocessableEntity)
		w.clock.advance(time.Second)
		if password(b, b.Open(app.AuthURL()), who).Code(t) == "" {
			t.Error("after the wait")
		}
	})
}

// TestPeer_31: authentik CVE-2025-53942, MISP CVE-2026-95754. A user who is
// switched off is refused wherever a login stands, and what was issued ends.
func TestPeer_31(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Scopes: append(scim.OwnScopes(), "openid", "offline_access")})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		stages := map[string]func(b *servertest.Browser) servertest.Page{
			"password": func(b *servertest.Browser) servertest.Page { return b.Open(app.AuthURL("acr_values", "MFA")) },
			"code": func(b *servertest.Browser) servertest.Page {
				return password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
			},
			"consent": func(b *servertest.Browser) servertest.Page {
				p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
				w.clock.advance(30 * time.Second)
				return b.Submit(p, "code", "code", who.Code(t))
			},
		}
		standing := map[string]servertest.Page{}
		browsers := map[string]*servertest.Browser{}
		for name, reach := range stages {
			browsers[name] = w.Browser(t)
			standing[name] = reach(browsers[name])
		}
		member := w.Browser(t)
		w.clock.advance(30 * time.Second)
		tokens := app.Redeem(t, member.LogIn(member.Open(app.AuthURL("scope", "openid offline_access "+profileScope)), who).Code(t))
		w.clock.advance(30 * time.Second)
		code := member.Open(app.AuthURL("scope", "openid")).Code(t)
		pick := w.Application(t, oidc.Client{GrantTypes: []string{oidc.GrantDevice, oidc.GrantRefresh}})
		poll, userCode := startDevice(t, pick, url.Values{"scope": {"openid"}})
		member.LogIn(member.Submit(member.Open("/device"), "device", "user_code", userCode), who)

		w.PatchPerson(t, who, `{"op":"replace","path":"active","value":false}`)

		refusedAt := map[string]servertest.Page{
			"password": password(browsers["password"], standing["password"], who),
			"code":     browsers["code"].Submit(standing["code"], "code", "code", who.Code(t)),
			"consent":  browsers["consent"].Submit(standing["consent"], "consent", "decision", "allow"),
		}
		for name, p := range refusedAt {
			if p.Away != nil && p.Away.Query().Has("code") {
				t.Errorf("%s: got a code", name)
			}
			wantSilent(t, browsers[name], app, "login_required")
		}
		wantSilent(t, member, app, "login_required")
		wantOAuthError(t, "code", app.TryRedeem(t, code), 400, "invalid_grant")
		wantOAuthError(t, "device", pick.Post(t, "/oauth/token", poll), 400, "invalid_grant")
		wantOAuthError(t, "refresh", app.TryRefresh(t, tokens.RefreshToken), 400, "invalid_grant")
		if r := app.UserInfo(t, tokens.AccessToken); r.Status != http.StatusUnauthorized {
			t.Errorf("userinfo: %d", r.Status)
		}
		if r := w.Do(t, http.MethodGet, "/scim/v2/Me", tokens.AccessToken, ""); r.Status != http.StatusUnauthorized {
			t.Errorf("SCIM: %d", r.Status)
		}
	})
}

// byCommand is who changes things in these tests.
func byCommand() audit.Party { return audit.Party{Type: "command", Name: "test"} }
