package patch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/patch"
)

const eu = schema.EnterpriseUserURN

// Rows 80, 85, 94, 96, 97 and 98: one operation for each attribute, as
// Entra ID sends them without aadOptscim062020.
func TestClientEntra(t *testing.T) {
	t.Parallel()
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{
			name: "an update of several attributes", doc: `{"userName":"u","emails":[{"type":"other","value":"old"}],"roles":[{"value":"r","primary":true}]}`, ops: `{"op":"Replace","path":"name.givenName","value":"G"},` +
				`{"op":"Add","path":"emails[type eq \"work\"].value","value":"w@x"},` +
				`{"op":"Replace","path":"emails[type eq \"other\"].Value","value":"o@x"},` +
				`{"op":"Add","path":"externalId","value":"e1"},` +
				`{"op":"Add","path":"` + eu + `:employeeNumber","value":"7"},` +
				`{"op":"Replace","path":"roles[primary eq \"True\"].value","value":"s"}`,
			want: `{"userName":"u","externalId":"e1","name":{"givenName":"G"},"emails":[{"type":"other","value":"o@x"},{"type":"work","value":"w@x"}],` +
				`"roles":[{"value":"s","primary":true}],"` + eu + `":{"employeeNumber":"7"}}`,
		},
		{name: "disable by string", doc: `{"userName":"u","active":true}`, ops: `{"op":"Replace","path":"active","value":"False"}`, want: `{"userName":"u","active":false}`},
		{name: "disable by boolean", doc: `{"userName":"u","active":true}`, ops: `{"op":"Replace","path":"active","value":false}`, want: `{"userName":"u","active":false}`},
		{name: "first role", doc: `{"userName":"u"}`, ops: `{"op":"Add","path":"roles[primary eq \"True\"].value","value":"s"}`, want: `{"userName":"u","roles":[{"value":"s","primary":true}]}`},
		{name: "manager as an array", doc: `{"userName":"u"}`, ops: `{"op":"Add","path":"manager","value":[{"$ref":"https://h/scim/Users/b","value":"b"}]}`, want: `{"userName":"u","` + eu + `":{"manager":{"value":"b"}}}`},
		{name: "manager as an object", doc: `{"userName":"u"}`, ops: `{"op":"Add","path":"` + eu + `:manager","value":{"value":"b"}}`, want: `{"userName":"u","` + eu + `":{"manager":{"value":"b"}}}`},
		{name: "manager as a string", doc: `{"userName":"u","` + eu + `":{"manager":{"value":"a"}}}`, ops: `{"op":"Replace","path":"` + eu + `:manager","value":"b"}`, want: `{"userName":"u","` + eu + `":{"manager":{"value":"b"}}}`},
		{name: "manager again", doc: `{"userName":"u","` + eu + `":{"manager":{"value":"b","$ref":"../Users/b"}}}`, ops: `{"op":"Replace","path":"manager","value":"b"}`},
		{name: "manager.value", doc: `{"userName":"u"}`, ops: `{"op":"Replace","path":"` + eu + `:manager.value","value":"b"}`, want: `{"userName":"u","` + eu + `":{"manager":{"value":"b"}}}`},
		{name: "manager removed by an empty string", doc: `{"userName":"u","` + eu + `":{"manager":{"value":"b","$ref":"../Users/b"}}}`, ops: `{"op":"Replace","path":"` + eu + `:manager","value":""}`, want: `{"userName":"u"}`},
		{name: "manager removed by an empty value", doc: `{"userName":"u","` + eu + `":{"manager":{"value":"b","$ref":"../Users/b"}}}`, ops: `{"op":"Replace","path":"manager","value":{"value":""}}`, want: `{"userName":"u"}`},
		{name: "manager.value removed by an empty string", doc: `{"userName":"u","` + eu + `":{"manager":{"value":"b"}}}`, ops: `{"op":"Replace","path":"manager.value","value":""}`, want: `{"userName":"u"}`},
		{name: "manager removed", doc: `{"userName":"u","` + eu + `":{"manager":{"value":"b"}}}`, ops: `{"op":"Remove","path":"manager"}`, want: `{"userName":"u"}`},
		{name: "remove with a value beside it", doc: `{"userName":"u","title":"t"}`, ops: `{"op":"Remove","path":"title","value":"t"}`, want: `{"userName":"u"}`},
		{name: "the URN of its documentation", doc: `{"userName":"u"}`, ops: `{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0User:department","value":"d"}`},
		{name: "several operations on one attribute", doc: `{"userName":"u"}`, ops: `{"op":"Add","path":"title","value":"a"},{"op":"Replace","path":"title","value":"b"},{"op":"Replace","path":"title","value":"c"}`, want: `{"userName":"u","title":"c"}`},
	})
}

