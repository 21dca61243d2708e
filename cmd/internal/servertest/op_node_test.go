package servertest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// nodeFolder holds an application on the certified library openid-client;
// `npm ci` there installs it.
const nodeFolder = "../../../testdata/relyingparty"

// said is a line that the application writes.
type said struct {
	Keys     json.RawMessage `json:"keys"`
	Scenario string          `json:"scenario"`
	Open     string          `json:"open"`
	Code     string          `json:"code"`
	Done     map[string]any  `json:"done"`
	Failed   string          `json:"failed"`
}

// nodeApp is the running application.
type nodeApp struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Scanner
}

func startNode(t *testing.T) *nodeApp {
	t.Helper()
	if _, err := os.Stat(filepath.Join(nodeFolder, "node_modules", "openid-client", "package.json")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("openid-client is missing; run npm ci in testdata/relyingparty: %v", err)
		}
		t.Skip("openid-client is missing; run npm ci in testdata/relyingparty")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "relyingparty.mjs")
	cmd.Dir, cmd.Stderr = nodeFolder, os.Stderr
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
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	return &nodeApp{t, in, scanner}
}

func (n *nodeApp) say(v any) {
	n.t.Helper()
	if err := json.NewEncoder(n.in).Encode(v); err != nil {
		n.t.Fatalf("tell node: %v", err)
	}
}

// hear returns the next line, and false at the end.
func (n *nodeApp) hear() (said, bool) {
	n.t.Helper()
	if !n.out.Scan() {
		return said{}, false
	}
	var s said
	if err := json.Unmarshal(n.out.Bytes(), &s); err != nil {
		n.t.Fatalf("node said %q: %v", n.out.Bytes(), err)
	}
	return s, true
}

// TestOpenIDClient logs in to an application on npm openid-client, which checks
// every answer of ours by its own rules: the code flow with PKCE, pushed and
// signed requests, DPoP, authentication by key, devices, machines, acr_values,
// max_age, registration and logout.
func TestOpenIDClient(t *testing.T) { //nolint:tparallel // its subtests report what one process has done
	t.Parallel()
	const initial = "an-initial-access-token-of-the-operator"
	node := startNode(t)
	// The library reads the clock of the machine, so the server keeps near it: far
	// enough behind at first that codes of different steps can be used.
	clock := &drift{offset: -time.Minute}
	s := servertest.StartAt(t, clock.Now, servertest.Settings(t), func(c *config.Config) {
		c.Tokens.DeviceInterval = time.Second
		c.Registration = config.Registration{Enabled: true, InitialAccessToken: initial}
	})
	people := map[bool]servertest.Person{
		true:  s.WithTOTP(t, s.NewPerson(t, "dr.veil", `"displayName":"Dr Veil"`), clock.Now),
		false: s.NewPerson(t, "mr.plain", `"displayName":"Mr Plain"`),
	}
	first, ok := node.hear()
	if !ok {
		t.Fatal("node said nothing")
	}
	node.say(map[string]any{"issuer": s.Issuer(), "clients": nodeClients(t, s, first.Keys), "registration": initial})

	wants := nodeWants(people)
	b := s.Browser(t)
	for {
		line, more := node.hear()
		if !more {
			break
		}
		if line.Open == "" {
			want, known := wants[line.Scenario]
			delete(wants, line.Scenario)
			t.Run(line.Scenario, func(t *testing.T) {
				if line.Failed != "" || !known {
					t.Fatalf("failed: %s", line.Failed)
				}
				if diff := cmp.Diff(want, pick(line.Done, want)); diff != "" {
					t.Errorf("the application learned (-want +got):\n%s", diff)
				}
			})
			b = s.Browser(t)
			continue
		}
		mfa := line.Scenario == "code_with_mfa" || line.Scenario == "everything"
		if line.Scenario == "code_with_mfa" || line.Scenario == "public_client" {
			clock.advance(30 * time.Second)
		}
		node.say(visit(t, b, line, people[mfa]))
		if line.Scenario == "max_age_zero" {
			if want := []string{"login"}; !slices.Equal(b.Asked, want) && !slices.Equal(b.Asked, append(want, "consent")) {
				t.Errorf("max_age=0 asked %v", b.Asked)
			}
		}
	}
	for scenario := range wants {
		t.Errorf("%s did not run", scenario)
	}
}

