package scim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/scim"
)

// memberIDs returns the ids of a group's members as a client sees them.
func memberIDs(c *client, group string) []string {
	c.s.t.Helper()
	res := c.want(http.StatusOK, http.MethodGet, "/Groups/"+group, nil)
	return idsIn(res.at("members"))
}

func idsIn(list any) []string {
	out := []string{}
	items, _ := list.([]any)
	for _, item := range items {
		o, _ := item.(map[string]any)
		out = append(out, fmt.Sprint(o["value"]))
	}
	slices.Sort(out)
	return out
}

func sorted(ids ...string) []string {
	out := append([]string{}, ids...)
	slices.Sort(out)
	return out
}

// Row 22: what a member looks like, and that its display is the server's.
func TestRow22_MemberRepresentation(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	u := s.user("member-user", "displayName", "Mem Ber").id()
	inner := s.group("inner").id()
	g := s.want(http.StatusCreated, http.MethodPost, "/Groups", map[string]any{
		"schemas": []string{groupURN}, "displayName": "outer",
		"members": []any{
			map[string]any{"value": u, "display": "Not My Name", "$ref": "http://evil/", "type": "User"},
			map[string]any{"value": inner},
		},
	})
	want := []any{
		map[string]any{"value": u, "$ref": testBase + "/Users/" + u, "display": "Mem Ber", "type": "User"},
		map[string]any{"value": inner, "$ref": testBase + "/Groups/" + inner, "display": "inner", "type": "Group"},
	}
	for _, res := range []*response{g, s.want(http.StatusOK, http.MethodGet, "/Groups/"+g.id(), nil)} {
		if diff := cmp.Diff(want, res.at("members")); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
	}
	// The name follows the user.
	s.want(http.StatusOK, http.MethodPatch, "/Users/"+u, patchOp([3]any{"replace", "displayName", "Renamed"}))
	got := s.want(http.StatusOK, http.MethodGet, "/Groups/"+g.id()+"?attributes=members.display", nil)
	if diff := cmp.Diff([]any{map[string]any{"display": "Renamed"}, map[string]any{"display": "inner"}}, got.at("members")); diff != "" {
		t.Errorf("members.display (-want +got):\n%s", diff)
	}
	s.profile(scim.ProfileRFC).refuse(http.StatusBadRequest, "invalidValue", http.MethodPost, "/Groups",
		map[string]any{"schemas": []string{groupURN}, "displayName": "x", "members": []any{map[string]any{"type": "User"}}}, "members")
}

// Row 103: an id that names nobody is 400, unless the setting accepts it.
func TestRow103_UnknownMember(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	g := s.group("row103").id()
	for _, tt := range []struct{ method, path string }{{http.MethodPost, "/Groups"}, {http.MethodPut, "/Groups/" + g}} {
		s.refuse(http.StatusBadRequest, "invalidValue", tt.method, tt.path,
			map[string]any{"schemas": []string{groupURN}, "displayName": "row103b", "members": memberList(unused)}, "members", unused)
	}
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPatch, "/Groups/"+g, patchOp([3]any{"add", "members", memberList(unused)}), unused)
	if total := s.want(http.StatusOK, http.MethodGet, "/Groups", nil).total(t); total != 1 {
		t.Errorf("%d groups, want 1: a refused POST was kept", total)
	}
	lax := newServer(t, options{acceptUnknown: true})
	lax.want(http.StatusCreated, http.MethodPost, "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "lax", "members": memberList(unused)})
}

