package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/federated/fakeidp"
)

// idp runs a command about providers with these settings.
func runIDP(t *testing.T, settings string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "sallyport.yaml")
	if err := os.WriteFile(file, []byte("data: "+folder+"/data\n"+settings), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	var out, errs bytes.Buffer
	if status := run(t.Context(), []string{"--config", file, "token", "create", "--name", "first"}, none, strings.NewReader(""), &out, &errs); status != 0 {
		return status, out.String(), errs.String()
	}
	out.Reset()
	errs.Reset()
	status = run(t.Context(), append([]string{"--config", file}, args...), none, strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

func TestIDP(t *testing.T) {
	t.Parallel()
	idp := fakeidp.New(time.Now)
	t.Cleanup(idp.Close)
	gone := fakeidp.New(time.Now)
	gone.Close()
	settings := `
issuer: https://id.example.com
identity_providers:
  - {id: corp, type: oidc, name: Corp, issuer: "` + idp.URL + `", client_id: sallyport, client_secret: marker-secret, allow_private: true,
     create: {enabled: true, attributes: {userName: sub}}}
  - {id: down, type: oidc, issuer: "` + gone.URL + `", client_id: sallyport, allow_private: true, disabled: true}
`
	status, stdout, stderr := runIDP(t, settings, "idp", "list")
	for _, want := range []string{"corp", "Corp", "on", "yes", "https://id.example.com/federation/corp/callback", "down", "off"} {
		if status != 0 || !strings.Contains(stdout, want) || strings.Contains(stdout+stderr, "marker-secret") {
			t.Errorf("list = %d, want %q in:\n%s%s", status, want, stdout, stderr)
		}
	}
	_, stdout, _ = runIDP(t, settings, "--json", "idp", "list")
	var views []idpView
	if err := json.Unmarshal([]byte(stdout), &views); err != nil || len(views) != 2 || views[0].Links != "login" || !views[1].Disabled {
		t.Errorf("list --json = %v, %s", err, stdout)
	}
	status, stdout, stderr = runIDP(t, settings, "idp", "test", "corp")
	if status != 0 || !strings.Contains(stdout, "discovery: issuer "+idp.URL) || !strings.Contains(stderr, "/federation/corp/callback") {
		t.Errorf("test corp = %d\n%s%s", status, stdout, stderr)
	}
	status, stdout, stderr = runIDP(t, settings, "idp", "test", "down")
	if status == 0 || !strings.Contains(stderr, "the discovery cannot be reached") {
		t.Errorf("test down = %d\n%s%s", status, stdout, stderr)
	}
	status, stdout, _ = runIDP(t, settings, "--json", "idp", "test", "down")
	var probe idpProbe
	if err := json.Unmarshal([]byte(stdout), &probe); err != nil || status == 0 || probe.OK || probe.Error == "" {
		t.Errorf("test down --json = %d, %v, %s", status, err, stdout)
	}
	if status, _, stderr := runIDP(t, settings, "idp", "test", "other"); status == 0 || !strings.Contains(stderr, `there is no provider "other"`) {
		t.Errorf("test other = %d %s", status, stderr)
	}
	if status, stdout, stderr := runIDP(t, "", "idp", "list"); status != 0 || !strings.Contains(stdout+stderr, "no providers elsewhere") {
		t.Errorf("list of nothing = %d %s%s", status, stdout, stderr)
	}
}

// TestIDPFaults: settings that cannot work are named at every command, before
// anybody logs in.
func TestIDPFaults(t *testing.T) {
	t.Parallel()
	for want, settings := range map[string]string{
		"client_secret_file /no/such: ":                 "{id: a, type: google, client_id: c, client_secret_file: /no/such}",
		"create.attributes: nick is no attribute":       "{id: a, type: google, client_id: c, client_secret: s, create: {enabled: true, attributes: {userName: sub, nick: name}}}",
		"create.attributes: meta.created cannot":        "{id: a, type: google, client_id: c, client_secret: s, create: {enabled: true, attributes: {userName: sub, meta.created: name}}}",
		"create.attributes: name has parts":             "{id: a, type: google, client_id: c, client_secret: s, create: {enabled: true, attributes: {userName: sub, name: name}}}",
		"is neither the id of a tenant":                 "{id: a, type: microsoft, tenant: contoso.example, client_id: c, client_secret: s}",
		`"x" is not the number of an application`:       "{id: a, type: facebook, client_id: x, client_secret: s}",
		"identity_providers: a.issuer must be":          "{id: a, type: oidc, client_id: c}",
		"identity_providers: a.trust_acr must be true":  "{id: a, type: google, client_id: c, client_secret: s, acr_map: {x: [totp]}}",
		"identity_providers: a.acr_map.x must list":     "{id: a, type: google, client_id: c, client_secret: s, trust_acr: true, acr_map: {x: [password]}}",
		"identity_providers: a.domains must list":       "{id: a, type: google, client_id: c, client_secret: s, trust_email: true}",
		"a.link verified_email needs trust_email: true": "{id: a, type: google, client_id: c, client_secret: s, link: verified_email}",
		"a.tenant goes with the type microsoft only":    "{id: a, type: google, client_id: c, client_secret: s, tenant: common}",
		"a.trust_email must be false: Facebook":         "{id: a, type: facebook, client_id: '1', client_secret: s, trust_email: true, domains: [a.example]}",
		"a.id must be another":                          "{id: a, type: google, client_id: c, client_secret: s}\n  - {id: a, type: google, client_id: c, client_secret: s}",
		"is not a setting here":                         "{id: a, type: google, clientid: c}",
	} {
		status, stdout, stderr := runIDP(t, "identity_providers:\n  - "+settings+"\n", "idp", "list")
		if status == 0 || !strings.Contains(strings.Join(strings.Fields(stderr), " "), want) {
			t.Errorf("settings %s: %d, want %q in:\n%s%s", settings, status, want, stdout, stderr)
		}
	}
}
