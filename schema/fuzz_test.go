package schema_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
)

// wantCanonical checks the promise of Object: known names in canonical spelling,
// the right Go types, no nil, no empty container.
func wantCanonical(t *testing.T, rt *schema.ResourceType, o schema.Object) {
	t.Helper()
	for name, v := range o {
		if s := rt.Extension(name); s != nil && s.ID == name {
			inner, ok := v.(schema.Object)
			if !ok || len(inner) == 0 {
				t.Fatalf("%s = %v, want an object that is not empty", name, v)
			}
			for sub, v := range inner {
				r, err := rt.Lookup(name, sub, "", rfc)
				if err != nil || r.Attr.Name != sub {
					t.Fatalf("%s of %s is no canonical name", sub, name)
				}
				wantCanonicalValue(t, r, v)
			}
			continue
		}
		r, err := rt.Lookup("", name, "", rfc)
		if err != nil || r.Attr.Name != name || r.URN != "" {
			t.Fatalf("%s is no canonical name", name)
		}
		if r.Attr.Mutability == schema.ReadOnly || r.Attr.Derived {
			t.Fatalf("%s was taken from a client", name)
		}
		wantCanonicalValue(t, r, v)
	}
}

func wantCanonicalValue(t *testing.T, r schema.Ref, v any) {
	t.Helper()
	def := r.Target()
	list, ok := v.([]any)
	if ok != def.MultiValued {
		t.Fatalf("%s = %v, want the shape of its definition", r, v)
	}
	if !ok {
		list = []any{v}
	}
	if len(list) == 0 {
		t.Fatalf("%s is empty", r)
	}
	for _, e := range list {
		o, ok := e.(schema.Object)
		if ok != (def.Type == schema.Complex) || ok && len(o) == 0 {
			t.Fatalf("%s has element %v", r, e)
		}
		if !ok {
			if _, ok := def.Key(e); !ok {
				t.Fatalf("%s = %v (%T) is not of type %s", r, e, e, def.Type)
			}
			continue
		}
		for name, v := range o {
			s := r
			if s.Sub = def.SubAttribute(name); s.Sub == nil || s.Sub.Name != name {
				t.Fatalf("%s.%s is no canonical name", r, name)
			}
			wantCanonicalValue(t, s, v)
		}
	}
}

// FuzzAccept: any body under any profile is refused with faults that name what
// is wrong, or becomes a canonical Object that survives being stored.
func FuzzAccept(f *testing.F) {
	for _, body := range []string{
		fullUser, `{}`, `{"userName":["a"],"emails":"x","name":[{"givenName":""}]}`,
		`{"schemas":["` + schema.UserURN + `"],"userName":"b","` + enterprise + `:manager":"m","manager":[{"$ref":"x/y"}]}`,
		`{"secondFactorEmail":"a","` + second + `":{"secondFactorEmail":"b"},"active":"TRUE","roles":["a",{"value":"a"}]}`,
		`{"x509Certificates":[{"value":"AA=="}],"groups":[],"id":1,"meta":7,"urn:":1,"urn:a:b":{},"":null}`,
		`{"schemas":7,"userName":7,"emails":[[[]]],"addresses":[{"country":{}}]}`,
		`{"name":"d","count":1,"weight":1e5,"purchased":"2011-05-13T04:42:34Z","ports":[{"value":1,"protocols":"x"}],"owner":"u"}`,
	} {
		f.Add([]byte(body), uint8(0))
		f.Add([]byte(body), uint8(1))
	}
	g := custom(f)
	policies := []schema.Policy{rfc, compat, strict, {LooseShapes: true}, {EmptyStringUnassigns: true, UnknownInBody: schema.UnknownInvalidPath, SchemasOptional: true}}
	f.Fuzz(func(t *testing.T, body []byte, choice uint8) {
		in, err := schema.Decode(body, schema.Limits{})
		if err != nil {
			return
		}
		policy := policies[int(choice)%len(policies)]
		for _, rt := range g.Types() {
			rt.Cleared(in, policy)
			o, _, err := rt.Accept(in, policy, schema.Limits{MaxElements: 50})
			if err != nil {
				es, ok := errors.AsType[schema.Errors](err)
				if !ok || len(es) == 0 {
					t.Fatalf("Accept(%s) = %v (%T), want Errors", body, err, err)
				}
				continue
			}
			wantCanonical(t, rt, o)
			wantStorable(t, rt, o, policy)
		}
	})
}

