package storagetest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// matches lists by name what each filter must find.
type matches struct {
	filter string
	want   []string
}

func checkFilters(t *testing.T, d *directory, rt *schema.ResourceType, names map[string]string, cases []matches) {
	t.Helper()
	for _, c := range cases {
		page := d.list(t, rt, c.filter)
		var got []string
		for _, id := range ids(page) {
			got = append(got, names[id])
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("filter %s (-want +got):\n%s", c.filter, diff)
		}
		if page.Total != int64(len(c.want)) {
			t.Errorf("filter %s: total = %d, want %d", c.filter, page.Total, len(c.want))
		}
	}
}

// TestFilterSameElement: rows 61, 62 and 63 of the checklist.
func TestFilterSameElement(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		names := map[string]string{}
		for name, emails := range map[string]string{
			"split": `[{"type":"work","value":"a@x.org"},{"type":"home","value":"b@x.org"}]`,
			"same":  `[{"type":"work","value":"b@x.org"}]`,
			"other": `[{"type":"home","value":"a@x.org"}]`,
			"none":  `[]`,
		} {
			names[d.add(t, d.user, fmt.Sprintf(`{"userName":%q,"emails":%s}`, name, emails))] = name
		}
		checkFilters(t, d, d.user, names, []matches{
			{`emails[type eq "work" and value eq "b@x.org"]`, []string{"same"}},
			{`emails[type eq "work"].value eq "b@x.org"`, []string{"same"}},
			{`emails[type eq "work" and value co "b@"]`, []string{"same"}},
			{`emails.type eq "work" and emails.value eq "b@x.org"`, []string{"split", "same"}},
			{`emails.type eq "work" and emails.value co "b@"`, []string{"split", "same"}},
			{`emails eq "A@X.org"`, []string{"split", "other"}},
			{`emails co "b@"`, []string{"split", "same"}},
			{`emails pr`, []string{"split", "same", "other"}},
			{`not (emails pr)`, []string{"none"}},
			{`emails[type eq "work" and (value eq "a@x.org" or value eq "b@x.org")]`, []string{"split", "same"}},
			{`emails[not (type eq "work")]`, []string{"split", "other"}},
			{`not (emails[type eq "work"])`, []string{"other", "none"}},
		})
	})
}

// TestFilterAbsentLogic: row 66 of the checklist, and that no NULL leaks.
func TestFilterAbsentLogic(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		names := map[string]string{
			d.add(t, d.user, `{"userName":"full","title":"x","active":true,"emails":[{"value":"a@x.org"},{"type":"work","value":"b@x.org"}]}`): "full",
			d.add(t, d.user, `{"userName":"bare"}`): "bare",
		}
		full, bare, both, none := []string{"full"}, []string{"bare"}, []string{"full", "bare"}, []string(nil)
		checkFilters(t, d, d.user, names, []matches{
			{`title eq "x"`, full},
			{`title ne "x"`, bare},
			{`title ne "y"`, both},
			{`not (title eq "x")`, bare},
			{`not (title ne "x")`, full},
			{`not (title co "x")`, bare},
			{`not (title sw "x")`, bare},
			{`not (title ew "x")`, bare},
			{`not (title gt "a")`, bare},
			{`not (title le "z")`, bare},
			{`not (not (title co "x"))`, full},
			{`title eq null`, bare},
			{`title ne null`, full},
			{`title pr`, full},
			{`not (title pr)`, bare},
			{`active eq false`, none},
			{`active ne true`, bare},
			{`emails.value ne "a@x.org"`, both},
			{`emails.type eq null`, both},
			{`emails.type ne "work"`, both},
			{`emails[type eq null]`, full},
			{`emails eq null`, bare},
			{`emails ne null`, full},
			{`emails[value ne "q"]`, full},
			{`name.givenName eq null`, both},
			{`name[givenName eq null]`, none},
			{`title eq "x" or title eq null`, both},
			{`not (title eq "x" and emails pr)`, bare},
			{`title co ""`, full},
			{`title sw ""`, full},
			{`title ew ""`, full},
			{`not (title sw "")`, bare},
		})
	})
}

