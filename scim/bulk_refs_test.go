package scim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

// upper stands for ids: the reference in capitals; "no" is unknown.
func upper(_, bulkID string) (string, bool) { return strings.ToUpper(bulkID), bulkID != "no" }

func TestRewriteRefs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, in, want string }{
		{"value", "bulkId:a", "A"},
		{"displayName", "bulkId:a", "A"},
		{"value", "bulkId:no", "bulkId:no"},
		{"value", "bulkId", "bulkId"},
		{"value", "BULKID:a", "BULKID:a"},
		{"value", "x bulkId:a", "x bulkId:a"},
		{"$ref", "../Users/bulkId:a", "../Users/A"},
		{"$REF", "https://id.example.com/scim/v2/Users/bulkId:a", "https://id.example.com/scim/v2/Users/A"},
		{"$ref", "../Users/bulkId:no", "../Users/bulkId:no"},
		{"profileUrl", "../Users/bulkId:a", "../Users/bulkId:a"},
		{"path", `members[value eq "bulkId:a"]`, `members[value eq "A"]`},
		{"Path", `members[value eq "bulkId:a" or value eq "bulkId:no" or value eq "bulkId:b"]`, `members[value eq "A" or value eq "bulkId:no" or value eq "B"]`},
		{"path", `members[value eq "bulkId:a`, `members[value eq "bulkId:a`},
		{"path", `members[value eq bulkId:a]`, `members[value eq bulkId:a]`},
	} {
		if got := rewriteText(tt.in, tt.key, upper); got != tt.want {
			t.Errorf("rewriteText(%q, %q) = %q, want %q", tt.in, tt.key, got, tt.want)
		}
	}
	in := schema.Object{"n": true, "members": []any{schema.Object{"value": "bulkId:a", "$ref": nil}, "bulkId:b"}, "manager": "bulkId:c"}
	want := schema.Object{"n": true, "members": []any{schema.Object{"value": "A", "$ref": nil}, "B"}, "manager": "C"}
	before := in.Clone()
	if diff := cmp.Diff(any(want), rewriteRefs(in, "", upper)); diff != "" {
		t.Errorf("rewriteRefs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, in); diff != "" {
		t.Errorf("rewriteRefs changed its input:\n%s", diff)
	}
}

func TestRefersByNature(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"value": true, "VALUE": true, "$ref": true, "path": true, "members": true, "manager": true,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager": true, "manager.value": true,
		"displayName": false, "userName": false, "values": false, "": false,
	} {
		if got := refersByNature(key); got != want {
			t.Errorf("refersByNature(%q) = %v", key, got)
		}
	}
}

// What waits and what is created now make the whole again.
func TestPostpone(t *testing.T) {
	t.Parallel()
	reg, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const enterprise = schema.EnterpriseUserURN
	element := func(id string) any { return schema.Object{"value": id} }
	tests := map[string]struct {
		data, now schema.Object
		rest      []late
	}{
		"nothing to wait for": {
			schema.Object{"userName": "a", "manager": "bulkId:there"},
			schema.Object{"userName": "a", "manager": "bulkId:there"},
			nil,
		},
		"elements": {
			schema.Object{"members": []any{element("1"), element("bulkId:x"), element("2")}},
			schema.Object{"members": []any{element("1"), element("2")}},
			[]late{{"members", []any{element("bulkId:x")}}},
		},
		"all elements": {
			schema.Object{"displayName": "g", "members": []any{element("bulkId:x")}},
			schema.Object{"displayName": "g"},
			[]late{{"members", []any{element("bulkId:x")}}},
		},
		"attribute of an extension": {
			schema.Object{enterprise: schema.Object{"department": "D", "manager": element("bulkId:x")}},
			schema.Object{enterprise: schema.Object{"department": "D"}},
			[]late{{enterprise + ":manager", element("bulkId:x")}},
		},
		"the only attribute of an extension": {
			schema.Object{enterprise: schema.Object{"manager": "bulkId:x"}},
			schema.Object{},
			[]late{{enterprise + ":manager", "bulkId:x"}},
		},
		"flattened key": {
			schema.Object{enterprise + ":manager": element("bulkId:x")},
			schema.Object{},
			[]late{{enterprise + ":manager", element("bulkId:x")}},
		},
		"two attributes, in order": {
			schema.Object{"manager": "bulkId:x", "members": "bulkId:y"},
			schema.Object{},
			[]late{{"manager", "bulkId:x"}, {"members", "bulkId:y"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, rest := postpone(reg.ByName("User"), tt.data, map[string]bool{"x": true, "y": true})
			if diff := cmp.Diff(tt.now, now); diff != "" {
				t.Errorf("now (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.rest, rest, cmp.AllowUnexported(late{})); diff != "" {
				t.Errorf("rest (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFlatten(t *testing.T) {
	t.Parallel()
	const urn, ping = schema.SecondFactorURN, schema.PingUserURN
	flat, plain := Profile{FlattenSecondFactor: true}, Profile{}
	for name, tt := range map[string]struct{ in, want string }{
		"members move up": {
			`{"schemas":["u","` + urn + `"],"id":"1","` + urn + `":{"secondFactorEnabled":true,"secondFactorEmail":"a,\"}b"},"meta":{"x":1}}`,
			`{"schemas":["u","` + ping + `"],"id":"1","secondFactorEnabled":true,"secondFactorEmail":"a,\"}b","meta":{"x":1}}`,
		},
		"at the end":        {`{"id":"1","` + urn + `":{"secondFactorEnabled":true}}`, `{"id":"1","secondFactorEnabled":true}`},
		"alone":             {`{"` + urn + `":{"secondFactorEnabled":true}}`, `{"secondFactorEnabled":true}`},
		"empty":             {`{"id":"1","` + urn + `":{}}`, `{"id":"1"}`},
		"alone and empty":   {`{"` + urn + `":{}}`, `{}`},
		"without extension": {`{"schemas":["u"],"id":"1"}`, `{"schemas":["u"],"id":"1"}`},
		"URN as a value":    {`{"schemas":["u"],"title":"` + urn + `"}`, `{"schemas":["u"],"title":"` + urn + `"}`},
	} {
		if got := string(flat.flatten([]byte(tt.in))); got != tt.want {
			t.Errorf("%s: %s\nwant %s", name, got, tt.want)
		}
		if got := string(plain.flatten([]byte(tt.in))); got != tt.in {
			t.Errorf("%s: another profile changes it: %s", name, got)
		}
	}
}

// FuzzRewritePath: no panic, a path without known references stays, and with
// the identity as lookup nothing changes.
func FuzzRewritePath(f *testing.F) {
	f.Add(`members[value eq "bulkId:a"]`)
	f.Add(`"bulkId:"bulkId:a"`)
	f.Fuzz(func(t *testing.T, path string) {
		if got := rewritePath(path, "path", func(_, id string) (string, bool) { return "", false }); got != path {
			t.Errorf("rewritePath(%q) without references = %q", path, got)
		}
		if got := rewritePath(path, "path", func(_, id string) (string, bool) { return bulkPrefix + id, true }); got != path {
			t.Errorf("rewritePath(%q) with the identity = %q", path, got)
		}
	})
}

func BenchmarkFlatten(b *testing.B) {
	doc := []byte(`{"schemas":["` + schema.UserURN + `","` + schema.SecondFactorURN + `"],"id":"1","userName":"ann","` +
		schema.SecondFactorURN + `":{"secondFactorEnabled":true},"meta":{"resourceType":"User"}}`)
	p := Profile{FlattenSecondFactor: true}
	b.ReportAllocs()
	for b.Loop() {
		p.flatten(doc)
	}
}
