package storagetest_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// words are the texts of random documents: cases, forms, patterns and bytes
// that tempt SQL and JSON.
var words = [...]string{
	"alpha", "Alpha", "ALPHABET", "beta", "be", "b", "x%y", "x_y", "xzy", `back\slash`, `quo"te`, "it's", "Ünïcode",
	"ünïcode", "U\u0308ni\u0308", "straße", "STRASSE", "ﬁn", "日本語", "日本", "😀 smile", "tab\tnew\nline", " lead", "null", "true", "7", "ΣΊΣΥΦΟΣ", "\u007f", "[1]", "{}", "$.x", "?1", "--",
}

func word(r *rand.Rand) string { return words[r.IntN(len(words))] }

func wordsOf(r *rand.Rand, n int) []any {
	out := make([]any, r.IntN(n)+1)
	for i := range out {
		out[i] = word(r)
	}
	return out
}

func integer(r *rand.Rand) json.Number {
	pool := [...]string{"0", "-0", "1", "-1", "7", "10", "42", "-42", "9007199254740993", "9007199254740992", "123456789012345678901234567890"}
	return json.Number(pool[r.IntN(len(pool))])
}

func decimal(r *rand.Rand) json.Number {
	pool := [...]string{"0", "0.0", "1.5", "1.50", "15e-1", "-1.5", "1e3", "1000", "0.1", "0.10000000000000000001", "-1e-7", "3"}
	return json.Number(pool[r.IntN(len(pool))])
}

func moment(r *rand.Rand) string {
	pool := [...]string{
		"2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2025-12-31T23:59:59.999999Z", "2026-01-01T00:00:00.5Z",
		"1969-07-20T20:17:40Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-05-04T03:02:10Z",
	}
	return pool[r.IntN(len(pool))]
}

// sometimes sets a key in two of three cases.
func sometimes(r *rand.Rand, o schema.Object, key string, value func() any) {
	if r.IntN(3) > 0 {
		o[key] = value()
	}
}

func randomSensor(r *rand.Rand, n int) schema.Object {
	o := schema.Object{"serial": "S" + strconv.Itoa(n)}
	text := func() any { return word(r) }
	sometimes(r, o, "label", func() any {
		if r.IntN(12) == 0 {
			return strings.Repeat("long ü", 300) + word(r)
		}
		return word(r)
	})
	sometimes(r, o, "exact", text)
	sometimes(r, o, "count", func() any { return integer(r) })
	sometimes(r, o, "ratio", func() any { return decimal(r) })
	sometimes(r, o, "on", func() any { return r.IntN(2) == 0 })
	sometimes(r, o, "seen", func() any { return moment(r) })
	sometimes(r, o, "blob", func() any { return [...]string{"AAAA", "aaaa", "AQ=="}[r.IntN(3)] })
	sometimes(r, o, "link", func() any { return [...]string{"https://x.org/A", "https://x.org/a", "urn:x:y"}[r.IntN(3)] })
	sometimes(r, o, "externalId", func() any { return word(r) + strconv.Itoa(n) })
	sometimes(r, o, "tags", func() any { return wordsOf(r, 3) })
	sometimes(r, o, "counts", func() any { return []any{integer(r), integer(r)} })
	sometimes(r, o, "times", func() any { return []any{moment(r)} })
	sometimes(r, o, "spot", func() any {
		spot := schema.Object{"value": word(r)}
		sometimes(r, spot, "height", func() any { return decimal(r) })
		sometimes(r, spot, "names", func() any { return wordsOf(r, 2) })
		return spot
	})
	sometimes(r, o, "ports", func() any {
		out := make([]any, r.IntN(3)+1)
		for i := range out {
			out[i] = randomPort(r, i)
		}
		return out
	})
	sometimes(r, o, "urn:example:ext:1.0:Place", func() any {
		place := schema.Object{"room": word(r)}
		sometimes(r, place, "doors", func() any { return wordsOf(r, 2) })
		return place
	})
	return o
}

func randomPort(r *rand.Rand, i int) schema.Object {
	port := schema.Object{"type": fmt.Sprintf("t%d", i)}
	sometimes(r, port, "value", func() any { return word(r) })
	sometimes(r, port, "number", func() any { return integer(r) })
	sometimes(r, port, "since", func() any { return moment(r) })
	sometimes(r, port, "roles", func() any { return wordsOf(r, 2) })
	if i == 1 {
		port["primary"] = true
	}
	return port
}

