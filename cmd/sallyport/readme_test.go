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
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, tour, found := strings.Cut(string(page), "## Five-minute tour")
	if !found {
		t.Fatal("README has no tour")
	}
	_, script, _ := strings.Cut(tour, "```sh\n")
	script, _, found = strings.Cut(script, "```")
	if !found {
		t.Fatal("the tour has no commands")
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
	cmd.Env = append(cmd.Env, "HOME="+os.Getenv("HOME"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tour: %v\n%s", err, out)
	}
	for _, want := range []string{
		`"userName":"dr.veil"`, `"totalResults":1`, `"title":"Chief physician"`, `W/\"2\"`,
		`"displayName":"Physicians"`, `"groups":[{"value":`, "user.deleted", "user.restored",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the tour does not show %s; it shows\n%s", want, out)
		}
	}
	if strings.Contains(string(out), `"scimType"`) || strings.Contains(string(out), "urn:ietf:params:scim:api:messages:2.0:Error") {
		t.Errorf("the tour shows an error:\n%s", out)
	}
}
