package server_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sallyport-id/sallyport/"

// everywhere may be imported by every package.
var everywhere = []string{"authn/audit", "authn/locale", "authn/outgoing"}

// importTable is the law of the floors: package -> what it may import of ours.
// A pattern that ends in "/…" covers the packages below it. Adding a package
// means adding a row.
var importTable = map[string][]string{
	"authn/audit":    {},
	"authn/locale":   {},
	"authn/outgoing": {},
	"storage/seal":   {},
	"schema":         {},
	"scim/filter":    {"schema"},
	"scim/patch":     {"schema", "scim/filter"},
	"scim":           {"schema", "scim/filter", "scim/patch"},

	"validation/state":     {},
	"validation/totp":      {},
	"validation/throttle":  {},
	"validation/challenge": {"validation/state", "validation/throttle"},
	"validation/delivery":  {},
	// twiliofake is a Twilio for tests.
	"validation/delivery/twiliofake": {},

	"validation": {"schema", "scim", "validation/…"},

	"authn/acr":       {},
	"authn/password":  {},
	"authn/recovery":  {},
	"authn/passkey":   {"schema"},
	"authn/federated": {"schema"},
	// fakeidp is a provider for tests.
	"authn/federated/fakeidp": {},
	// saml knows XML and its signatures, and nothing of users.
	"authn/federated/saml": {"authn/federated", "schema"},
	// remote is a plug of the engine, so it stands above it.
	"authn/remote":  {"authn", "authn/acr", "schema", "validation"},
	"authn/session": {"authn/acr"},
	// account is the life of accounts: recovery, verification, registration.
	"authn/account": {"schema", "validation", "validation/…", "authn/password"},
	"authn":         {"schema", "validation", "validation/…", "authn/…"},

	"oidc/keys": {},
	"oidc":      {"schema", "authn", "authn/acr", "authn/session", "oidc/keys"},
	"oidc/edge": {"schema", "authn/acr", "authn/session", "oidc"},
	// flow is the login as JSON, for applications with pages of their own.
	// Its messages and errors are SCIM's, and so are their limits.
	"oidc/flow": {
		"oidc", "authn", "authn/acr", "authn/session", "authn/account", "authn/federated", "validation", "validation/delivery",
		"scim", "schema",
	},
	"oidc/web": {"oidc", "oidc/…", "authn", "authn/…", "validation", "validation/…", "scim", "scim/…", "schema"},

	"storage": {
		"scim", "validation", "validation/…", "authn", "authn/…", "oidc", "oidc/…",
		"schema", "scim/filter", "storage/seal", "storage/migrations/…",
	},
	"storage/storagetest": {"…"},
	// baseline is the SQL that bench compares the server with.
	"storage/baseline": {},

	"cmd/internal/config": {},
	// demo is a client like any other: it knows the server by its issuer.
	"cmd/internal/demo":       {},
	"cmd/internal/server":     {"…"},
	"cmd/internal/servertest": {"…"},
	// transfer reads and writes files of resources through package scim.
	"cmd/internal/transfer": {"schema", "scim", "scim/filter"},
	"cmd/internal/bench":    {"cmd/internal/server", "oidc", "schema", "scim/filter", "storage/baseline"},
	"cmd/sallyport": {
		"cmd/internal/…", "schema", "scim", "scim/…", "validation", "validation/…",
		"authn", "authn/…", "oidc", "oidc/…",
	},
}

// onlyInStorage may be imported by storage and below it, nowhere else.
var onlyInStorage = []string{
	"gorm.io/", "github.com/glebarez/", "github.com/mattn/go-sqlite3", "modernc.org/sqlite", "github.com/jackc/pgx", "database/sql",
}

// ofElimity are the packages of elimity-com/scim that may be used; its server
// and filter parser may not (docs/scim.md).
var ofElimity = []string{
	"github.com/elimity-com/scim/schema", "github.com/elimity-com/scim/errors", "github.com/elimity-com/scim/optional",
}

type goPackage struct {
	ImportPath   string   `json:"ImportPath"`
	Imports      []string `json:"Imports"`
	TestImports  []string `json:"TestImports"`
	XTestImports []string `json:"XTestImports"`
}

// TestImportTable lists the packages of the module and holds their imports
// against the table, for the code and, where databases are concerned, for the
// tests too.
func TestImportTable(t *testing.T) {
	t.Parallel()
	for _, p := range listPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := importTable[name]
		if !known {
			t.Errorf("package %s has no row in the import table", name)
			continue
		}
		for _, path := range p.Imports {
			if ours, ok := strings.CutPrefix(path, module); ok && !covers(allowed, ours) && !slices.Contains(everywhere, ours) {
				t.Errorf("%s imports %s, which its row does not allow", name, ours)
			}
		}
		checkForeign(t, name, p.Imports)
		if !strings.HasPrefix(name, "storage") {
			checkForeign(t, name+" (tests)", slices.Concat(p.TestImports, p.XTestImports))
		}
	}
}

func checkForeign(t *testing.T, name string, imports []string) {
	t.Helper()
	for _, path := range imports {
		if strings.HasPrefix(path, "github.com/elimity-com/scim") && !slices.Contains(ofElimity, path) {
			t.Errorf("%s imports %s: only its schema, errors and optional packages may be used", name, path)
		}
		if strings.HasPrefix(name, "storage") {
			continue
		}
		for _, foreign := range onlyInStorage {
			if strings.HasPrefix(path, foreign) {
				t.Errorf("%s imports %s, which belongs to storage", name, path)
			}
		}
	}
}

func covers(patterns []string, path string) bool {
	for _, p := range patterns {
		prefix, open := strings.CutSuffix(p, "…")
		if path == p || open && strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func listPackages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"...").Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 10 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	return packages
}
