package schema_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
)

const projected = `{"schemas":["` + schema.UserURN + `","` + schema.EnterpriseUserURN + `"],"id":"1","externalId":"E","userName":"b",` +
	`"name":{"familyName":"J","givenName":"B"},"active":true,` +
	`"emails":[{"value":"x\"]}","type":"work","primary":true},{"type":"home"}],"groups":[{"value":"g","display":"G"}],` +
	`"` + schema.EnterpriseUserURN + `":{"department":"D","manager":{"value":"m","$ref":"../Users/m"}},` +
	`"meta":{"resourceType":"User","version":"W/\"1\""}}`

func projection(t testing.TB, rt *schema.ResourceType, attributes, excluded string, p schema.Policy) *schema.Projection {
	t.Helper()
	split := func(s string) []string {
		if s == "" {
			return nil
		}
		return strings.Split(s, ",")
	}
	pr, err := rt.NewProjection(split(attributes), split(excluded), p)
	if err != nil {
		t.Fatalf("NewProjection(%q, %q): %v", attributes, excluded, err)
	}
	return pr
}

// TestRow71_Projection: sub-attribute and URN forms, always-returned attributes,
// order and names of the document kept; an extension that nothing is left of
// goes from "schemas" too (row 2).
func TestRow71_Projection(t *testing.T) {
	t.Parallel()
	u := userType(t)
	core := `{"schemas":["` + schema.UserURN + `"],"id":"1"`
	both := `{"schemas":["` + schema.UserURN + `","` + enterprise + `"],"id":"1"`
	for _, tt := range []struct {
		attributes, excluded string
		policy               schema.Policy
		want                 string
	}{
		{"userName", "", rfc, core + `,"userName":"b"}`},
		{" USERNAME ,userName", "", rfc, core + `,"userName":"b"}`},
		{"name.givenName", "", rfc, core + `,"name":{"givenName":"B"}}`},
		{"name.middleName", "", rfc, core + `}`},
		{"name,name.middleName", "", rfc, core + `,"name":{"familyName":"J","givenName":"B"}}`},
		{"emails.value,active", "", rfc, core + `,"active":true,"emails":[{"value":"x\"]}"}]}`},
		{"emails.primary", "", rfc, core + `,"emails":[{"primary":true}]}`},
		{"groups", "", rfc, core + `,"groups":[{"value":"g","display":"G"}]}`},
		{"meta.version", "", rfc, core + `,"meta":{"version":"W/\"1\""}}`},
		{"unknown", "", rfc, core + `}`},
		{"password", "", rfc, core + `}`},
		{"department", "", rfc, core + `}`},
		{"department", "", compat, both + `,"` + enterprise + `":{"department":"D"}}`},
		{strings.ToUpper(enterprise), "", rfc, both + `,"` + enterprise + `":{"department":"D","manager":{"value":"m","$ref":"../Users/m"}}}`},
		{enterprise + ":manager.value", "", rfc, both + `,"` + enterprise + `":{"manager":{"value":"m"}}}`},
		{enterprise + ":division", "", rfc, core + `}`},
		{enterprise + ":manager.displayName", "", rfc, core + `}`},
		{schema.UserURN + ":userName", "", rfc, core + `,"userName":"b"}`},
		{schema.UserURN, "", rfc, core + `,"externalId":"E","userName":"b","name":{"familyName":"J","givenName":"B"},"active":true,"emails":[{"value":"x\"]}","type":"work","primary":true},{"type":"home"}]}`},
		{"schemas", "", rfc, core + `}`},
		{"", "name,emails,groups,meta,externalId,active," + enterprise, rfc, core + `,"userName":"b"}`},
		{"", "id,schemas,name,emails,groups,meta,externalId,active," + enterprise + ":department," + enterprise + ":manager", rfc, core + `,"userName":"b"}`},
		{
			"", "name.familyName,emails.value,emails.primary,groups,meta,externalId,active," + enterprise + ":manager.value," + enterprise + ":manager.$ref", rfc,
			both + `,"userName":"b","name":{"givenName":"B"},"emails":[{"type":"work"},{"type":"home"}],"` + enterprise + `":{"department":"D"}}`,
		},
		{"", "emails.type", rfc, strings.Replace(strings.Replace(projected, `,"type":"work"`, "", 1), `,{"type":"home"}`, "", 1)},
		{"", "unknown", rfc, projected},
	} {
		pr := projection(t, u, tt.attributes, tt.excluded, tt.policy)
		if got := string(u.Project([]byte(projected), pr)); got != tt.want {
			t.Errorf("attributes=%q excluded=%q:\n got %s\nwant %s", tt.attributes, tt.excluded, got, tt.want)
		}
	}
	spaced := strings.NewReplacer(`,"`, " ,\n \"", `":`, `" : `, `[{`, `[ {`, `}]`, `} ]`).Replace(`{"schemas":["a"],"id":"1","emails":[{"value":"x","type":"y"}],"x":1}`)
	if got, want := string(u.Project([]byte(spaced), projection(t, u, "emails.value", "", rfc))), `"emails":[{"value":"x"}]}`; !strings.HasSuffix(got, want) || !json.Valid([]byte(got)) {
		t.Errorf("Project of %s = %s, want it to end in %s", spaced, got, want)
	}
}