// TestFilterPatternsAreLiteral: row 64 of the checklist.
func TestFilterPatternsAreLiteral(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		names := map[string]string{}
		for _, title := range []string{`100%`, `100`, `a_b`, `axb`, `back\slash`, `quo"te`, "Ünï", "ünïcode", "😀x", "'; --"} {
			id := d.add(t, d.user, fmt.Sprintf(`{"userName":"u%d","title":%s}`, len(names), quoteJSON(title)))
			names[id] = title
		}
		checkFilters(t, d, d.user, names, []matches{
			{`title co "%"`, []string{`100%`}},
			{`title ew "%"`, []string{`100%`}},
			{`title sw "100"`, []string{`100%`, `100`}},
			{`title co "_"`, []string{`a_b`}},
			{`title eq "A_B"`, []string{`a_b`}},
			{`title co "\\"`, []string{`back\slash`}},
			{`title co "\""`, []string{`quo"te`}},
			{`title sw "\u00fcn\u00ef"`, []string{"Ünï", "ünïcode"}},
			{`title ew "ï"`, []string{"Ünï"}},
			{`title sw "😀"`, []string{"😀x"}},
			{`title sw "'"`, []string{"'; --"}},
		})
	})
}

func quoteJSON(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// TestFilterColumnsAndMembership: rows 21, 60 and 72 of the checklist.
func TestFilterColumnsAndMembership(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d *directory) {
		ada := d.add(t, d.user, `{"userName":"Ada","displayName":"Ada L","externalId":"Ext-1"}`)
		bob := d.add(t, d.user, `{"userName":"bob","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":{"value":"`+ada+`"}}}`)
		inner := d.add(t, d.group, `{"displayName":"Inner"}`)
		outer := d.add(t, d.group, `{"displayName":"Outer"}`)
		d.addMembers(t, inner, scim.Member{Value: bob, Type: "User"}, scim.Member{Value: outer, Type: "Group"})
		d.addMembers(t, outer, scim.Member{Value: inner, Type: "Group"}, scim.Member{Value: ada, Type: "User"})
		names := map[string]string{ada: "ada", bob: "bob", inner: "inner", outer: "outer"}
		both := []string{"ada", "bob"}
		checkFilters(t, d, d.user, names, []matches{
			{`userName eq "ADA"`, []string{"ada"}},
			{`not (userName eq "ada")`, []string{"bob"}},
			{`externalId eq "Ext-1"`, []string{"ada"}},
			{`externalId eq "ext-1"`, nil},
			{`not (externalId eq "Ext-1")`, []string{"bob"}},
			{`id eq "` + ada + `" and manager pr`, nil},
			{`id eq "` + bob + `" and manager eq "` + ada + `"`, []string{"bob"}},
			{`meta.resourceType eq "User"`, both},
			{`meta.resourceType ne "User"`, nil},
			{`meta.location eq "` + queryBase + `/Users/` + ada + `"`, []string{"ada"}},
			{`meta.version eq "W/\"1\""`, both},
			{`meta.lastModified gt "2026-05-04T03:02:02Z"`, []string{"bob"}},
			{`meta.created le "2026-05-04T05:02:02+02:00"`, []string{"ada"}},
			{`meta[created gt "2020-01-01T00:00:00Z" and resourceType eq "User"]`, both},
			{`meta pr`, both},
			{`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`, []string{"bob"}},
			{`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "r&d"`, []string{"bob"}},
			{`groups.value eq "` + inner + `"`, both},
			{`groups[value eq "` + inner + `" and type eq "direct"]`, []string{"bob"}},
			{`groups[value eq "` + inner + `" and type eq "indirect"]`, []string{"ada"}},
			{`groups.display eq "outer"`, both},
			{`groups.$ref eq "` + queryBase + `/Groups/` + outer + `"`, both},
			{`not (groups.value eq "` + inner + `")`, nil},
		})
		checkFilters(t, d, d.group, names, []matches{
			{`members.value eq "` + bob + `"`, []string{"inner"}},
			{`members[value eq "` + ada + `" and type eq "User"]`, []string{"outer"}},
			{`members[value eq "` + ada + `" and type eq "Group"]`, nil},
			{`members.display eq "ada l"`, []string{"outer"}},
			{`members.display eq "bob"`, []string{"inner"}},
			{`members.$ref ew "/Users/` + bob + `"`, []string{"inner"}},
			{`members.type eq "Group" and displayName sw "o"`, []string{"outer"}},
			{`not (members.value eq "` + bob + `")`, []string{"outer"}},
			{`members pr`, []string{"inner", "outer"}},
		})
	})
}
