package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/patch"
)

const fuzzDevice = `{"label":"L","serial":"S1","inspected":"2020-01-01T00:00:00Z","online":true,"tags":["a","b"],"ports":[1,2],
 "zones":[{"value":"z","note":"n"},{"value":"y"}],
 "slots":[{"value":"s","type":"a","primary":true,"bay":1,"health":"ok"},{"value":"t","type":"a"},{"value":"s","type":"b","marks":["m"]}],
 "owner":{"value":"o","$ref":"../o","display":"Olga","since":"2020-01-01T00:00:00Z"},
 "` + rackURN + `":{"rack":"r","checked":"yes"}}`

// FuzzPatchParse: no input makes the normaliser panic, every refusal is one
// that a client can be told, and what it accepts can be applied to a document
// that then still is one.
func FuzzPatchParse(f *testing.F) {
	for _, seed := range []string{
		message(`{"op":"replace","path":"title","value":"x"}`),
		message(`{"op":"Add","path":"emails[type eq \"work\" and not (value pr)].value","value":"a@b"}`),
		message(`{"op":"replace","value":{"name.givenName":"g","` + schema.EnterpriseUserURN + `":{"manager":[{"value":"m"}]},"emails[primary eq \"True\"].type":"x"}}`),
		message(`{"op":"remove","path":"members","value":[{"value":"a"},"b",null]}`),
		message(`{"op":"replace","value":"{\"active\":\"False\"}"}`),
		message(`{"op":"add","path":"slots.marks","value":["x"]},{"op":"remove","path":"` + rackURN + `"}`),
		`{"schemas":[],"Operations":{"op":1}}`, `{"operations":[{"OP":"add","path":""}]}`, `{`, `[]`, `{"Operations":[[]]}`,
	} {
		for i := range uint8(12) {
			f.Add(seed, i)
		}
	}
	g := registry(f)
	types := []*schema.ResourceType{g.ByName("User"), g.ByName("Group"), g.ByName("Device")}
	docs := []schema.Object{document(f, types[0], babs), document(f, types[1], `{"displayName":"G"}`), document(f, types[2], fuzzDevice)}
	policies := []schema.Policy{rfcPolicy(), compatPolicy(), strictPolicy(), pingPolicy()}
	f.Fuzz(func(t *testing.T, text string, choice uint8) {
		body, err := schema.Decode([]byte(text), schema.Limits{Depth: 32})
		if err != nil {
			return // not JSON: that is another parser's business
		}
		which := int(choice) % len(types)
		rt, p := types[which], policies[int(choice)/len(types)%len(policies)]
		plan, err := patch.Parse(body, rt, p, patch.Limits{})
		if err != nil {
			refused(t, err)
			return
		}
		o := docs[which].Clone()
		changed, err := plan.Apply(o, rt, p)
		if err != nil {
			refused(t, err)
			return
		}
		if same := schema.Equal(o, docs[which]); same == changed {
			t.Errorf("changed = %v, but the documents are equal: %v", changed, same)
		}
		wellFormed(t, rt, o)
		if err := rt.CheckImmutable(docs[which], o); err != nil {
			t.Errorf("immutable value lost: %v", err)
		}
	})
}

// refused fails unless err is a fault that a client can be told.
func refused(t interface {
	Helper()
	Fatalf(string, ...any)
}, err error,
) {
	t.Helper()
	e, ok := errors.AsType[*schema.Error](err)
	if !ok || e.Code == "" || e.Detail == "" {
		t.Fatalf("error %v (%T) cannot be told to a client", err, err)
	}
}

// wellFormed fails unless o is a canonical document: what is encoded reads
// back as the same, and nothing in it is empty.
func wellFormed(t interface {
	Helper()
	Fatalf(string, ...any)
}, rt *schema.ResourceType, o schema.Object,
) {
	t.Helper()
	back, err := rt.Parse(rt.Encode(o))
	if err != nil {
		t.Fatalf("Parse(Encode(o)) = %v", err)
	}
	if again := rt.Encode(back); string(again) != string(rt.Encode(o)) {
		t.Fatalf("document is not canonical: %s reads back as %s", rt.Encode(o), again)
	}
	noEmpty(t, "", o)
}

func noEmpty(t interface {
	Helper()
	Fatalf(string, ...any)
}, path string, v any,
) {
	t.Helper()
	switch v := v.(type) {
	case nil:
		t.Fatalf("null at %s", path)
	case schema.Object:
		if len(v) == 0 {
			t.Fatalf("empty object at %s", path)
		}
		for k, e := range v {
			noEmpty(t, path+"/"+k, e)
		}
	case []any:
		if len(v) == 0 {
			t.Fatalf("empty array at %s", path)
		}
		for i, e := range v {
			noEmpty(t, fmt.Sprintf("%s/%d", path, i), e)
		}
	}
}