func TestRow71_ParametersExclusive(t *testing.T) {
	t.Parallel()
	u := userType(t)
	_, err := u.NewProjection([]string{"userName"}, []string{"name"}, rfc)
	wantFault(t, err, schema.InvalidValue, "attributes")
	if pr, err := u.NewProjection(nil, nil, rfc); pr != nil || err != nil {
		t.Errorf("NewProjection without names = %v, %v, want nil", pr, err)
	}
}

// TestRow30_Returned: always, never, default and request, for sub-attributes too.
func TestRow30_Returned(t *testing.T) {
	t.Parallel()
	d := deviceType(t)
	const doc = `{"schemas":["` + deviceURN + `"],"id":"1","name":"d","serial":"S","notes":"n","owner":{"value":"u","secretary":"s"},"ports":[{"value":1,"type":"usb"}]}`
	const head = `{"schemas":["` + deviceURN + `"],"id":"1"`
	for _, tt := range []struct{ attributes, excluded, want string }{
		{"", "", head + `,"name":"d","serial":"S","owner":{"value":"u"},"ports":[{"value":1,"type":"usb"}]}`},
		{"notes", "", head + `,"serial":"S","notes":"n"}`},
		{"owner", "", head + `,"serial":"S","owner":{"value":"u"}}`},
		{"owner.secretary", "", head + `,"serial":"S","owner":{"secretary":"s"}}`},
		{"owner,owner.secretary", "", head + `,"serial":"S","owner":{"value":"u","secretary":"s"}}`},
		{"ports.type", "", head + `,"serial":"S","ports":[{"value":1,"type":"usb"}]}`},
		{"", "serial,name,ports.value,notes", head + `,"serial":"S","owner":{"value":"u"},"ports":[{"value":1,"type":"usb"}]}`},
	} {
		pr := projection(t, d, tt.attributes, tt.excluded, rfc)
		if got := string(d.Project([]byte(doc), pr)); got != tt.want {
			t.Errorf("attributes=%q excluded=%q:\n got %s\nwant %s", tt.attributes, tt.excluded, got, tt.want)
		}
	}
	u := userType(t)
	if !u.Verbatim(nil) || d.Verbatim(nil) {
		t.Errorf("Verbatim(default) = %v for User, %v for Device, want true, false", u.Verbatim(nil), d.Verbatim(nil))
	}
	if pr := projection(t, u, "", "password,unknown", rfc); !u.Verbatim(pr) {
		t.Error("Verbatim = false though nothing is excluded that a document has")
	}
	if u.Verbatim(projection(t, u, "userName", "", rfc)) || u.Verbatim(projection(t, u, "", "name", rfc)) {
		t.Error("Verbatim = true for a projection that drops attributes")
	}
}