// Rows 84, 88, 101, 107: member changes, and that only real ones count.
func TestRow107_MembersAndVersion(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 4)
	g := s.group("row107", ids[0]).id()
	version := 1
	step := func(name string, changes bool, body any, want ...string) {
		t.Helper()
		res := s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+g, body)
		if changes {
			version++
		}
		if tag := fmt.Sprintf(`W/"%d"`, version); res.etag() != tag {
			t.Errorf("%s: ETag %s, want %s", name, res.etag(), tag)
		}
		if res.Header.Get("Location") != testBase+"/Groups/"+g {
			t.Errorf("%s: 204 with Location %q", name, res.Header.Get("Location"))
		}
		if got := memberIDs(s.client, g); !cmp.Equal(got, sorted(want...)) {
			t.Errorf("%s: members %v, want %v", name, got, want)
		}
	}
	step("add two", true, patchOp([3]any{"add", "members", memberList(ids[1], ids[2])}), ids[0], ids[1], ids[2])
	step("add one that is there", false, patchOp([3]any{"add", "members", memberList(ids[1])}), ids[0], ids[1], ids[2])
	step("remove a stranger", false, patchOp([3]any{"remove", `members[value eq "` + ids[3] + `"]`, nil}), ids[0], ids[1], ids[2])
	step("remove by path", true, patchOp([3]any{"remove", `members[value eq "` + strings.ToUpper(ids[1]) + `"]`, nil}), ids[0], ids[2])
	step("remove by list (Entra)", true, patchOp([3]any{"Remove", "members", memberList(ids[2], ids[3])}), ids[0])
	step("bare string, $ref null", true, patchOp([3]any{"Add", "members", []any{ids[1], map[string]any{"$ref": nil, "value": ids[2]}}}), ids[0], ids[1], ids[2])
	step("remove and add (Okta)", true, patchOp([3]any{"remove", `members[value eq "` + ids[0] + `"]`, nil}, [3]any{"add", "members", memberList(ids[3])}), ids[1], ids[2], ids[3])
	step("replace by the same", false, patchOp([3]any{"replace", "members", memberList(ids[3], ids[2], ids[1])}), ids[1], ids[2], ids[3])
	step("replace", true, patchOp([3]any{"replace", "members", memberList(ids[0])}), ids[0])
	step("path-less add", true, patchOp([3]any{"add", "", map[string]any{"members": memberList(ids[1])}}), ids[0], ids[1])
	step("remove by display", true, patchOp([3]any{"remove", `members[display sw "p01"]`, nil}), ids[0])
	step("remove with an empty list", false, patchOp([3]any{"remove", "members", []any{}}), ids[0])
	step("remove all", true, patchOp([3]any{"remove", "members", nil}))
	step("remove all again", false, patchOp([3]any{"remove", "members", nil}))
	step("rename with id (Okta)", true, patchOp([3]any{"replace", "", map[string]any{"id": g, "displayName": "row107 renamed"}}))

	names := s.eventNames(g)
	want := []string{
		"group.created", "group.member_added", "group.member_added", "group.member_removed", "group.member_removed", "group.member_added",
		"group.member_removed", "group.member_added", "group.member_added", "group.member_added", "group.member_removed", "group.member_removed", "group.updated",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// Row 81: a member operation that fails takes the others with it.
func TestRow81_MembersAreAtomic(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 2)
	g := s.group("row81", ids[0])
	s.refuse(http.StatusBadRequest, "invalidValue", http.MethodPatch, "/Groups/"+g.id(), patchOp(
		[3]any{"replace", "displayName", "changed"}, [3]any{"add", "members", memberList(ids[1])}, [3]any{"add", "members", memberList(unused)}), unused)
	got := s.want(http.StatusOK, http.MethodGet, "/Groups/"+g.id(), nil)
	if diff := cmp.Diff(g.JSON, got.JSON); diff != "" {
		t.Errorf("after a refused PATCH (-before +after):\n%s", diff)
	}
}

// Rows 21, 23: groups of a user, direct and indirect, cycles included.
func TestGroupCycle(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	u := s.user("cyc", "groups", []any{map[string]any{"value": unused}}).id()
	a := s.group("cycle-a", u).id()
	b := s.group("cycle-b", a).id()
	c := s.group("cycle-c", b).id()
	s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+a, patchOp([3]any{"add", "members", memberList(c, a)}))
	got := s.want(http.StatusOK, http.MethodGet, "/Users/"+u, nil)
	group := func(id, name, typ string) any {
		return map[string]any{"value": id, "$ref": testBase + "/Groups/" + id, "display": name, "type": typ}
	}
	want := []any{group(a, "cycle-a", "direct"), group(b, "cycle-b", "indirect"), group(c, "cycle-c", "indirect")}
	if diff := cmp.Diff(want, got.at("groups")); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if got.etag() != `W/"1"` {
		t.Errorf("Row21 membership changed the user's ETag to %s", got.etag())
	}
	list := s.want(http.StatusOK, http.MethodGet, "/Users", nil).resources()[0]
	if diff := cmp.Diff(want, list["groups"]); diff != "" {
		t.Errorf("groups in a list (-want +got):\n%s", diff)
	}
	s.refuse(http.StatusBadRequest, "mutability", http.MethodPatch, "/Users/"+u, patchOp([3]any{"add", "groups", []any{map[string]any{"value": a}}}), "groups")
	s.want(http.StatusNoContent, http.MethodDelete, "/Groups/"+b, nil)
	if got := idsIn(s.want(http.StatusOK, http.MethodGet, "/Users/"+u, nil).at("groups")); !cmp.Equal(got, sorted(a)) {
		t.Errorf("after the middle group went: %v, want only %s", got, a)
	}
}

// Row 107: a deleted member leaves its groups, whose versions change.
func TestRow107_DeletedMemberChangesGroup(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 2)
	g := s.group("row107d", ids...)
	s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+ids[0], nil)
	got := s.want(http.StatusOK, http.MethodGet, "/Groups/"+g.id(), nil)
	if got.etag() == g.etag() || !cmp.Equal(idsIn(got.at("members")), ids[1:]) {
		t.Errorf("ETag %s (was %s), members %v", got.etag(), g.etag(), got.at("members"))
	}
}