// genOp is a random operation on a Device. stable is true when a second
// application cannot mean something else: the path does not ask for what the
// operation changes.
type genOp struct {
	Op     string `json:"op"`
	Path   string `json:"path,omitempty"`
	Value  any    `json:"value,omitempty"`
	stable bool
}

func (g genOp) json() string {
	b, err := json.Marshal(g)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func text(t *rapid.T, label string) string {
	return rapid.SampledFrom([]string{"a", "b", "A", "s", "t", "z", "y", "work", "ß", "é", "0"}).Draw(t, label)
}

// element draws an object for slots or zones.
func element(t *rapid.T, attr string) map[string]any {
	o := map[string]any{"value": text(t, "value")}
	if attr == "zones" {
		if rapid.Bool().Draw(t, "noted") {
			o["note"] = text(t, "note")
		}
		return o
	}
	if rapid.Bool().Draw(t, "typed") {
		o["type"] = text(t, "type")
	}
	if rapid.IntRange(0, 4).Draw(t, "isPrimary") == 0 {
		o["primary"] = rapid.Bool().Draw(t, "primary")
	}
	if rapid.IntRange(0, 4).Draw(t, "hasBay") == 0 {
		o["bay"] = rapid.IntRange(1, 2).Draw(t, "bay")
	}
	if rapid.IntRange(0, 4).Draw(t, "marked") == 0 {
		o["marks"] = []string{text(t, "mark"), text(t, "mark")}
	}
	return o
}

func elements(t *rapid.T, attr string) []any {
	var out []any
	for range rapid.IntRange(0, 3).Draw(t, "n") {
		out = append(out, element(t, attr))
	}
	if out == nil {
		return []any{}
	}
	return out
}

// operation draws one operation whose values all fit the schema, so that
// whatever Apply lets pass must be valid.
func operation(t *rapid.T) genOp {
	op := genOp{Op: rapid.SampledFrom([]string{"add", "remove", "replace"}).Draw(t, "op"), stable: true}
	switch rapid.SampledFrom([]string{"simple", "complex", "tags", "list", "path", "wholePath", "pathless", "extension", "readOnly"}).Draw(t, "target") {
	case "simple":
		op.Path = rapid.SampledFrom([]string{"label", "serial", "origin.country"}).Draw(t, "path")
		op.Value = text(t, "v")
	case "complex":
		op.Path = rapid.SampledFrom([]string{"owner", "owner.value", "owner.$ref", "owner.shifts", "owner.since", "origin"}).Draw(t, "path")
		switch op.Path {
		case "owner":
			op.Value = map[string]any{"value": text(t, "v"), "display": "x", "shifts": []string{text(t, "s")}}
		case "owner.shifts":
			op.Value = []string{text(t, "s"), text(t, "s")}
		case "owner.since":
			op.Value = rapid.SampledFrom([]string{"2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"}).Draw(t, "since")
		case "origin":
			op.Value = map[string]any{"country": text(t, "c"), "year": 2000}
		default:
			op.Value = text(t, "v")
		}
	case "tags":
		op.Path, op.Value = "tags", []string{text(t, "v"), text(t, "v")}
	case "list":
		op.Path = rapid.SampledFrom([]string{"slots", "zones"}).Draw(t, "attr")
		op.Value = elements(t, op.Path)
	case "path":
		attr := rapid.SampledFrom([]string{"slots", "zones"}).Draw(t, "attr")
		sub := rapid.SampledFrom(map[string][]string{"slots": {"value", "type", "primary", "bay", "marks"}, "zones": {"value", "note"}}[attr]).Draw(t, "sub")
		term, by := condition(t, attr)
		op.Path, op.stable = attr+"["+term+"]."+sub, !strings.Contains(by, sub)
		switch sub {
		case "primary":
			op.Value = rapid.Bool().Draw(t, "v")
		case "bay":
			op.Value = rapid.IntRange(1, 2).Draw(t, "v")
		case "marks":
			op.Value = []string{text(t, "v")}
		default:
			op.Value = text(t, "v")
		}
	case "wholePath":
		attr := rapid.SampledFrom([]string{"slots", "zones"}).Draw(t, "attr")
		term, _ := condition(t, attr)
		op.Path, op.Value, op.stable = attr+"["+term+"]", element(t, attr), op.Op == "remove"
	case "pathless":
		if op.Op == "remove" {
			op.Op = "replace"
		}
		op.Value = map[string]any{"height": rapid.IntRange(0, 3).Draw(t, "h"), "slots": elements(t, "slots"), "owner": map[string]any{"value": text(t, "v"), "$ref": nil}, rackURN: map[string]any{"rack": text(t, "r")}}
	case "extension":
		op.Path = rapid.SampledFrom([]string{rackURN, rackURN + ":rack", rackURN + ":asset"}).Draw(t, "path")
		op.Value = any(text(t, "v"))
		if op.Path == rackURN {
			op.Value = map[string]any{"rack": text(t, "v")}
		}
	case "readOnly":
		op.Path = rapid.SampledFrom([]string{"inspected", "slots.health", "owner.display", rackURN + ":checked", "id"}).Draw(t, "path")
		op.Value = "x"
	}
	if op.Op == "remove" {
		op.Value = nil
	} else if rapid.IntRange(0, 9).Draw(t, "null") == 0 {
		op.Value = json.RawMessage("null")
	}
	return op
}

// condition draws the filter of a value path and the names that it tests.
func condition(t *rapid.T, attr string) (term, by string) {
	if attr == "zones" {
		return `value eq "` + text(t, "f") + `"`, "value"
	}
	switch rapid.IntRange(0, 3).Draw(t, "filter") {
	case 0:
		return `type eq "` + text(t, "f") + `"`, "type"
	case 1:
		return `type eq "` + text(t, "f") + `" and value eq "` + text(t, "g") + `"`, "type value"
	case 2:
		return `primary eq true`, "primary"
	default:
		return `value pr`, "value"
	}
}

// FuzzPatchApply: what Apply lets pass is a valid document that kept its
// immutable and read-only values, and a replace or remove applied twice equals
// once.
func FuzzPatchApply(f *testing.F) {
	rt := registry(f).ByName("Device")
	doc := document(f, rt, fuzzDevice)
	policies := []schema.Policy{rfcPolicy(), compatPolicy(), strictPolicy()}
	// rapid reads its choices from the input, so seeds must be long enough.
	source := rand.NewChaCha8([32]byte{})
	for range 32 {
		seed := make([]byte, 2048)
		if _, err := source.Read(seed); err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { applied(t, rt, doc, rapid.SampledFrom(policies).Draw(t, "policy")) }))
}

