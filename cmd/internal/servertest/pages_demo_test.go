package servertest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestDemo presses the three buttons of the demo application in a browser: a
// login, a login with a second factor, and the step-up for a transfer.
func TestDemo(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	w.enrolBoth()
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	cfg := w.Config
	cfg.UserFloor = false // a login without acr_values is one of the password
	cfg.DefaultACRs = []string{"Default"}
	w.Server = servertest.StartWith(t, server.Options{Now: w.clock.Now, Demo: "127.0.0.1:0"}, cfg)
	b := newBrowser(t)
	b.open(w.DemoURL())
	b.judge("demo")
	b.press("#login", "#username")
	b.signIn("#consent")
	b.press(`button[value="allow"]`, "#claim-acr")
	if got := b.text("#claim-acr"); got != "Default" || b.text("#claim-amr") != `["pwd"]` {
		t.Errorf("after a login: acr %q, amr %q", got, b.text("#claim-amr"))
	}
	b.press("#login-mfa", `button[name="factor"]`)
	b.press(`button[value^="totp"]`, "#code")
	b.fill("#code", w.appCode())
	b.press("button.primary", "#claim-acr")
	if got := b.text("#claim-acr"); got != "MFA" || !strings.Contains(b.text("#claim-amr"), `"otp"`) {
		t.Errorf("after MFA: acr %q, amr %q", got, b.text("#claim-amr"))
	}
	b.judge("demo-claims")
	w.clock.advance(2 * time.Minute)
	b.press("#transfer", "#password")
	b.fill("#password", loginPassword)
	b.press("button.primary", `button[name="factor"]`)
	b.press(`button[value^="totp"]`, "#code")
	b.fill("#code", w.appCode())
	b.press("button.primary", "#sent")
	if got := b.text(".done"); !strings.Contains(got, "on their way") {
		t.Errorf("after the transfer: %q", got)
	}
	b.press("#login", ".done")
	b.press("#transfer", "#sent")
	if got := b.text("#sent"); got != "2" {
		t.Errorf("transfers made: %s, want 2: the proofs are still fresh", got)
	}
	b.press("#logout", ".who")
	b.press("#login", "#username")
	b.press(`form[action$="/cancel"] button`, ".problem")
	if got := b.text(".problem"); !strings.Contains(got, "You said no.") || !strings.Contains(got, "access_denied") {
		t.Errorf("after cancelling: %q", got)
	}
	b.noComplaints()
}

// TestDemoUnmet: an account without a second factor gets the answer in plain
// words.
func TestDemoUnmet(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	w.Server = servertest.StartWith(t, server.Options{Now: w.clock.Now, Demo: "127.0.0.1:0"}, w.Config)
	b := newBrowser(t)
	b.open(w.DemoURL())
	b.press("#transfer", "#username")
	b.signIn(".problem")
	if got := b.text(".problem"); !strings.Contains(got, "cannot reach the level") ||
		!strings.Contains(got, "interaction_required: Second factor authentication is not enabled by the user.") {
		t.Errorf("problem: %q", got)
	}
	b.noComplaints()
}

// TestDemoOnlyHere: no demo beside a server that others can reach, nor on an
// address that they can.
func TestDemoOnlyHere(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ issuer, listen, want string }{
		{"https://id.example.org", "127.0.0.1:0", "only beside a server with a loopback issuer"},
		{"", "0.0.0.0:0", "on a loopback address itself"},
		{"", "here", "is no address"},
	} {
		cfg := servertest.Settings(t)
		cfg.Issuer = test.issuer
		s, err := server.New(t.Context(), cfg, server.Options{Demo: test.listen})
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("issuer %q, demo at %q: %v, want %q", test.issuer, test.listen, err, test.want)
		}
	}
}

// TestDemoTwice: the client is registered once, and follows the application
// when that moves.
func TestDemoTwice(t *testing.T) {
	t.Parallel()
	cfg := servertest.Settings(t)
	for range 2 {
		s := servertest.StartWith(t, server.Options{Demo: "127.0.0.1:0"}, cfg, func(*config.Config) {})
		c, err := s.Directory().Provider.UpdateClient(t.Context(), audit.Party{Type: "command", Name: "test"}, "demo",
			func(*oidc.Client) error { return nil })
		if err != nil || len(c.RedirectURIs) != 1 || c.RedirectURIs[0] != s.DemoURL()+"/callback" {
			t.Errorf("client %+v: %v", c, err)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}
