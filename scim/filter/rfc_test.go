package filter_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// TestFilterRFCExamples evaluates every filter that RFC 7644 sections 3.4.2.1,
// 3.4.2.2 and 3.4.3 print, row 72 included, on one user.
func TestFilterRFCExamples(t *testing.T) {
	t.Parallel()
	tests := []struct {
		filter string
		want   bool
	}{
		{`userName eq "bjensen"`, true},
		{`userName Eq "john"`, false},
		{`Username eq "BJENSEN"`, true},
		{`name.familyName co "O'Malley"`, true},
		{`userName sw "J"`, false},
		{`userName sw "b"`, true},
		{`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"`, false},
		{`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "BJ"`, true},
		{`title pr`, true},
		{`meta.lastModified gt "2011-05-13T04:42:34Z"`, false},
		{`meta.lastModified ge "2011-05-13T04:42:34Z"`, true},
		{`meta.lastModified lt "2011-05-13T04:42:34Z"`, false},
		{`meta.lastModified le "2011-05-13T04:42:34Z"`, true},
		{`title pr and userType eq "Employee"`, true},
		{`title pr or userType eq "Intern"`, true},
		{`schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`, true},
		{`userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")`, true},
		{`userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")`, false},
		{`userType eq "Employee" and (emails.type eq "work")`, true},
		{`userType eq "Employee" and emails[type eq "work" and value co "@example.com"]`, true},
		{`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]`, true},
		{`(meta.resourceType eq User) or (meta.resourceType eq Group)`, true},
		{`displayName sw "smith"`, false},
	}
	rt := load(t).user
	for _, tt := range tests {
		t.Run(tt.filter, func(t *testing.T) {
			t.Parallel()
			if got := match(t, tt.filter, rt, barbara()); got != tt.want {
				t.Errorf("Match(%q) = %v, want %v", tt.filter, got, tt.want)
			}
		})
	}
}

// TestPathRFCExamples reads every path that RFC 7644 section 3.5.2 prints.
func TestPathRFCExamples(t *testing.T) {
	t.Parallel()
	work := &filter.Compare{Path: filter.AttrPath{Name: "type"}, Op: filter.Eq, Value: text("work")}
	member := &filter.Compare{Path: filter.AttrPath{Name: "value"}, Op: filter.Eq, Value: text("2819c223-7f76-453a-919d-413861904646")}
	ends := &filter.Compare{Path: filter.AttrPath{Name: "value"}, Op: filter.Ew, Value: text("example.com")}
	tests := []struct {
		path string
		want filter.Path
	}{
		{`members`, filter.Path{Attr: filter.AttrPath{Name: "members"}}},
		{`name.familyName`, filter.Path{Attr: filter.AttrPath{Name: "name", Sub: "familyName"}}},
		{`addresses[type eq "work"]`, filter.Path{Attr: filter.AttrPath{Name: "addresses"}, Filter: work}},
		{`addresses[type eq "work"].streetAddress`, filter.Path{Attr: filter.AttrPath{Name: "addresses"}, Filter: work, Sub: "streetAddress"}},
		{`members[value eq "2819c223-7f76-453a-919d-413861904646"]`, filter.Path{Attr: filter.AttrPath{Name: "members"}, Filter: member}},
		{`members[value eq "2819c223-7f76-453a-919d-413861904646"].displayName`, filter.Path{Attr: filter.AttrPath{Name: "members"}, Filter: member, Sub: "displayName"}},
		{`emails[type eq "work" and value ew "example.com"]`, filter.Path{Attr: filter.AttrPath{Name: "emails"}, Filter: &filter.And{Left: work, Right: ends}}},
		{
			`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber`,
			filter.Path{Attr: filter.AttrPath{URN: enterprise, Name: "employeeNumber"}},
		},
		{
			`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref`,
			filter.Path{Attr: filter.AttrPath{URN: enterprise, Name: "manager", Sub: "$ref"}},
		},
		// Row 94: a whole extension; only the resource type can tell.
		{
			`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`,
			filter.Path{Attr: filter.AttrPath{URN: "urn:ietf:params:scim:schemas:extension:enterprise:2.0", Name: "User"}},
		},
		{`urn:pingidentity:schemas:User:1.0`, filter.Path{Attr: filter.AttrPath{URN: "urn:pingidentity:schemas:User:1.0"}}},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			t.Parallel()
			got, err := filter.ParsePath(tt.path, filter.Limits{})
			if err != nil {
				t.Fatalf("ParsePath(%q): %v", tt.path, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParsePath(%q) (-want +got):\n%s", tt.path, diff)
			}
			if got.String() != tt.path {
				t.Errorf("ParsePath(%q).String() = %q", tt.path, got.String())
			}
		})
	}
}

