package patch_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/patch"
)

// oracleFolder holds the pinned npm packages; `npm ci` there installs them.
const oracleFolder = "../../testdata/oracle"

// runOracle runs every case through the engines of testdata/oracle, in one
// process, and returns one line of JSON for each.
func runOracle(t *testing.T, cases []any) [][]byte {
	t.Helper()
	if _, err := os.Stat(filepath.Join(oracleFolder, "node_modules", "scimmy", "package.json")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the engines to compare with are missing; run npm ci in testdata/oracle: %v", err)
		}
		t.Skip("the engines to compare with are missing; run npm ci in testdata/oracle")
	}
	var in bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, c := range cases {
		if err := enc.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", "oracle.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = oracleFolder, &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node oracle.mjs: %v", err)
	}
	var lines [][]byte
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		lines = append(lines, bytes.Clone(s.Bytes()))
	}
	if len(lines) != len(cases) {
		t.Fatalf("node oracle.mjs answered %d of %d cases", len(lines), len(cases))
	}
	return lines
}

// patchCase is one request on one document.
type patchCase struct {
	Doc json.RawMessage `json:"doc"`
	Ops []patchOp       `json:"ops"`
}

type patchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`

	attr   string // attribute without brackets and sub-attribute
	filter bool
	sub    string
}

// result is what an engine made of a case.
type result struct {
	Doc   map[string]any `json:"doc"`
	Error string         `json:"error"`
}

func (r result) String() string {
	if r.Error != "" {
		return "error " + r.Error
	}
	return shown(r.Doc)
}

// shown is v as JSON.
func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// agrees tells whether two engines came to the same: both refuse, or both
// have the same document.
func (r result) agrees(other result) bool {
	if r.Error != "" || other.Error != "" {
		return r.Error != "" && other.Error != ""
	}
	return cmp.Equal(r.Doc, other.Doc)
}

// tidy drops what says nothing about the operations: null and empty values,
// which are absent (RFC 7643 section 2.5), and what other parts of a server
// set.
func tidy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e = tidy(e); e != nil && k != "schemas" {
				out[k] = e
			}
		}
		// What the server derives from the id of a manager.
		if _, both := out["value"]; both && strings.HasPrefix(fmt.Sprint(out["$ref"]), "../Users/") {
			delete(out, "$ref")
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, e := range v {
			if e = tidy(e); e != nil {
				out = append(out, e)
			}
		}
		if out == nil {
			return nil
		}
		return out
	default:
		return v
	}
}

func tidyDoc(doc map[string]any) map[string]any {
	out, _ := tidy(doc).(map[string]any)
	// Neither engine gets a meta, but scimmy makes one.
	delete(out, "meta")
	return out
}

// own runs a case through this package.
func own(t *testing.T, rt *schema.ResourceType, p schema.Policy, c patchCase) result {
	t.Helper()
	o, err := applyTo(t, rt, p, c)
	if err != nil {
		return result{Error: err.Error()}
	}
	var doc map[string]any
	if err := json.Unmarshal(rt.Encode(o), &doc); err != nil {
		t.Fatal(err)
	}
	return result{Doc: tidyDoc(doc)}
}

func applyTo(t *testing.T, rt *schema.ResourceType, p schema.Policy, c patchCase) (schema.Object, error) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"schemas": []string{patch.MessageURN}, "Operations": c.Ops})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := patch.Parse(decode(t, string(body)), rt, p, patch.Limits{})
	if err != nil {
		return nil, err
	}
	o := document(t, rt, string(c.Doc))
	if _, err := plan.Apply(o, rt, p); err != nil {
		return nil, err
	}
	return o, rt.Validate(o, p)
}

// corpus draws operations on Users, each on what the ones before it made of
// one of five documents. Every case has one operation: that a request is the
// sequence of its operations is proved elsewhere, and engines that disagree
// about one would disagree about all behind it. The seed is fixed, so that a
// disagreement can be found again.
func corpus(t *testing.T, rt *schema.ResourceType, n int) []patchCase {
	t.Helper()
	r := rand.New(rand.NewPCG(7644, 352))
	docs := []string{
		`{"userName":"u"}`,
		`{"userName":"u","title":"t","active":true,"name":{"givenName":"g","familyName":"f"},"emails":[{"value":"a@b","type":"work"}]}`,
		`{"userName":"u","emails":[{"value":"a@b","type":"work","primary":true},{"value":"c@d","type":"home"}],"addresses":[{"type":"work","country":"CH"}]}`,
		`{"userName":"u","name":{"givenName":"g"},"emails":[{"value":"x@y","type":"work"},{"value":"a@b","type":"work"},{"value":"c@d","type":"home","primary":false}],"phoneNumbers":[{"value":"1","type":"work"}]}`,
		`{"userName":"u","displayName":"d","addresses":[{"type":"work","country":"CH","primary":true},{"type":"home","locality":"L"}],"` + schema.EnterpriseUserURN + `":{"department":"d","manager":{"value":"m"}}}`,
	}
	out := make([]patchCase, 0, n)
	var doc []byte
	for len(out) < n {
		if len(out)%8 == 0 {
			doc = rt.Encode(document(t, rt, docs[r.IntN(len(docs))]))
		}
		c := patchCase{Doc: json.RawMessage(doc), Ops: []patchOp{drawOp(r)}}
		out = append(out, c)
		if o, err := applyTo(t, rt, compatPolicy(), c); err == nil {
			doc = rt.Encode(o)
		}
	}
	return out
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func drawOp(r *rand.Rand) patchOp {
	op := patchOp{Op: pick(r, "add", "remove", "replace")}
	switch r.IntN(9) {
	case 0: // simple attributes
		op.attr = pick(r, "title", "displayName", "nickName", "userName", schema.EnterpriseUserURN+":department")
		op.Path, op.Value = op.attr, pick(r, "t", "d", "n")
	case 1:
		op.attr, op.Path, op.Value = "active", "active", pick[any](r, true, false, "x")
	case 2: // a complex attribute
		op.attr, op.Path = "name", "name"
		op.Value = pick[any](r, map[string]any{"givenName": "h"}, map[string]any{"familyName": "k", "givenName": "h"}, "x")
	case 3:
		op.attr, op.sub = "name", pick(r, "givenName", "familyName")
		op.Path, op.Value = "name."+op.sub, pick(r, "g", "h")
	case 4: // a whole list
		op.attr = pick(r, "emails", "phoneNumbers", "addresses")
		op.Path, op.Value = op.attr, drawList(r, op.attr)
	case 5: // elements
		op.attr, op.filter = pick(r, "emails", "addresses"), true
		op.Path, op.Value = op.attr+drawFilter(r, op.attr), drawElement(r, op.attr)
	case 6: // a sub-attribute of elements
		op.attr, op.filter = pick(r, "emails", "emails", "addresses"), true
		op.sub = pick(r, "value", "type", "display", "primary")
		if op.attr == "addresses" {
			op.sub = pick(r, "country", "locality", "type")
		}
		op.Path = op.attr + drawFilter(r, op.attr) + "." + op.sub
		op.Value = pick[any](r, "a@b", "work", "z")
		switch op.sub {
		case "primary":
			op.Value = r.IntN(2) == 0
		case "type": // scimmy refuses values that are not canonical
			op.Value = pick(r, "work", "home", "other")
		}
	case 7: // without path
		op.Value = map[string]any{"title": pick(r, "t", "s"), "emails": drawList(r, "emails")}
		if r.IntN(2) == 0 {
			op.Value = map[string]any{"name": map[string]any{"givenName": "h"}, schema.EnterpriseUserURN + ":department": "e"}
		}
	case 8: // what must not change, and what is not there
		op.attr = pick(r, "id", "nope", "emails.nope", "groups", "meta")
		op.Path, op.Value = op.attr, "x"
	}
	if op.Op == "remove" && r.IntN(6) > 0 {
		op.Value = nil
	}
	return op
}

func drawFilter(r *rand.Rand, attr string) string {
	if attr == "addresses" {
		return pick(r, `[type eq "work"]`, `[type eq "other"]`, `[country eq "CH" or locality eq "L"]`)
	}
	return pick(r, `[type eq "work"]`, `[type eq "home"]`, `[type eq "other"]`, `[value eq "a@b"]`, `[type eq "work" and value sw "a"]`, `[primary eq true]`, `[not (type eq "work")]`, `[value pr]`)
}

func drawElement(r *rand.Rand, attr string) map[string]any {
	if attr == "addresses" {
		return pick(r, map[string]any{"type": "work", "country": "CH"}, map[string]any{"country": "DE"}, map[string]any{"type": "home", "locality": "M"})
	}
	o := map[string]any{"value": pick(r, "a@b", "c@d", "e@f"), "type": pick(r, "work", "home")}
	if r.IntN(4) == 0 {
		o["primary"] = true
	}
	if r.IntN(4) == 0 {
		o["display"] = "D"
	}
	return o
}

func drawList(r *rand.Rand, attr string) []any {
	out := []any{}
	for range r.IntN(3) {
		out = append(out, drawElement(r, attr))
	}
	return out
}
