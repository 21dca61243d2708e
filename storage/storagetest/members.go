package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
	"github.com/sallyport-id/sallyport/storage"
)

// Members is the conformance suite of [scim.MemberStore].
func Members(t *testing.T, o *Opener) {
	db := o.Open(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, *storage.DB)
	}{
		{"row 101: adding twice and removing a stranger change nothing", addRemove},
		{"row 103: an unknown member is refused by id", unknownMembers},
		{"row 112: members of another domain are invisible and stay", memberDomains},
		{"set makes exactly these", setMembers},
		{"row 87: removal by value path", removeWhere},
		{"row 23, TestGroupCycle: cycles end and direct wins", cycles},
		{"row 102: ten thousand members in one call", manyMembers},
		{"a deleted resource leaves its groups", deletedMember},
		{"leaving names the groups that lost a member", leaving},
		{"row 107: no group loses a member without being named", leaveRace},
		{"parallel changes of one group lose nobody", parallelMembers},
		{"changes need a transaction", needTransaction},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, db) })
	}
}

// change runs one membership change in a transaction.
func change(t *testing.T, db *storage.DB, fn func(ctx context.Context) (int64, error)) int64 {
	t.Helper()
	var n int64
	err := db.InTx(t.Context(), func(ctx context.Context) (err error) {
		n, err = fn(ctx)
		return err
	})
	if err != nil {
		t.Fatalf("change members: %v", err)
	}
	return n
}

func asMembers(ids ...string) []scim.Member {
	out := make([]scim.Member, len(ids))
	for i, id := range ids {
		out[i].Value = id
	}
	return out
}

func memberIDs(t *testing.T, db *storage.DB, group string) []string {
	t.Helper()
	all, err := db.Members(t.Context(), []string{group}, "")
	if err != nil {
		t.Fatalf("Members: %v", err)
	}
	var out []string
	for _, m := range all[group] {
		out = append(out, m.Value)
	}
	return out
}

func wantMembers(t *testing.T, db *storage.DB, group string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, memberIDs(t, db, group)); diff != "" {
		t.Errorf("members differ (-want +got):\n%s", diff)
	}
}

// addUsers stores n users whose names begin with prefix.
func addUsers(t *testing.T, o *Opener, db *storage.DB, prefix string, n int) []string {
	t.Helper()
	user := o.Type(t, "User")
	ids := make([]string, n)
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		for i := range ids {
			r := o.User(t, fmt.Sprintf("%s%d@example.com", prefix, i))
			ids[i] = r.ID
			if err := db.Insert(ctx, user, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("add users: %v", err)
	}
	return ids
}

func addGroup(t *testing.T, o *Opener, db *storage.DB, name string) string {
	t.Helper()
	return Add(t, db, o.Type(t, "Group"), o.Group(t, name)).ID
}

func addRemove(t *testing.T, o *Opener, db *storage.DB) {
	group, ids := addGroup(t, o, db, "add remove"), addUsers(t, o, db, "ar", 3)
	inner := addGroup(t, o, db, "inner group")
	add := func(members []scim.Member) int64 {
		return change(t, db, func(ctx context.Context) (int64, error) { return db.AddMembers(ctx, group, "", members) })
	}
	if n := add(asMembers(ids[0], strings.ToUpper(ids[1]), inner)); n != 3 {
		t.Errorf("AddMembers = %d, want 3", n)
	}
	if n := add(asMembers(ids[1], ids[2], ids[2])); n != 1 {
		t.Errorf("AddMembers of one new, one known and a double = %d, want 1", n)
	}
	wantMembers(t, db, group, ids[0], ids[1], ids[2], inner)
	all, err := db.Members(t.Context(), []string{group}, "")
	if err != nil {
		t.Fatalf("Members: %v", err)
	}
	types := map[string]string{}
	for _, m := range all[group] {
		types[m.Display] = m.Type
	}
	want := map[string]string{
		"ar0@example.com": "User", "ar1@example.com": "User", "ar2@example.com": "User", "inner group": "Group",
	}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("display and type differ (-want +got):\n%s", diff)
	}
	n := change(t, db, func(ctx context.Context) (int64, error) {
		return db.RemoveMembers(ctx, group, "", []string{strings.ToUpper(ids[0]), NewID(t)})
	})
	if n != 1 {
		t.Errorf("RemoveMembers of a member and a stranger = %d, want 1", n)
	}
	wantMembers(t, db, group, ids[1], ids[2], inner)
	if !get(t, db, o.Type(t, "User"), ids[1]).HasGroups || get(t, db, o.Type(t, "User"), ids[0]).HasGroups {
		t.Error("HasGroups does not follow the membership")
	}
}

