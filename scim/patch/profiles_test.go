package patch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

// TestProfileSwitches has one case for each row of the profile table that
// concerns PATCH, and the outcome of each of its four columns: the document
// afterwards, or the keyword of the refusal.
func TestProfileSwitches(t *testing.T) {
	t.Parallel()
	const eu = schema.EnterpriseUserURN
	const work = `{"value":"a@b","type":"work"}`
	const userOnly = `{"userName":"u"}`
	type outcome struct {
		want  string // "" with no code: unchanged
		fails schema.Code
	}
	doc := func(want string) outcome { return outcome{want: want} }
	bad := func(c schema.Code) outcome { return outcome{fails: c} }
	unchanged := outcome{}
	titled := doc(`{"userName":"u","title":"t"}`)
	tests := []struct {
		row, doc, ops             string
		rfc, compat, strict, ping outcome
	}{
		{
			"path-less replace", userOnly, `{"op":"replace","value":{"title":"t"}}`,
			titled, titled, bad("invalidSyntax"), titled,
		},
		{
			"path-less add", userOnly, `{"op":"add","value":{"title":"t"}}`,
			titled, titled, bad("invalidSyntax"), titled,
		},
		{
			"remove without path", userOnly, `{"op":"remove"}`,
			bad("noTarget"), bad("noTarget"), bad("invalidSyntax"), bad("noTarget"),
		},
		{
			"casing of op and keys", userOnly, `{"OP":"REPLACE","Path":"title","Value":"t"}`,
			titled, titled, titled, titled,
		},
		{
			"string boolean", userOnly, `{"op":"replace","path":"active","value":"False"}`,
			bad("invalidValue"), doc(`{"userName":"u","active":false}`), bad("invalidValue"), bad("invalidValue"),
		},
		{
			"string boolean in a filter", `{"userName":"u","roles":[{"value":"r","primary":true}]}`,
			`{"op":"replace","path":"roles[primary eq \"True\"].value","value":"s"}`,
			bad("invalidFilter"), doc(`{"userName":"u","roles":[{"value":"s","primary":true}]}`), bad("invalidFilter"), bad("invalidFilter"),
		},
		{
			"string boolean where a string belongs", userOnly, `{"op":"replace","path":"title","value":"True"}`,
			doc(`{"userName":"u","title":"True"}`), doc(`{"userName":"u","title":"True"}`), doc(`{"userName":"u","title":"True"}`), doc(`{"userName":"u","title":"True"}`),
		},
		{
			"add on a value path without match", userOnly, `{"op":"add","path":"emails[type eq \"work\"].value","value":"a@b"}`,
			bad("noTarget"), doc(`{"userName":"u","emails":[` + work + `]}`), bad("noTarget"), bad("noTarget"),
		},
		{
			"replace on a value path without match", userOnly, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@b"}`,
			bad("noTarget"), doc(`{"userName":"u","emails":[` + work + `]}`), bad("noTarget"), bad("noTarget"),
		},
		{
			"remove on a value path without match", userOnly, `{"op":"remove","path":"emails[type eq \"work\"]"}`,
			unchanged, unchanged, unchanged, unchanged,
		},
		{
			"add on a value path without sub-attribute", `{"userName":"u","emails":[` + work + `]}`,
			`{"op":"add","path":"emails[type eq \"work\"]","value":{"display":"d"}}`,
			doc(`{"userName":"u","emails":[{"value":"a@b","type":"work","display":"d"}]}`),
			doc(`{"userName":"u","emails":[{"value":"a@b","type":"work","display":"d"}]}`),
			bad("invalidPath"),
			doc(`{"userName":"u","emails":[{"value":"a@b","type":"work","display":"d"}]}`),
		},
		{
			"replace on a value path without sub-attribute", `{"userName":"u","emails":[` + work + `]}`,
			`{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"c@d"}}`,
			doc(`{"userName":"u","emails":[{"value":"c@d"}]}`), doc(`{"userName":"u","emails":[{"value":"c@d"}]}`),
			bad("invalidPath"), doc(`{"userName":"u","emails":[{"value":"c@d"}]}`),
		},
		{
			"remove on a value path without sub-attribute", `{"userName":"u","emails":[` + work + `]}`, `{"op":"remove","path":"emails[type eq \"work\"]"}`,
			doc(userOnly), doc(userOnly), doc(userOnly), doc(userOnly),
		},
		{
			"value path matches several", `{"userName":"u","emails":[{"value":"1","type":"work"},{"value":"2","type":"work"}]}`,
			`{"op":"replace","path":"emails[type eq \"work\"].display","value":"d"}`,
			doc(`{"userName":"u","emails":[{"value":"1","display":"d","type":"work"},{"value":"2","display":"d","type":"work"}]}`),
			doc(`{"userName":"u","emails":[{"value":"1","display":"d","type":"work"},{"value":"2","display":"d","type":"work"}]}`),
			bad("invalidFilter"),
			doc(`{"userName":"u","emails":[{"value":"1","display":"d","type":"work"},{"value":"2","display":"d","type":"work"}]}`),
		},
		{
			"replace of a singular complex attribute", `{"userName":"u","name":{"givenName":"g","familyName":"f"}}`,
			`{"op":"replace","path":"name","value":{"givenName":"h"}}`,
			doc(`{"userName":"u","name":{"familyName":"f","givenName":"h"}}`), doc(`{"userName":"u","name":{"familyName":"f","givenName":"h"}}`),
			doc(`{"userName":"u","name":{"givenName":"h"}}`), doc(`{"userName":"u","name":{"familyName":"f","givenName":"h"}}`),
		},
		{
			"add of a singular complex attribute", `{"userName":"u","name":{"givenName":"g","familyName":"f"}}`,
			`{"op":"add","path":"name","value":{"givenName":"h"}}`,
			doc(`{"userName":"u","name":{"familyName":"f","givenName":"h"}}`), doc(`{"userName":"u","name":{"familyName":"f","givenName":"h"}}`),
			doc(`{"userName":"u","name":{"familyName":"f","givenName":"h"}}`), doc(`{"userName":"u","name":{"familyName":"f","givenName":"h"}}`),
		},
		{
			"unknown attribute as path", userOnly, `{"op":"add","path":"nope","value":"x"}`,
			bad("invalidPath"), unchanged, bad("invalidSyntax"), bad("invalidPath"),
		},
		{
			"unknown attribute as key", userOnly, `{"op":"add","value":{"nope":"x"}}`,
			bad("invalidPath"), unchanged, bad("invalidSyntax"), bad("invalidPath"),
		},
		{
			"unknown sub-attribute", userOnly, `{"op":"add","path":"name","value":{"nope":"x","givenName":"g"}}`,
			bad("invalidPath"), doc(`{"userName":"u","name":{"givenName":"g"}}`), bad("invalidSyntax"), bad("invalidPath"),
		},
		{
			"unknown extension", userOnly, `{"op":"add","path":"urn:example:none:2.0:User:x","value":"x"}`,
			bad("invalidPath"), unchanged, bad("invalidSyntax"), bad("invalidPath"),
		},
		{
			"dotted key", userOnly, `{"op":"replace","value":{"name.givenName":"g"}}`,
			bad("invalidPath"), doc(`{"userName":"u","name":{"givenName":"g"}}`), bad("invalidSyntax"), bad("invalidPath"),
		},
		{
			"flattened key", userOnly, `{"op":"replace","value":{"` + eu + `:department":"d"}}`,
			doc(`{"userName":"u","` + eu + `":{"department":"d"}}`), doc(`{"userName":"u","` + eu + `":{"department":"d"}}`),
			bad("invalidSyntax"), doc(`{"userName":"u","` + eu + `":{"department":"d"}}`),
		},
		{
			"container object", userOnly, `{"op":"replace","value":{"` + eu + `":{"department":"d"}}}`,
			doc(`{"userName":"u","` + eu + `":{"department":"d"}}`), doc(`{"userName":"u","` + eu + `":{"department":"d"}}`),
			bad("invalidSyntax"), doc(`{"userName":"u","` + eu + `":{"department":"d"}}`),
		},
		{
			"URN alone as path", userOnly, `{"op":"add","path":"` + eu + `","value":{"department":"d"}}`,
			doc(`{"userName":"u","` + eu + `":{"department":"d"}}`), doc(`{"userName":"u","` + eu + `":{"department":"d"}}`),
			doc(`{"userName":"u","` + eu + `":{"department":"d"}}`), doc(`{"userName":"u","` + eu + `":{"department":"d"}}`),
		},
		{
			"extension attribute without its URN", userOnly, `{"op":"add","path":"department","value":"d"}`,
			bad("invalidPath"), doc(`{"userName":"u","` + eu + `":{"department":"d"}}`), bad("invalidSyntax"), bad("invalidPath"),
		},
		{
			"second-factor attribute without its URN", userOnly, `{"op":"replace","path":"secondFactorEnabled","value":true}`,
			doc(`{"userName":"u","` + schema.SecondFactorURN + `":{"secondFactorEnabled":true}}`),
			doc(`{"userName":"u","` + schema.SecondFactorURN + `":{"secondFactorEnabled":true}}`),
			doc(`{"userName":"u","` + schema.SecondFactorURN + `":{"secondFactorEnabled":true}}`),
			doc(`{"userName":"u","` + schema.SecondFactorURN + `":{"secondFactorEnabled":true}}`),
		},
		{
			"read-only keys", userOnly, `{"op":"replace","value":{"id":"x","meta":{"version":"1"},"groups":[{"value":"g"}],"title":"t"}}`,
			bad("mutability"), titled, bad("invalidSyntax"), titled,
		},
		{
			"schemas as a key", userOnly, `{"op":"replace","value":{"schemas":["` + schema.UserURN + `"],"title":"t"}}`,
			bad("mutability"), titled, bad("invalidSyntax"), titled,
		},
		{
			"read-only attribute by explicit path", userOnly, `{"op":"replace","path":"id","value":"x"}`,
			bad("mutability"), bad("mutability"), bad("mutability"), bad("mutability"),
		},
		{
			"null", `{"userName":"u","title":"t"}`, `{"op":"replace","path":"title","value":null}`,
			doc(userOnly), doc(userOnly), doc(userOnly), doc(userOnly),
		},
		{
			"add null", `{"userName":"u","title":"t"}`, `{"op":"add","path":"title","value":null}`,
			doc(userOnly), doc(userOnly), doc(userOnly), doc(userOnly),
		},
		{
			"empty string", `{"userName":"u","title":"t"}`, `{"op":"replace","path":"title","value":""}`,
			doc(`{"userName":"u","title":""}`), doc(userOnly), doc(`{"userName":"u","title":""}`), doc(`{"userName":"u","title":""}`),
		},
		{
			"bare string for a manager", userOnly, `{"op":"add","path":"` + eu + `:manager","value":"m"}`,
			bad("invalidValue"), doc(`{"userName":"u","` + eu + `":{"manager":{"value":"m"}}}`), bad("invalidValue"), bad("invalidValue"),
		},
		{
			"one object for an array", userOnly, `{"op":"replace","path":"emails","value":` + work + `}`,
			bad("invalidValue"), doc(`{"userName":"u","emails":[` + work + `]}`), bad("invalidValue"), bad("invalidValue"),
		},
		{
			"an array for one object", userOnly, `{"op":"replace","path":"name","value":[{"givenName":"g"}]}`,
			bad("invalidValue"), doc(`{"userName":"u","name":{"givenName":"g"}}`), bad("invalidValue"), bad("invalidValue"),
		},
		{
			"JSON text as a path-less value", userOnly, `{"op":"replace","value":"{\"title\":\"t\"}"}`,
			bad("invalidValue"), titled, bad("invalidSyntax"), bad("invalidValue"),
		},
		{
			"empty Operations", userOnly, ``,
			bad("invalidSyntax"), unchanged, bad("invalidSyntax"), bad("invalidSyntax"),
		},
	}
	rt := resourceType(t, "User")
	for _, tc := range tests {
		columns := []struct {
			name   string
			policy schema.Policy
			outcome
		}{
			{"rfc", rfcPolicy(), tc.rfc},
			{"compat", compatPolicy(), tc.compat},
			{"strict", strictPolicy(), tc.strict},
			{"ping", pingPolicy(), tc.ping},
		}
		for _, c := range columns {
			t.Run(tc.row+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				step{doc: tc.doc, ops: tc.ops, want: c.want, fails: c.fails}.run(t, rt, c.policy)
			})
		}
	}
}

// What compat ignores is counted by name.
func TestPatchIgnored(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "User")
	plan, err := parse(t, rt, compatPolicy(), `{"op":"add","path":"nope","value":"x"},{"op":"replace","value":{"title":"t","urn:x:y:z":{"a":1},"id":"x",
	 "emails":[{"value":"a@b","flag":1}],"name":{"nick":"n"}}},{"op":"add","path":"emails[type eq \"work\"].nope","value":"x"},{"op":"add","path":"phoneNumbers[type eq \"work\"]","value":{"ext":"1","value":"2"}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"nope", "emails.flag", "name.nick", "urn:x:y:z", `emails[type eq "work"].nope`, "phoneNumbers.ext"}
	if diff := cmp.Diff(want, plan.Ignored); diff != "" {
		t.Errorf("Ignored (-want +got):\n%s", diff)
	}
}
