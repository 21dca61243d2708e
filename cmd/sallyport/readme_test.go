package main

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadmeTour runs the five-minute tour of README word for word, but for the
// port, against a server that serve has started.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	out := runDocumented(t, "README.md", "## Five-minute tour")
	for _, want := range []string{
		`"userName":"dr.veil"`, `"totalResults":1`, `"title":"Chief physician"`, `W/\"2\"`,
		`"displayName":"Physicians"`, `"groups":[{"value":`, "user.deleted", "user.restored",
		`"validated":true`, `"secondFactorEnabled":true`,
		`"acr":"MFA"`, `"amr":["mfa","otp","pwd"]`, `"auth_time":`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the tour does not show %s; it shows\n%s", want, out)
		}
	}
}

// TestSecondFactorsInCurl runs the flow of docs/second-factors.md word for word,
// with oathtool as the authenticator app.
func TestSecondFactorsInCurl(t *testing.T) {
	t.Parallel()
	out := runDocumented(t, "docs/second-factors.md", "## The whole flow in curl")
	for _, want := range []string{`"validated":true`, `"registered":true`, `"secondFactorEnabled":true`} {
		if !strings.Contains(out, want) {
			t.Errorf("the flow does not show %s; it shows\n%s", want, out)
		}
	}
}

// runDocumented runs the blocks of commands of a section in the root of the
// repository, against a server that serve has started, and returns what it
// shows. An error reply fails the test.
func runDocumented(t *testing.T, file, heading string) string {
	t.Helper()
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), heading+"\n")
	if !found {
		t.Fatalf("%s has no %q", file, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	script := ""
	for _, block := range strings.Split(section, "```sh\n")[1:] {
		commands, _, _ := strings.Cut(block, "```")
		script += commands
	}
	if script == "" {
		t.Fatalf("%s: no commands after %q", file, heading)
	}
	p := newProcess(t, "SALLYPORT_DATA="+t.TempDir())
	p.start(t)
	address, err := url.Parse(p.base)
	if err != nil {
		t.Fatal(err)
	}
	script = "set -eu\n" + strings.ReplaceAll(script, "127.0.0.1:8080", address.Host)

	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Env = append(cmd.Env, "HOME="+os.Getenv("HOME"), "PATH="+filepath.Dir(p.path)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", file, err, out)
	}
	if strings.Contains(string(out), "urn:ietf:params:scim:api:messages:2.0:Error") {
		t.Errorf("%s shows an error:\n%s", file, out)
	}
	return string(out)
}
