package servertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// enrolOnTheWay demands a second factor of everybody, and lets those who have
// none set one up while they log in.
func enrolOnTheWay(c *config.Config) {
	c.RequiredACR = "MFA"
	c.InlineEnrolment.Enabled = true
}

// wantEnrol wants the page that leads to the pages on which a factor is set up.
func wantEnrol(t *testing.T, p servertest.Page) servertest.Page {
	t.Helper()
	if p.Away != nil || !strings.Contains(p.Body, `href="/account/security/app"`) {
		t.Fatalf("at %s (%d), away %v, want the page that asks to set up a second step:\n%s", p.URL, p.Status, p.Away, p.Text())
	}
	return p
}

// totpButton is the value of the button of an authenticator app.
func totpButton(t *testing.T, p servertest.Page) string {
	t.Helper()
	for value := range p.Buttons("factor", "factor") {
		if strings.HasPrefix(value, "totp") {
			return value
		}
	}
	t.Fatalf("no authenticator app to choose:\n%s", p.Text())
	return ""
}

// Whoever lacks the second factor that is asked for sets one up, comes back,
// shows it and is logged in.
func TestEnrolWhileLoggingIn(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "nora.quill")
		b := w.Browser(t)
		login := wantEnrol(t, password(b, b.Open(app.AuthURL("acr_values", "MFA")), who))
		p := b.Submit(b.Open("/account/security/app"), "app")
		if !strings.Contains(p.Body, login.URL.Path) {
			t.Errorf("nothing leads back to the login:\n%s", p.Text())
		}
		secret := strings.Join(strings.Fields(between(t, p.Body, `<code class="secret">`, `</code>`)), "")
		phone := servertest.Authenticator{URI: "otpauth://totp/x?" + url.Values{"secret": {secret}}.Encode()}
		b.Submit(p, "code", "code", phone.Code(t, w.clock.Now()))
		p = b.Open(login.URL.Path)
		if p.Kind() == servertest.KindFactor { // an app, or a recovery code
			p = b.Submit(p, "factor", "factor", totpButton(t, p))
		}
		wantKind(t, p, servertest.KindCode)
		w.clock.advance(30 * time.Second) // the code of the enrolment is no proof
		tokens := app.Redeem(t, b.Submit(p, "code", "code", phone.Code(t, w.clock.Now())).Code(t))
		if tokens.ACR() != "MFA" {
			t.Errorf("acr %s", tokens.ACR())
		}
	}, enrolOnTheWay)
}

// TestPeer_3_Enrolment: Keycloak CVE-2026-94218. Whatever is begun anew while an
// enrolment is forced, no code is issued before it.
func TestPeer_3_Enrolment(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "nora.quill")
		b := w.Browser(t)
		first := wantEnrol(t, password(b, b.Open(app.AuthURL()), who))
		for range 3 { // the same page, begun again
			wantEnrol(t, b.Open(first.URL.Path))
		}
		for _, pairs := range [][]string{{}, {"acr_values", "Default"}, {"acr_values", "MFA"}, {"prompt", "login"}, {"max_age", "0"}} {
			p := b.Open(app.AuthURL(pairs...))
			if p.Away != nil {
				t.Fatalf("%v: sent to %v", pairs, p.Away)
			}
			wantKind(t, p, servertest.KindLogin) // an open session alone enrols nothing
			wantEnrol(t, password(b, p, who))
		}
		wantSilent(t, b, app, "interaction_required")
		// Leaving and coming back as somebody else, or as the same person again.
		p := b.Submit(wantEnrol(t, b.Open(first.URL.Path)), "another")
		wantEnrol(t, password(b, p, who))
		// The steps of a login are not there to be posted to.
		for _, action := range []string{"code", "skipstep", "skip", "factor", "consent"} {
			if p := b.Post(first.URL.Path+"/"+action, url.Values{"code": {"123456"}, "decision": {"allow"}}); p.Away != nil {
				t.Errorf("POST %s: sent to %v", action, p.Away)
			}
		}
		if p := b.Submit(b.Open(first.URL.Path), "cancel"); p.Answer(t).Get("error") != "access_denied" {
			t.Errorf("leaving: %v", p.Answer(t))
		}
	}, enrolOnTheWay)
}

// TestEnrolOfGroups: only the members of the groups that are named may.
func TestEnrolOfGroups(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", enrolOnTheWay, func(c *config.Config) { c.InlineEnrolment.Groups = []string{"staff"} })
	app := w.Application(t, oidc.Client{Trusted: true})
	in, out := w.NewPerson(t, "in"), w.NewPerson(t, "out")
	r := w.Do(t, http.MethodPost, "/scim/v2/Groups", w.Token(t, "compat"), `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],`+
		`"displayName":"staff","members":[{"value":"`+in.ID+`"}]}`)
	if r.Status != http.StatusCreated {
		t.Fatalf("add group: %d %s", r.Status, r.Body)
	}
	b := w.Browser(t)
	wantEnrol(t, password(b, b.Open(app.AuthURL("acr_values", "MFA")), in))
	b = w.Browser(t)
	if got := password(b, b.Open(app.AuthURL("acr_values", "MFA")), out).Answer(t).Get("error"); got != "interaction_required" {
		t.Errorf("error %q", got)
	}
}
