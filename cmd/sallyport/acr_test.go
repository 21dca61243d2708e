package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// acr explain says what a login would end with, by user name, id and address.
func TestACRExplain(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	id := loginData(t, data)
	env := map[string]string{"SALLYPORT_DATA": data}
	explain := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := runMain(t, env, append([]string{"acr", "explain"}, args...)...)
		if code != exitOK || stderr != "" {
			t.Fatalf("acr explain %v = %d, %q", args, code, stderr)
		}
		return stdout
	}
	for _, user := range []string{"ann", id, "Ann@Example.org"} {
		out := explain(user, "my-app")
		for _, want := range []string{"acr Default", "Asked for  password\n", "no usable factor for need 2: passkey, totp", "Default  user floor  yes"} {
			if !strings.Contains(out, want) {
				t.Errorf("acr explain %s does not say %q:\n%s", user, want, out)
			}
		}
	}
	out := explain("ann", "my-app", "--acr-values", "Gold MFA", "--max-age", "5m", "--ip", "192.0.2.7", "--header", "x-zone=lab")
	if !strings.Contains(out, "fails: the user has no usable factor") || strings.Contains(out, "Gold") {
		t.Errorf("a request for MFA:\n%s", out)
	}
	if out := explain("ann", "my-app", "--acr-values", "Gold"); !strings.Contains(out, "fails: nothing that is asked for is known or permitted") {
		t.Errorf("a request for an unknown ACR:\n%s", out)
	}
	var got server.Explanation
	if err := json.Unmarshal([]byte(explain("ann", "my-app", "--max-age", "300", "--json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.User != "ann" || got.Client != "my-app" || got.ACR != "Default" || len(got.Asked) != 1 || len(got.Findings) != 4 {
		t.Errorf("as JSON: %+v", got)
	}
}

func TestACRExplainFaults(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	loginData(t, data)
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"ann my-app --max-age soon": {exitUsage, "--max-age must be seconds"},
		"ann my-app --max-age=-1":   {exitUsage, "--max-age must be seconds"},
		"ann my-app --ip here":      {exitUsage, "--ip must be an address"},
		"ann other":                 {exitFailed, "there is no client other; see: sallyport client list"},
		"bob my-app":                {exitFailed, "there is no user bob; see: sallyport user list"},
	} {
		code, stdout, stderr := runMain(t, map[string]string{"SALLYPORT_DATA": data}, strings.Fields("acr explain "+line)...)
		if code != want.code || stdout != "" || !strings.Contains(stderr, want.text) {
			t.Errorf("acr explain %s = %d, %q, %q, want %d, %q", line, code, stdout, stderr, want.code, want.text)
		}
	}
}

// loginData makes a user ann with a password and a client my-app, and returns
// the id of the user.
func loginData(t *testing.T, data string) string {
	t.Helper()
	cfg := config.Default()
	cfg.Data = data
	d, err := server.Open(t.Context(), cfg, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	a := &app{}
	user := schema.Object{
		"schemas": []any{schema.UserURN}, "userName": "ann", "password": "correct horse battery",
		"emails": []any{schema.Object{"value": "ann@example.org"}},
	}
	res, err := d.Service.Create(t.Context(), a.caller("test"), d.Registry.ByName("User"), user, scim.Request{})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = d.Provider.CreateClient(t.Context(), audit.Party{Type: "command", Name: "test"}, oidc.Client{
		ID: "my-app", Name: "My app", Type: oidc.Web, RedirectURIs: []string{"https://app.example/cb"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.ID
}

// Times are written as the configuration takes them.
func TestSpanIsWrittenAsInTheConfiguration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0s", 10 * time.Second: "10s", 5 * time.Minute: "5m", 90 * time.Second: "1m30s", 12 * time.Hour: "12h",
		90 * time.Minute: "1h30m", time.Hour + 20*time.Second: "1h0m20s", 720 * time.Hour: "720h",
	} {
		text := span(d)
		if text != want {
			t.Errorf("span(%s) = %q, want %q", d, text, want)
		}
		if back, err := config.ParseDuration(text); err != nil || back != d {
			t.Errorf("ParseDuration(%q) = %s, %v, want %s", text, back, err, d)
		}
	}
}