// TestFilterPrecedence proves row 59: not binds before and, and before or;
// operators are the same in any case.
func TestFilterPrecedence(t *testing.T) {
	t.Parallel()
	a, b, c := present("a"), present("b"), present("c")
	tests := []struct {
		filter string
		want   filter.Expr
	}{
		{`a pr or b pr and c pr`, &filter.Or{Left: a, Right: &filter.And{Left: b, Right: c}}},
		{`a pr and b pr or c pr`, &filter.Or{Left: &filter.And{Left: a, Right: b}, Right: c}},
		{`(a pr or b pr) and c pr`, &filter.And{Left: &filter.Or{Left: a, Right: b}, Right: c}},
		{`not (a pr) and b pr`, &filter.And{Left: &filter.Not{Expr: a}, Right: b}},
		{`not (a pr and b pr) or c pr`, &filter.Or{Left: &filter.Not{Expr: &filter.And{Left: a, Right: b}}, Right: c}},
		{`a pr and not (b pr) or c pr`, &filter.Or{Left: &filter.And{Left: a, Right: &filter.Not{Expr: b}}, Right: c}},
		{`a pr and b pr and c pr`, &filter.And{Left: &filter.And{Left: a, Right: b}, Right: c}},
		{`a pr or b pr or c pr`, &filter.Or{Left: &filter.Or{Left: a, Right: b}, Right: c}},
		{`a pr and (b pr and c pr)`, &filter.And{Left: a, Right: &filter.And{Left: b, Right: c}}},
		{`A PR OR B Pr aNd C pR`, &filter.Or{Left: present("A"), Right: &filter.And{Left: present("B"), Right: present("C")}}},
		{`NOT (a pr)`, &filter.Not{Expr: a}},
		{`not(a pr)`, &filter.Not{Expr: a}},
		{`not   (  a pr  )`, &filter.Not{Expr: a}},
		{`not (not (a pr))`, &filter.Not{Expr: &filter.Not{Expr: a}}},
		{`not pr`, present("not")},
		{`and pr and or pr`, &filter.And{Left: present("and"), Right: present("or")}},
		{`x[a pr or b pr and c pr]`, &filter.ValuePath{
			Path: filter.AttrPath{Name: "x"}, Op: filter.Pr,
			Filter: &filter.Or{Left: a, Right: &filter.And{Left: b, Right: c}},
		}},
		{`x[(a pr or b pr) and not (c pr)].d gT 5`, &filter.ValuePath{
			Path: filter.AttrPath{Name: "x"}, Sub: "d", Op: filter.Gt, Value: filter.Value{Kind: filter.Number, Text: "5"},
			Filter: &filter.And{Left: &filter.Or{Left: a, Right: b}, Right: &filter.Not{Expr: c}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.filter, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, mustParse(t, tt.filter, schema.Policy{})); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.filter, diff)
			}
		})
	}
}

// TestFilterEscapes proves row 64: JSON escapes are decoded, Unicode is text,
// and no character of a value is a wildcard.
func TestFilterEscapes(t *testing.T) {
	t.Parallel()
	tests := []struct{ literal, want string }{
		{`"a\"b"`, `a"b`},
		{`"a\\b"`, `a\b`},
		{`"a\/b"`, `a/b`},
		{`"\b\f\n\r\t"`, "\b\f\n\r\t"},
		{`"\u00e9\u00E9"`, "éé"},
		{`"é"`, "é"},
		{`"\ud83d\ude00😀"`, "😀😀"},
		{`"%_*"`, "%_*"},
		{`"(a) [b] and not (c pr)"`, "(a) [b] and not (c pr)"},
		{`""`, ""},
		{`"\u0001"`, "\x01"},
	}
	for _, tt := range tests {
		t.Run(tt.literal, func(t *testing.T) {
			t.Parallel()
			want := &filter.Compare{Path: filter.AttrPath{Name: "a"}, Op: filter.Eq, Value: text(tt.want)}
			e := mustParse(t, "a eq "+tt.literal, schema.Policy{})
			if diff := cmp.Diff(filter.Expr(want), e); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
			again := mustParse(t, e.String(), schema.Policy{})
			if diff := cmp.Diff(e, again); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", e.String(), diff)
			}
		})
	}

	refused := []string{
		`"\x"`, `"\u12"`, `"\u12g4"`, `"\u+123"`, `"\u0000"`, `"\ud800"`, `"\udc00"`, `"\ud800\u0041"`,
		`"\ud800\n"`, `"abc`, `"abc\"`, `"abc\`, "\"a\x00b\"", "\"a\nb\"", "\"a\tb\"", "\"\xff\"",
	}
	for _, literal := range refused {
		_, err := filter.Parse("a eq "+literal, filter.Limits{}, compat())
		if err == nil {
			t.Errorf("Parse(a eq %s) succeeds, want invalidFilter", literal)
			continue
		}
		if fault := asFault(t, literal, err); fault.Code != schema.InvalidFilter {
			t.Errorf("Parse(a eq %s): code %s, want invalidFilter", literal, fault.Code)
		}
	}
}

// TestRow64_LiteralWildcards: "%", "_" and the backslash match themselves only.
func TestRow64_LiteralWildcards(t *testing.T) {
	t.Parallel()
	tests := []struct {
		filter string
		want   bool
	}{
		{`label co "%"`, true},
		{`label co "_"`, true},
		{`label co "5%"`, false},
		{`label co "0%_"`, true},
		{`label co "0__"`, false},
		{`label ew "\\b"`, true},
		{`label ew "\\\\b"`, false},
		{`label sw "STRA\u00dfE"`, true},
		{`label sw "strasse"`, false},
		{`serial co "%"`, false},
		{`serial co "_"`, false},
		{`label co ""`, true},
	}
	rt := load(t).device
	for _, tt := range tests {
		if got := match(t, tt.filter, rt, device()); got != tt.want {
			t.Errorf("Match(%q) = %v, want %v", tt.filter, got, tt.want)
		}
	}
}

func text(s string) filter.Value { return filter.Value{Kind: filter.String, Text: s} }

func present(name string) filter.Expr {
	return &filter.Compare{Path: filter.AttrPath{Name: name}, Op: filter.Pr}
}
