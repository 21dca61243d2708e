package schema_test

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

// files is a folder of JSON files.
func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

// loadFaults loads folders that must be refused and returns "file pointer".
func loadFaults(t *testing.T, schemas, types fs.FS) (places []string, text string) {
	t.Helper()
	_, err := schema.Load(schemas, types)
	es, ok := errors.AsType[schema.LoadErrors](err)
	if !ok {
		t.Fatalf("Load = %v, want LoadErrors", err)
	}
	for _, e := range es {
		places = append(places, e.File+" "+e.Pointer)
		if !strings.HasSuffix(e.Detail, ".") {
			t.Errorf("detail %q is no sentence", e.Detail)
		}
	}
	return places, err.Error()
}

// TestLoadReportsEveryFault: one start tells the operator everything at once.
func TestLoadReportsEveryFault(t *testing.T) {
	t.Parallel()
	schemas := files(
		"a.json", `{"schemas":["urn:x:y"],"id":"not a urn","name":7,"colour":"red","attributes":[
			{"name":"1st"},{"name":"a b"},{"type":"string"},{"name":"x","type":"text"},{"name":"X"},
			{"name":"meta"},{"name":"$ref"},7,
			{"name":"c","type":"complex"},
			{"name":"d","type":"complex","subAttributes":[{"name":"e","type":"complex","subAttributes":[{"name":"f"}]},{"name":"$ref","type":"reference","referenceTypes":["User","Nope"]},{"name":"é"}]},
			{"name":"g","type":"string","subAttributes":[{"name":"h"}]},
			{"name":"i","required":true,"mutability":"readOnly"},
			{"name":"j","mutability":"writeOnly"},{"name":"k","returned":"never"},
			{"name":"l","type":"boolean","uniqueness":"server"},{"name":"m","uniqueness":"some"},
			{"name":"n","multiValued":"yes","canonicalValues":["a",1],"referenceTypes":["User"]},
			{"name":"o","type":"complex","subAttributes":{}},{"name":"p","referenceTypes":"User","required":null}
		]}`,
		"b.json", `{"id":"urn:ietf:params:scim:schemas:core:2.0:Thing","attributes":[]}`,
		"c.json", `{"id":"URN:IETF:params:scim:api:x","attributes":[{"name":"a"}]}`,
		"d.json", `{"a":1,"A":2}`,
		"e.json", `{"Resources":[7,{"id":"urn:x:e","attributes":[{"name":"a"}]},{"id":"urn:X:E","attributes":[{"name":"a"}]}]}`,
		"f.json", `{"id":"urn:x::f","attributes":"none"}`,
		"g.json", `[`,
		"ignored.txt", `{`,
	)
	types := files(
		"a.json", `{"schemas":["urn:x"],"name":"a b","id":"c","endpoint":"Things","schema":"urn:no:such","x":1,"schemaExtensions":[
			7,{"schema":"urn:no:such"},{"schema":"`+schema.UserURN+`"},{"schema":"`+enterprise+`"},{"schema":"`+enterprise+`","required":1,"y":2},{"required":true}]}`,
		"b.json", `{"name":"Thing","endpoint":"/Bulk","schema":"urn:x:e"}`,
		"c.json", `{"name":"Other","endpoint":"/users","schema":"urn:x:e"}`,
		"d.json", `{"name":"user","endpoint":"/People","schema":"urn:x:e"}`,
		"e.json", `{"name":"Third","endpoint":"/Thirds","schema":"`+schema.UserURN+`"}`,
		"f.json", `{"name":"Fine","endpoint":"/Fines","schema":"urn:x:e","schemaExtensions":[{"schema":"urn:x:e"}]}`,
		"g.json", `{"name":"Fine","endpoint":"/Fines/More","schema":"urn:x:e"}`,
		"h.json", `{"endpoint":7,"schemaExtensions":{}}`,
	)
	got, text := loadFaults(t, schemas, types)
	want := []string{
		"schemas/a.json /schemas", "schemas/a.json /name", "schemas/a.json /id", "schemas/a.json /attributes/0/name", "schemas/a.json /attributes/1/name", "schemas/a.json /attributes/2/name",
		"schemas/a.json /attributes/3/type", "schemas/a.json /attributes/4/name", "schemas/a.json /attributes/5/name", "schemas/a.json /attributes/6/name", "schemas/a.json /attributes/7",
		"schemas/a.json /attributes/8/subAttributes", "schemas/a.json /attributes/9/subAttributes/0/type", "schemas/a.json /attributes/9/subAttributes/2/name",
		"schemas/a.json /attributes/9/subAttributes/1/referenceTypes/1",
		"schemas/a.json /attributes/10/subAttributes", "schemas/a.json /attributes/11/required", "schemas/a.json /attributes/12", "schemas/a.json /attributes/13",
		"schemas/a.json /attributes/14/uniqueness", "schemas/a.json /attributes/15/uniqueness", "schemas/a.json /attributes/16/multiValued",
		"schemas/a.json /attributes/16/canonicalValues/1", "schemas/a.json /attributes/16/referenceTypes", "schemas/a.json /attributes/17/subAttributes", "schemas/a.json /attributes/17/subAttributes",
		"schemas/a.json /attributes/18/referenceTypes", "schemas/a.json /colour",
		"schemas/b.json /id", "schemas/b.json /attributes", "schemas/c.json /id", "schemas/d.json ", "schemas/e.json /Resources/0", "schemas/e.json /Resources/2/id",
		"schemas/f.json /id", "schemas/f.json /attributes", "schemas/f.json /attributes", "schemas/g.json ",
		"resourceTypes/a.json /schemas", "resourceTypes/a.json /name", "resourceTypes/a.json /id", "resourceTypes/a.json /schema", "resourceTypes/a.json /schemaExtensions/0", "resourceTypes/a.json /schemaExtensions/1/schema",
		"resourceTypes/a.json /schemaExtensions/2/schema", "resourceTypes/a.json /schemaExtensions/4/required", "resourceTypes/a.json /schemaExtensions/4/y", "resourceTypes/a.json /schemaExtensions/4/schema",
		"resourceTypes/a.json /schemaExtensions/5/schema", "resourceTypes/a.json /x", "resourceTypes/a.json /endpoint",
		"resourceTypes/b.json /endpoint", "resourceTypes/c.json /endpoint", "resourceTypes/d.json /name", "resourceTypes/d.json /endpoint", "resourceTypes/d.json /schema", "resourceTypes/e.json /schema",
		"resourceTypes/f.json /schemaExtensions/0/schema", "resourceTypes/g.json /name",
		"resourceTypes/h.json /name", "resourceTypes/h.json /endpoint", "resourceTypes/h.json /endpoint", "resourceTypes/h.json /schema", "resourceTypes/h.json /schemaExtensions",
	}
	slices.Sort(got)
	slices.Sort(want)
	got, want = slices.Compact(got), slices.Compact(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("places (-want +got):\n%s\n%s", diff, text)
	}
	if !strings.Contains(text, "d.json: The file is not") && !strings.Contains(text, "d.json: The key") {
		t.Errorf("text = %s, want faults of the whole file without pointer", text)
	}
}