// Row 71: who does not ask for members does not pay for them.
func TestExcludedMembersNotRead(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 3)
	g := s.group("big", ids...).id()
	touches := func(name string, want bool, request func()) {
		t.Helper()
		sql := s.trace.during(request)
		if len(sql) == 0 {
			t.Fatalf("%s: the trace is empty", name)
		}
		got := slices.ContainsFunc(sql, func(text string) bool {
			return strings.Contains(text, "members")
		})
		if got != want {
			t.Errorf("%s reads members: %v, want %v\n%s", name, got, want, strings.Join(sql, "\n"))
		}
	}
	get := func(path string) func() {
		return func() { s.want(http.StatusOK, http.MethodGet, path, nil) }
	}
	touches("GET", true, get("/Groups/"+g))
	touches("GET without members", false, get("/Groups/"+g+"?excludedAttributes=members"))
	touches("GET of a name", false, get("/Groups/"+g+"?attributes=displayName"))
	touches("list", true, get("/Groups"))
	touches("list without members", false, get(query("/Groups", "excludedAttributes", "members", "filter", `displayName eq "big"`)))
	touches("search without members", false, func() {
		s.want(http.StatusOK, http.MethodPost, "/Groups/.search", map[string]any{"schemas": []string{scim.SearchURN}, "excludedAttributes": []string{"members"}, "sortBy": "displayName"})
	})
	touches("rename", false, func() {
		s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+g, patchOp([3]any{"replace", "displayName", "bigger"}))
	})
	if got := s.want(http.StatusOK, http.MethodGet, "/Groups/"+g+"?excludedAttributes=members", nil).at("members"); got != nil {
		t.Errorf("members returned although excluded: %v", got)
	}
}

// Row 102: the statements of a member change do not depend on the group's size.
func TestGroupPatchCost(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{acceptUnknown: true, limits: scim.Limits{MemberValues: 20000}})
	member := s.user("newcomer").id()
	other := s.user("old-timer").id()
	cost := func(size int) []string {
		t.Helper()
		ids := make([]string, size)
		for i := range ids {
			ids[i] = fmt.Sprintf("01890000-0000-7000-8000-%012x", i)
		}
		g := s.group(fmt.Sprintf("size %d", size), slices.Concat(ids, []string{other})...).id()
		s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+g, patchOp([3]any{"add", "members", memberList(unused)})) // prepare
		statements := s.trace.during(func() {
			s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+g, patchOp([3]any{"add", "members", memberList(member)}))
			s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+g, patchOp([3]any{"remove", `members[value eq "` + other + `"]`, nil}))
			s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+g, patchOp([3]any{"remove", "members", memberList(member)}))
		})
		// Background work keeps its own time: last uses of tokens, leases, and
		// the blocks that count the resources behind an id.
		return slices.DeleteFunc(statements, func(text string) bool {
			return slices.ContainsFunc([]string{"resource_blocks", "value_indexes", "leases", "tokens", "id >= ", "id > "}, func(mark string) bool { return strings.Contains(text, mark) })
		})
	}
	small, large := cost(10), cost(20000-1)
	if diff := cmp.Diff(small, large); diff != "" {
		t.Errorf("statements at 10 and at 20,000 members differ (-10 +20000):\n%s", diff)
	}
	if len(small) > 60 {
		t.Errorf("three changes took %d statements:\n%s", len(small), strings.Join(small, "\n"))
	}
}

// Row 102: many members in one request.
func TestRow102_ManyMembersInOnePatch(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{acceptUnknown: true})
	g := s.group("row102").id()
	ids := make([]string, 10000)
	for i := range ids {
		ids[i] = fmt.Sprintf("01890000-0000-7000-8000-%012x", i)
	}
	s.want(http.StatusNoContent, http.MethodPatch, "/Groups/"+g, patchOp([3]any{"add", "members", memberList(ids...)}))
	if got := memberIDs(s.client, g); len(got) != len(ids) {
		t.Errorf("%d members, want %d", len(got), len(ids))
	}
	s.refuse(http.StatusRequestEntityTooLarge, "", http.MethodPatch, "/Groups/"+g, patchOp([3]any{"add", "members", memberList(slices.Concat(ids, []string{unused})...)}), "10000")
}

// Group names are unique by the setting that Entra and IPSIE want.
func TestRow31_GroupNames(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	s.group("Team")
	s.refuse(http.StatusConflict, "uniqueness", http.MethodPost, "/Groups", map[string]any{"schemas": []string{groupURN}, "displayName": "TEAM"}, "displayName")
	free := newServer(t, options{freeNames: true})
	free.group("Team")
	free.group("Team")
}
