package servertest_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// secondChain sets the chain of second factors of MFA.
func secondChain(links ...config.Link) func(*config.Config) {
	return func(c *config.Config) {
		c.Chains = map[string][]config.Link{"Second": links}
		c.ACRs = append(c.ACRs, config.ACR{Name: "Chained", LoginChain: []string{"password"}, SecondFactorChain: []string{"Second"}})
	}
}

// TestChainAtLogin asks the authenticators of a chain in their order, and lets
// an optional one be passed over.
func TestChainAtLogin(t *testing.T) {
	t.Parallel()
	chain := secondChain(
		config.Link{Authenticator: "totp", Criteria: "optional-stop-on-success"},
		config.Link{Authenticator: "email_otp", Criteria: "optional-stop-on-success"})
	eachTown(t, func(t *testing.T, w town) {
		ann := w.NewPerson(t, "ann")
		mail := w.WithEmail(t, ann, "ann@example.org")
		ann = w.withTOTP(t, ann)
		app := w.Application(t, oidc.Client{})

		b := w.Browser(t)
		tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("acr_values", "Chained")), ann).Code(t))
		if diff := cmp.Diff([]string{servertest.KindLogin, servertest.KindCode, servertest.KindConsent}, b.Asked); diff != "" || tokens.ACR() != "Chained" {
			t.Errorf("acr %q, asked (-want +got):\n%s", tokens.ACR(), diff)
		}

		b = w.Browser(t)
		page := b.Open(app.AuthURL("acr_values", "Chained"))
		page = b.Submit(page, "login", "username", "ann", "password", ann.Password)
		if page.Kind() != servertest.KindCode || len(page.Buttons("factor", "factor")) != 0 {
			t.Fatalf("a chain asks for the app and nothing else, not:\n%s", page.Text())
		}
		page = b.LogIn(b.Submit(page, "skipstep"), mail)
		tokens = app.Redeem(t, page.Code(t))
		if amr := tokens.Claims["amr"]; tokens.ACR() != "Chained" || !cmp.Equal(amr, []any{"mfa", "otp", "pwd"}) {
			t.Errorf("acr %q, amr %v", tokens.ACR(), amr)
		}
		if page := b.Open(app.AuthURL("acr_values", "Chained", "prompt", "none")); page.Answer(t).Get("code") == "" {
			t.Errorf("the session does not do: %v", page.Answer(t))
		}
	}, chain)
}

// TestChainFailsAtItsEnd goes on when a required authenticator is given up, tells
// at the end only, and gives no weaker login.
func TestChainFailsAtItsEnd(t *testing.T) {
	t.Parallel()
	chain := secondChain(config.Link{Authenticator: "totp"}, config.Link{Authenticator: "email_otp"})
	eachTown(t, func(t *testing.T, w town) {
		ann := w.NewPerson(t, "ann")
		mail := w.WithEmail(t, ann, "ann@example.org")
		ann = w.withTOTP(t, ann)
		app := w.Application(t, oidc.Client{})
		b := w.Browser(t)
		page := b.Open(app.AuthURL("acr_values", "Chained Default"))
		page = b.Submit(page, "login", "username", "ann", "password", ann.Password)
		page = b.LogIn(b.Submit(page, "skipstep"), mail)
		if answer := page.Answer(t); answer.Get("error") != "access_denied" || answer.Get("code") != "" {
			t.Errorf("answer %v", answer)
		}
		page = b.LogIn(b.Open(app.AuthURL("acr_values", "Chained Default")), ann)
		if tokens := app.Redeem(t, page.Code(t)); tokens.ACR() != "Chained" {
			t.Errorf("the next login has acr %q", tokens.ACR())
		}
	}, chain)
}

// exampleService runs the service of docs/extending.md and returns its URL and
// the lines that it prints.
func exampleService(t *testing.T, secret string) (url string, lines *bufio.Scanner) {
	t.Helper()
	page, err := os.ReadFile("../../../docs/extending.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "```python\n")
	code, _, found := strings.Cut(code, "```")
	if !found {
		t.Fatal("docs/extending.md has no Python example")
	}
	script, key := filepath.Join(t.TempDir(), "service.py"), filepath.Join(t.TempDir(), "secret")
	for path, text := range map[string]string{script: code, key: secret + "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, "python3", script, "0", key)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		t.Fatalf("python3 (a package of that name): %v", err)
	}
	t.Cleanup(func() {
		cancel()
		if err := cmd.Wait(); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
			t.Error(err)
		}
	})
	lines = bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the service of the example says nothing")
	}
	return "http://127.0.0.1:" + strings.TrimPrefix(lines.Text(), "listening on "), lines
}

// TestExampleOfExtending logs in with the authenticator that docs/extending.md
// shows, in a process of its own.
func TestExampleOfExtending(t *testing.T) {
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
	// The service keeps the real time.
	ann := w.NewPerson(t, "ann", `"nickName":"4711"`)
	w.SwitchSecondFactor(t, ann, true)
	ann.Factor = "card"
	ann.Code = func(tb testing.TB) string {
		tb.Helper()
		if !lines.Scan() {
			tb.Fatal("the service made no code")
		}
		code, found := strings.CutPrefix(lines.Text(), "code for card 4711 ")
		if !found {
			tb.Fatalf("the service says %q", lines.Text())
		}
		return code
	}
	app := w.Application(t, oidc.Client{})
	b := w.Browser(t)
	tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("acr_values", "Card")), ann).Code(t))
	if amr := tokens.Claims["amr"]; tokens.ACR() != "Card" || !cmp.Equal(amr, []any{"hwk", "mfa", "pwd"}) {
		t.Errorf("acr %q, amr %v", tokens.ACR(), amr)
	}
	bob := w.NewPerson(t, "bob")
	w.SwitchSecondFactor(t, bob, true)
	b = w.Browser(t)
	if answer := b.LogIn(b.Open(app.AuthURL("acr_values", "Card")), bob).Answer(t); answer.Get("error") != "interaction_required" {
		t.Errorf("without a card: %v", answer)
	}
}