func randomUser(r *rand.Rand, n int, others []string) schema.Object {
	o := schema.Object{"userName": fmt.Sprintf("%s.%d", [...]string{"Ada", "bob", "ÜNI", "ada"}[r.IntN(4)], n)}
	text := func() any { return word(r) }
	sometimes(r, o, "displayName", text)
	sometimes(r, o, "title", text)
	sometimes(r, o, "externalId", func() any { return word(r) + strconv.Itoa(n) })
	sometimes(r, o, "active", func() any { return r.IntN(2) == 0 })
	sometimes(r, o, "name", func() any {
		name := schema.Object{"familyName": word(r)}
		sometimes(r, name, "givenName", text)
		return name
	})
	sometimes(r, o, "emails", func() any {
		var out []any
		for i := range r.IntN(3) + 1 {
			e := schema.Object{"value": fmt.Sprintf("%s@x.org", [...]string{"a", "B", "c%"}[r.IntN(3)]), "type": [...]string{"work", "home", "Other"}[i]}
			if i == 1 {
				e["primary"] = true
			}
			out = append(out, e)
		}
		return out
	})
	sometimes(r, o, schema.EnterpriseUserURN, func() any {
		x := schema.Object{"employeeNumber": strconv.Itoa(r.IntN(9))}
		sometimes(r, x, "department", text)
		if len(others) > 0 {
			sometimes(r, x, "manager", func() any { return schema.Object{"value": others[r.IntN(len(others))]} })
		}
		return x
	})
	return o
}

// corpus is random documents, stored and as the evaluator sees them.
type corpus struct {
	types   []*schema.ResourceType
	objects map[string]map[string]schema.Object // by type and id
	values  map[string][]string                 // texts seen, by type, for operands
}

// fill stores a corpus: the same for the same seed, ids included.
func (d *directory) fill(tb testing.TB, seed uint64, sensors, users, groups int) *corpus {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	c := &corpus{
		types:   []*schema.ResourceType{d.sensor, d.user, d.group},
		objects: map[string]map[string]schema.Object{}, values: map[string][]string{},
	}
	for n := range sensors {
		d.put(tb, c, d.sensor, randomSensor(r, n))
	}
	var people, teams []string
	for n := range users {
		people = append(people, d.put(tb, c, d.user, randomUser(r, n, people)))
	}
	for range groups {
		teams = append(teams, d.put(tb, c, d.group, schema.Object{"displayName": word(r)}))
	}
	for _, g := range teams {
		var members []scim.Member
		for range r.IntN(6) {
			members = append(members, scim.Member{Value: people[r.IntN(len(people))], Type: "User"})
		}
		if r.IntN(2) == 0 {
			members = append(members, scim.Member{Value: teams[r.IntN(len(teams))], Type: "Group"})
		}
		d.addMembers(tb, g, members...)
	}
	d.attachMembership(tb, c, people, teams)
	return c
}

// put stores one document through JSON, as the server would, and adds to it
// what a complete resource has.
func (d *directory) put(tb testing.TB, c *corpus, rt *schema.ResourceType, o schema.Object) string {
	tb.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		tb.Fatal(err)
	}
	rec := d.record(tb, rt, string(text))
	d.insert(tb, rt, rec)
	full, err := rt.Parse(rec.Doc)
	if err != nil {
		tb.Fatal(err)
	}
	full["meta"] = schema.Object{
		"resourceType": rt.Name, "version": fmt.Sprintf(`W/"%d"`, rec.Version),
		"location": queryBase + rt.Endpoint + "/" + rec.ID,
		"created":  schema.FormatDateTime(rec.Created), "lastModified": schema.FormatDateTime(rec.LastModified),
	}
	if c.objects[rt.Name] == nil {
		c.objects[rt.Name] = map[string]schema.Object{}
	}
	c.objects[rt.Name][rec.ID] = full
	c.collect(rt.Name, full)
	return rec.ID
}

// collect keeps every text of a document as a possible operand.
func (c *corpus) collect(typ string, v any) {
	switch v := v.(type) {
	case string:
		c.values[typ] = append(c.values[typ], v)
	case json.Number:
		c.values[typ] = append(c.values[typ], string(v))
	case schema.Object:
		for _, e := range v {
			c.collect(typ, e)
		}
	case []any:
		for _, e := range v {
			c.collect(typ, e)
		}
	}
}

// attachMembership adds members and groups to the documents, as responses do.
func (d *directory) attachMembership(tb testing.TB, c *corpus, people, teams []string) {
	tb.Helper()
	members, err := d.Members(tb.Context(), teams, "")
	if err != nil {
		tb.Fatal(err)
	}
	for group, list := range members {
		var out []any
		for _, m := range list {
			endpoint := map[string]string{"User": "/Users/", "Group": "/Groups/"}[m.Type]
			out = append(out, schema.Object{
				"value": m.Value, "type": m.Type, "display": m.Display, "$ref": queryBase + endpoint + m.Value,
			})
		}
		if len(out) > 0 {
			c.objects["Group"][group]["members"] = out
		}
	}
	groups, err := d.Groups(tb.Context(), people, "")
	if err != nil {
		tb.Fatal(err)
	}
	for id, list := range groups {
		var out []any
		for _, g := range list {
			kind := map[bool]string{true: "direct", false: "indirect"}[g.Direct]
			out = append(out, schema.Object{
				"value": g.Group, "display": g.Display, "type": kind, "$ref": queryBase + "/Groups/" + g.Group,
			})
		}
		if len(out) > 0 {
			c.objects["User"][id]["groups"] = out
		}
	}
	for typ, objects := range c.objects {
		for _, o := range objects {
			c.collect(typ, o["members"])
			c.collect(typ, o["groups"])
		}
	}
}