// Rows 83, 94 and 95: the one path-less replace that Entra ID sends with
// aadOptscim062020.
func TestClientEntraFlag(t *testing.T) {
	t.Parallel()
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{
			name: "replace", doc: `{"userName":"u","name":{"familyName":"F"}}`,
			ops: `{"op":"replace","value":{"displayName":"D","name.givenName":"G","` + eu + `:employeeNumber":"7","active":false,` +
				`"emails[type eq \"work\"].value":"w@x","emails[type eq \"work\"].primary":true,"` + eu + `:manager":"b","` + eu + `:manager.displayName":"M"}}`,
			want: `{"userName":"u","displayName":"D","active":false,"name":{"familyName":"F","givenName":"G"},"emails":[{"type":"work","value":"w@x","primary":true}],` +
				`"` + eu + `":{"employeeNumber":"7","manager":{"value":"b"}}}`,
		},
		{
			name: "whole and dotted in one value", doc: `{"userName":"u"}`,
			ops:  `{"op":"add","value":{"name":{"givenName":"A","familyName":"F"},"name.givenName":"B"}}`,
			want: `{"userName":"u","name":{"givenName":"B","familyName":"F"}}`,
		},
		{name: "a key that is no path", doc: `{"userName":"u"}`, ops: `{"op":"replace","value":{"emails[type eq":"x","a.b.c":1}}`},
	})
}

// Row 99, and the membership push of Okta.
func TestClientOkta(t *testing.T) {
	t.Parallel()
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{name: "deactivate", doc: `{"userName":"u","active":true}`, ops: `{"op":"replace","value":{"active":false}}`, want: `{"userName":"u","active":false}`},
		{name: "deactivate again", doc: `{"userName":"u","active":false}`, ops: `{"op":"replace","value":{"active":false}}`},
	})
	group := resourceType(t, "Group")
	runSteps(t, group, compatPolicy(), []step{
		{name: "rename", doc: `{"displayName":"G"}`, ops: `{"op":"replace","value":{"id":"abc","displayName":"H"}}`, want: `{"displayName":"H"}`},
		{name: "the name as it is", doc: `{"displayName":"H"}`, ops: `{"op":"replace","value":{"id":"abc","displayName":"H"}}`},
	})
	for _, tc := range []struct {
		name, ops string
		want      []patch.MemberOp
	}{
		{"remove and add", `{"op":"remove","path":"members[value eq \"a\"]"},{"op":"add","path":"members","value":[{"value":"b","display":"b@x"}]}`, []patch.MemberOp{removal("a"), add("b")}},
		{"full list", `{"op":"replace","path":"members","value":[{"value":"a","display":"a@x"},{"value":"b","display":"b@x"}]}`, []patch.MemberOp{replacement("a", "b")}},
		{"empty group", `{"op":"replace","path":"members","value":[]}`, []patch.MemberOp{{Kind: patch.ClearMembers}}},
	} {
		checkMembers(t, group, tc.name, tc.ops, tc.want)
	}
}

func checkMembers(t *testing.T, rt *schema.ResourceType, name, ops string, want []patch.MemberOp) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		plan, err := parse(t, rt, compatPolicy(), ops)
		if err != nil {
			t.Fatalf("Parse(%s) = %v", ops, err)
		}
		if diff := cmp.Diff(want, plan.Members); diff != "" {
			t.Errorf("Parse(%s) (-want +got):\n%s", ops, diff)
		}
	})
}

// Row 94: container objects, and an object for the array of mails.
func TestClientOneLogin(t *testing.T) {
	t.Parallel()
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{name: "container", doc: `{"userName":"u","` + eu + `":{"division":"v"}}`, ops: `{"op":"replace","value":{"` + eu + `":{"department":"d","manager":{"value":""}}}}`, want: `{"userName":"u","` + eu + `":{"division":"v","department":"d"}}`},
		{name: "object for an array", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"emails","value":{"value":"a@b"}}`, want: `{"userName":"u","emails":[{"value":"a@b"}]}`},
		{name: "deactivate", doc: `{"userName":"u","active":true}`, ops: `{"op":"replace","path":"active","value":false}`, want: `{"userName":"u","active":false}`},
		{name: "container by path", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"` + eu + `","value":{"department":"d"}}`, want: `{"userName":"u","` + eu + `":{"department":"d"}}`},
	})
	checkMembers(t, resourceType(t, "Group"), "members", `{"op":"add","path":"members","value":[{"value":"a"},{"value":"b"}]}`, []patch.MemberOp{add("a", "b")})
}

