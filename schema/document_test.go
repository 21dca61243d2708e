package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// attribute finds a description by path.
func attribute(t *testing.T, attrs []schema.AttributeDocument, path string) schema.AttributeDocument {
	t.Helper()
	name, rest, nested := strings.Cut(path, ".")
	for _, a := range attrs {
		if a.Name != name {
			continue
		}
		if nested {
			return attribute(t, a.SubAttributes, rest)
		}
		return a
	}
	t.Fatalf("no attribute %s", path)
	return schema.AttributeDocument{}
}

// TestRow52_SchemaDocuments: what /Schemas says is what the server does; no
// nulls, every characteristic there.
func TestRow52_SchemaDocuments(t *testing.T) {
	t.Parallel()
	g := custom(t)
	for _, s := range g.Schemas() {
		text := mustJSON(t, s.Document(nil))
		if strings.Contains(text, ":null") || strings.Contains(text, `:""`) {
			t.Errorf("document of %s has nulls or empty texts: %s", s.ID, text)
		}
		var check func(path string, list []any)
		check = func(path string, list []any) {
			for _, e := range list {
				a := e.(schema.Object)
				for _, name := range []string{"name", "type", "multiValued", "required", "caseExact", "mutability", "returned", "uniqueness"} {
					if _, ok := a[name]; !ok {
						t.Errorf("%s of %s lacks %s", a["name"], path, name)
					}
				}
				if subs, ok := a["subAttributes"].([]any); ok != (a["type"] == "complex") {
					t.Errorf("%s of %s has subAttributes: %v", a["name"], path, ok)
				} else {
					check(path+"."+a["name"].(string), subs)
				}
			}
		}
		check(s.ID, decode(t, text)["attributes"].([]any))
	}
	user := g.Schema(schema.UserURN).Document(nil)
	if diff := cmp.Diff([]string{"Group"}, attribute(t, user.Attributes, "groups.$ref").ReferenceTypes); diff != "" {
		t.Errorf("groups.$ref (-want +got):\n%s", diff)
	}
	for path, want := range map[string]schema.Mutability{"groups": schema.ReadOnly, "password": schema.WriteOnly, "userName": schema.ReadWrite} {
		if got := attribute(t, user.Attributes, path).Mutability; got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	if a := attribute(t, user.Attributes, "userName"); !a.Required || a.Uniqueness != schema.UniquenessServer || a.CaseExact {
		t.Errorf("userName = %+v", a)
	}
	members := g.Schema(schema.GroupURN).Document(nil).Attributes
	for path, want := range map[string]schema.Mutability{"members.value": schema.Immutable, "members.$ref": schema.Immutable, "members.type": schema.Immutable, "members.display": schema.ReadOnly} {
		if got := attribute(t, members, path).Mutability; got != want {
			t.Errorf("%s is %s, want %s (row 22)", path, got, want)
		}
	}
	manager := g.Schema(enterprise).Document(nil).Attributes
	for path, want := range map[string]schema.Mutability{"manager.value": schema.ReadWrite, "manager.$ref": schema.ReadOnly, "manager.displayName": schema.ReadOnly} {
		if got := attribute(t, manager, path).Mutability; got != want {
			t.Errorf("%s is %s, want %s (row 24)", path, got, want)
		}
	}
	if a := attribute(t, g.Schema(second).Document(nil).Attributes, "accountVerified"); a.Mutability != schema.ReadOnly || a.Type != schema.Boolean {
		t.Errorf("accountVerified = %+v", a)
	}
}

func TestDocumentHides(t *testing.T) {
	t.Parallel()
	u := userType(t)
	doc := u.Schema.Document(func(a *schema.Attribute) bool { return a.Name == "password" || a.Name == "display" })
	text := mustJSON(t, doc)
	if strings.Contains(text, `"password"`) || strings.Contains(text, `"display"`) || !strings.Contains(text, `"displayName"`) {
		t.Errorf("Document hides wrongly: %s", text)
	}
	if strings.Contains(text, `"meta"`) {
		t.Error("meta is there without a value")
	}
	doc.Meta = map[string]string{"resourceType": "Schema"}
	if !strings.Contains(mustJSON(t, doc), `"meta":{"resourceType":"Schema"}`) {
		t.Error("Meta is not written")
	}
}
