package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sallyport-id/sallyport/schema"
)

// TestRFCExamples reads each representation that RFC 7643 section 8 prints and
// compares the document that is stored for it, byte by byte.
func TestRFCExamples(t *testing.T) {
	t.Parallel()
	g := load(t, nil, nil)
	names, err := filepath.Glob("testdata/rfc/*.txtar")
	if err != nil || len(names) != 4 {
		t.Fatalf("examples = %v, %v, want four", names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sections := map[string]string{}
			for _, f := range txtar.Parse(data).Files {
				sections[f.Name] = string(f.Data)
			}
			rt := g.ByName(strings.TrimSpace(sections["type"]))
			o := accept(t, rt, sections["body"], rfc)
			if err := rt.Validate(o, rfc); err != nil {
				t.Errorf("Validate = %v", err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, []byte(sections["document"])); err != nil {
				t.Fatal(err)
			}
			if got := string(rt.Encode(o)); got != want.String() {
				t.Errorf("Encode =\n%s, want\n%s", got, want.String())
			}
		})
	}
}

// TestRow52_CoreDefinitions compares what is compiled with the attribute
// tables of RFC 7643 sections 4.1 to 4.3: names, types and plurality.
func TestRow52_CoreDefinitions(t *testing.T) {
	t.Parallel()
	const plural = true
	type def struct {
		typ   schema.Type
		multi bool
	}
	texts := []string{
		"userName", "displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone", "password",
		"name.formatted", "name.familyName", "name.givenName", "name.middleName", "name.honorificPrefix", "name.honorificSuffix",
		"addresses.formatted", "addresses.streetAddress", "addresses.locality", "addresses.region", "addresses.postalCode",
		"addresses.country", "addresses.type", "groups.value", "groups.display", "groups.type",
		enterprise + ":employeeNumber", enterprise + ":costCenter", enterprise + ":organization", enterprise + ":division",
		enterprise + ":department", enterprise + ":manager.value", enterprise + ":manager.displayName",
	}
	want := map[string]def{
		"name": {schema.Complex, !plural}, "profileUrl": {schema.Reference, !plural}, "active": {schema.Boolean, !plural},
		"addresses": {schema.Complex, plural}, "groups": {schema.Complex, plural}, "groups.$ref": {schema.Reference, !plural},
		"photos.value": {schema.Reference, !plural}, "x509Certificates.value": {schema.Binary, !plural},
		enterprise + ":manager": {schema.Complex, !plural}, enterprise + ":manager.$ref": {schema.Reference, !plural},
		"schemas": {schema.String, plural}, "id": {schema.String, !plural}, "externalId": {schema.String, !plural}, "meta": {schema.Complex, !plural},
		"meta.created": {schema.DateTime, !plural}, "meta.lastModified": {schema.DateTime, !plural}, "meta.location": {schema.Reference, !plural},
	}
	for _, path := range texts {
		want[path] = def{schema.String, !plural}
	}
	for _, path := range []string{"emails", "phoneNumbers", "ims", "photos", "entitlements", "roles", "x509Certificates"} {
		want[path] = def{schema.Complex, plural}
		want[path+".type"] = def{schema.String, !plural}
		want[path+".display"] = def{schema.String, !plural}
		want[path+".primary"] = def{schema.Boolean, !plural}
	}
	u := userType(t)
	for path, d := range want {
		a := ref(t, u, path).Target()
		if a.Type != d.typ || a.MultiValued != d.multi {
			t.Errorf("%s is %s, multi-valued %v, want %s, %v", path, a.Type, a.MultiValued, d.typ, d.multi)
		}
	}
	for path, wantExact := range map[string]bool{
		"id": true, "externalId": true, "meta.resourceType": true, "meta.version": true, "profileUrl": true, "photos.value": true,
		"userName": false, "emails.value": false, "groups.value": false, enterprise + ":manager.value": false, "schemas": false,
	} {
		if got := ref(t, u, path).Target().CaseExact; got != wantExact {
			t.Errorf("%s is caseExact %v, want %v", path, got, wantExact)
		}
	}
	members := ref(t, groupType(t), "members")
	if !members.Attr.Relation || members.Attr.Derived || !ref(t, u, "groups").Attr.Derived {
		t.Error("members must be a relation and groups derived")
	}
}