func TestProjectionWants(t *testing.T) {
	t.Parallel()
	u, g, d := userType(t), groupType(t), deviceType(t)
	for _, tt := range []struct {
		rt                         *schema.ResourceType
		attributes, excluded, path string
		want                       bool
	}{
		{g, "", "", "members", true},
		{g, "", "members", "members", false},
		{g, "", "members.display", "members", true},
		{g, "", "members.display", "members.display", false},
		{g, "", "members.display", "members.value", true},
		{g, "displayName", "", "members", false},
		{g, "members.value", "", "members.display", false},
		{g, "MEMBERS", "", "members.display", true},
		{u, "", "", "password", false},
		{u, "password", "", "password", false},
		{u, "userName", "", "id", true},
		{u, "userName", "", "meta", false},
		{u, "userName", "", enterprise, false},
		{u, enterprise + ":department", "", enterprise, true},
		{u, "", enterprise, enterprise, false},
		{u, "", "", enterprise, true},
		{d, "", "", "notes", false},
		{d, "", "", "owner.secretary", false},
		{d, "notes", "", "notes", true},
	} {
		pr := projection(t, tt.rt, tt.attributes, tt.excluded, rfc)
		if got := pr.Wants(ref(t, tt.rt, tt.path)); got != tt.want {
			t.Errorf("attributes=%q excluded=%q: Wants(%s) = %v", tt.attributes, tt.excluded, tt.path, got)
		}
	}
	other := ref(t, u, "meta")
	if projection(t, g, "displayName", "", rfc).Wants(other) || !projection(t, g, "meta", "", rfc).Wants(other) {
		t.Error("Wants is wrong for the Ref of another resource type")
	}
	if projection(t, g, "displayName", "", rfc).Wants(ref(t, u, "userName")) {
		t.Error("Wants an attribute that the type does not have")
	}
}

// TestRow74_CanonicalProjection: cursors are bound to what was asked for, not to
// how it was written.
func TestRow74_CanonicalProjection(t *testing.T) {
	t.Parallel()
	u := userType(t)
	var none *schema.Projection
	if got := none.Canonical(); got != "" {
		t.Errorf("Canonical of the default = %q", got)
	}
	a := projection(t, u, "USERNAME,name.givenname,x,userName", "", rfc).Canonical()
	if b := projection(t, u, "name.givenName,userName", "", rfc).Canonical(); a != b || a == "" {
		t.Errorf("Canonical = %q and %q, want them equal", a, b)
	}
	if b := projection(t, u, "", "name.givenName,userName", rfc).Canonical(); a == b {
		t.Errorf("Canonical of excluded = %q, the same as of attributes", b)
	}
}

func TestProjectionOfAmbiguousName(t *testing.T) {
	t.Parallel()
	u := custom(t).ByName("User")
	_, err := u.NewProjection([]string{"costCenter"}, nil, compat)
	wantFault(t, err, schema.InvalidPath, "costCenter")
	if _, err := u.NewProjection([]string{"costCenter"}, nil, rfc); err != nil {
		t.Errorf("NewProjection under rfc = %v, want the unknown name ignored", err)
	}
}

// reduce is what Project must give, by the definition: decode, keep what Wants
// wants, drop what is empty.
func reduce(rt *schema.ResourceType, pr *schema.Projection, o schema.Object) schema.Object {
	out := schema.Object{}
	gone := map[string]bool{}
	for _, r := range rt.Attributes() {
		in, to := o, out
		if r.URN != "" {
			var ok bool
			if in, ok = o[r.URN].(schema.Object); !ok {
				continue
			}
			if to, ok = out[r.URN].(schema.Object); !ok {
				to = schema.Object{}
				out[r.URN] = to
			}
		}
		if v, ok := in[r.Attr.Name]; ok && pr.Wants(r) {
			if v = reduceValue(pr, r, v); v != nil {
				to[r.Attr.Name] = v
			}
		}
	}
	for _, e := range rt.Extensions {
		if c, ok := out[e.Schema.ID].(schema.Object); ok && len(c) == 0 {
			delete(out, e.Schema.ID)
			gone[e.Schema.ID] = true
		}
	}
	out["schemas"] = slices.DeleteFunc(slices.Clone(o["schemas"].([]any)), func(urn any) bool { return gone[urn.(string)] })
	return out
}

