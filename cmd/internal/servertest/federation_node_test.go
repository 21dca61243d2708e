package servertest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// upstreamFolder holds a provider on npm oidc-provider; `npm ci` there installs
// it.
const upstreamFolder = "../../../testdata/upstream"

// nodeProvider is the running provider.
type nodeProvider struct {
	t      *testing.T
	in     io.Writer
	out    *bufio.Scanner
	issuer string
}

func startUpstream(t *testing.T) *nodeProvider {
	t.Helper()
	if _, err := os.Stat(filepath.Join(upstreamFolder, "node_modules", "oidc-provider", "package.json")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("oidc-provider is missing; run npm ci in testdata/upstream: %v", err)
		}
		t.Skip("oidc-provider is missing; run npm ci in testdata/upstream")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "provider.mjs")
	cmd.Dir, cmd.Stderr = upstreamFolder, t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("node: %v", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v", err)
		}
	})
	n := &nodeProvider{t: t, in: in, out: bufio.NewScanner(out)}
	n.issuer, _ = n.hear()["issuer"].(string)
	return n
}

func (n *nodeProvider) hear() map[string]any {
	n.t.Helper()
	if !n.out.Scan() {
		n.t.Fatal("node said nothing")
	}
	var line map[string]any
	if err := json.Unmarshal(n.out.Bytes(), &line); err != nil {
		n.t.Fatalf("node said %q: %v", n.out.Bytes(), err)
	}
	return line
}

// tell changes how the provider behaves.
func (n *nodeProvider) tell(v map[string]any) {
	n.t.Helper()
	if err := json.NewEncoder(n.in).Encode(v); err != nil {
		n.t.Fatalf("tell node: %v", err)
	}
	if n.hear()["ok"] != true {
		n.t.Fatal("node did not do as it was told")
	}
}

// TestUpstreamOIDCProvider logs in at npm oidc-provider, which checks every
// request of ours by its own rules: PKCE, nonce and state, keys that change, acr
// and amr, a login that must be fresh, a person who says no.
func TestUpstreamOIDCProvider(t *testing.T) {
	t.Parallel()
	node := startUpstream(t)
	// The library reads the clock of the machine, so the server keeps near it.
	clock := &drift{}
	s := servertest.StartAt(t, clock.Now, servertest.Settings(t), func(c *config.Config) {
		p := corp(node.issuer)
		byAddress(&p)
		p.TrustACR, p.ACRMap = true, map[string][]string{"loa3": {"totp"}}
		p.AMRMap = map[string][]string{"pwd": {}, "otp": {"totp"}}
		p.Create = config.Create{Enabled: true, Attributes: map[string]string{"userName": "preferred_username", "emails": "email"}}
		c.IdentityProviders = []config.IdentityProvider{p}
	})
	node.tell(map[string]any{"callback": s.Issuer() + "/federation/corp/callback", "account": "zoe"})
	zoe := s.NewPerson(t, "ann", mailbox("zoe"))
	app := s.Application(t, oidc.Client{Name: "App", Trusted: true})
	travel := func(b *servertest.Browser, pairs ...string) servertest.Page {
		b.Visits(node.issuer)
		return b.Submit(b.Open(app.AuthURL(pairs...)), "federate", "upstream", "corp")
	}

	b := s.Browser(t)
	if got := app.Redeem(t, travel(b).Code(t)).Subject(); got != zoe.ID {
		t.Errorf("sub = %q, want that of ann by the address", got)
	}
	node.tell(map[string]any{"rotate": true})
	if got := app.Redeem(t, travel(s.Browser(t)).Code(t)).Subject(); got != zoe.ID {
		t.Errorf("with another key: sub = %q", got)
	}
	// The login there is fresh, since we ask for it, and its time is ours.
	again := app.Redeem(t, travel(b, "prompt", "login").Code(t))
	if at := time.Unix(again.AuthTime(), 0); clock.Now().Sub(at) > time.Minute {
		t.Errorf("auth_time = %v, want that of now", at)
	}
	app.Redeem(t, travel(s.Browser(t), "max_age", "30").Code(t))

	node.tell(map[string]any{"account": "newcomer", "acr": "loa3", "amr": []string{"pwd", "otp"}})
	made := app.Redeem(t, travel(s.Browser(t), "acr_values", "MFA").Code(t))
	amr, _ := made.Claims["amr"].([]any)
	if made.ACR() != "MFA" || !slices.Contains(amr, any("mfa")) || made.Subject() == zoe.ID {
		t.Errorf("trusted second factor: acr = %q, amr = %v", made.ACR(), amr)
	}

	node.tell(map[string]any{"deny": true})
	wantRefused(t, "denied", travel(s.Browser(t)), http.StatusUnprocessableEntity)
	app.Redeem(t, b.LogIn(b.Open(app.AuthURL()), zoe).Code(t))
}
