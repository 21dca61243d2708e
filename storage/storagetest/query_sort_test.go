package storagetest_test

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// TestSortMissingAndMultiValued: row 70 of the checklist.
func TestSortMissingAndMultiValued(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		names := map[string]string{}
		for _, u := range []struct{ name, rest string }{
			{"none", `"title":"Z"`},
			{"first", `"title":"a","emails":[{"type":"work","value":"b@x"},{"type":"home","value":"a@x"}]`},
			{"primary", `"title":"B","emails":[{"type":"work","value":"z@x"},{"type":"home","value":"A@x","primary":true}]`},
			{"same", `"emails":[{"type":"work","value":"B@X"}]`},
		} {
			names[d.add(t, d.user, fmt.Sprintf(`{"userName":%q,%s}`, u.name, u.rest))] = u.name
		}
		for _, c := range []struct {
			path       string
			descending bool
			want       []string
		}{
			{"emails", false, []string{"primary", "first", "same", "none"}},
			{"emails.value", true, []string{"none", "same", "first", "primary"}},
			{"title", false, []string{"first", "primary", "none", "same"}},
			{"title", true, []string{"same", "none", "primary", "first"}},
			{"userName", false, []string{"first", "none", "primary", "same"}},
			{"id", true, []string{"same", "primary", "first", "none"}},
			{"meta.lastModified", true, []string{"same", "primary", "first", "none"}},
			{"externalId", false, []string{"none", "first", "primary", "same"}},
		} {
			page := d.query(t, scim.Query{
				Sources:    []scim.Source{{Type: d.user, Sort: sortBy(t, d.user, c.path)}},
				Descending: c.descending, Limit: 10, Total: true,
			})
			var got []string
			for _, id := range ids(page) {
				got = append(got, names[id])
			}
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("sort by %s, descending %v (-want +got):\n%s", c.path, c.descending, diff)
			}
		}
	})
}

// sortedIDs is the order that RFC 7644 section 3.4.2.3 asks for, computed
// without SQL.
func sortedIDs(c *corpus, rt *schema.ResourceType, ref schema.Ref, descending bool) []string {
	type row struct{ missing, key, id string }
	var rows []row
	for id, o := range c.objects[rt.Name] {
		key, ok := sortKeyOf(o, ref)
		rows = append(rows, row{map[bool]string{true: "0", false: "1"}[ok], key, id})
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.missing, b.missing), cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
	})
	if descending {
		slices.Reverse(rows)
	}
	out := []string{}
	for _, r := range rows {
		out = append(out, r.id)
	}
	return out
}

// sortKeyOf is the key of the primary element, else of the first.
func sortKeyOf(o schema.Object, ref schema.Ref) (string, bool) {
	if ref.URN != "" {
		o, _ = o[ref.URN].(schema.Object)
	}
	v := o[ref.Attr.Name]
	if list, ok := v.([]any); ok {
		v = list[0]
		for _, e := range list {
			if inner, ok := e.(schema.Object); ok && inner["primary"] == true {
				v = e
			}
		}
	}
	target := ref.Attr
	if inner, ok := v.(schema.Object); ok {
		if target = ref.Sub; target == nil {
			target = ref.Attr.SubAttribute("value")
		}
		if target == nil {
			return "", false
		}
		v = inner[target.Name]
	}
	if list, ok := v.([]any); ok {
		v = list[0]
	}
	if v == nil {
		return "", false
	}
	return target.Key(v)
}

// everySort calls f for every attribute that a list can be sorted by.
func everySort(rt *schema.ResourceType, f func(ref schema.Ref)) {
	for _, ref := range rt.Attributes() {
		if ref.Attr.Returned == schema.ReturnedNever {
			continue
		}
		f(ref)
		for _, sub := range ref.Attr.Sub {
			f(schema.Ref{URN: ref.URN, Attr: ref.Attr, Sub: sub})
		}
	}
}

// TestSortEveryAttribute: rows 58 and 70: whatever the attribute, ascending and
// descending, and by offset, by cursor forwards and by cursor backwards, the
// pages join to the one total order.
func TestSortEveryAttribute(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		c := d.fill(t, 3, 40, 30, 8)
		for _, rt := range c.types {
			everySort(rt, func(ref schema.Ref) {
				for _, descending := range []bool{false, true} {
					name := rt.Name + " by " + ref.String() + " descending " + strconv.FormatBool(descending)
					want := sortedIDs(c, rt, ref, descending)
					q := scim.Query{
						Sources: []scim.Source{{Type: rt, Sort: &ref}}, Descending: descending, BaseURL: queryBase,
					}
					for how, walk := range walks {
						if diff := gocmp.Diff(want, walk(t, d, q, 7)); diff != "" {
							t.Fatalf("%s, %s (-want +got):\n%s", name, how, diff)
						}
					}
				}
			})
		}
	})
}

