package filter_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// oracleFolder holds the pinned npm packages; `npm ci` there installs them.
const oracleFolder = "../../testdata/oracle"

// filterCase is one filter over one resource.
type filterCase struct {
	Doc    json.RawMessage `json:"doc"`
	Filter string          `json:"filter"`
}

// answer is what scim2-parse-filter made of a case.
type answer struct {
	Tree  any    `json:"tree"`
	Match bool   `json:"match"`
	Error string `json:"error"`
}

// ask runs every case through scim2-parse-filter, in one process.
func ask(t *testing.T, cases []filterCase) []answer {
	t.Helper()
	if _, err := os.Stat(filepath.Join(oracleFolder, "node_modules", "scim2-parse-filter", "package.json")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the engine to compare with is missing; run npm ci in testdata/oracle: %v", err)
		}
		t.Skip("the engine to compare with is missing; run npm ci in testdata/oracle")
	}
	var in bytes.Buffer
	for enc, i := json.NewEncoder(&in), 0; i < len(cases); i++ {
		if err := enc.Encode(cases[i]); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", "oracle.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = oracleFolder, &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node oracle.mjs: %v", err)
	}
	answers := make([]answer, 0, len(cases))
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		var a answer
		if err := json.Unmarshal(s.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(cases) {
		t.Fatalf("node oracle.mjs answered %d of %d cases", len(answers), len(cases))
	}
	return answers
}

// filterDocs are the resources that filters are evaluated on. All text is in
// lower case but for the last, which shows what is compared without case.
func filterDocs() []string {
	return []string{
		`{"userName":"a"}`,
		`{"userName":"ab","title":"b","active":true,"name":{"givenName":"a","familyName":"b"},"emails":[{"value":"a@b","type":"work","primary":true},{"value":"b@a","type":"home"}],"meta":{"lastModified":"2011-05-13T04:42:34Z"}}`,
		`{"userName":"b","externalId":"a","active":false,"name":{"givenName":"ab"},"emails":[{"value":"ab","type":"home"},{"value":"b"},{"type":"work","display":"a"}],"meta":{"lastModified":"2012-01-01T00:00:00Z"}}`,
		`{"userName":"a\"b","title":"%","displayName":"é","emails":[{"value":"a@b","type":"home"}],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"a","manager":{"value":"b"}}}`,
		`{"userName":"AB","title":"B","externalId":"A","name":{"givenName":"Ab"},"emails":[{"value":"A@B","type":"Work"}]}`,
	}
}

