//go:build javaclient

package servertest_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// TestJavaClient builds the program in testdata/javaclient against the public
// Java client of the original product and lets it enrol an e-mail address, a
// telephone number and an authenticator app on a running server. It needs Java
// 11 and Maven: make test-java-client.
func TestJavaClient(t *testing.T) {
	project := filepath.Join("..", "..", "..", "testdata", "javaclient")
	run(t, project, "mvn", "-q", "-B", "package")
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		token := s.Token(t, "compat")
		r := s.Do(t, http.MethodPost, "/scim/v2/Users", token, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"dr.veil"}`)
		var user struct{ ID string }
		if err := json.Unmarshal([]byte(r.Body), &user); r.Status != http.StatusCreated || err != nil {
			t.Fatalf("create user: %d %s (%v)", r.Status, r.Body, err)
		}
		out := run(t, project, "java", "-cp", "target/classes:target/lib/*", "id.sallyport.javaclient.Drive",
			s.SCIM(), token, user.ID, s.URL()+"/dev/inbox.json")
		if !strings.Contains(out, "java client: passed") {
			t.Errorf("the client said %q", out)
		}
	})
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