// walks are the ways to read a whole list by pages of n.
var walks = map[string]func(t *testing.T, d *directory, q scim.Query, n int) []string{
	"by offset": walkOffset, "by cursor": walkAfter, "by cursor backwards": walkBefore,
}

func walkOffset(t *testing.T, d *directory, q scim.Query, n int) []string {
	t.Helper()
	out := []string{}
	for q.Limit = n; ; q.Offset += n {
		page := d.query(t, q)
		out = append(out, ids(page)...)
		if !page.More {
			return out
		}
	}
}

func walkAfter(t *testing.T, d *directory, q scim.Query, n int) []string {
	t.Helper()
	out := []string{}
	for q.Limit = n; ; {
		page := d.query(t, q)
		out = append(out, ids(page)...)
		if !page.More {
			return out
		}
		q.After = &page.Keys[len(page.Keys)-1]
	}
}

// walkBefore starts behind the last row and walks to the first.
func walkBefore(t *testing.T, d *directory, q scim.Query, n int) []string {
	t.Helper()
	q.Limit = 500
	all := d.query(t, q)
	if len(all.Keys) == 0 {
		return []string{}
	}
	last := len(all.Keys) - 1
	out := []string{all.Keys[last].ID}
	q.Limit, q.Before = n, &all.Keys[last]
	for {
		page := d.query(t, q)
		if len(page.Keys) == 0 {
			return out
		}
		if !page.More {
			t.Errorf("page before %+v has no rows behind it", *q.Before)
		}
		out = append(ids(page), out...)
		q.Before = &page.Keys[0]
	}
}

// TestQueryAcrossTypes: row 72: one total order over all types; a type that
// lacks the sort attribute has no value for it.
func TestQueryAcrossTypes(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		u1 := d.add(t, d.user, `{"userName":"m","displayName":"m"}`)
		g1 := d.add(t, d.group, `{"displayName":"C"}`)
		s1 := d.add(t, d.sensor, `{"serial":"1","label":"x"}`)
		u2 := d.add(t, d.user, `{"userName":"a"}`)
		g2 := d.add(t, d.group, `{"displayName":"z"}`)
		sources := []scim.Source{{Type: d.user}, {Type: d.group}, {Type: d.sensor}}
		byID := []string{u1, g1, s1, u2, g2}
		for how, walk := range walks {
			if diff := gocmp.Diff(byID, walk(t, d, scim.Query{Sources: sources}, 2)); diff != "" {
				t.Errorf("all types by id, %s (-want +got):\n%s", how, diff)
			}
		}
		page := d.query(t, scim.Query{Sources: sources, Limit: 2, Total: true})
		if page.Total != 5 || !page.More {
			t.Errorf("first two of five: total %d, more %v", page.Total, page.More)
		}

		sorted := []scim.Source{
			{Type: d.user, Sort: sortBy(t, d.user, "displayName")},
			{Type: d.group, Sort: sortBy(t, d.group, "displayName")},
			{Type: d.sensor},
		}
		want := []string{g1, u1, g2, s1, u2}
		for _, descending := range []bool{false, true} {
			for how, walk := range walks {
				got := walk(t, d, scim.Query{Sources: sorted, Descending: descending}, 2)
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Errorf("all types by displayName, %s, descending %v (-want +got):\n%s", how, descending, diff)
				}
			}
			want = slices.Clone(want)
			slices.Reverse(want)
		}

		times := []scim.Source{
			{Type: d.user, Sort: sortBy(t, d.user, "meta.created")},
			{Type: d.group, Sort: sortBy(t, d.group, "meta.created")},
		}
		if diff := gocmp.Diff([]string{u1, g1, u2, g2}, walkAfter(t, d, scim.Query{Sources: times}, 1)); diff != "" {
			t.Errorf("by meta.created (-want +got):\n%s", diff)
		}

		only := []scim.Source{
			{Type: d.user, Where: bind(t, d.user, `meta.resourceType eq "Group"`)},
			{Type: d.group, Where: bind(t, d.group, `meta.resourceType eq "Group"`)},
		}
		page = d.query(t, scim.Query{Sources: only, Limit: 10, Total: true})
		if diff := gocmp.Diff([]string{g1, g2}, ids(page)); diff != "" || page.Total != 2 {
			t.Errorf("groups only: total %d (-want +got):\n%s", page.Total, diff)
		}
	})
}
