package filter_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

var wide = filter.Limits{Length: 1 << 20, Comparisons: 1 << 20, Nesting: 1 << 10}

func genName() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"a", "userName", "$ref", "not", "and", "or", "pr", "eq", "true", "null", "x-y_1"}),
		rapid.StringMatching(`[A-Za-z$][A-Za-z0-9_$-]{0,5}`),
	)
}

func genPath() *rapid.Generator[filter.AttrPath] {
	return rapid.Custom(func(t *rapid.T) filter.AttrPath {
		return filter.AttrPath{
			URN:  rapid.SampledFrom([]string{"", "", "", schema.UserURN, "urn:x.y:1.0", "http://e.com/a?b#c"}).Draw(t, "urn"),
			Name: genName().Draw(t, "name"),
			Sub:  rapid.OneOf(rapid.Just(""), genName()).Draw(t, "sub"),
		}
	})
}

func genOperation() *rapid.Generator[filter.Compare] {
	return rapid.Custom(func(t *rapid.T) filter.Compare {
		ops := []filter.Op{filter.Eq, filter.Ne, filter.Co, filter.Sw, filter.Ew, filter.Pr, filter.Gt, filter.Ge, filter.Lt, filter.Le}
		c := filter.Compare{Op: rapid.SampledFrom(ops).Draw(t, "op")}
		if c.Op == filter.Pr {
			return c
		}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			c.Value = filter.Value{Kind: filter.Null}
		case 1:
			c.Value = filter.Value{Kind: filter.Bool, Text: rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")}
		case 2:
			c.Value = filter.Value{Kind: filter.Number, Text: rapid.StringMatching(`-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")}
		default:
			c.Value = text(rapid.OneOf(rapid.StringMatching("[\\x01-\\x7f]{0,6}"), rapid.StringN(0, 6, -1)).
				Filter(validText).Draw(t, "string"))
		}
		return c
	})
}

// validText says whether a filter can hold s: any text without U+0000.
func validText(s string) bool {
	for _, r := range s {
		if r == 0 || r == '\uFFFD' {
			return false
		}
	}
	return true
}

func genExpr(depth int, inside bool) *rapid.Generator[filter.Expr] {
	return rapid.Custom(func(t *rapid.T) filter.Expr {
		kind := 3
		if depth > 0 {
			kind = rapid.IntRange(0, 4).Draw(t, "expr")
		}
		switch {
		case kind == 0:
			return &filter.And{Left: genExpr(depth-1, inside).Draw(t, "l"), Right: genExpr(depth-1, inside).Draw(t, "r")}
		case kind == 1:
			return &filter.Or{Left: genExpr(depth-1, inside).Draw(t, "l"), Right: genExpr(depth-1, inside).Draw(t, "r")}
		case kind == 2:
			return &filter.Not{Expr: genExpr(depth-1, inside).Draw(t, "e")}
		case kind == 4 && !inside:
			v := &filter.ValuePath{Path: genPath().Draw(t, "path"), Filter: genExpr(depth-1, true).Draw(t, "f"), Op: filter.Pr}
			v.Path.Sub = ""
			if rapid.Bool().Draw(t, "behind") {
				c := genOperation().Draw(t, "operation")
				v.Sub, v.Op, v.Value = genName().Draw(t, "sub"), c.Op, c.Value
			}
			return v
		default:
			c := genOperation().Draw(t, "operation")
			c.Path = genPath().Draw(t, "path")
			return &c
		}
	})
}

// TestFilterPrintRoundTrip: parsing what was printed gives the same tree.
func TestFilterPrintRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := genExpr(4, false).Draw(t, "expr")
		got, err := filter.Parse(e.String(), wide, schema.Policy{})
		if err != nil {
			t.Fatalf("Parse(%q): %v", e, err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Fatalf("Parse(%q) (-want +got):\n%s", e, diff)
		}
	})
}

// TestPathPrintRoundTrip is the same for PATCH paths.
func TestPathPrintRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := filter.Path{Attr: genPath().Draw(t, "path")}
		if rapid.Bool().Draw(t, "brackets") {
			p.Attr.Sub = ""
			p.Filter = genExpr(3, true).Draw(t, "filter")
			p.Sub = rapid.OneOf(rapid.Just(""), genName()).Draw(t, "sub")
		}
		got, err := filter.ParsePath(p.String(), wide)
		if err != nil {
			t.Fatalf("ParsePath(%q): %v", p, err)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Fatalf("ParsePath(%q) (-want +got):\n%s", p, diff)
		}
	})
}

// TestPrintCanonical: one text for all spellings of a filter (row 74: a cursor
// is bound to it), and different texts for different filters.
func TestPrintCanonical(t *testing.T) {
	t.Parallel()
	rt := load(t).user
	tests := []struct {
		want      string
		spellings []string
	}{
		{`userName eq "bjensen"`, []string{
			`userName eq "bjensen"`, `USERNAME EQ "BJensen"`, `(userName eq "bjensen")`, `userName eq"bjensen"`,
			schema.UserURN + `:username eq "\u0062jensen"`, `not (not (userName eq "bjensen"))`,
		}},
		{`(title pr and active eq "true" and id eq "A")`, []string{
			`title pr and active eq true and id eq "A"`, `title pr and (active eq true and id eq "A")`, `((title pr and active eq true)) and id eq "A"`,
		}},
		{`(title pr or (active eq "true" and id pr))`, []string{`title pr or active eq true and id pr`}},
		{`((title pr or active eq "true") and id pr)`, []string{`(title pr or active eq true) and id pr`}},
		{`not ((title pr and id pr))`, []string{`not (title pr and id pr)`}},
		{`emails.value co "x"`, []string{`emails co "x"`, `emails.value co "X"`}},
		{`emails[(type eq "work" and value co "x")]`, []string{`emails[type eq "work" and value co "x"]`, `EMAILS[TYPE EQ "Work"].VALUE CO "x"`}},
		{`title eq null`, []string{`title eq null`}},
		{`title eq "null"`, []string{`title eq "null"`}},
		{`title ne null`, []string{`title ne null`}},
		{`schemas[value sw "a\"b"]`, []string{`schemas[value sw "a\"b"]`}},
		{enterprise + `:manager.value eq "b"`, []string{enterprise + `:manager eq "B"`}},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		if seen[tt.want] {
			t.Errorf("two filters print as %s", tt.want)
		}
		seen[tt.want] = true
		for _, s := range tt.spellings {
			if got := filter.Print(mustBind(t, s, rt, schema.Policy{})); got != tt.want {
				t.Errorf("Print(%q) = %s, want %s", s, got, tt.want)
			}
		}
	}
}

// TestPrintDistinguishes: lists of one or no term do not print as their term.
func TestPrintDistinguishes(t *testing.T) {
	t.Parallel()
	term := filter.Constant(true)
	texts := map[string]bool{}
	predicates := []filter.Predicate{
		filter.Constant(true), filter.Constant(false), &filter.All{}, &filter.Any{},
		&filter.All{Terms: []filter.Predicate{term}}, &filter.Any{Terms: []filter.Predicate{term}},
		&filter.All{Terms: []filter.Predicate{term, term}}, &filter.Any{Terms: []filter.Predicate{term, term}},
		&filter.None{Term: term}, &filter.None{Term: &filter.All{}},
	}
	for _, p := range predicates {
		texts[filter.Print(p)] = true
	}
	if len(texts) != len(predicates) {
		t.Errorf("%d predicates print as %d texts: %v", len(predicates), len(texts), texts)
	}
}