// generator makes random filters over one type.
type generator struct {
	*rand.Rand

	rt     *schema.ResourceType
	values []string
}

// filter makes an expression of at most depth levels.
func (g *generator) filter(depth int, in *schema.Attribute) filter.Expr {
	if depth > 0 {
		switch g.IntN(7) {
		case 0, 1:
			return &filter.And{Left: g.filter(depth-1, in), Right: g.filter(depth-1, in)}
		case 2, 3:
			return &filter.Or{Left: g.filter(depth-1, in), Right: g.filter(depth-1, in)}
		case 4:
			return &filter.Not{Expr: g.filter(depth-1, in)}
		}
	}
	if in != nil {
		sub := in.Sub[g.IntN(len(in.Sub))]
		op, v := g.operation(sub)
		return &filter.Compare{Path: filter.AttrPath{Name: sub.Name}, Op: op, Value: v}
	}
	refs := g.rt.Attributes()
	ref := refs[g.IntN(len(refs))]
	for ref.Attr.Returned == schema.ReturnedNever {
		ref = refs[g.IntN(len(refs))]
	}
	if ref.Attr.Type == schema.Complex && depth > 0 && g.IntN(2) == 0 {
		return g.valuePath(depth, ref)
	}
	path := filter.AttrPath{URN: ref.URN, Name: ref.Attr.Name}
	target := ref.Attr
	if len(ref.Attr.Sub) > 0 && g.IntN(8) > 0 {
		target = ref.Attr.Sub[g.IntN(len(ref.Attr.Sub))]
		path.Sub = target.Name
	}
	op, v := g.operation(target)
	return &filter.Compare{Path: path, Op: op, Value: v}
}

func (g *generator) valuePath(depth int, ref schema.Ref) filter.Expr {
	p := &filter.ValuePath{
		Path: filter.AttrPath{URN: ref.URN, Name: ref.Attr.Name}, Filter: g.filter(depth-1, ref.Attr), Op: filter.Pr,
	}
	if g.IntN(2) == 0 {
		sub := ref.Attr.Sub[g.IntN(len(ref.Attr.Sub))]
		p.Sub = sub.Name
		p.Op, p.Value = g.operation(sub)
	}
	return p
}

// operation picks an operator and an operand that suit an attribute.
func (g *generator) operation(a *schema.Attribute) (filter.Op, filter.Value) {
	ordered := []filter.Op{filter.Eq, filter.Ne, filter.Gt, filter.Ge, filter.Lt, filter.Le}
	switch g.IntN(12) {
	case 0:
		return filter.Pr, filter.Value{}
	case 1:
		return ordered[g.IntN(2)], filter.Value{Kind: filter.Null, Text: "null"}
	}
	switch a.Type {
	case schema.Boolean:
		return ordered[g.IntN(2)], filter.Value{Kind: filter.Bool, Text: strconv.FormatBool(g.IntN(2) == 0)}
	case schema.Integer:
		return ordered[g.IntN(len(ordered))], filter.Value{Kind: filter.Number, Text: string(integer(g.Rand))}
	case schema.Decimal:
		return ordered[g.IntN(len(ordered))], filter.Value{Kind: filter.Number, Text: string(decimal(g.Rand))}
	case schema.DateTime:
		text := moment(g.Rand)
		if g.IntN(2) == 0 {
			text = time.Date(2026, 5, 4, 3, 2, g.IntN(400), 0, time.UTC).Format(time.RFC3339)
		}
		return ordered[g.IntN(len(ordered))], filter.Value{Kind: filter.String, Text: text}
	case schema.Binary:
		return ordered[g.IntN(2)], filter.Value{Kind: filter.String, Text: "AQ=="}
	case schema.Complex:
		return filter.Pr, filter.Value{}
	default:
		ops := append(slices.Clone(ordered), filter.Co, filter.Sw, filter.Ew)
		return ops[g.IntN(len(ops))], filter.Value{Kind: filter.String, Text: g.operand()}
	}
}

// operand is a text of the corpus or a part of one.
func (g *generator) operand() string {
	s := g.values[g.IntN(len(g.values))]
	runes := []rune(s)
	switch g.IntN(8) {
	case 0:
		return string(runes[:g.IntN(len(runes)+1)])
	case 1:
		return string(runes[g.IntN(len(runes)+1):])
	case 2:
		return strings.ToUpper(s)
	case 3:
		return word(g.Rand)
	default:
		return s
	}
}