// Rows 88 and 101.
func TestClientJumpCloud(t *testing.T) {
	t.Parallel()
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{
			name: "one operation for each attribute", doc: `{"userName":"u","name":{"familyName":"F"}}`,
			ops: `{"op":"replace","path":"name.givenName","value":"G"},{"op":"replace","path":"displayName","value":"G F"},{"op":"replace","path":"active","value":true},` +
				`{"op":"replace","path":"phoneNumbers[type eq \"work\"].value","value":"1"}`,
			want: `{"userName":"u","displayName":"G F","active":true,"name":{"familyName":"F","givenName":"G"},"phoneNumbers":[{"type":"work","value":"1"}]}`,
		},
	})
	group := resourceType(t, "Group")
	checkMembers(t, group, "add without display", `{"op":"add","path":"members","value":[{"value":"a"}]}`, []patch.MemberOp{add("a")})
	checkMembers(t, group, "remove with a list", `{"op":"remove","path":"members","value":[{"value":"a"}]}`, []patch.MemberOp{removal("a")})
}

// Row 96: booleans as text, and the whole value as JSON text.
func TestClientKeycloak(t *testing.T) {
	t.Parallel()
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{name: "boolean as text", doc: `{"userName":"u","active":true}`, ops: `{"op":"replace","value":{"active":"false"}}`, want: `{"userName":"u","active":false}`},
		{name: "JSON text", doc: `{"userName":"u","active":true}`, ops: `{"op":"replace","value":"{\"active\":false}"}`, want: `{"userName":"u","active":false}`},
		{name: "JSON text in an array", doc: `{"userName":"u","active":true}`, ops: `{"op":"replace","value":["{\"active\":\"false\"}"]}`, want: `{"userName":"u","active":false}`},
		{name: "an object in an array", doc: `{"userName":"u","active":true}`, ops: `{"op":"replace","value":[{"active":false}]}`, want: `{"userName":"u","active":false}`},
		{name: "text that is no object", doc: `{"userName":"u"}`, ops: `{"op":"replace","value":"[1]"}`, fails: "invalidValue"},
		{name: "text with duplicate keys", doc: `{"userName":"u"}`, ops: `{"op":"replace","value":"{\"title\":1,\"Title\":2}"}`, fails: "invalidValue"},
	})
}

// Members without path.
func TestClientWSO2(t *testing.T) {
	t.Parallel()
	group := resourceType(t, "Group")
	checkMembers(t, group, "add", `{"op":"add","value":{"members":[{"value":"a","display":"x","$ref":"https://h/scim2/Users/a"}]}}`, []patch.MemberOp{add("a")})
	checkMembers(t, group, "replace", `{"op":"replace","value":{"members":[{"value":"a","display":"x"}]}}`, []patch.MemberOp{replacement("a")})
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{name: "user", doc: `{"userName":"u"}`, ops: `{"op":"add","value":{"nickName":"n","emails":["a@b"]}}`, want: `{"userName":"u","nickName":"n","emails":[{"value":"a@b"}]}`},
	})
}

// The second-factor attributes under the names that Ping clients use.
func TestClientPing(t *testing.T) {
	t.Parallel()
	want := `{"userName":"u","` + schema.SecondFactorURN + `":{"secondFactorEnabled":true}}`
	runSteps(t, resourceType(t, "User"), pingPolicy(), []step{
		{name: "flat", doc: `{"userName":"u"}`, ops: `{"op":"replace","value":{"secondFactorEnabled":true}}`, want: want},
		{name: "flat path", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"secondFactorEnabled","value":true}`, want: want},
		{name: "qualified path", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"` + schema.PingUserURN + `:secondFactorEnabled","value":true}`, want: want},
		{name: "qualified key", doc: `{"userName":"u"}`, ops: `{"op":"replace","value":{"` + schema.PingUserURN + `:secondFactorEnabled":true}}`, want: want},
		{name: "container", doc: `{"userName":"u"}`, ops: `{"op":"replace","value":{"` + schema.PingUserURN + `":{"secondFactorEnabled":true}}}`, want: want},
		{name: "container path", doc: `{"userName":"u"}`, ops: `{"op":"add","path":"` + schema.PingUserURN + `","value":{"secondFactorEnabled":true}}`, want: want},
		{name: "read-only among them", doc: `{"userName":"u"}`, ops: `{"op":"replace","value":{"secondFactorEnabled":true,"accountVerified":true}}`, want: want},
		{name: "read-only by path", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"accountVerified","value":true}`, fails: "mutability"},
	})
}
