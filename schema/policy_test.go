package schema_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/schema"
)

// outcome is what a body comes to: refused with a code, or kept.
type outcome struct {
	code schema.Code // "" for accepted
	path string      // of the fault
	doc  string      // canonical members beside userName
}

func kept(doc string) outcome { return outcome{doc: doc} }

func refused(code schema.Code, path string) outcome { return outcome{code: code, path: path} }

// TestProfileSwitchesOfBodies walks the switches that concern bodies, one by
// one: off as the RFC has it, on as the profile has it. A switch must change
// nothing but its own case, so each is tried alone.
func TestProfileSwitchesOfBodies(t *testing.T) {
	t.Parallel()
	core := `"schemas":["` + schema.UserURN + `"],`
	tests := []struct {
		name    string
		on      schema.Policy
		body    string // members beside userName
		without outcome
		with    outcome
	}{
		{
			name:    "string booleans",
			on:      schema.Policy{StringBooleans: true},
			body:    core + `"active":"False"`,
			without: refused(schema.InvalidValue, "active"),
			with:    kept(`"active":false`),
		},
		{
			name:    "string booleans in elements",
			on:      schema.Policy{StringBooleans: true},
			body:    core + `"emails":[{"value":"x","primary":"True"}]`,
			without: refused(schema.InvalidValue, "emails.primary"),
			with:    kept(`"emails":[{"value":"x","primary":true}]`),
		},
		{
			name:    "object for an array",
			on:      schema.Policy{LooseShapes: true},
			body:    core + `"emails":{"value":"x"}`,
			without: refused(schema.InvalidValue, "emails"),
			with:    kept(`"emails":[{"value":"x"}]`),
		},
		{
			name:    "array for an object",
			on:      schema.Policy{LooseShapes: true},
			body:    core + `"name":[{"givenName":"B"}]`,
			without: refused(schema.InvalidValue, "name"),
			with:    kept(`"name":{"givenName":"B"}`),
		},
		{
			name:    "text for an element",
			on:      schema.Policy{LooseShapes: true},
			body:    core + `"roles":["admin"]`,
			without: refused(schema.InvalidValue, "roles"),
			with:    kept(`"roles":[{"value":"admin"}]`),
		},
		{
			name:    "array of one null for a single value",
			on:      schema.Policy{LooseShapes: true},
			body:    core + `"title":[null]`,
			without: refused(schema.InvalidValue, "title"),
			with:    kept(``),
		},
		{
			name:    "empty text unassigns",
			on:      schema.Policy{EmptyStringUnassigns: true},
			body:    core + `"title":""`,
			without: kept(`"title":""`),
			with:    kept(``),
		},
		{
			name:    "empty text for another type",
			on:      schema.Policy{EmptyStringUnassigns: true},
			body:    core + `"name":""`,
			without: refused(schema.InvalidValue, "name"),
			with:    kept(``),
		},
		{
			name:    "unknown attribute, invalidPath",
			on:      schema.Policy{UnknownInBody: schema.UnknownInvalidPath},
			body:    core + `"shoeSize":7`,
			without: kept(``),
			with:    refused(schema.InvalidPath, "shoeSize"),
		},
		{
			name:    "unknown attribute, invalidSyntax",
			on:      schema.Policy{UnknownInBody: schema.UnknownSyntax},
			body:    core + `"emails":[{"value":"x","colour":"red"}]`,
			without: kept(`"emails":[{"value":"x"}]`),
			with:    refused(schema.InvalidSyntax, "emails.colour"),
		},
		{
			name:    "unknown in PATCH is no matter of bodies",
			on:      schema.Policy{UnknownInPatch: schema.UnknownSyntax},
			body:    core + `"shoeSize":7`,
			without: kept(``),
			with:    kept(``),
		},
		{
			name:    "schemas missing",
			on:      schema.Policy{SchemasOptional: true},
			body:    `"title":"x"`,
			without: refused(schema.InvalidSyntax, "schemas"),
			with:    kept(`"title":"x"`),
		},
		{
			name:    "schemas with an unknown URN",
			on:      schema.Policy{SchemasOptional: true},
			body:    `"schemas":["` + schema.UserURN + `","urn:x:y"],"title":"x"`,
			without: refused(schema.InvalidSyntax, "schemas"),
			with:    kept(`"title":"x"`),
		},
		{
			name:    "extension name without URN",
			on:      schema.Policy{BareExtensionNames: true},
			body:    core + `"department":"D"`,
			without: kept(``),
			with:    kept(`"` + enterprise + `":{"department":"D"}`),
		},
		{
			name:    "second-factor name without URN",
			on:      schema.Policy{BareExtensionNames: true},
			body:    core + `"secondFactorEnabled":true`,
			without: kept(`"` + second + `":{"secondFactorEnabled":true}`),
			with:    kept(`"` + second + `":{"secondFactorEnabled":true}`),
		},
		{
			name:    "password",
			on:      schema.Policy{RefusePassword: true},
			body:    core + `"password":"secret"`,
			without: kept(``), // for the caller to hash, not for the document
			with:    refused(schema.InvalidValue, "password"),
		},
		{
			name:    "password null",
			on:      schema.Policy{RefusePassword: true},
			body:    core + `"password":null`,
			without: kept(``),
			with:    kept(``),
		},
		{
			name:    "locale outside its standard",
			on:      schema.Policy{CheckStandards: true},
			body:    core + `"locale":"English"`,
			without: kept(`"locale":"English"`),
			with:    refused(schema.InvalidValue, "locale"),
		},
		{
			name:    "dotted keys are for PATCH only",
			on:      schema.Policy{DottedKeys: true},
			body:    core + `"name.givenName":"B"`,
			without: kept(``),
			with:    kept(``),
		},
	}
	u := userType(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wantOutcome(t, u, tt.body, schema.Policy{}, tt.without)
			wantOutcome(t, u, tt.body, tt.on, tt.with)
		})
	}
}

func wantOutcome(t *testing.T, u *schema.ResourceType, members string, p schema.Policy, want outcome) {
	t.Helper()
	body := `{"userName":"b",` + members + `}`
	if want.code != "" {
		wantRefused(t, u, body, p, want.code, want.path)
		return
	}
	doc := `{"userName":"b"}`
	if want.doc != "" {
		doc = `{"userName":"b",` + want.doc + `}`
	}
	wantDoc(t, u, body, p, doc)
}

// TestPatchValuesFollowTheirOwnSwitch: UnknownInPatch rules the keys of PATCH
// values, UnknownInBody does not.
func TestPatchValuesFollowTheirOwnSwitch(t *testing.T) {
	t.Parallel()
	u := userType(t)
	name := ref(t, u, "name")
	value := parse(t, `{"givenName":"B","nick":"x"}`)
	for _, tt := range []struct {
		name   string
		policy schema.Policy
		code   schema.Code
	}{
		{"dropped by default", schema.Policy{}, ""},
		{"dropped whatever bodies do", schema.Policy{UnknownInBody: schema.UnknownSyntax}, ""},
		{"invalidPath", schema.Policy{UnknownInPatch: schema.UnknownInvalidPath}, schema.InvalidPath},
		{"invalidSyntax", schema.Policy{UnknownInPatch: schema.UnknownSyntax}, schema.InvalidSyntax},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := u.AcceptValue(name, value, tt.policy)
			if tt.code != "" {
				wantFault(t, err, tt.code, "name.nick")
				return
			}
			if err != nil || !schema.Equal(got, schema.Object{"givenName": "B"}) {
				t.Errorf("AcceptValue = %v, %v", got, err)
			}
		})
	}
}