func unknownMembers(t *testing.T, o *Opener, db *storage.DB) {
	group, ids := addGroup(t, o, db, "unknown"), addUsers(t, o, db, "un", 1)
	strangers := []string{NewID(t), NewID(t)}
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		_, err := db.AddMembers(ctx, group, "", asMembers(append(strangers, ids...)...))
		return err
	})
	unknown, ok := errors.AsType[*scim.UnknownMemberError](err)
	if !ok {
		t.Fatalf("AddMembers = %v, want UnknownMemberError", err)
	}
	if diff := cmp.Diff(strangers, unknown.IDs); diff != "" {
		t.Errorf("unknown ids differ (-want +got):\n%s", diff)
	}
	wantMembers(t, db, group)

	lenient := o.Open(t, func(c *storage.Config) { c.AcceptUnknownMembers = true })
	n := change(t, lenient, func(ctx context.Context) (int64, error) {
		return lenient.AddMembers(ctx, group, "", asMembers(append(strangers, ids...)...))
	})
	if n != 3 {
		t.Errorf("AddMembers that accepts unknown ids = %d, want 3", n)
	}
	wantMembers(t, db, group, append(strangers, ids...)...)
}

func memberDomains(t *testing.T, o *Opener, db *storage.DB) {
	user, group := o.Type(t, "User"), addGroup(t, o, db, "domains")
	hr, it := o.User(t, "dom-hr"), o.User(t, "dom-it")
	hr.Domain, it.Domain = "hr", "it"
	Add(t, db, user, hr)
	Add(t, db, user, it)
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		_, err := db.AddMembers(ctx, group, "hr", asMembers(hr.ID, it.ID))
		return err
	})
	if unknown, ok := errors.AsType[*scim.UnknownMemberError](err); !ok || !slices.Equal(unknown.IDs, []string{it.ID}) {
		t.Fatalf("AddMembers across domains = %v, want the other's id as unknown", err)
	}
	change(t, db, func(ctx context.Context) (int64, error) {
		return db.AddMembers(ctx, group, "", asMembers(hr.ID, it.ID))
	})
	seen, err := db.Members(t.Context(), []string{group}, "hr")
	if err != nil || len(seen[group]) != 1 || seen[group][0].Value != hr.ID {
		t.Errorf("Members in domain hr = %v, %v, want only %s", seen, err, hr.ID)
	}
	for name, remove := range map[string]func(context.Context) (int64, error){
		"RemoveMembers": func(ctx context.Context) (int64, error) {
			return db.RemoveMembers(ctx, group, "hr", []string{it.ID})
		},
		"RemoveMembersWhere": func(ctx context.Context) (int64, error) {
			return db.RemoveMembersWhere(ctx, group, "hr", bindMember(t, o, `type eq "Group"`))
		},
	} {
		if n := change(t, db, remove); n != 0 {
			t.Errorf("%s touched %d members of another domain", name, n)
		}
	}
	n := change(t, db, func(ctx context.Context) (int64, error) { return db.SetMembers(ctx, group, "hr", nil) })
	if n != 1 {
		t.Errorf("SetMembers to none in domain hr = %d, want 1", n)
	}
	wantMembers(t, db, group, it.ID)
	groups, err := db.Groups(t.Context(), []string{it.ID}, "hr")
	if err != nil || len(groups) != 0 {
		t.Errorf("Groups in another domain = %v, %v, want none", groups, err)
	}
}

func setMembers(t *testing.T, o *Opener, db *storage.DB) {
	group, ids := addGroup(t, o, db, "set"), addUsers(t, o, db, "set", 4)
	set := func(ids ...string) int64 {
		return change(t, db, func(ctx context.Context) (int64, error) {
			return db.SetMembers(ctx, group, "", asMembers(ids...))
		})
	}
	for _, step := range []struct {
		ids  []string
		want int64
	}{
		{ids[:2], 2},
		{ids[:2], 0},
		{ids[1:], 3}, // one goes, two come
		{nil, 3},
	} {
		if n := set(step.ids...); n != step.want {
			t.Errorf("SetMembers(%d ids) = %d, want %d", len(step.ids), n, step.want)
		}
		wantMembers(t, db, group, slices.Clone(step.ids)...)
	}
}

// bindMember binds a filter inside members[…].
func bindMember(t *testing.T, o *Opener, text string) filter.Predicate {
	t.Helper()
	rt := o.Type(t, "Group")
	ref, err := rt.Lookup("", "members", "", schema.Policy{})
	if err != nil {
		t.Fatalf("Lookup members: %v", err)
	}
	expr, err := filter.Parse(text, filter.Limits{}, schema.Policy{})
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	predicate, err := filter.BindElement(expr, ref, rt, schema.Policy{})
	if err != nil {
		t.Fatalf("BindElement(%q): %v", text, err)
	}
	return predicate
}

