package filter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// TestFilterLeniency: the spellings that the reader takes beyond the grammar,
// each with the strict spelling that it equals.
func TestFilterLeniency(t *testing.T) {
	t.Parallel()
	tests := []struct{ loose, strict string }{
		{`value eq"x"`, `value eq "x"`},
		{`  a   eq   "x"  `, `a eq "x"`},
		{`not(a pr)`, `not (a pr)`},
		{`(a pr)and(b pr)`, `a pr and b pr`},
		{`a eq "x"and b pr`, `a eq "x" and b pr`},
		{`((a pr))`, `a pr`},
		{`a EQ "x" AND b Pr`, `a eq "x" and b pr`},
		{`emails[ type eq "work" ]`, `emails[type eq "work"]`},
		{`members.$ref pr`, `members.$ref pr`},
		{`$ref pr`, `$ref pr`},
		{`meta.resourceType eq User`, `meta.resourceType eq "User"`},
		{`META.resourcetype ne Group`, `META.resourcetype ne "Group"`},
		{`(meta.resourceType eq User) or (meta.resourceType eq Group)`, `meta.resourceType eq "User" or meta.resourceType eq "Group"`},
		{`a eq -0.5e+10`, `a eq -0.5e+10`},
		{`http://example.com/A%20b/Group:name.sub pr`, `http://example.com/A%20b/Group:name.sub pr`},
	}
	for _, tt := range tests {
		t.Run(tt.loose, func(t *testing.T) {
			t.Parallel()
			e := mustParse(t, tt.loose, schema.Policy{})
			if got := e.String(); got != tt.strict {
				t.Errorf("Parse(%q).String() = %q, want %q", tt.loose, got, tt.strict)
			}
			if diff := cmp.Diff(e, mustParse(t, tt.strict, schema.Policy{})); diff != "" {
				t.Errorf("Parse(%q) differs from Parse(%q):\n%s", tt.loose, tt.strict, diff)
			}
		})
	}
}

// TestRow68_SyntaxIsRefused: what is no filter is 400 invalidFilter, under the
// loosest policy too, and never a filter that selects something else.
func TestRow68_SyntaxIsRefused(t *testing.T) {
	t.Parallel()
	tests := []string{
		``, `   `, `a`, `a eq`, `a eq `, `eq "x"`, `a == "x"`, `a xx "x"`, `a eq "x" and`, `a eq "x" or`,
		`and a pr`, `a pr b pr`, `a pr and and b pr`, `a pr not (b pr)`, `not a pr`, `not`, `not ()`, `()`,
		`(a pr`, `a pr)`, `((a pr)`, `a pr]`, `[a pr]`, `emails[`, `emails[]`, `emails[type pr`, `emails[type pr)`,
		`emails[type pr]x`, `emails[type pr].`, `emails[type pr].value`, `emails[type pr].value.x pr`,
		`emails[type pr] pr`, `emails[type pr] eq "x"`, `emails[ims[type pr]]`, `emails.value[type pr]`,
		`emails [type pr]`, `a..b pr`, `a. pr`, `.a pr`, `a.b.c pr`, `1a pr`, `a.1 pr`, `-a pr`, `a@b pr`, `é pr`,
		`:a pr`, `urn: pr`, `urn:x: pr`, `urn:<x>:a pr`, `a pr5`, `a eq5`, `a pr "x"`, `a eq "x" "y"`, `a eq "x"y`,
		`a eq 'x'`, `"a" eq "x"`, `a eq (x)`, `a eq [x]`, `a, b`, `a pr, b pr`, `a pr && b pr`, `!(a pr)`,
		"a\tpr", "a pr\n", "a eq \"x\x7f\xc0\"", "a\u00a0pr",
	}
	for _, text := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			e, err := filter.Parse(text, filter.Limits{}, compat())
			if err == nil {
				t.Fatalf("Parse(%q) = %s, want an error", text, e)
			}
			if fault := asFault(t, text, err); fault.Code != schema.InvalidFilter {
				t.Errorf("Parse(%q): code %s, want invalidFilter", text, fault.Code)
			}
		})
	}
}

// TestFilterUnquoted: the row "unquoted filter value" of the profile table.
func TestFilterUnquoted(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"jyoung", "j.young@example.com", "True", "NULL", "007", "1.", ".5", "+1", "-", "1e", "0x1", `a\b`} {
		text := "externalId eq " + value
		_, err := filter.Parse(text, filter.Limits{}, schema.Policy{})
		if err == nil {
			t.Errorf("Parse(%q) succeeds under the RFC's policy, want invalidFilter", text)
			continue
		}
		fault := asFault(t, text, err)
		if fault.Code != schema.InvalidFilter || fault.Path != "externalId" || !strings.Contains(fault.Detail, "externalId") {
			t.Errorf("Parse(%q) = %+v, want invalidFilter that names externalId", text, fault)
		}
		want := &filter.Compare{Path: filter.AttrPath{Name: "externalId"}, Op: filter.Eq, Value: filter.Value{Kind: filter.String, Text: value}}
		if diff := cmp.Diff(filter.Expr(want), mustParse(t, text, compat())); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", text, diff)
		}
	}
}

