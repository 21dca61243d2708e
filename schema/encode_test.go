package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
)

func TestEncodeIsCanonical(t *testing.T) {
	t.Parallel()
	u := userType(t)
	o := accept(t, u, `{"secondFactorEnabled":true,"active":true,"`+enterprise+`":{"manager":{"value":"m"},"department":"a<b>&\"\\\u0007\n"},
		"emails":[{"primary":true,"value":"x"}],"name":{"givenName":"B","familyName":"J"},"UserName":"b","externalId":"E"}`, compat)
	o["id"] = "1"
	want := `{"schemas":["` + schema.UserURN + `","` + enterprise + `","` + second + `"],"id":"1","externalId":"E","userName":"b",` +
		`"name":{"familyName":"J","givenName":"B"},"active":true,"emails":[{"value":"x","primary":true}],` +
		`"` + enterprise + `":{"department":"a<b>&\"\\\u0007\n","manager":{"value":"m","$ref":"../Users/m"}},"` + second + `":{"secondFactorEnabled":true}}`
	if got := string(u.Encode(o)); got != want {
		t.Errorf("Encode = %s\nwant     %s", got, want)
	}
	for range 20 { // maps iterate in random order
		if got := string(u.Encode(o.Clone())); got != want {
			t.Fatalf("Encode of a clone = %s", got)
		}
	}
}

// TestEncodeLeavesOut covers rows 6, 20 and 21 for the stored document: no meta,
// relations, derived values, secrets, empties, nor what no schema defines.
func TestEncodeLeavesOut(t *testing.T) {
	t.Parallel()
	u, g := userType(t), groupType(t)
	o := schema.Object{
		"userName": "b", "password": "secret", "meta": schema.Object{"version": "1"}, "groups": []any{schema.Object{"value": "g"}},
		"unknown": "x", "emails": []any{schema.Object{}, schema.Object{"nick": "x"}}, "roles": []any{}, "name": schema.Object{"formatted": nil},
		enterprise: schema.Object{"manager": schema.Object{}, "unknown": "x"}, "title": nil, "urn:x:y": schema.Object{"a": "b"},
	}
	want := `{"schemas":["` + schema.UserURN + `"],"userName":"b"}`
	if got := string(u.Encode(o)); got != want {
		t.Errorf("Encode = %s, want %s", got, want)
	}
	o = accept(t, g, group(`,"displayName":"g","members":[{"value":"u"}]`), rfc)
	if got, want := string(g.Encode(o)), `{"schemas":["`+schema.GroupURN+`"],"displayName":"g"}`; got != want {
		t.Errorf("Encode = %s, want %s", got, want)
	}
}

// TestRow24_ManagerRefFollowsValue: a PATCH of the value needs to do no more.
func TestRow24_ManagerRefFollowsValue(t *testing.T) {
	t.Parallel()
	u := userType(t)
	o := accept(t, u, `{`+coreUser+`,"`+enterprise+`":{"manager":{"value":"a"}}}`, rfc)
	o[enterprise].(schema.Object)["manager"].(schema.Object)["value"] = "B"
	for name, doc := range map[string][]byte{"Encode": u.Encode(o), "Keys": u.Keys(o)} {
		if !strings.Contains(string(doc), `"$ref":"../Users/B"`) {
			t.Errorf("%s = %s, want $ref of B", name, doc)
		}
	}
}

func TestParseReadsWhatEncodeWrote(t *testing.T) {
	t.Parallel()
	u := userType(t)
	o := accept(t, u, fullUser, rfc)
	o["id"] = "1"
	doc := u.Encode(o)
	back, err := u.Parse(doc)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if diff := cmp.Diff(o, back); diff != "" {
		t.Errorf("Parse(Encode) (-want +got):\n%s", diff)
	}
	if !schema.Equal(o, back) {
		t.Error("Parse(Encode) is not Equal")
	}
	if _, err := u.Parse([]byte(`{"a":`)); err == nil {
		t.Error("Parse of a damaged document = nil, want an error")
	}
}

// anyType draws a resource type, by name so that failures stay readable.
func anyType(t *rapid.T, g *schema.Registry) *schema.ResourceType {
	return g.ByName(rapid.SampledFrom([]string{"User", "Group", "Device"}).Draw(t, "type"))
}

// anyValue draws a canonical value for an attribute.
func anyValue(t *rapid.T, a *schema.Attribute) any {
	if a.MultiValued {
		n := rapid.IntRange(1, 3).Draw(t, "n")
		list := make([]any, n)
		for i := range list {
			list[i] = anySingle(t, a)
		}
		return list
	}
	return anySingle(t, a)
}