func removeWhere(t *testing.T, o *Opener, db *storage.DB) {
	ids := addUsers(t, o, db, "where", 4)
	inner := addGroup(t, o, db, "where inner")
	for text, gone := range map[string][]string{
		`value eq "` + strings.ToUpper(ids[0]) + `"`:             {ids[0]},
		`value eq "` + ids[0] + `" or value eq "` + ids[1] + `"`: {ids[0], ids[1]},
		`type eq "Group"`:       {inner},
		`display sw "WHERE1"`:   {ids[1]},
		`not (type eq "Group")`: ids,
		`type eq "User" and not (value eq "` + ids[3] + `")`: ids[:3],
		`value eq "00000000-0000-0000-0000-000000000000"`:    nil,
	} {
		t.Run(text, func(t *testing.T) {
			group := addGroup(t, o, db, "where "+NewID(t))
			all := append(slices.Clone(ids), inner)
			change(t, db, func(ctx context.Context) (int64, error) {
				return db.AddMembers(ctx, group, "", asMembers(all...))
			})
			n := change(t, db, func(ctx context.Context) (int64, error) {
				return db.RemoveMembersWhere(ctx, group, "", bindMember(t, o, text))
			})
			if n != int64(len(gone)) {
				t.Errorf("RemoveMembersWhere = %d, want %d", n, len(gone))
			}
			left := slices.DeleteFunc(all, func(id string) bool { return slices.Contains(gone, id) })
			wantMembers(t, db, group, left...)
		})
	}
}

