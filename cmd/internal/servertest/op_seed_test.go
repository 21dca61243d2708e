package servertest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

const noSecondFactor = "Second+factor+authentication+is+not+enabled+by+the+user."

// town is a server with a clock, on which people log in to applications.
type town struct {
	*servertest.Server
	clock *clock
}

func newTown(t *testing.T, kind string, edits ...func(*config.Config)) town {
	t.Helper()
	cfg := servertest.Settings(t)
	if kind == "postgres" {
		cfg.DatabaseURL = config.Secret(storagetest.Postgres(t).Config.URL)
		cfg.MasterKey = config.Secret(server.NewMasterKey())
	}
	c := newClock()
	return town{servertest.StartAt(t, c.Now, cfg, edits...), c}
}

// eachTown runs a test on every kind of database.
func eachTown(t *testing.T, run func(t *testing.T, w town), edits ...func(*config.Config)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			run(t, newTown(t, kind, edits...))
		})
	}
}

// withTOTP gives a person an authenticator app whose next code is unused.
func (w town) withTOTP(t *testing.T, who servertest.Person) servertest.Person {
	t.Helper()
	who = w.WithTOTP(t, who, w.clock.Now)
	w.clock.advance(30 * time.Second)
	return who
}

// TestSeedScenario is the scenario that began it all: an application of the
// original, which sends no PKCE, asks for acr_values=MFA.
func TestSeedScenario(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{ID: "my-app", Name: "My App"})
		veil := w.withTOTP(t, w.NewPerson(t, "dr.veil"))
		plain := w.NewPerson(t, "mr.plain")
		t.Run("with a second factor", func(t *testing.T) { seedWithFactor(t, w, app, veil) })
		t.Run("without", func(t *testing.T) { seedWithout(t, w, app, plain) })
		t.Run("unmet error of the client", func(t *testing.T) {
			strict := w.Application(t, oidc.Client{Name: "Strict", ACRUnmetError: "unmet_authentication_requirements"})
			b := w.Browser(t)
			wantUnmet(t, w, b.LogIn(b.Open(strict.AuthURL("acr_values", "MFA", "state", "s1")), plain), "unmet_authentication_requirements", "s1")
		})
		t.Run("step-up", func(t *testing.T) { seedStepUp(t, w, app) })
		t.Run("state of 4 KiB", func(t *testing.T) { seedLongState(t, w, app, veil, plain) })
	})
}

// TestSeedUnmetErrorOfServer is the switch acr_unmet_error of the whole server.
func TestSeedUnmetErrorOfServer(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", func(c *config.Config) { c.ACRUnmetError = config.UnmetAuthentication })
	app := w.Application(t, oidc.Client{})
	plain := w.NewPerson(t, "mr.plain")
	b := w.Browser(t)
	wantUnmet(t, w, b.LogIn(b.Open(app.AuthURL("acr_values", "MFA", "state", "s1")), plain), "unmet_authentication_requirements", "s1")
	wantUnmet(t, w, b.Open(app.AuthURL("acr_values", "MFA", "state", "s2", "prompt", "none")), "unmet_authentication_requirements", "s2")
	ofClient := w.Application(t, oidc.Client{ACRUnmetError: "interaction_required"})
	wantUnmet(t, w, b.Open(ofClient.AuthURL("acr_values", "MFA", "state", "s3")), "interaction_required", "s3")
}

// wantUnmet compares the redirect byte for byte. Its parameters are those of
// the original, and iss (RFC 9207) between them.
func wantUnmet(t *testing.T, w town, p servertest.Page, code, state string) {
	t.Helper()
	p.Answer(t)
	want := "error=" + code + "&error_description=" + noSecondFactor + "&iss=" + url.QueryEscape(w.Issuer()) + "&state=" + url.QueryEscape(state)
	if p.Away.RawQuery != want {
		t.Errorf("redirect carries\n%s, want\n%s", p.Away.RawQuery, want)
	}
}

func seedWithFactor(t *testing.T, w town, app *servertest.Application, who servertest.Person) {
	b := w.Browser(t)
	state := `"state" <of> the&app=ü`
	p := b.LogIn(b.Open(app.AuthURL("acr_values", "MFA", "state", state)), who)
	answer := p.Answer(t)
	if answer.Get("state") != state || answer.Get("iss") != w.Issuer() || len(answer) != 3 {
		t.Errorf("answer %v, want code, iss and state", answer)
	}
	tokens := app.Redeem(t, p.Code(t))
	amr, _ := tokens.Claims["amr"].([]any)
	if tokens.ACR() != "MFA" || tokens.Subject() != who.ID || !slices.Contains(amr, any("pwd")) || !slices.Contains(amr, any("otp")) {
		t.Errorf("ID token %v, want acr MFA by password and code of %s", tokens.Claims, who.ID)
	}
	if want := []string{"login", "code", "consent"}; !slices.Equal(b.Asked, want) {
		t.Errorf("asked %v, want %v", b.Asked, want)
	}
	at := servertest.ClaimsOf(t, tokens.AccessToken)
	if at["acr"] != "MFA" || at["auth_time"] != tokens.Claims["auth_time"] {
		t.Errorf("access token %v, want acr and auth_time of the ID token", at)
	}
}