// nodeClients registers the application's clients.
func nodeClients(t *testing.T, s *servertest.Server, keys json.RawMessage) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for name, c := range map[string]oidc.Client{
		"basic":   {},
		"post":    {AuthMethod: oidc.SecretPost, PostLogoutRedirectURIs: []string{"https://app.example.com/out"}},
		"spa":     {Type: oidc.SPA},
		"jar":     {JWKS: keys, RequestObjectAlg: "ES256", IDTokenAlg: "ES256"},
		"keyed":   {JWKS: keys, AuthMethod: oidc.PrivateKeyJWT},
		"device":  {Type: oidc.Native, GrantTypes: []string{oidc.GrantCode, oidc.GrantDevice, oidc.GrantRefresh}},
		"machine": {Type: oidc.Machine, Scopes: []string{"scim:read"}},
	} {
		c.Name = name
		a := s.Application(t, c)
		out[name] = map[string]string{"id": a.ID, "secret": a.Secret}
	}
	return out
}

// visit goes where the application sends the person and returns what it is to
// be told.
func visit(t *testing.T, b *servertest.Browser, line said, who servertest.Person) map[string]any {
	t.Helper()
	b.Asked = nil
	p := b.Open(line.Open)
	if p.Kind() == servertest.KindDevice {
		if shown, _ := p.Value("device", "user_code"); shown != line.Code {
			t.Errorf("the page shows the code %q, the device %q", shown, line.Code)
		}
		b.LogIn(b.Submit(p, "device"), who)
		return map[string]any{}
	}
	p = b.LogIn(p, who)
	if p.Away == nil && line.Scenario == "jar_by_a_foreign_key" {
		// Nothing in it can be trusted, so that there is nowhere to redirect to.
		return map[string]any{"page": p.Text()}
	}
	if p.Away == nil {
		t.Errorf("%s: still at %s (%d):\n%s", line.Scenario, p.URL, p.Status, p.Text())
		return map[string]any{"url": "https://app.example.com/cb"}
	}
	out := map[string]any{"url": p.Away.String()}
	if p.Posted != nil {
		posted := map[string]string{}
		for name := range p.Posted {
			posted[name] = p.Posted.Get(name)
		}
		out["posted"] = posted
	}
	return out
}

// nodeWants is what the application is to learn in each scenario.
func nodeWants(people map[bool]servertest.Person) map[string]map[string]any {
	veil, plain := people[true].ID, people[false].ID
	login := map[string]any{"acr": "Default", "sub": plain, "token_type": "bearer", "name": "Mr Plain"}
	return map[string]map[string]any{
		"code_with_mfa": {
			"acr": "MFA", "refreshed": "MFA", "refreshed_nonce": nil, "same_time": true, "active": true, "introspected": "MFA",
			"after_revocation": map[string]any{"active": false}, "revoked": "OAUTH_WWW_AUTHENTICATE_CHALLENGE",
		},
		"public_client": login, "form_post": login, "par": login, "jar": login, "private_key_jwt": login, "device": login,
		"max_age_zero": login, "registration": login,
		"jar_by_a_foreign_key": {"page": true},
		"dpop":                 {"token_type": "dpop", "name": "Mr Plain", "refused": 401.0, "bearer": 401.0, "sub": plain},
		"everything":           {"acr": "MFA", "sub": veil, "token_type": "dpop", "name": "Dr Veil"},
		"machine":              {"token_type": "bearer", "scope": "scim:read", "status": 200.0, "refresh": nil},
		"unmet":                {"error": "interaction_required", "description": "Second factor authentication is not enabled by the user."},
		"logout":               {"back": true},
	}
}

// pick keeps the members that are compared.
func pick(from, like map[string]any) map[string]any {
	out := map[string]any{}
	for name := range like {
		if value, there := from[name]; there {
			out[name] = value
		}
	}
	return out
}

// drift is the clock of the machine with an offset.
type drift struct {
	clock
	offset time.Duration
}

func (d *drift) Now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Add(d.offset)
}

func (d *drift) advance(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.offset += by
}