func cycles(t *testing.T, o *Opener, db *storage.DB) {
	a, b, c := addGroup(t, o, db, "cycle a"), addGroup(t, o, db, "cycle b"), addGroup(t, o, db, "cycle c")
	id := addUsers(t, o, db, "cycle", 1)[0]
	for group, members := range map[string][]string{a: {b, id}, b: {c}, c: {a, id}} {
		change(t, db, func(ctx context.Context) (int64, error) {
			return db.AddMembers(ctx, group, "", asMembers(members...))
		})
	}
	got, err := db.Groups(t.Context(), []string{id, a, NewID(t)}, "")
	if err != nil {
		t.Fatalf("Groups: %v", err)
	}
	want := map[string][]scim.Membership{
		id: {{Group: a, Display: "cycle a", Direct: true}, {Group: b, Display: "cycle b"}, {Group: c, Display: "cycle c", Direct: true}},
		a:  {{Group: b, Display: "cycle b"}, {Group: c, Display: "cycle c", Direct: true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("groups differ (-want +got):\n%s", diff)
	}
}

func manyMembers(t *testing.T, o *Opener, db *storage.DB) {
	const n = 10_000
	group, ids := addGroup(t, o, db, "many"), addUsers(t, o, db, "many", n)
	for name, step := range map[string]func(context.Context) (int64, error){
		"AddMembers": func(ctx context.Context) (int64, error) { return db.AddMembers(ctx, group, "", asMembers(ids...)) },
		"RemoveMembers": func(ctx context.Context) (int64, error) {
			if _, err := db.SetMembers(ctx, group, "", asMembers(ids...)); err != nil {
				return 0, err
			}
			return db.RemoveMembers(ctx, group, "", ids)
		},
	} {
		if got := change(t, db, step); got != n {
			t.Errorf("%s = %d, want %d", name, got, n)
		}
		change(t, db, func(ctx context.Context) (int64, error) { return db.SetMembers(ctx, group, "", nil) })
	}
	wantMembers(t, db, group)
}

func deletedMember(t *testing.T, o *Opener, db *storage.DB) {
	group, inner := addGroup(t, o, db, "deleted outer"), addGroup(t, o, db, "deleted inner")
	ids := addUsers(t, o, db, "deleted", 2)
	change(t, db, func(ctx context.Context) (int64, error) { return db.AddMembers(ctx, inner, "", asMembers(ids...)) })
	change(t, db, func(ctx context.Context) (int64, error) {
		return db.AddMembers(ctx, group, "", asMembers(inner, ids[0]))
	})
	if err := db.Delete(t.Context(), o.Type(t, "User"), ids[0]); err != nil {
		t.Fatalf("Delete user: %v", err)
	}
	wantMembers(t, db, group, inner)
	if err := db.Delete(t.Context(), o.Type(t, "Group"), inner); err != nil {
		t.Fatalf("Delete group: %v", err)
	}
	wantMembers(t, db, group)
	if n := countRaw(t, o, "SELECT count(*) FROM members WHERE group_id = $1 OR member_id = $1", inner); n != 0 {
		t.Errorf("%d membership rows outlive the group", n)
	}
}

func parallelMembers(t *testing.T, o *Opener, db *storage.DB) {
	group := addGroup(t, o, db, "parallel")
	nodes := []*storage.DB{db, o.Open(t)}
	ids := addUsers(t, o, db, "parallel", 60)
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			node := nodes[i%len(nodes)]
			err := node.InTx(context.Background(), func(ctx context.Context) error {
				if _, err := node.AddMembers(ctx, group, "", asMembers(ids[i/2*2], id)); err != nil {
					return err
				}
				if i%4 == 3 {
					_, err := node.RemoveMembers(ctx, group, "", []string{id})
					return err
				}
				return nil
			})
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	var want []string
	for i, id := range ids {
		if i%4 != 3 {
			want = append(want, id)
		}
	}
	wantMembers(t, db, group, want...)
}

func needTransaction(t *testing.T, o *Opener, db *storage.DB) {
	group, ids := addGroup(t, o, db, "no transaction"), addUsers(t, o, db, "nt", 1)
	if _, err := db.AddMembers(t.Context(), group, "", asMembers(ids...)); err == nil {
		t.Error("AddMembers outside InTx succeeded")
	}
	wantMembers(t, db, group)
}

func leaving(t *testing.T, o *Opener, db *storage.DB) {
	ids := addUsers(t, o, db, "leaving", 2)
	a, b, other := addGroup(t, o, db, "leaving a"), addGroup(t, o, db, "leaving b"), addGroup(t, o, db, "leaving other")
	for group, members := range map[string][]string{a: ids, b: {a, ids[0]}, other: {ids[1]}} {
		change(t, db, func(ctx context.Context) (int64, error) {
			return db.AddMembers(ctx, group, "", asMembers(members...))
		})
	}
	leave := func(id string) []string {
		t.Helper()
		var left []string
		err := db.InTx(t.Context(), func(ctx context.Context) (err error) {
			left, err = db.Leave(ctx, id)
			return err
		})
		if err != nil {
			t.Fatalf("Leave: %v", err)
		}
		slices.Sort(left)
		return left
	}
	want := []string{a, b}
	slices.Sort(want)
	if diff := cmp.Diff(want, leave(ids[0])); diff != "" {
		t.Errorf("groups left (-want +got):\n%s", diff)
	}
	if left := leave(ids[0]); len(left) != 0 {
		t.Errorf("second Leave = %v, want none", left)
	}
	wantMembers(t, db, a, ids[1])
	wantMembers(t, db, b, a)
	wantMembers(t, db, other, ids[1])
}

// leaveRace adds a user to groups while the user is deleted: every group that
// had it for a moment must be named by Leave, or must never have got it.
func leaveRace(t *testing.T, o *Opener, db *storage.DB) {
	const n = 12
	nodes := []*storage.DB{db, o.Open(t)}
	user, id := o.Type(t, "User"), addUsers(t, o, db, "leave race", 1)[0]
	groups, added := make([]string, n), make([]bool, n)
	for i := range groups {
		groups[i] = addGroup(t, o, db, fmt.Sprintf("leave race %d", i))
	}
	var left []string
	var wg sync.WaitGroup
	for i, group := range groups {
		wg.Go(func() {
			node := nodes[i%2]
			err := node.InTx(context.Background(), func(ctx context.Context) error {
				_, err := node.AddMembers(ctx, group, "", asMembers(id))
				return err
			})
			if _, unknown := errors.AsType[*scim.UnknownMemberError](err); err != nil && !unknown {
				t.Errorf("AddMembers: %v", err)
			}
			added[i] = err == nil
		})
	}
	wg.Go(func() {
		err := db.InTx(context.Background(), func(ctx context.Context) (err error) {
			if left, err = db.Leave(ctx, id); err != nil {
				return err
			}
			return db.Delete(ctx, user, id)
		})
		if err != nil {
			t.Errorf("delete: %v", err)
		}
	})
	wg.Wait()
	for i, group := range groups {
		if added[i] != slices.Contains(left, group) {
			t.Errorf("group %d: member added %v, named by Leave %v", i, added[i], !added[i])
		}
	}
	if rows := countRaw(t, o, "SELECT count(*) FROM members WHERE member_id = $1", id); rows != 0 {
		t.Errorf("%d memberships of a deleted user remain", rows)
	}
}
