package patch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/patch"
)

func add(ids ...string) patch.MemberOp         { return op(patch.AddMembers, ids) }
func removal(ids ...string) patch.MemberOp     { return op(patch.RemoveMembers, ids) }
func replacement(ids ...string) patch.MemberOp { return op(patch.ReplaceMembers, ids) }

func op(kind patch.MemberKind, ids []string) patch.MemberOp {
	out := patch.MemberOp{Kind: kind}
	for _, id := range ids {
		out.Members = append(out.Members, patch.Member{Value: id})
	}
	return out
}

// Rows 86 to 88, 101 and 102 for members, under rfc and compat. A nil want
// with no code means that nothing happens.
func TestPatchMembers(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "Group")
	type outcome struct {
		ops   []patch.MemberOp
		fails schema.Code
	}
	same := func(ops ...patch.MemberOp) [2]outcome { return [2]outcome{{ops: ops}, {ops: ops}} }
	fails := func(c schema.Code) [2]outcome { return [2]outcome{{fails: c}, {fails: c}} }
	onlyCompat := func(c schema.Code, ops ...patch.MemberOp) [2]outcome { return [2]outcome{{fails: c}, {ops: ops}} }
	clearAll := patch.MemberOp{Kind: patch.ClearMembers}
	tests := []struct {
		name, ops string
		want      [2]outcome
	}{
		{"add", `{"op":"add","path":"members","value":[{"value":"a"},{"value":"b"}]}`, same(add("a", "b"))},
		{"duplicates collapse", `{"op":"add","path":"members","value":[{"value":"a"},{"value":"A"},{"value":"a","type":"User"}]}`, same(add("a"))},
		{"one operation for each", `{"op":"add","path":"members","value":[{"value":"a"}]},{"op":"add","path":"members","value":[{"value":"b"}]},{"op":"add","path":"members","value":[{"value":"a"}]}`, same(add("a", "b"))},
		{"add nothing", `{"op":"add","path":"members","value":[]}`, same()},
		{"add null", `{"op":"add","path":"members","value":null}`, same()},
		{"null elements", `{"op":"add","path":"members","value":[null,{"value":"a"}]}`, same(add("a"))},
		{"$ref null", `{"op":"add","path":"members","value":[{"$ref":null,"value":"a"}]}`, same(add("a"))},
		{"only $ref", `{"op":"add","path":"members","value":[{"$ref":"https://h/v2/Users/a"}]}`, same(add("a"))},
		{
			"type is kept", `{"op":"add","path":"members","value":[{"value":"a","type":"Group","display":"x"}]}`,
			same(patch.MemberOp{Kind: patch.AddMembers, Members: []patch.Member{{Value: "a", Type: "Group"}}}),
		},
		{
			"type in another case", `{"op":"add","path":"members","value":[{"value":"a","type":"group"}]}`,
			same(patch.MemberOp{Kind: patch.AddMembers, Members: []patch.Member{{Value: "a", Type: "Group"}}}),
		},
		{"bare string", `{"op":"add","path":"members","value":["a"]}`, onlyCompat("invalidValue", add("a"))},
		{"bare string for the list", `{"op":"add","path":"members","value":"a"}`, onlyCompat("invalidValue", add("a"))},
		{"one object for the list", `{"op":"add","path":"members","value":{"value":"a"}}`, onlyCompat("invalidValue", add("a"))},
		{"empty string", `{"op":"add","path":"members","value":""}`, onlyCompat("invalidValue")},
		{"no value in a member", `{"op":"add","path":"members","value":[{"type":"User"}]}`, fails("invalidValue")},
		{"a number for an id", `{"op":"add","path":"members","value":[{"value":7}]}`, fails("invalidValue")},
		{"without path", `{"op":"add","value":{"members":[{"value":"a","display":"x","$ref":"u"}]}}`, same(add("a"))},
		{"replace", `{"op":"replace","path":"members","value":[{"value":"b"},{"value":"a"}]}`, same(replacement("b", "a"))},
		{"replace without path", `{"op":"replace","value":{"members":[{"value":"a"}]}}`, same(replacement("a"))},
		{"replace with none", `{"op":"replace","path":"members","value":[]}`, same(clearAll)},
		{"replace with null", `{"op":"replace","path":"members","value":null}`, same(clearAll)},
		{"replace then add", `{"op":"replace","path":"members","value":[{"value":"a"}]},{"op":"add","path":"members","value":[{"value":"b"},{"value":"a"}]}`, same(replacement("a", "b"))},
		{"replace then remove", `{"op":"replace","path":"members","value":[{"value":"a"}]},{"op":"remove","path":"members[value eq \"a\"]"}`, same(replacement("a"), removal("a"))},
		{"two replacements", `{"op":"replace","path":"members","value":[{"value":"a"}]},{"op":"replace","path":"members","value":[{"value":"b"}]}`, same(replacement("a"), replacement("b"))},
		{"remove all", `{"op":"remove","path":"members"}`, same(clearAll)},
		{"remove all twice", `{"op":"remove","path":"members"},{"op":"remove","path":"members"}`, same(clearAll)},
		{"remove all then add", `{"op":"remove","path":"members"},{"op":"add","path":"members","value":[{"value":"a"}]},{"op":"add","path":"members","value":[{"value":"b"}]}`, same(replacement("a", "b"))},
		{"remove an empty list", `{"op":"remove","path":"members","value":[]}`, same()},
		{"remove null", `{"op":"remove","path":"members","value":null}`, same()},
		{"row 88 remove a list", `{"op":"remove","path":"members","value":[{"value":"a"},{"value":"b"}]}`, onlyCompat("invalidSyntax", removal("a", "b"))},
		{"remove one by filter", `{"op":"remove","path":"members[value eq \"A\"]"}`, same(removal("a"))},
		{"filters add up", `{"op":"remove","path":"members[value eq \"a\"]"},{"op":"remove","path":"members[value eq \"b\"]"}`, same(removal("a", "b"))},
		{"another filter", `{"op":"remove","path":"members[type eq \"User\"]"}`, same(patch.MemberOp{Kind: patch.RemoveMembersWhere})},
		{"filter with two terms", `{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"}`, same(patch.MemberOp{Kind: patch.RemoveMembersWhere})},
		{
			"two filters stay two", `{"op":"remove","path":"members[type eq \"User\"]"},{"op":"remove","path":"members[type eq \"Group\"]"}`,
			same(patch.MemberOp{Kind: patch.RemoveMembersWhere}, patch.MemberOp{Kind: patch.RemoveMembersWhere}),
		},
		{
			"add, remove, add in order", `{"op":"add","path":"members","value":[{"value":"a"}]},{"op":"remove","path":"members[value eq \"a\"]"},{"op":"add","path":"members","value":[{"value":"a"}]}`,
			same(add("a"), removal("a"), add("a")),
		},
		{"row 22 sub-attribute of all", `{"op":"replace","path":"members.value","value":"a"}`, fails("mutability")},
		{"row 22 sub-attribute of one", `{"op":"replace","path":"members[value eq \"a\"].type","value":"Group"}`, fails("mutability")},
		{"row 22 removed sub-attribute", `{"op":"remove","path":"members[value eq \"a\"].value"}`, fails("mutability")},
		{"row 22 display", `{"op":"add","path":"members[value eq \"a\"].display","value":"x"}`, fails("mutability")},
		{"add by filter", `{"op":"add","path":"members[value eq \"a\"]","value":{"value":"a"}}`, onlyCompat("mutability", add("a"))},
		{"add by filter another", `{"op":"add","path":"members[value eq \"a\"]","value":{"value":"b"}}`, fails("mutability")},
		{"replace by a filter without id", `{"op":"replace","path":"members[type eq \"User\"]","value":{"value":"b"}}`, fails("mutability")},
		{"unknown sub-attribute", `{"op":"remove","path":"members[nope eq \"a\"]"}`, fails("invalidFilter")},
	}
	for _, tc := range tests {
		for i, p := range []schema.Policy{rfcPolicy(), compatPolicy()} {
			t.Run(fmt.Sprintf("%s/%s", tc.name, []string{"rfc", "compat"}[i]), func(t *testing.T) {
				t.Parallel()
				plan, err := parse(t, rt, p, tc.ops)
				if c := code(t, err); c != tc.want[i].fails {
					t.Fatalf("Parse(%s) = %v, want code %q", tc.ops, err, tc.want[i].fails)
				}
				if err != nil {
					return
				}
				got := memberOps(plan)
				for j := range got {
					if (got[j].Where != nil) != (got[j].Kind == patch.RemoveMembersWhere) {
						t.Errorf("operation %d of kind %s has a predicate: %v", j, got[j].Kind, got[j].Where != nil)
					}
					got[j].Where = nil
				}
				want := tc.want[i].ops
				if want == nil {
					want = []patch.MemberOp{}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("Parse(%s) (-want +got):\n%s", tc.ops, diff)
				}
				if len(plan.Ops) != 0 {
					t.Errorf("Parse(%s) touches the document: %v", tc.ops, plan.Ops)
				}
			})
		}
	}
}