// wantStorable checks that an accepted Object is what comes back from storage,
// and is accepted again unchanged.
func wantStorable(t *testing.T, rt *schema.ResourceType, o schema.Object, policy schema.Policy) {
	t.Helper()
	_ = rt.Validate(o, policy) // must not panic
	if !json.Valid(rt.Keys(o)) {
		t.Fatalf("Keys = %s is no JSON", rt.Keys(o))
	}
	doc := rt.Encode(o)
	back, err := rt.Parse(doc)
	if err != nil {
		t.Fatalf("Parse(%s): %v", doc, err)
	}
	stored := o.Clone()
	delete(stored, "password")
	delete(stored, "members")
	if diff := cmp.Diff(stored, back); diff != "" {
		t.Fatalf("stored and read (-accepted +read):\n%s", diff)
	}
	sent, err := schema.Decode(doc, schema.Limits{})
	if err != nil {
		t.Fatalf("Decode(%s): %v", doc, err)
	}
	again, report, err := rt.Accept(sent, rfc, schema.Limits{})
	if err != nil || len(report.Dropped) > 0 {
		t.Fatalf("Accept of the own document %s = %v, dropped %v", doc, err, report.Dropped)
	}
	if !schema.Equal(back, again) {
		t.Fatalf("Accept of the own document changes it:\n%s", cmp.Diff(back, again))
	}
}

// TestConcurrentUse: a registry is compiled once and read by every request.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	u := userType(t)
	want := string(u.Encode(accept(t, u, fullUser, rfc)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				in, err := schema.Decode([]byte(fullUser), schema.Limits{})
				if err != nil {
					t.Error(err)
					return
				}
				o, _, err := u.Accept(in, rfc, schema.Limits{})
				if err != nil {
					t.Error(err)
					return
				}
				if err := u.Validate(o, rfc); err != nil {
					t.Error(err)
				}
				u.Keys(o)
				pr, err := u.NewProjection([]string{"emails.value", enterprise}, nil, rfc)
				if err != nil {
					t.Error(err)
				}
				doc := u.Encode(o)
				u.Project(doc, pr)
				if string(doc) != want {
					t.Errorf("Encode = %s", doc)
				}
				if _, err := schema.PrecisFold("Jürgen"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestPutOfWhatWasRead: a client that sends back what it got changes nothing,
// for arbitrary resources of every type.
func TestPutOfWhatWasRead(t *testing.T) {
	t.Parallel()
	g := custom(t)
	rapid.Check(t, func(rt *rapid.T) {
		typ := anyType(rt, g)
		o := anyObject(rt, typ)
		doc := typ.Encode(o)
		before, err := typ.Parse(doc)
		if err != nil {
			rt.Fatal(err)
		}
		in, err := schema.Decode(doc, schema.Limits{})
		if err != nil {
			rt.Fatalf("Decode(%s): %v", doc, err)
		}
		after, report, err := typ.Accept(in, rfc, schema.Limits{})
		if err != nil {
			rt.Fatalf("Accept(%s): %v", doc, err)
		}
		if len(report.Dropped) > 0 {
			rt.Fatalf("Accept dropped %v", report.Dropped)
		}
		for _, r := range typ.Attributes() {
			if r.Attr.Mutability == schema.ReadOnly {
				delete(before, r.Attr.Name)
				if c, ok := before[r.URN].(schema.Object); ok {
					delete(c, r.Attr.Name)
				}
			}
		}
		dropReadOnlySubs(typ, before)
		typ.SetSchemas(before)
		if diff := cmp.Diff(before, after); diff != "" {
			rt.Fatalf("PUT of what was read (-before +after):\n%s", diff)
		}
	})
}

// dropReadOnlySubs removes the sub-attributes that a PUT ignores, and what is
// empty without them.
func dropReadOnlySubs(rt *schema.ResourceType, o schema.Object) {
	for _, r := range rt.Attributes() {
		in := o
		if r.URN != "" {
			in, _ = o[r.URN].(schema.Object)
		}
		v, ok := in[r.Attr.Name].(schema.Object)
		if !ok {
			continue
		}
		for _, s := range r.Attr.Sub {
			if s.Mutability == schema.ReadOnly && (s.Name != "$ref" || v["value"] == nil) {
				delete(v, s.Name)
			}
		}
		if len(v) == 0 {
			delete(in, r.Attr.Name)
		}
	}
	for _, e := range rt.Extensions {
		if c, ok := o[e.Schema.ID].(schema.Object); ok && len(c) == 0 {
			delete(o, e.Schema.ID)
		}
	}
}