// filterCorpus draws filters from a fixed seed, so that a disagreement can be
// found again. One in eight is damaged and thus mostly no filter at all.
func filterCorpus(n int) []filterCase {
	r := rand.New(rand.NewPCG(7644, 3422))
	docs := filterDocs()
	out := make([]filterCase, n)
	for i := range out {
		text := drawFilter(r, 2)
		if i%8 == 0 {
			text = damage(r, text)
		}
		out[i] = filterCase{Doc: json.RawMessage(docs[r.IntN(len(docs))]), Filter: text}
	}
	return out
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func drawFilter(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(3) == 0 {
		return drawLeaf(r)
	}
	left, right := drawFilter(r, depth-1), drawFilter(r, depth-1)
	switch r.IntN(6) {
	case 0, 1:
		return left + pick(r, " and ", " AND ", "  and ") + right
	case 2, 3:
		return left + pick(r, " or ", " Or ") + right
	case 4:
		return pick(r, "not (", "not(", "NOT (") + left + ")"
	default:
		return "(" + left + ")" + pick(r, " and ", " or ") + right
	}
}

func drawLeaf(r *rand.Rand) string {
	if r.IntN(4) > 0 {
		return drawComparison(r, "userName", "title", "displayName", "externalId", "name.givenName", "USERNAME", "emails.value", "emails.type", "emails",
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
			"active", "meta.lastModified", pick(r, "nope", "title", "title", "userName"))
	}
	inner := drawComparison(r, "value", "type", "display", "primary")
	for range r.IntN(3) {
		inner += pick(r, " and ", " or ", " and ") + drawComparison(r, "value", "type", "primary")
	}
	if r.IntN(5) == 0 {
		inner = "not (" + inner + ")"
	}
	text := "emails[" + inner + "]"
	if r.IntN(4) == 0 {
		return text + "." + drawComparison(r, "value", "type")
	}
	return text
}

func drawComparison(r *rand.Rand, attrs ...string) string {
	attr := pick(r, attrs...)
	if r.IntN(6) == 0 {
		return attr + pick(r, " pr", " PR")
	}
	switch attr {
	case "active", "primary":
		return attr + pick(r, " eq ", " ne ", " eq ", " ne ", " eq ", pick(r, " eq ", " gt ")) + pick(r, "true", "false", "true", "false", pick(r, "true", `"true"`))
	case "meta.lastModified":
		return attr + pick(r, " eq ", " gt ", " ge ", " lt ", " le ") + pick(r, `"2011-05-13T04:42:34Z"`, `"2011-12-31T23:59:59Z"`)
	}
	op := pick(r, "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "eq", "eq", "Eq", "xx")
	if op == "xx" && r.IntN(4) > 0 {
		op = "eq"
	}
	value := pick(r, `"a"`, `"b"`, `"ab"`, `"a@b"`, `"work"`, `"home"`, `"A"`, `"Work"`, `""`, `"%"`, `"é"`, `"a\"b"`, `"@"`, "null", pick(r, `"\u00e9"`, `"a"`, `"b"`, `"é"`), pick(r, `"\\"`, "1", `"b"`, `"a"`, `"ab"`, `"a@b"`))
	return attr + " " + op + " " + value
}

// damage takes a character away, or puts one in.
func damage(r *rand.Rand, text string) string {
	at := r.IntN(len(text))
	if r.IntN(2) == 0 {
		return strings.ToValidUTF8(text[:at]+text[at+1:], "")
	}
	return strings.ToValidUTF8(text[:at]+pick(r, "(", ")", "[", "]", `"`, ".", " ", `\`, "and", " not ")+text[at:], "")
}

// tree returns an expression in the form of scim2-parse-filter, with chains of
// the same operator made flat in both.
func tree(e filter.Expr) any {
	switch e := e.(type) {
	case *filter.And:
		return flatChain("and", tree(e.Left), tree(e.Right))
	case *filter.Or:
		return flatChain("or", tree(e.Left), tree(e.Right))
	case *filter.Not:
		return map[string]any{"op": "not", "filter": tree(e.Expr)}
	case *filter.Compare:
		return comparison(e.Path.String(), e.Op, e.Value)
	case *filter.ValuePath:
		whole := map[string]any{"op": "[]", "attrPath": e.Path.String(), "valFilter": tree(e.Filter)}
		if e.Sub == "" {
			return whole
		}
		return flatChain("and", whole, comparison(e.Path.String()+"."+e.Sub, e.Op, e.Value))
	default:
		panic(fmt.Sprintf("no expression: %T", e))
	}
}

func comparison(path string, op filter.Op, v filter.Value) any {
	out := map[string]any{"op": string(op), "attrPath": path}
	if op == filter.Pr {
		return out
	}
	switch v.Kind {
	case filter.Null:
		out["compValue"] = nil
	case filter.String:
		out["compValue"] = v.Text
	case filter.Bool:
		out["compValue"] = v.Text == "true"
	case filter.Number:
		var n float64
		if err := json.Unmarshal([]byte(v.Text), &n); err != nil {
			panic(err)
		}
		out["compValue"] = n
	}
	return out
}

func flatChain(op string, terms ...any) any {
	var flat []any
	for _, t := range terms {
		if o, ok := t.(map[string]any); ok && o["op"] == op {
			flat = append(flat, o["filters"].([]any)...)
			continue
		}
		flat = append(flat, t)
	}
	return map[string]any{"op": op, "filters": flat}
}

// flat applies flatChain to a tree of scim2-parse-filter.
func flat(v any) any {
	o, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for k, e := range o {
		out[k] = flat(e)
	}
	if list, ok := o["filters"].([]any); ok {
		terms := make([]any, len(list))
		for i, e := range list {
			terms[i] = flat(e)
		}
		return flatChain(o["op"].(string), terms...)
	}
	return out
}

// blank drops the operands from a tree.
func blank(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if k != "compValue" {
				out[k] = blank(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = blank(e)
		}
		return out
	default:
		return v
	}
}

// rewriting turns a filter into one that means to us what the original means
// to scim2-parse-filter, for one known deviation.
type rewriting struct {
	name, rfc string
	rewrite   func(filter.Expr) filter.Expr
}

func rewritings() []rewriting {
	return []rewriting{
		{
			"the conditions in brackets are met by different elements",
			"RFC 7644 section 3.4.2.2: one element meets all of them",
			spread,
		},
		{
			"ne is false where the attribute is absent",
			"RFC 7643 section 2.5 and RFC 7644 section 3.4.2.2: the attribute has not that value",
			func(e filter.Expr) filter.Expr {
				return leaves(e, "", func(c *filter.Compare, attr string) filter.Expr {
					if c.Op != filter.Ne || c.Value.Kind == filter.Null || c.Path.Name == "emails" && c.Path.Sub == "" {
						return c
					}
					if attr == "" && c.Path.Name == "emails" {
						inner := filter.AttrPath{Name: c.Path.Sub}
						return &filter.ValuePath{Path: filter.AttrPath{Name: "emails"}, Op: filter.Pr, Filter: &filter.And{
							Left: &filter.Compare{Path: inner, Op: filter.Pr}, Right: &filter.Compare{Path: inner, Op: filter.Ne, Value: c.Value},
						}}
					}
					return &filter.And{Left: &filter.Compare{Path: c.Path, Op: filter.Pr}, Right: c}
				})
			},
		},
		{
			"eq null is false where the attribute is absent",
			"RFC 7643 section 2.5: null and absent are the same",
			func(e filter.Expr) filter.Expr {
				return leaves(e, "", func(c *filter.Compare, _ string) filter.Expr {
					if c.Op == filter.Eq && c.Value.Kind == filter.Null {
						return never(c)
					}
					return c
				})
			},
		},
		{
			"a complex attribute without sub-attribute equals nothing",
			"RFC 7644 section 3.4.2.2: its value is meant",
			func(e filter.Expr) filter.Expr {
				return leaves(e, "", func(c *filter.Compare, attr string) filter.Expr {
					if attr != "" || c.Path.Name != "emails" || c.Path.Sub != "" || c.Op == filter.Pr {
						return c
					}
					// What JavaScript makes of an object that is compared.
					const object = "[object Object]"
					text := c.Value.Kind == filter.String
					if c.Op == filter.Ne || text && (c.Op == filter.Lt || c.Op == filter.Le) && object < c.Value.Text ||
						text && (c.Op == filter.Gt || c.Op == filter.Ge) && object > c.Value.Text || text && c.Op == filter.Sw && c.Value.Text == "" {
						return &filter.Compare{Path: c.Path, Op: filter.Pr}
					}
					return never(c)
				})
			},
		},
	}
}

// never holds for no resource and no element; c tells which names are known.
func never(c *filter.Compare) filter.Expr {
	present := &filter.Compare{Path: c.Path, Op: filter.Pr}
	return &filter.And{Left: present, Right: &filter.Not{Expr: present}}
}

// leaves rewrites every comparison; attr is the attribute whose brackets
// enclose it.
func leaves(e filter.Expr, attr string, f func(c *filter.Compare, attr string) filter.Expr) filter.Expr {
	switch e := e.(type) {
	case *filter.And:
		return &filter.And{Left: leaves(e.Left, attr, f), Right: leaves(e.Right, attr, f)}
	case *filter.Or:
		return &filter.Or{Left: leaves(e.Left, attr, f), Right: leaves(e.Right, attr, f)}
	case *filter.Not:
		return &filter.Not{Expr: leaves(e.Expr, attr, f)}
	case *filter.Compare:
		return f(e, attr)
	case *filter.ValuePath:
		out := *e
		out.Filter = leaves(e.Filter, e.Path.Name, f)
		return &out
	default:
		panic(fmt.Sprintf("no expression: %T", e))
	}
}

// spread takes the brackets away: each condition may hold on its own element,
// as long as there is one.
func spread(e filter.Expr) filter.Expr {
	switch e := e.(type) {
	case *filter.And:
		return &filter.And{Left: spread(e.Left), Right: spread(e.Right)}
	case *filter.Or:
		return &filter.Or{Left: spread(e.Left), Right: spread(e.Right)}
	case *filter.Not:
		return &filter.Not{Expr: spread(e.Expr)}
	case *filter.Compare:
		return e
	case *filter.ValuePath:
		inside := leaves(e.Filter, e.Path.Name, func(c *filter.Compare, attr string) filter.Expr {
			return &filter.Compare{Path: filter.AttrPath{Name: attr, Sub: c.Path.Name}, Op: c.Op, Value: c.Value}
		})
		out := filter.Expr(&filter.And{Left: &filter.Compare{Path: e.Path, Op: filter.Pr}, Right: inside})
		if e.Sub != "" {
			out = &filter.And{Left: out, Right: &filter.Compare{Path: filter.AttrPath{Name: e.Path.Name, Sub: e.Sub}, Op: e.Op, Value: e.Value}}
		}
		return out
	default:
		panic(fmt.Sprintf("no expression: %T", e))
	}
}

// TestDifferentialFilter compares trees and evaluation with
// scim2-parse-filter. Every disagreement must be a known deviation; those of
// evaluation are proved by rewriting the filter to what the other engine
// makes of it.
func TestDifferentialFilter(t *testing.T) {
	t.Parallel()
	user := load(t).user
	cases := filterCorpus(6000)
	// The lower-case twin of a case tells whether only case made the difference.
	for _, c := range slices.Clone(cases) {
		cases = append(cases, filterCase{Doc: json.RawMessage(strings.ToLower(string(c.Doc))), Filter: strings.ToLower(c.Filter)})
	}
	cases = restoreNames(cases)
	answers := ask(t, cases)
	used := map[string]int{}
	for i, c := range cases {
		if name := treeDeviation(c, answers[i]); name == "" {
			t.Errorf("Parse(%q) disagrees: %s", c.Filter, describe(c, answers[i]))
		} else {
			used[name]++
		}
		name := matchDeviation(t, user, c, answers[i])
		if name == "" && i < len(cases)/2 && cases[i+len(cases)/2].Filter+string(cases[i+len(cases)/2].Doc) != c.Filter+string(c.Doc) &&
			matchDeviation(t, user, cases[i+len(cases)/2], answers[i+len(cases)/2]) != "" {
			// RFC 7643 section 2.2: strings compare without case unless caseExact.
			name = "strings compare with case"
		}
		if name == "" {
			t.Errorf("Match(%q) on %s disagrees: %s", c.Filter, c.Doc, describe(c, answers[i]))
			continue
		}
		used[name]++
	}
	for _, name := range knownDeviations() {
		if used[name] == 0 {
			t.Errorf("the deviation %q never occurs; take it off the list", name)
		}
	}
	t.Logf("agreements and deviations: %v", used)
}

// restoreNames gives the lower-cased documents their attribute names back:
// Match works on canonical ones.
func restoreNames(cases []filterCase) []filterCase {
	names := strings.NewReplacer(`"username"`, `"userName"`, `"externalid"`, `"externalId"`, `"displayname"`, `"displayName"`, `"givenname"`, `"givenName"`,
		`"familyname"`, `"familyName"`, `"lastmodified"`, `"lastModified"`, "2.0:user", "2.0:User", "t04:42:34z", "T04:42:34Z", "t00:00:00z", "T00:00:00Z", "t23:59:59z", "T23:59:59Z")
	for i := len(cases) / 2; i < len(cases); i++ {
		cases[i].Doc = json.RawMessage(names.Replace(string(cases[i].Doc)))
		cases[i].Filter = names.Replace(cases[i].Filter)
	}
	return cases
}

// knownDeviations is every name that the comparison gives to a disagreement.
func knownDeviations() []string {
	out := []string{"strings compare with case", "escapes are not decoded", "a string that ends in a backslash is refused", "an attribute, operator or operand that does not fit is accepted"}
	for _, r := range rewritings() {
		out = append(out, r.name)
	}
	for _, name := range looseGrammar() {
		out = append(out, name)
	}
	return out
}

// looseGrammar names what scim2-parse-filter accepts against the grammar of
// RFC 7644 figure 1, by a part of our refusal.
func looseGrammar() map[string]string {
	return map[string]string{
		"The name of an attribute is expected":  "names have any number of dots",             // attrPath = [URI ":"] ATTRNAME *1subAttr
		"The escape is not one of JSON":         "any escape stands in a string",             // compValue = … string (RFC 7159)
		"Attribute not must be followed":        "not stands without parentheses",            // FILTER = *1"not" "(" FILTER ")"
		"Brackets may only follow a whole attr": "brackets stand behind a sub-attribute too", // valuePath = attrPath "[" valFilter "]"
	}
}

func describe(c filterCase, a answer) string {
	e, err := filter.Parse(c.Filter, filter.Limits{}, schema.Policy{})
	ours := fmt.Sprint(err)
	if err == nil {
		ours = asJSON(tree(e))
	}
	return "\n  ours   " + ours + "\n  theirs " + asJSON(a)
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// treeDeviation names how the two parsers differ on a case: "same" if not at
// all, "" if in a way that is not known.
func treeDeviation(c filterCase, a answer) string {
	e, err := filter.Parse(c.Filter, filter.Limits{}, schema.Policy{})
	if err != nil || a.Error != "" {
		if err != nil && a.Error != "" {
			return "same"
		}
		// RFC 7159 section 7: the backslash is escaped, the quote ends the string.
		if err == nil && strings.Contains(c.Filter, `\\"`) && strings.HasSuffix(a.Error, "is not json") {
			return "a string that ends in a backslash is refused"
		}
		for part, name := range looseGrammar() {
			if err != nil && strings.Contains(err.Error(), part) {
				return name
			}
		}
		return ""
	}
	ours, theirs := tree(e), flat(a.Tree)
	if cmp.Equal(ours, theirs) {
		return "same"
	}
	// RFC 7159 section 7: a string holds the characters that its escapes mean.
	if strings.Contains(strings.ReplaceAll(c.Filter, `\"`, ""), `\`) && cmp.Equal(blank(ours), blank(theirs)) {
		return "escapes are not decoded"
	}
	return ""
}

// matchDeviation names how the two evaluations differ on a case.
func matchDeviation(t *testing.T, rt *schema.ResourceType, c filterCase, a answer) string {
	t.Helper()
	e, err := filter.Parse(c.Filter, filter.Limits{}, schema.Policy{})
	if err != nil || a.Error != "" {
		return "same" // treeDeviation has judged it
	}
	doc, err := rt.Parse(c.Doc)
	if err != nil {
		t.Fatal(err)
	}
	p, err := filter.Bind(e, rt, schema.Policy{})
	if err != nil {
		// RFC 7644 section 3.4.2.2 and rows 65 and 67: 400 invalidFilter.
		return "an attribute, operator or operand that does not fit is accepted"
	}
	if filter.Match(p, doc) == a.Match {
		return "same"
	}
	for _, r := range rewritings() {
		if matches(t, rt, r.rewrite(e), doc) == a.Match {
			return r.name
		}
	}
	for _, r := range rewritings() {
		e = r.rewrite(e)
	}
	if matches(t, rt, e, doc) == a.Match {
		return "several at once"
	}
	if strings.Contains(strings.ReplaceAll(c.Filter, `\"`, ""), `\`) {
		return "escapes are not decoded"
	}
	return ""
}

func matches(t *testing.T, rt *schema.ResourceType, e filter.Expr, doc schema.Object) bool {
	t.Helper()
	p, err := filter.Bind(e, rt, schema.Policy{})
	if err != nil {
		t.Fatalf("Bind(%s) = %v", e, err)
	}
	return filter.Match(p, doc)
}