// TestFilterUnquotedResourceType: the exception of the same row, which is not
// made for every profile.
func TestFilterUnquotedResourceType(t *testing.T) {
	t.Parallel()
	const text = "meta.resourceType eq User"
	mustParse(t, text, schema.Policy{})
	mustParse(t, text, schema.Policy{UnquotedFilterValues: true, RefuseUnquotedResourceType: true})
	_, err := filter.Parse(text, filter.Limits{}, schema.Policy{RefuseUnquotedResourceType: true})
	if err == nil {
		t.Fatalf("Parse(%q) succeeds where the policy refuses it", text)
	}
	if fault := asFault(t, text, err); fault.Code != schema.InvalidFilter {
		t.Errorf("Parse(%q) = %+v, want invalidFilter", text, fault)
	}
}

// TestFilterLiterals: true, false, null and numbers are those of JSON.
func TestFilterLiterals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		literal string
		want    filter.Value
	}{
		{"true", filter.Value{Kind: filter.Bool, Text: "true"}},
		{"false", filter.Value{Kind: filter.Bool, Text: "false"}},
		{"null", filter.Value{Kind: filter.Null}},
		{"0", filter.Value{Kind: filter.Number, Text: "0"}},
		{"-0", filter.Value{Kind: filter.Number, Text: "-0"}},
		{"10.25", filter.Value{Kind: filter.Number, Text: "10.25"}},
		{"1E+2", filter.Value{Kind: filter.Number, Text: "1E+2"}},
		{"1e-2", filter.Value{Kind: filter.Number, Text: "1e-2"}},
		{`"null"`, text("null")},
	}
	for _, tt := range tests {
		want := &filter.Compare{Path: filter.AttrPath{Name: "a"}, Op: filter.Ne, Value: tt.want}
		if diff := cmp.Diff(filter.Expr(want), mustParse(t, "a ne "+tt.literal, schema.Policy{})); diff != "" {
			t.Errorf("Parse(a ne %s) (-want +got):\n%s", tt.literal, diff)
		}
	}
}

// TestFilterFaultsHideValues: a filter may hold personal data or a guessed
// secret (RFC 7644 section 7.5.2), so a detail never repeats an operand.
func TestFilterFaultsHideValues(t *testing.T) {
	t.Parallel()
	types := load(t)
	for _, text := range []string{
		`password eq "hunter2"`, `password eq hunter2`, `password hunter2`, `active eq "hunter2"`, `foo eq "hunter2"`,
		`meta.created gt "hunter2"`, `name eq "hunter2"`, `userName eq "hunter2" hunter2`, `userName eq "hunter2\q"`,
		`userName eq 'hunter2'`, `emails[foo eq "hunter2"]`, `userName[value eq "hunter2"]`,
	} {
		if fault := bindError(t, text, types.user, schema.Policy{}); strings.Contains(fault.Detail, "hunter2") {
			t.Errorf("%q: detail repeats the value: %s", text, fault.Detail)
		}
	}
}

// TestFilterFaultPosition: the detail of a syntax fault counts characters.
func TestFilterFaultPosition(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{`a eq "é" b`, "character 10."},
		{`(a pr`, "character 1."},
		{`a eq "x`, "character 6."},
		{`a is "x"`, "character 3."},
	}
	for _, tt := range tests {
		_, err := filter.Parse(tt.text, filter.Limits{}, schema.Policy{})
		if err == nil {
			t.Errorf("Parse(%q) succeeds", tt.text)
			continue
		}
		if fault := asFault(t, tt.text, err); !strings.HasSuffix(fault.Detail, tt.want) {
			t.Errorf("Parse(%q): %q, want it to end with %q", tt.text, fault.Detail, tt.want)
		}
	}
}

// TestPathRefused: what is no PATCH path is invalidPath, never invalidFilter.
func TestPathRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		``, ` `, `1a`, `a.`, `a..b`, `a.b.c`, `a b`, `a[`, `a[]`, `a[b pr`, `a[b pr]]`, `a[b pr].`, `a[b pr].c d`,
		`a[b pr].c eq "x"`, `a.b[c pr]`, `urn:x:1.0[c pr]`, `a[b]`, `a[b eq x]`, `a[b[c pr]]`, `"a"`, `(a)`, `a,b`, "a\n",
		`:`, `:a`, `a[b eq "\u0000"]`, `/emails/0`,
	} {
		p, err := filter.ParsePath(text, filter.Limits{})
		if err == nil {
			t.Errorf("ParsePath(%q) = %s, want an error", text, p)
			continue
		}
		if fault := asFault(t, text, err); fault.Code != schema.InvalidPath {
			t.Errorf("ParsePath(%q): code %s, want invalidPath", text, fault.Code)
		}
	}
}

// TestFilterFaultsAreShort: a detail repeats a long name in part only.
func TestFilterFaultsAreShort(t *testing.T) {
	t.Parallel()
	rt := load(t).user
	name := strings.Repeat("x", 8000)
	for _, text := range []string{name, name + ` eq`, name + ` eq x`, name + ` pr`, `emails[` + name + ` pr]`, name + `.y[z pr]`, `urn:` + name + `:y gt null`} {
		fault := bindError(t, text, rt, schema.Policy{})
		if n := len(fault.Detail) + len(fault.Path); n > 1000 {
			t.Errorf("%.10s…: the error takes %d bytes", text, n)
		}
	}
}
