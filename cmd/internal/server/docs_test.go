package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	repository    = "../../.."
	checklistRows = 114
)

// TestChecklist keeps the checklist of docs/scim.md true: every row is there,
// and names tests that exist, or states a divergence with its reason.
func TestChecklist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(repository, "docs/scim.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	row := regexp.MustCompile(`(?m)^\| (\d+) \| ([^|]+) \| (.+) \|$`)
	seen := map[int]bool{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > checklistRows {
			continue
		}
		seen[n] = true
		if strings.HasPrefix(m[3], "divergence: ") {
			continue
		}
		names := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(m[3], -1)
		if len(names) == 0 {
			t.Errorf("row %d names no test", n)
		}
		for _, name := range names {
			if !tests[name[1]] {
				t.Errorf("row %d names %s, which does not exist", n, name[1])
			}
		}
	}
	for n := 1; n <= checklistRows; n++ {
		if !seen[n] {
			t.Errorf("row %d is not in docs/scim.md", n)
		}
	}
}

// TestEveryAuditEventIsDocumented keeps docs/audit.md whole: every name of
// package audit is there, and no other.
func TestEveryAuditEventIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(repository, "docs/audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join(repository, "authn/audit/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	constant := regexp.MustCompile(`\bName\s+= "([a-z_.]+)"`)
	for _, path := range sources {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range constant.FindAllStringSubmatch(string(source), -1) {
			names[m[1]] = true
		}
	}
	if len(names) < 40 {
		t.Fatalf("only %d names found in package audit", len(names))
	}
	_, table, _ := strings.Cut(string(page), "| event | when |")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z_]+\\.[a-z_]+)`").FindAllStringSubmatch(table, -1) {
		documented[m[1]] = true
	}
	for name := range names {
		if !documented[name] {
			t.Errorf("docs/audit.md does not name %s", name)
		}
	}
	for name := range documented {
		if prefix, _, _ := strings.Cut(name, "."); !names[name] && prefix != "audit" {
			t.Errorf("docs/audit.md names %s, which is no event", name)
		}
	}
}

// testNames returns every test function of the module.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(repository, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range function.FindAllStringSubmatch(string(source), -1) {
			found[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
