package patch_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/scim/patch"
)

const babs = `{"id":"2819c223-7f76-453a-919d-413861904646","userName":"bjensen",
 "name":{"familyName":"Jensen","givenName":"Barbara"},"title":"Tour Guide","active":true,
 "emails":[{"value":"bjensen@example.com","type":"work","primary":true},{"value":"babs@jensen.org","type":"home"}],
 "addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US","primary":true},
  {"type":"home","streetAddress":"456 Hollywood Blvd","locality":"Hollywood"}]}`

// Every example of RFC 7644 section 3.5.2 that changes a User, and the two
// paths of the section's introduction, under the policy of the RFC.
func TestPatchRFCExamples(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "User")
	const work = `{"value":"bjensen@example.com","type":"work","primary":true}`
	const home = `{"value":"babs@jensen.org","type":"home"}`
	runSteps(t, rt, rfcPolicy(), []step{
		{
			name: "3.5.2 path name.familyName",
			doc:  babs,
			ops:  `{"op":"replace","path":"name.familyName","value":"Smith"}`,
			want: `{"id":"2819c223-7f76-453a-919d-413861904646","userName":"bjensen",
			 "name":{"familyName":"Smith","givenName":"Barbara"},"title":"Tour Guide","active":true,
			 "emails":[` + work + `,` + home + `],
			 "addresses":[{"type":"work","streetAddress":"100 Universal City Plaza","locality":"Hollywood","region":"CA","postalCode":"91608","country":"US","primary":true},
			  {"type":"home","streetAddress":"456 Hollywood Blvd","locality":"Hollywood"}]}`,
		},
		{
			name: "3.5.2.1 add a set of attributes without path",
			doc:  `{"userName":"bjensen","emails":[` + work + `]}`,
			ops:  `{"op":"add","value":{"emails":[{"value":"babs@jensen.org","type":"home"}],"nickname":"Babs"}}`,
			want: `{"userName":"bjensen","nickName":"Babs","emails":[` + work + `,` + home + `]}`,
		},
		{
			name: "3.5.2.2 remove a value by two terms",
			doc:  `{"userName":"bjensen","emails":[` + work + `,` + home + `]}`,
			ops:  `{"op":"remove","path":"emails[type eq \"work\" and value ew \"example.com\"]"}`,
			want: `{"userName":"bjensen","emails":[` + home + `]}`,
		},
		{
			name: "3.5.2.3 replace all sub-attributes of the work address",
			doc:  `{"userName":"bjensen","addresses":[{"type":"work","streetAddress":"old","region":"NY"},{"type":"home","locality":"Here"}]}`,
			ops: `{"op":"replace","path":"addresses[type eq \"work\"]","value":{"type":"work","streetAddress":"911 Universal City Plaza",
			 "locality":"Hollywood","region":"CA","postalCode":"91608","country":"US","formatted":"911 Universal City Plaza\nHollywood, CA 91608 US","primary":true}}`,
			want: `{"userName":"bjensen","addresses":[{"type":"work","streetAddress":"911 Universal City Plaza",
			 "locality":"Hollywood","region":"CA","postalCode":"91608","country":"US","formatted":"911 Universal City Plaza\nHollywood, CA 91608 US","primary":true},
			 {"type":"home","locality":"Here"}]}`,
		},
		{
			name: "3.5.2.3 replace one sub-attribute of the work address",
			doc:  `{"userName":"bjensen","addresses":[{"type":"work","streetAddress":"old","region":"NY"},{"type":"home","streetAddress":"Here"}]}`,
			ops:  `{"op":"replace","path":"addresses[type eq \"work\"].streetAddress","value":"1010 Broadway Ave"}`,
			want: `{"userName":"bjensen","addresses":[{"type":"work","streetAddress":"1010 Broadway Ave","region":"NY"},{"type":"home","streetAddress":"Here"}]}`,
		},
		{
			name: "3.5.2.3 replace several attributes without path",
			doc:  `{"userName":"bjensen","emails":[{"value":"old@example.com"}],"title":"Guide"}`,
			ops: `{"op":"replace","value":{"emails":[{"value":"bjensen@example.com","type":"work","primary":true},
			 {"value":"babs@jensen.org","type":"home"}],"nickname":"Babs"}}`,
			want: `{"userName":"bjensen","nickName":"Babs","title":"Guide","emails":[` + work + `,` + home + `]}`,
		},
		{
			name: "3.5.2.3 no match is noTarget",
			doc:  `{"userName":"bjensen","emails":[` + home + `]}`,
			ops:  `{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@example.com"}`, fails: "noTarget",
		},
		{
			name: "3.5.2 a sub-attribute that is not there",
			doc:  babs,
			ops:  `{"op":"replace","path":"emails[type eq \"work\"].displayName","value":"x"}`, fails: "invalidPath",
		},
	})
}

