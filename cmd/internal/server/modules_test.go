package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestModuleVersions keeps the versions of modules whose other versions are
// known to be wrong for us: exact where a later one changes behaviour that we
// rely on, at least where an earlier one has an advisory.
func TestModuleVersions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(repository, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]struct{ version, why string }{
		"github.com/elimity-com/scim":     {"v0.0.0-20240320110924-172bf2aee9c8", "exactly this revision is known, with its faults"},
		"github.com/labstack/echo/v4":     {"v4.16.0", "a security release"},
		"github.com/glebarez/go-sqlite":   {"v1.22.0", "earlier ones bring an old SQLite"},
		"modernc.org/sqlite":              {"v1.52.0", "SQLite 3.53.2"},
		"github.com/go-jose/go-jose/v4":   {"v4.1.8", "CVE-2026-34986 before 4.1.4"},
		"github.com/wneessen/go-mail":     {"v0.8.1", "GO-2025-3988 before 0.7.1"},
		"github.com/nyaruka/phonenumbers": {"v1.8.1", "GO-2025-3987 before 1.2.2"},
		"go.opentelemetry.io/otel":        {"v1.47.0", "GO-2026-5426 before 1.43.0"},

		"github.com/crewjam/saml":             {"v0.5.1", "CVE-2022-41912 before 0.4.9"},
		"github.com/russellhaering/goxmldsig": {"v1.6.1", "CVE-2026-33487 before 1.6.0; crewjam/saml asks for less"},
	} {
		line := regexp.MustCompile(`(?m)^\s+` + regexp.QuoteMeta(module) + ` (\S+)`).FindStringSubmatch(string(text))
		if line == nil || line[1] != want.version {
			t.Errorf("go.mod has %s %v, want %s (%s)", module, line, want.version, want.why)
		}
	}
	if strings.Contains(string(text), "\nreplace ") {
		t.Error("go.mod replaces a module; say here which and why")
	}
}
