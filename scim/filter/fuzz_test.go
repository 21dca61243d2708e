package filter_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

func seeds() []string {
	return []string{
		`userName eq "bjensen"`, `name.familyName co "O'Malley"`, `urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"`,
		`title pr and not (userType eq "Intern" or active ne false)`, `meta.lastModified ge "2011-05-13T04:42:34Z"`,
		`emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp"].value ew "\u00e9\"\\"`,
		`(meta.resourceType eq User) or (meta.resourceType eq Group)`, `externalId eq jyoung`, `a eq null and b gt -1.5e+3`,
		`count lt 7 and seen gt "2024-01-01T00:00:00.5+02:00" and blob ne "AQID" and tags[value eq "x"]`, `not(a pr)`,
		`members.$ref eq"x"`, `((((a pr))))`, `emails[`, `"`, `a eq "\ud83d\ude00"`, `manager eq "x" and department pr`,
	}
}

// FuzzFilterParse: no input panics; what is read prints to text that reads as
// the same tree; the limits hold; what binds can be evaluated and has one
// canonical text, and the printed text binds to the same predicate.
func FuzzFilterParse(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s, false)
		f.Add(s, true)
	}
	types := load(f)
	user, gadget := barbara(), device()
	f.Fuzz(func(t *testing.T, text string, loose bool) {
		policy := schema.Policy{}
		if loose {
			policy = compat()
		}
		e, err := filter.Parse(text, filter.Limits{}, policy)
		if err != nil {
			checkFault(t, text, err, schema.InvalidFilter)
			return
		}
		printed := e.String()
		// Escapes are at most six bytes for one.
		if len(printed) > 6*len(text)+64 {
			t.Fatalf("Parse(%q) prints %d bytes for %d", text, len(printed), len(text))
		}
		again, err := filter.Parse(printed, filter.Limits{Length: 1 << 20}, schema.Policy{})
		if err != nil {
			t.Fatalf("Parse(%q), printed from %q: %v", printed, text, err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatalf("%q reads differently when printed as %q:\n%s", text, printed, diff)
		}
		bindBoth(t, e, again, types.user, policy, user)
		bindBoth(t, e, again, types.device, policy, gadget)
	})
}

func bindBoth(t *testing.T, e, again filter.Expr, rt *schema.ResourceType, policy schema.Policy, o schema.Object) {
	t.Helper()
	root, rootErr := filter.BindRoot(e, rt, policy)
	if rootErr == nil {
		_ = filter.Match(root, o)
	}
	p, err := filter.Bind(e, rt, policy)
	if err != nil {
		checkFault(t, e.String(), err, schema.InvalidFilter, schema.Sensitive)
		return
	}
	if rootErr != nil || filter.Print(root) != filter.Print(p) {
		t.Fatalf("BindRoot(%q) = %v, %v; Bind gives %s", e, root, rootErr, filter.Print(p))
	}
	q, err := filter.Bind(again, rt, policy)
	if err != nil {
		t.Fatalf("Bind(%q) fails only when printed: %v", e, err)
	}
	if filter.Print(p) != filter.Print(q) || filter.Match(p, o) != filter.Match(q, o) {
		t.Fatalf("%q binds to %s and to %s", e, filter.Print(p), filter.Print(q))
	}
	negated, err := filter.Bind(&filter.Not{Expr: e}, rt, policy)
	if err != nil || filter.Match(negated, o) == filter.Match(p, o) {
		t.Fatalf("not (%s) agrees with what it negates (%v)", e, err)
	}
}

func checkFault(t *testing.T, text string, err error, codes ...schema.Code) {
	t.Helper()
	fault := asFault(t, text, err)
	if !slices.Contains(codes, fault.Code) {
		t.Fatalf("%q: code %s, want one of %v", text, fault.Code, codes)
	}
}

// FuzzPatchPath: no path panics, and what is read prints to text that reads as
// the same path.
func FuzzPatchPath(f *testing.F) {
	for _, s := range append(seeds(),
		`members`, `name.familyName`, `addresses[type eq "work"].streetAddress`, `members[value eq "2819c223"]`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value`, `roles[primary eq "True"].value`,
		`urn:pingidentity:schemas:User:1.0`, `tags[value eq "x"]`, enterprise) {
		f.Add(s)
	}
	types := load(f)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := filter.ParsePath(text, filter.Limits{})
		if err != nil {
			checkFault(t, text, err, schema.InvalidPath)
			return
		}
		again, err := filter.ParsePath(p.String(), filter.Limits{Length: 1 << 20})
		if err != nil {
			t.Fatalf("ParsePath(%q), printed from %q: %v", p, text, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("%q reads differently when printed as %q:\n%s", text, p, diff)
		}
		if p.Filter == nil {
			return
		}
		for _, rt := range []*schema.ResourceType{types.user, types.device} {
			bindPath(t, p, rt)
		}
	})
}

func bindPath(t *testing.T, p filter.Path, rt *schema.ResourceType) {
	t.Helper()
	ref, err := rt.Lookup(p.Attr.URN, p.Attr.Name, "", compat())
	if err != nil {
		return
	}
	pred, err := filter.BindElement(p.Filter, ref, rt, compat())
	if err != nil {
		checkFault(t, p.String(), err, schema.InvalidFilter, schema.Sensitive)
		return
	}
	for _, element := range []any{schema.Object{"value": "x", "type": "work", "primary": true}, schema.Object{}, "x"} {
		if filter.MatchElement(pred, ref, element) == filter.MatchElement(&filter.None{Term: pred}, ref, element) {
			t.Fatalf("%s and its negation agree on %v", p, element)
		}
	}
}