// TestRow15_NoComplexInComplex: clients could not read such a type.
func TestRow15_NoComplexInComplex(t *testing.T) {
	t.Parallel()
	places, _ := loadFaults(t, files("s.json", `{"id":"urn:x:y","attributes":[{"name":"a","type":"complex","subAttributes":[{"name":"b","type":"complex","subAttributes":[{"name":"c"}]}]}]}`), nil)
	if diff := cmp.Diff([]string{"schemas/s.json /attributes/0/subAttributes/0/type"}, places); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
}

type brokenFS struct{}

func (brokenFS) Open(string) (fs.File, error) { return nil, fs.ErrPermission }

func TestLoadReportsUnreadableFolders(t *testing.T) {
	t.Parallel()
	places, _ := loadFaults(t, brokenFS{}, os.DirFS(t.TempDir()+"/missing"))
	if diff := cmp.Diff([]string{"resourceTypes ", "schemas "}, places); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	big := files("s.json", strings.Repeat(" ", 1<<20)+"{}")
	if places, _ := loadFaults(t, big, nil); len(places) != 1 {
		t.Errorf("faults of a huge file = %v, want one", places)
	}
}

// TestLoadTakesWhatDiscoveryReturns: the form is that of /Schemas.
func TestLoadTakesWhatDiscoveryReturns(t *testing.T) {
	t.Parallel()
	g := custom(t)
	device := g.ByName("Device").Schema
	text := mustJSON(t, device.Document(nil))
	again := load(t, files("d.json", text), nil).Schema(deviceURN)
	if diff := cmp.Diff(device.Document(nil), again.Document(nil)); diff != "" {
		t.Errorf("schema loaded from its own document (-want +got):\n%s", diff)
	}
}