// Row 102: a thousand operations of one member each are one change.
func TestRow102_ManyMembersAreOneChange(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "Group")
	var ops []string
	for i := range 1000 {
		ops = append(ops, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":"m%d"}]}`, i))
	}
	plan, err := parse(t, rt, compatPolicy(), strings.Join(ops, ","))
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Members) != 1 || len(plan.Members[0].Members) != 1000 {
		t.Errorf("plan has %d changes, the first with %d members; want 1 with 1000", len(plan.Members), len(plan.Members[0].Members))
	}
}

// Members and document operations of one request do not disturb each other.
func TestPatchMembersAndDocument(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "Group")
	plan, err := parse(t, rt, rfcPolicy(), `{"op":"replace","value":{"displayName":"G2","members":[{"value":"a"}],"externalId":"x"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]patch.MemberOp{replacement("a")}, plan.Members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	o := document(t, rt, `{"displayName":"G"}`)
	changed, err := plan.Apply(o, rt, rfcPolicy())
	if err != nil || !changed {
		t.Fatalf("Apply() = %v, %v", changed, err)
	}
	if got, want := string(rt.Encode(o)), string(rt.Encode(schema.Object{"displayName": "G2", "externalId": "x"})); got != want {
		t.Errorf("document = %s, want %s", got, want)
	}
}