func reduceValue(pr *schema.Projection, r schema.Ref, v any) any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, e := range v {
			if e = reduceValue(pr, r, e); e != nil {
				out = append(out, e)
			}
		}
		if out == nil {
			return nil
		}
		return out
	case schema.Object:
		out := schema.Object{}
		for name, e := range v {
			s := r
			if s.Sub = r.Attr.SubAttribute(name); pr.Wants(s) {
				out[name] = e
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
	return v
}

// complete is a response document: what Encode writes and what is joined to it.
func complete(t *rapid.T, rt *schema.ResourceType, o schema.Object) []byte {
	doc := rt.Encode(o)
	for _, name := range []string{"groups", "members", "meta"} {
		if v, ok := o[name]; ok {
			text, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			doc = append(doc[:len(doc)-1], `,"`+name+`":`...)
			doc = append(append(doc, text...), '}')
		}
	}
	return doc
}

// TestProjectAgreesWithDecoding holds the token scan against decoding, for
// arbitrary documents and projections of every type.
func TestProjectAgreesWithDecoding(t *testing.T) {
	t.Parallel()
	g := custom(t)
	names := map[string][]string{}
	for _, rt := range g.Types() {
		for _, r := range rt.Attributes() {
			names[rt.Name] = append(names[rt.Name], r.String())
			for _, s := range r.Attr.Sub {
				sub := r
				sub.Sub = s
				names[rt.Name] = append(names[rt.Name], sub.String())
			}
		}
		for _, e := range rt.Extensions {
			names[rt.Name] = append(names[rt.Name], e.Schema.ID)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		rt := anyType(t, g)
		chosen := rapid.SliceOfN(rapid.SampledFrom(names[rt.Name]), 1, 8).Draw(t, "names")
		attributes, excluded := chosen, []string(nil)
		if rapid.Bool().Draw(t, "excluded") {
			attributes, excluded = nil, chosen
		}
		pr, err := rt.NewProjection(attributes, excluded, rfc)
		if err != nil {
			t.Fatal(err)
		}
		doc := complete(t, rt, anyObject(t, rt))
		all, err := rt.Parse(doc)
		if err != nil {
			t.Fatalf("Parse(%s): %v", doc, err)
		}
		text := rt.Project(doc, pr)
		got, err := rt.Parse(text)
		if err != nil {
			t.Fatalf("Project(%s, %v, %v) = %s: %v", doc, attributes, excluded, text, err)
		}
		if diff := cmp.Diff(reduce(rt, pr, all), got); diff != "" {
			t.Fatalf("Project(%s, %v, %v) (-want +got):\n%s", doc, attributes, excluded, diff)
		}
	})
}

// FuzzProject: any text is taken without a panic, and valid JSON stays valid.
func FuzzProject(f *testing.F) {
	for _, doc := range []string{
		projected, `{}`, `{"emails":[{"value":"a"},{}],"name":{}}`, `{"schemas":[],"` + enterprise + `":{"manager":{}}}`,
		`{"a":"\\\""}`, `{"emails":`, `{"name":{"givenName":`, `[`, ``, `{"emails":[1,2]}`, `{"` + enterprise + `":1}`, `{"a":1}x`,
	} {
		f.Add([]byte(doc), "emails.value,name.givenName", false)
		f.Add([]byte(doc), "meta,"+enterprise, true)
	}
	u := userType(f)
	f.Fuzz(func(t *testing.T, doc []byte, names string, excluded bool) {
		list := strings.Split(names, ",")
		pr, err := u.NewProjection(list, nil, compat)
		if excluded {
			pr, err = u.NewProjection(nil, list, compat)
		}
		if err != nil {
			return // an ambiguous name
		}
		out := u.Project(doc, pr)
		if _, err := schema.Decode(doc, schema.Limits{Depth: 1000}); err == nil && !json.Valid(out) {
			t.Fatalf("Project(%s, %q) = %s is no JSON", doc, names, out)
		}
	})
}

// TestProjectOfDamage: nothing slips through a document that cannot be scanned.
func TestProjectOfDamage(t *testing.T) {
	t.Parallel()
	u := userType(t)
	pr := projection(t, u, "userName", "", rfc)
	for _, doc := range []string{``, `x`, `[]`, `{"title"`, `{"title":"x`, `{"title":{"a":1`, `{"userName":"a" "title":"b"}`, `{"userName":"b"}{}`, `{"name":"x","userName":"b"`} {
		if got := string(u.Project([]byte(doc), pr)); got != "{}" {
			t.Errorf("Project(%s) = %s, want {}", doc, got)
		}
	}
	part := projection(t, u, "emails.value", "", rfc)
	for _, doc := range []string{`{"emails":7}`, `{"emails":["secret"]}`, `{"emails":[{"value"}]}`, `{"emails":[{"value":"x"} {}]}`} {
		if got := string(u.Project([]byte(doc), part)); got != "{}" {
			t.Errorf("Project(%s) = %s, want {}", doc, got)
		}
	}
}
