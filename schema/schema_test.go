package schema_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
)

// Profiles of the client profile table that differ in what this package does.
var (
	rfc    = schema.Policy{}
	strict = schema.Policy{
		UnknownInBody: schema.UnknownSyntax, UnknownInPatch: schema.UnknownSyntax,
		RefusePassword: true, CheckStandards: true,
	}
	compat = schema.Policy{
		StringBooleans: true, LooseShapes: true, EmptyStringUnassigns: true, SchemasOptional: true,
		BareExtensionNames: true,
	}
)

func load(t testing.TB, schemas, types fs.FS) *schema.Registry {
	t.Helper()
	g, err := schema.Load(schemas, types)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return g
}

func userType(t testing.TB) *schema.ResourceType { t.Helper(); return load(t, nil, nil).ByName("User") }

func groupType(t testing.TB) *schema.ResourceType {
	t.Helper()
	return load(t, nil, nil).ByName("Group")
}

func decode(t testing.TB, text string) schema.Object {
	t.Helper()
	o, err := schema.Decode([]byte(text), schema.Limits{})
	if err != nil {
		t.Fatalf("Decode(%s): %v", text, err)
	}
	return o
}

func accept(t testing.TB, rt *schema.ResourceType, text string, p schema.Policy) schema.Object {
	t.Helper()
	o, _, err := rt.Accept(decode(t, text), p, schema.Limits{})
	if err != nil {
		t.Fatalf("Accept(%s): %v", text, err)
	}
	return o
}

const (
	deviceURN   = "urn:example:params:scim:schemas:2.0:Device"
	locationURN = "urn:example:params:scim:schemas:extension:location:2.0:Device"
	badgeURN    = "urn:example:params:scim:schemas:extension:badge:2.0:User"
)

// custom is the built-in types and those of testdata/schemas.
func custom(t testing.TB) *schema.Registry {
	t.Helper()
	return load(t, os.DirFS("../testdata/schemas/schemas"), os.DirFS("../testdata/schemas/resourcetypes"))
}

func deviceType(t testing.TB) *schema.ResourceType { t.Helper(); return custom(t).ByName("Device") }

// faults returns err's single faults.
func faults(t testing.TB, err error) schema.Errors {
	t.Helper()
	if es, ok := errors.AsType[schema.Errors](err); ok {
		return es
	}
	if e, ok := errors.AsType[*schema.Error](err); ok {
		return schema.Errors{e}
	}
	t.Fatalf("error = %v (%T), want faults of this package", err, err)
	return nil
}

// wantFault checks that err has a fault with that code and path, whose detail
// names the attribute.
func wantFault(t testing.TB, err error, code schema.Code, path string) {
	t.Helper()
	if err == nil {
		t.Errorf("error = nil, want %s at %q", code, path)
		return
	}
	for _, e := range faults(t, err) {
		if e.Code == code && e.Path == path {
			if !strings.Contains(e.Detail, path) || !strings.HasSuffix(e.Detail, ".") {
				t.Errorf("detail %q is no sentence that names %s", e.Detail, path)
			}
			return
		}
	}
	t.Errorf("error = %v, want %s at %q", err, code, path)
}

// ref resolves a path that must exist.
func ref(t testing.TB, rt *schema.ResourceType, path string) schema.Ref {
	t.Helper()
	r, err := rt.LookupPath(path, compat)
	if err != nil {
		t.Fatalf("LookupPath(%q): %v", path, err)
	}
	return r
}