// The examples of RFC 7644 section 3.5.2 that change group members. None of
// them may need the members that are there.
func TestPatchRFCMemberExamples(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "Group")
	const babsID, jamesID = "2819c223-7f76-453a-919d-413861904646", "08e1d05d-121c-4561-8b96-473d93df9210"
	babsMember := patch.Member{Value: babsID}
	jamesMember := patch.Member{Value: jamesID}
	babsJSON := `{"display":"Babs Jensen","$ref":"https://example.com/v2/Users/` + babsID + `","value":"` + babsID + `"}`
	jamesJSON := `{"display":"James Smith","$ref":"https://example.com/v2/Users/` + jamesID + `","value":"` + jamesID + `"}`
	tests := []struct {
		name, ops string
		want      []patch.MemberOp
	}{
		{
			"3.5.2.1 add a member", `{"op":"add","path":"members","value":[` + babsJSON + `]}`,
			[]patch.MemberOp{{Kind: patch.AddMembers, Members: []patch.Member{babsMember}}},
		},
		{
			"3.5.2.2 remove one member", `{"op":"remove","path":"members[value eq \"` + babsID + `\"]"}`,
			[]patch.MemberOp{{Kind: patch.RemoveMembers, Members: []patch.Member{babsMember}}},
		},
		{
			"3.5.2.2 remove all members", `{"op":"remove","path":"members"}`,
			[]patch.MemberOp{{Kind: patch.ClearMembers}},
		},
		{
			"3.5.2.2 remove one and add one",
			`{"op":"remove","path":"members[value eq \"` + babsID + `\"]"},{"op":"add","path":"members","value":[` + jamesJSON + `]}`,
			[]patch.MemberOp{
				{Kind: patch.RemoveMembers, Members: []patch.Member{babsMember}},
				{Kind: patch.AddMembers, Members: []patch.Member{jamesMember}},
			},
		},
		{
			"3.5.2.2 remove all and add a list",
			`{"op":"remove","path":"members"},{"op":"add","path":"members","value":[` + babsJSON + `,` + jamesJSON + `]}`,
			[]patch.MemberOp{{Kind: patch.ReplaceMembers, Members: []patch.Member{babsMember, jamesMember}}},
		},
		{
			"3.5.2.3 replace all members", `{"op":"replace","path":"members","value":[` + babsJSON + `,` + jamesJSON + `]}`,
			[]patch.MemberOp{{Kind: patch.ReplaceMembers, Members: []patch.Member{babsMember, jamesMember}}},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			plan, err := parse(t, rt, rfcPolicy(), tc.ops)
			if err != nil {
				t.Fatalf("Parse(%s) = %v", tc.ops, err)
			}
			if diff := cmp.Diff(tc.want, memberOps(plan)); diff != "" {
				t.Errorf("Parse(%s) members (-want +got):\n%s", tc.ops, diff)
			}
			if len(plan.Ops) != 0 {
				t.Errorf("Parse(%s) has %d document operations, want none", tc.ops, len(plan.Ops))
			}
		})
	}
}
