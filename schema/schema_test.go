package schema_test

import (
	"io/fs"
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