// TestPatchApplyProperties runs the property of FuzzPatchApply on random
// operations in every test run.
func TestPatchApplyProperties(t *testing.T) {
	t.Parallel()
	rt := registry(t).ByName("Device")
	doc := document(t, rt, fuzzDevice)
	policies := []schema.Policy{rfcPolicy(), compatPolicy(), strictPolicy()}
	rapid.Check(t, func(t *rapid.T) { applied(t, rt, doc, rapid.SampledFrom(policies).Draw(t, "policy")) })
}

func applied(t *rapid.T, rt *schema.ResourceType, doc schema.Object, p schema.Policy) {
	n := rapid.IntRange(1, 4).Draw(t, "operations")
	ops := make([]genOp, n)
	texts := make([]string, n)
	for i := range ops {
		ops[i] = operation(t)
		texts[i] = ops[i].json()
	}
	request := message(strings.Join(texts, ","))
	body, err := schema.Decode([]byte(request), schema.Limits{Depth: 32})
	if err != nil {
		t.Fatalf("Decode(%s) = %v", request, err)
	}
	plan, err := patch.Parse(body, rt, p, patch.Limits{})
	if err != nil {
		refused(t, err)
		return
	}
	o := doc.Clone()
	changed, err := plan.Apply(o, rt, p)
	if err != nil {
		refused(t, err)
		return
	}
	if changed == schema.Equal(o, doc) {
		t.Fatalf("PATCH %s: changed = %v", request, changed)
	}
	wellFormed(t, rt, o)
	if err := rt.Validate(o, p); err != nil {
		t.Fatalf("PATCH %s leaves an invalid document: %v\n%s", request, err, rt.Encode(o))
	}
	if err := rt.CheckImmutable(doc, o); err != nil {
		t.Fatalf("PATCH %s: %v", request, err)
	}
	if o["inspected"] != doc["inspected"] || o[rackURN].(schema.Object)["checked"] != "yes" {
		t.Fatalf("PATCH %s changed a read-only value: %s", request, rt.Encode(o))
	}
	if n > 1 || ops[0].Op == "add" || !ops[0].stable {
		return
	}
	again := o.Clone()
	changed, err = plan.Apply(again, rt, p)
	if err != nil || changed || !schema.Equal(again, o) {
		t.Fatalf("PATCH %s applied twice = %v, %v:\n%s\nonce:\n%s", request, changed, err, rt.Encode(again), rt.Encode(o))
	}
}
