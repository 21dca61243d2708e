package filter_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// reference evaluates an Expr as section 5 of the specification words it,
// without schema, binding or keys: names are canonical, every string folds by
// lower case but that of id.
func reference(e filter.Expr, o schema.Object) bool {
	switch e := e.(type) {
	case *filter.And:
		return reference(e.Left, o) && reference(e.Right, o)
	case *filter.Or:
		return reference(e.Left, o) || reference(e.Right, o)
	case *filter.Not:
		return !reference(e.Expr, o)
	case *filter.Compare:
		return referenceCompare(e, o)
	case *filter.ValuePath:
		for _, element := range elements(o[e.Path.Name]) {
			inner := element.(schema.Object)
			behind := e.Sub == "" || compareValue(e.Sub, inner[e.Sub], e.Op, e.Value)
			if reference(e.Filter, inner) && behind {
				return true
			}
		}
	}
	return false
}

func elements(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

func referenceCompare(c *filter.Compare, o schema.Object) bool {
	list := elements(o[c.Path.Name])
	if len(list) == 0 {
		return compareValue(c.Path.Name, nil, c.Op, c.Value)
	}
	sub := c.Path.Sub
	if c.Path.Name == "emails" && sub == "" && c.Op != filter.Pr && c.Value.Kind != filter.Null {
		sub = "value"
	}
	for _, v := range list {
		if sub != "" {
			v = v.(schema.Object)[sub]
		}
		if compareValue(c.Path.Name, v, c.Op, c.Value) {
			return true
		}
	}
	return false
}

func compareValue(name string, v any, op filter.Op, operand filter.Value) bool {
	null := op != filter.Pr && operand.Kind == filter.Null
	switch {
	case v == nil:
		return op == filter.Ne && !null || op == filter.Eq && null
	case op == filter.Pr:
		return true
	case null:
		return op == filter.Ne
	}
	if b, ok := v.(bool); ok {
		return b == (operand.Text == "true") == (op == filter.Eq)
	}
	left, right := v.(string), operand.Text
	if name != "id" {
		left, right = strings.ToLower(left), strings.ToLower(right)
	}
	return map[filter.Op]bool{
		filter.Eq: left == right, filter.Ne: left != right, filter.Co: strings.Contains(left, right),
		filter.Sw: strings.HasPrefix(left, right), filter.Ew: strings.HasSuffix(left, right),
		filter.Gt: left > right, filter.Ge: left >= right, filter.Lt: left < right, filter.Le: left <= right,
	}[op]
}

// word is drawn from so few texts that comparisons often hold.
func word() *rapid.Generator[string] { return rapid.StringMatching(`[aAbB]{1,2}`) }

func put(t *rapid.T, o schema.Object, name string, v any) {
	if rapid.Bool().Draw(t, "has "+name) {
		o[name] = v
	}
}

func genUser() *rapid.Generator[schema.Object] {
	return rapid.Custom(func(t *rapid.T) schema.Object {
		o := schema.Object{"id": word().Draw(t, "id"), "userName": word().Draw(t, "userName")}
		put(t, o, "title", word().Draw(t, "title"))
		put(t, o, "active", rapid.Bool().Draw(t, "active"))
		name := schema.Object{}
		put(t, name, "givenName", word().Draw(t, "givenName"))
		if len(name) > 0 {
			o["name"] = name
		}
		var emails []any
		for range rapid.IntRange(0, 3).Draw(t, "emails") {
			e := schema.Object{"display": "d"}
			put(t, e, "value", word().Draw(t, "value"))
			put(t, e, "type", word().Draw(t, "type"))
			put(t, e, "primary", rapid.Bool().Draw(t, "primary"))
			emails = append(emails, e)
		}
		if len(emails) > 0 {
			o["emails"] = emails
		}
		return o
	})
}

var (
	allPaths = []filter.AttrPath{
		{Name: "id"},
		{Name: "userName"},
		{Name: "title"},
		{Name: "active"},
		{Name: "name", Sub: "givenName"},
		{Name: "emails"},
		{Name: "emails", Sub: "value"},
		{Name: "emails", Sub: "type"},
		{Name: "emails", Sub: "primary"},
	}
	elementPaths = []filter.AttrPath{{Name: "value"}, {Name: "type"}, {Name: "primary"}}
)

func genComparison(paths []filter.AttrPath) *rapid.Generator[*filter.Compare] {
	return rapid.Custom(func(t *rapid.T) *filter.Compare {
		c := &filter.Compare{Path: rapid.SampledFrom(paths).Draw(t, "path")}
		ops := []filter.Op{filter.Eq, filter.Ne, filter.Pr, filter.Co, filter.Sw, filter.Ew, filter.Gt, filter.Ge, filter.Lt, filter.Le}
		boolean := c.Path.Name == "active" || c.Path.Name == "primary" || c.Path.Sub == "primary"
		null := rapid.IntRange(0, 5).Draw(t, "null") == 0
		if boolean || null {
			ops = ops[:3]
		}
		switch c.Op = rapid.SampledFrom(ops).Draw(t, "op"); {
		case c.Op == filter.Pr, null:
		case boolean:
			c.Value = filter.Value{Kind: filter.Bool, Text: rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")}
		default:
			c.Value = text(word().Draw(t, "word"))
		}
		return c
	})
}

func genFilter(depth int, paths []filter.AttrPath) *rapid.Generator[filter.Expr] {
	return rapid.Custom(func(t *rapid.T) filter.Expr {
		kind := 3
		if depth > 0 {
			kind = rapid.IntRange(0, 4).Draw(t, "kind")
		}
		switch {
		case kind == 0:
			return &filter.And{Left: genFilter(depth-1, paths).Draw(t, "l"), Right: genFilter(depth-1, paths).Draw(t, "r")}
		case kind == 1:
			return &filter.Or{Left: genFilter(depth-1, paths).Draw(t, "l"), Right: genFilter(depth-1, paths).Draw(t, "r")}
		case kind == 2:
			return &filter.Not{Expr: genFilter(depth-1, paths).Draw(t, "e")}
		case kind == 4 && len(paths) > len(elementPaths):
			v := &filter.ValuePath{Path: filter.AttrPath{Name: "emails"}, Filter: genFilter(depth-1, elementPaths).Draw(t, "f"), Op: filter.Pr}
			if rapid.Bool().Draw(t, "behind") {
				c := genComparison(elementPaths).Draw(t, "c")
				v.Sub, v.Op, v.Value = c.Path.Name, c.Op, c.Value
			}
			return v
		default:
			return genComparison(paths).Draw(t, "c")
		}
	})
}

// TestFilterAgainstReference: binding and evaluating gives what the words of
// the specification give, on random users and filters.
func TestFilterAgainstReference(t *testing.T) {
	t.Parallel()
	rt := load(t).user
	rapid.Check(t, func(t *rapid.T) {
		e := genFilter(4, allPaths).Draw(t, "filter")
		p, err := filter.Bind(e, rt, schema.Policy{})
		if err != nil {
			t.Fatalf("Bind(%q): %v", e, err)
		}
		for range 5 {
			o := genUser().Draw(t, "user")
			if got, want := filter.Match(p, o), reference(e, o); got != want {
				t.Fatalf("Match(%q, %v) = %v, want %v", e, o, got, want)
			}
		}
	})
}