func seedWithout(t *testing.T, w town, app *servertest.Application, who servertest.Person) {
	b := w.Browser(t)
	p := b.Open(app.AuthURL("acr_values", "MFA", "state", "af0ifjsldkj"))
	if p.Kind() != servertest.KindLogin {
		t.Fatalf("a stranger is shown %q, want the login: nobody may learn who has a second factor", p.Kind())
	}
	p = b.LogIn(p, who)
	wantUnmet(t, w, p, "interaction_required", "af0ifjsldkj")
	if p.Away.Scheme+"://"+p.Away.Host+p.Away.Path != app.RedirectURIs[0] {
		t.Errorf("sent to %s, want %s", p.Away, app.RedirectURIs[0])
	}
	wantUnmet(t, w, b.Open(app.AuthURL("acr_values", "MFA", "state", "x", "prompt", "none")), "interaction_required", "x")
	essential := `{"id_token":{"acr":{"essential":true,"values":["MFA"]}}}`
	wantUnmet(t, w, b.Open(app.AuthURL("claims", essential, "state", "y")), "interaction_required", "y")
	bare := b.Open(app.AuthURL("acr_values", "MFA", "state", "")).Answer(t)
	if _, there := bare["state"]; there {
		t.Errorf("answer %v, want no state where none was sent", bare)
	}
	// What was proved is no less for it: without acr_values he gets in.
	got := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), who).Code(t))
	if got.ACR() != "Default" {
		t.Errorf("acr %q, want Default", got.ACR())
	}
}

// seedStepUp is an application that got less than MFA and asks again.
func seedStepUp(t *testing.T, w town, app *servertest.Application) {
	who := w.NewPerson(t, "mrs.late")
	b := w.Browser(t)
	first := app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), who).Code(t))
	if first.ACR() == "MFA" {
		t.Fatalf("acr MFA by password alone: %v", first.Claims)
	}
	who = w.withTOTP(t, who)
	if again := app.Refresh(t, first.RefreshToken); again.ACR() != first.ACR() || again.AuthTime() != first.AuthTime() {
		t.Errorf("refreshed ID token %v, want acr and auth_time of %v", again.Claims, first.Claims)
	}
	b.Asked = nil
	p := b.Open(app.AuthURL("acr_values", "MFA", "prompt", "login"))
	if got := p.Kind(); got != servertest.KindLogin {
		t.Fatalf("prompt=login shows %q, want the password", got)
	}
	p = b.Submit(p, "login", "password", who.Password)
	if got := p.Kind(); got != servertest.KindCode {
		t.Fatalf("after the password %q, want the code", got)
	}
	if r := b.Open(app.AuthURL("acr_values", "MFA", "prompt", "none")).Answer(t); r.Get("error") != "interaction_required" {
		t.Errorf("a second tab gets %v after the password alone, want interaction_required", r)
	}
	second := app.Redeem(t, b.LogIn(p, who).Code(t))
	if second.ACR() != "MFA" || second.Subject() != first.Subject() || second.AuthTime() <= first.AuthTime() {
		t.Errorf("ID token %v, want MFA of the same user, later than %v", second.Claims, first.Claims)
	}
	if sid := second.Claims["sid"]; sid == nil || sid == "" {
		t.Errorf("ID token %v, want a sid", second.Claims)
	}
}

func seedLongState(t *testing.T, w town, app *servertest.Application, veil, plain servertest.Person) {
	state := strings.Repeat("0123456789abcdeF", 4096/16)
	w.clock.advance(30 * time.Second)
	b := w.Browser(t)
	if got := b.LogIn(b.Open(app.AuthURL("acr_values", "MFA", "state", state)), veil).Answer(t); got.Get("state") != state || got.Get("code") == "" {
		t.Errorf("answer with a state of %d bytes, want a code and the state of %d bytes", len(got.Get("state")), len(state))
	}
	b = w.Browser(t)
	wantUnmet(t, w, b.LogIn(b.Open(app.AuthURL("acr_values", "MFA", "state", state)), plain), "interaction_required", state)
	b = w.Browser(t)
	posted := b.LogIn(b.Post("/oauth/authorize", app.Request("state", state)), plain)
	if got := posted.Answer(t); got.Get("state") != state || posted.Status != http.StatusSeeOther {
		t.Errorf("posted request: status %d and a state of %d bytes, want 303 and %d", posted.Status, len(got.Get("state")), len(state))
	}
}