func anySingle(t *rapid.T, a *schema.Attribute) any {
	switch a.Type {
	case schema.Complex:
		o := schema.Object{}
		first := rapid.IntRange(0, len(a.Sub)-1).Draw(t, "sub")
		for i, s := range a.Sub {
			if i == first || rapid.Bool().Draw(t, "has") {
				o[s.Name] = anyValue(t, s)
			}
		}
		return o
	case schema.Boolean:
		return rapid.Bool().Draw(t, "bool")
	case schema.Integer, schema.Decimal:
		return json.Number(rapid.StringMatching(`-?[1-9][0-9]{0,3}`).Draw(t, "number"))
	case schema.DateTime:
		return "2011-05-13T04:42:34Z"
	case schema.Reference:
		return "https://x.example/" + rapid.StringMatching(`[a-z0-9/]{0,8}`).Draw(t, "path")
	case schema.Binary:
		return rapid.SampledFrom([]string{"AA==", "AAA=", "AAAA"}).Draw(t, "base64")
	default:
		return rapid.StringOf(rapid.OneOf(rapid.RuneFrom([]rune("abcX\"\\,:{}[]\n é😀\u2028")), rapid.Rune())).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) }).Draw(t, "text")
	}
}

// anyObject draws a canonical Object with arbitrary attributes of the type,
// those of a complete response included.
func anyObject(t *rapid.T, rt *schema.ResourceType) schema.Object {
	o := schema.Object{}
	for _, r := range rt.Attributes() {
		if r.Attr.Name == "schemas" || !rapid.Bool().Draw(t, r.String()) {
			continue
		}
		in := o
		if r.URN != "" {
			if o[r.URN] == nil {
				o[r.URN] = schema.Object{}
			}
			in = o[r.URN].(schema.Object)
		}
		in[r.Attr.Name] = anyValue(t, r.Attr)
	}
	return o
}

// TestEncodeRoundTrip: documents are valid JSON that a standard decoder reads to
// the same values, and reading and writing again changes nothing.
func TestEncodeRoundTrip(t *testing.T) {
	t.Parallel()
	g := custom(t)
	rapid.Check(t, func(t *rapid.T) {
		rt := anyType(t, g)
		o := anyObject(t, rt)
		doc := rt.Encode(o)
		want, ok := decodeStandard(doc)
		if !ok {
			t.Fatalf("Encode = %s is no JSON", doc)
		}
		back, err := rt.Parse(doc)
		if err != nil {
			t.Fatalf("Parse(%s): %v", doc, err)
		}
		if diff := cmp.Diff(want, any(back)); diff != "" {
			t.Fatalf("Parse differs from encoding/json:\n%s", diff)
		}
		if again := rt.Encode(back); string(again) != string(doc) {
			t.Fatalf("Encode(Parse(doc)) = %s, want %s", again, doc)
		}
		if !json.Valid(rt.Keys(o)) {
			t.Fatalf("Keys = %s is no JSON", rt.Keys(o))
		}
		if !schema.Equal(o, o.Clone()) {
			t.Fatal("a clone is not Equal")
		}
	})
}

func TestEqual(t *testing.T) {
	t.Parallel()
	same := [][2]string{
		{`{"a":1,"b":[true,"x"]}`, `{"b":[true,"x"],"a":1.0}`},
		{`[1e2]`, `[100]`},
		{`null`, `null`},
		{`"x"`, `"\u0078"`},
	}
	other := [][2]string{
		{`1`, `2`},
		{`1`, `"1"`},
		{`"1"`, `1`},
		{`true`, `false`},
		{`"a"`, `"A"`},
		{`[1]`, `1`},
		{`1`, `[1]`},
		{`{}`, `null`},
		{`"x"`, `{}`},
		{`[1,2]`, `[2,1]`},
		{`[1]`, `[1,1]`},
		{`{"a":1}`, `{"a":1,"b":1}`},
		{`{"a":1}`, `{"b":1}`},
		{`{"a":1}`, `{"a":2}`},
		{`[]`, `{}`},
		{`{}`, `[]`},
	}
	for _, p := range same {
		if !schema.Equal(parse(t, p[0]), parse(t, p[1])) {
			t.Errorf("Equal(%s, %s) = false", p[0], p[1])
		}
	}
	for _, p := range other {
		if schema.Equal(parse(t, p[0]), parse(t, p[1])) {
			t.Errorf("Equal(%s, %s) = true", p[0], p[1])
		}
	}
}

func TestCloneIsDeep(t *testing.T) {
	t.Parallel()
	o := decode(t, `{"name":{"givenName":"B"},"emails":[{"value":"x"}]}`)
	c := o.Clone()
	c["name"].(schema.Object)["givenName"] = "changed"
	c["emails"].([]any)[0].(schema.Object)["value"] = "changed"
	if diff := cmp.Diff(decode(t, `{"name":{"givenName":"B"},"emails":[{"value":"x"}]}`), o); diff != "" {
		t.Errorf("a change of the clone shows:\n%s", diff)
	}
	if schema.Object(nil).Clone() != nil {
		t.Error("Clone of nil is not nil")
	}
}
