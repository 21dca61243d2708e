package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const repository = "../../.."

// TestChecklist keeps the checklists of docs/scim.md and docs/oidc.md true:
// every row is there, and names tests that exist, or states a divergence with
// its reason.
func TestChecklist(t *testing.T) {
	t.Parallel()
	tests := testNames(t)
	for path, rows := range map[string]int{"docs/scim.md": 114, "docs/oidc.md": 104} {
		page, err := os.ReadFile(filepath.Join(repository, path))
		if err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(string(page), "## Checklist")
		checkRows(t, path, table, rows, tests)
	}
}

// checkRows checks a table of so many numbered rows, whose last cell names the
// tests.
func checkRows(t *testing.T, path, table string, rows int, tests map[string]bool) {
	t.Helper()
	seen := map[int]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \| (?:.+ \| )?(.+) \|$`).FindAllStringSubmatch(table, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil || n < 1 || n > rows || seen[n] {
			t.Errorf("%s: row %s is none of 1 to %d, or there twice", path, m[1], rows)
			continue
		}
		seen[n] = true
		names := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(m[2], -1)
		if len(names) == 0 && !strings.HasPrefix(m[2], "divergence: ") {
			t.Errorf("%s: row %d names no test", path, n)
		}
		for _, name := range names {
			if !tests[name[1]] {
				t.Errorf("%s: row %d names %s, which does not exist", path, n, name[1])
			}
		}
	}
	for n := 1; n <= rows; n++ {
		if !seen[n] {
			t.Errorf("row %d is not in %s", n, path)
		}
	}
}

// asvs are the requirements of OWASP ASVS 5.0 that docs/asvs.md answers.
const asvs = "3.3.1 3.3.2 3.3.3 3.3.4 3.4.3 3.4.4 3.4.5 3.4.6 3.5.1 3.5.3 3.7.2 " +
	"6.1.1 6.1.3 6.2.1 6.2.4 6.2.5 6.2.8 6.2.9 6.2.10 6.2.12 6.3.1 6.3.4 6.3.5 6.3.6 6.3.7 6.3.8 " +
	"6.4.1 6.4.2 6.4.3 6.4.4 6.4.6 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.5.6 6.5.8 6.6.1 6.6.2 6.6.3 6.7.2 " +
	"6.8.1 6.8.2 6.8.3 6.8.4 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.5 7.5.1 7.5.2 7.5.3 7.6.1 " +
	"9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 9.2.4 10.2.2 10.3.4 10.4.1 10.4.2 10.4.3 10.4.4 10.4.5 10.4.6 " +
	"10.5.1 10.5.2 10.5.3 10.5.4 10.6.2 10.7.1 10.7.2 10.7.3 11.2.2 11.2.4 11.3.2 11.3.4 11.4.2 11.5.1 " +
	"13.3.1 13.3.4 16.2.5 16.3.1 16.3.2 16.3.3 16.4.1 16.5.1 16.5.2 16.5.3"

// TestASVS keeps docs/asvs.md true: every requirement is there once, and names
// tests that exist, or says what is missing.
func TestASVS(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(repository, "docs/asvs.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	name := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`")
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+\.\d+\.\d+) \| [^|]+ \| (.+) \|$`).FindAllStringSubmatch(string(page), -1) {
		id, proof := m[1], m[2]
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if strings.HasPrefix(proof, "not yet: ") {
			continue
		}
		names := name.FindAllStringSubmatch(proof, -1)
		if len(names) == 0 {
			t.Errorf("%s names no test", id)
		}
		for _, n := range names {
			if !tests[n[1]] {
				t.Errorf("%s names %s, which does not exist", id, n[1])
			}
		}
	}
	for id := range strings.FieldsSeq(asvs) {
		if !seen[id] {
			t.Errorf("%s is not in docs/asvs.md", id)
		}
	}
}

// TestPeerRows holds the table of what broke elsewhere, in docs/security.md,
// against the tests that exist, both ways: every row names tests of its number,
// or says why there is none, and no such test is missing in it.
func TestPeerRows(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(repository, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "## What broke elsewhere")
	tests, named := testNames(t), map[string]bool{}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| .+ \| ([^|]+) \|$`).FindAllStringSubmatch(table, -1)
	for i, m := range rows {
		if m[1] != strconv.Itoa(i+1) {
			t.Errorf("row %s stands at %d", m[1], i+1)
		}
		names := regexp.MustCompile("`(TestPeer_([0-9]+)\\w*)`").FindAllStringSubmatch(m[2], -1)
		if len(names) == 0 && !strings.HasPrefix(m[2], "not yet: ") {
			t.Errorf("row %s names no test", m[1])
		}
		for _, n := range names {
			named[n[1]] = true
			if n[2] != m[1] || !tests[n[1]] {
				t.Errorf("row %s names %s, which is of another row or does not exist", m[1], n[1])
			}
		}
	}
	if len(rows) != peerRows {
		t.Errorf("%d rows, want %d", len(rows), peerRows)
	}
	for name := range tests {
		if strings.HasPrefix(name, "TestPeer_") && !named[name] {
			t.Errorf("%s is not in the table", name)
		}
	}
}

// peerRows is how many rows the table of what broke elsewhere has.
const peerRows = 47

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