// TestLoadDefaults: RFC 7643 section 2.2 gives the characteristics left out.
func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	s := load(t, files("s.json", `{"id":"urn:x:y","attributes":[{"name":"a"},{"name":"r","type":"reference"},{"name":"n","type":"integer","caseExact":true}]}`), nil).Schema("urn:x:y")
	want := []schema.AttributeDocument{
		{Name: "a", Type: schema.String, Mutability: schema.ReadWrite, Returned: schema.ReturnedDefault, Uniqueness: schema.UniquenessNone},
		{Name: "r", Type: schema.Reference, CaseExact: true, Mutability: schema.ReadWrite, Returned: schema.ReturnedDefault, Uniqueness: schema.UniquenessNone},
		{Name: "n", Type: schema.Integer, Mutability: schema.ReadWrite, Returned: schema.ReturnedDefault, Uniqueness: schema.UniquenessNone},
	}
	got := s.Document(nil).Attributes
	for i := range got {
		got[i].SubAttributes = nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

// FuzzSchemaLoad: any text gives a registry that works, or faults.
func FuzzSchemaLoad(f *testing.F) {
	for _, name := range []string{"schemas/device.json", "schemas/location.json"} {
		data, err := os.ReadFile("../testdata/schemas/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte(`{"name":"Device","endpoint":"/Devices","schema":"urn:example:params:scim:schemas:2.0:Device"}`))
	}
	f.Add([]byte(`{"id":"urn:x:y","attributes":[{"name":"a","type":"complex","multiValued":true,"subAttributes":[{"name":"primary"},{"name":"value","type":"complex"}]}]}`), []byte(`{"name":"T","endpoint":"/T","schema":"urn:x:y","schemaExtensions":[{"schema":"urn:x:y"}]}`))
	f.Add([]byte(`{"Resources":[]}`), []byte(`{"name":"User","endpoint":"/Users","schema":"urn:ietf:params:scim:schemas:core:2.0:User","schemaExtensions":[]}`))
	f.Fuzz(func(t *testing.T, schemas, types []byte) {
		g, err := schema.Load(files("s.json", string(schemas)), files("t.json", string(types)))
		if err != nil {
			if _, ok := errors.AsType[schema.LoadErrors](err); !ok {
				t.Fatalf("Load = %v (%T)", err, err)
			}
			return
		}
		for _, rt := range g.Types() {
			for _, r := range rt.Attributes() {
				if got, err := rt.LookupPath(r.String(), rfc); err != nil || got != r {
					t.Fatalf("LookupPath(%s) = %v, %v", r, got, err)
				}
			}
			if doc := rt.Encode(schema.Object{"id": "1"}); rt.Project(doc, nil) == nil {
				t.Fatalf("Project(%s) is empty", doc)
			}
		}
	})
}
