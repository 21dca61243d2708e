package validation

import (
	"testing"
	"testing/fstest"

	"github.com/sallyport-id/sallyport/schema"
)

// TestAmbiguousShortName is test case 27 of the second factors: where another
// extension has an attribute of the same name, the short name names neither, in
// the settings and in requests; the name with its URN does.
func TestAmbiguousShortName(t *testing.T) {
	t.Parallel()
	const urn = "urn:example:params:scim:schemas:extension:pager:2.0:User"
	twice, err := schema.Load(fstest.MapFS{"pager.json": {Data: []byte(`{"id": "` + urn + `", "name": "Pager",
		"attributes": [{"name": "secondFactorEmail", "type": "string"}]}`)}},
		fstest.MapFS{"user.json": {Data: []byte(`{"name": "User", "endpoint": "/Users", "schema": "` + schema.UserURN + `",
		"schemaExtensions": [{"schema": "` + urn + `", "required": false}]}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewPaths(twice, []string{"secondFactorEmail"}, nil); err == nil {
		t.Error("an ambiguous name was configured")
	}
	ps, err := NewPaths(twice, []string{"mail=" + secondURN + ":secondFactorEmail"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := ps.find(ps.email, "secondFactorEmail"); ok {
		t.Error("a request may name either by the short name")
	}
	if _, ok := ps.find(ps.email, urn+":secondFactorEmail"); ok {
		t.Error("the attribute of the other extension is taken for ours")
	}
	if p, ok := ps.find(ps.email, secondURN+":SECONDFACTOREMAIL"); !ok || p.Key != "mail" {
		t.Errorf("find by URN = %v, %v", p, ok)
	}
}
