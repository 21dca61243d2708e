package filter_test

import (
	"encoding/json"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

type matchCase struct {
	filter string
	want   bool
}

func runMatch(t *testing.T, rt *schema.ResourceType, o schema.Object, tests []matchCase) {
	t.Helper()
	for _, tt := range tests {
		if got := match(t, tt.filter, rt, o); got != tt.want {
			t.Errorf("Match(%q) = %v, want %v", tt.filter, got, tt.want)
		}
	}
}

// TestFilterSameElement proves rows 61, 62 and 63: what stands in brackets
// holds on one element, what does not may hold on several.
func TestFilterSameElement(t *testing.T) {
	t.Parallel()
	runMatch(t, load(t).user, barbara(), []matchCase{
		// Row 61.
		{`emails co "jensen.org"`, true},
		{`emails eq "BABS@jensen.org"`, true},
		{`emails ew "nowhere"`, false},
		{`emails pr`, true},
		{`ims pr`, true},
		{`photos pr`, false},
		{`name pr`, true},
		// Row 62.
		{`emails[type eq "work" and value co "example.com"]`, true},
		{`emails[type eq "work" and value co "jensen.org"]`, false},
		{`emails[type eq "home" and primary eq true]`, false},
		{`emails[type eq "home" and not (primary eq true)]`, true},
		{`emails[type eq "work" or type eq "fax"]`, true},
		{`emails[not (type eq "work")]`, true},
		{`not (emails[type eq "work"])`, false},
		{`emails[(type eq "work" or type eq "home") and value ew ".org"]`, true},
		{`emails[type eq "work"].value eq "bjensen@example.com"`, true},
		{`emails[type eq "work"].value eq "babs@jensen.org"`, false},
		{`emails[type eq "home"].primary pr`, false},
		{`emails[type eq "work"].primary pr`, true},
		{`emails[type eq "home"].primary eq null`, true},
		{`emails[type eq "fax"].value ne "x"`, false},
		// Row 63.
		{`emails.type eq "work" and emails.value co "jensen.org"`, true},
		{`emails.type eq "home" and emails.primary eq true`, true},
		// ne holds if any element differs.
		{`emails.type ne "work"`, true},
		{`emails.value ne "bjensen@example.com"`, true},
		{`ims.type ne "xmpp"`, false},
		{`not (emails.type eq "work")`, false},
		// Brackets on a singular complex attribute.
		{`name[familyName eq "o'malley" and givenName sw "bar"]`, true},
		{`name[familyName eq "o'malley" and givenName sw "x"]`, false},
		{enterprise + `:manager[value sw "26118915"]`, true},
		{enterprise + `:manager.value eq "26118915-6090-4610-87E4-49D8CA9F808D"`, true},
		{enterprise + `:manager eq "26118915-6090-4610-87e4-49d8ca9f808d"`, true},
	})
}

// TestFilterAbsentLogic proves row 66 and the two-valued logic: absent
// satisfies ne and `eq null` only, and not turns exactly what it encloses.
func TestFilterAbsentLogic(t *testing.T) {
	t.Parallel()
	rt := load(t).user
	bare := schema.Object{"id": "1", "userName": "a", "emails": []any{
		schema.Object{"value": "x@example.com"},
		schema.Object{"value": "y@example.com", "type": "work"},
	}}
	runMatch(t, rt, bare, []matchCase{
		{`title eq "x"`, false},
		{`title ne "x"`, true},
		{`title co "x"`, false},
		{`title co ""`, false},
		{`title sw "x"`, false},
		{`title ew "x"`, false},
		{`title gt "x"`, false},
		{`title ge "x"`, false},
		{`title lt "x"`, false},
		{`title le "x"`, false},
		{`title pr`, false},
		{`title eq null`, true},
		{`title ne null`, false},
		{`userName eq null`, false},
		{`userName ne null`, true},
		{`not (title eq "x")`, true},
		{`not (title ne "x")`, false},
		{`not (title gt "x")`, true},
		{`not (title eq null)`, false},
		{`not (title pr)`, true},
		{`title gt "x" or not (title gt "x")`, true},
		{`title ne "x" and not (title ne "x")`, false},
		{`active eq false`, false},
		{`active ne true`, true},
		{`meta.created lt "2030-01-01T00:00:00Z"`, false},
		{`meta.created ne "2030-01-01T00:00:00Z"`, true},
		{`name.givenName ne "x"`, true},
		{`name.givenName eq null`, true},
		{`name eq null`, true},
		{`name pr`, false},
		{enterprise + `:department ne "x"`, true},
		{enterprise + `:department eq "x"`, false},
		{enterprise + `:manager.value eq null`, true},
		// A whole multi-valued attribute.
		{`phoneNumbers eq "1"`, false},
		{`phoneNumbers ne "1"`, true},
		{`phoneNumbers eq null`, true},
		{`phoneNumbers ne null`, false},
		{`phoneNumbers.type ne "work"`, true},
		{`phoneNumbers.type eq null`, true},
		{`phoneNumbers pr`, false},
		{`phoneNumbers.value pr`, false},
		{`phoneNumbers[type ne "work"]`, false},
		{`phoneNumbers[type eq null]`, false},
		{`phoneNumbers[not (type eq "work")]`, false},
		{`not (phoneNumbers[type eq "work"])`, true},
		{`emails eq null`, false},
		{`emails ne null`, true},
		// An element that lacks the sub-attribute is absent for it.
		{`emails.type ne "work"`, true},
		{`emails.type eq null`, true},
		{`emails.type ne null`, true},
		{`emails.type pr`, true},
		{`emails.display pr`, false},
		{`emails.display eq null`, true},
		{`emails[type eq null and value sw "x"]`, true},
		{`emails[type eq null and value sw "y"]`, false},
		{`emails[type ne "work" and value sw "x"]`, true},
	})
}

// TestRow60_CommonAttributes: common attributes and qualified paths.
func TestRow60_CommonAttributes(t *testing.T) {
	t.Parallel()
	types := load(t)
	runMatch(t, types.user, barbara(), []matchCase{
		{`id eq "2819c223-7f76-453a-919d-413861904646"`, true},
		{`id eq "2819C223-7f76-453a-919d-413861904646"`, false},
		{`externalId eq "Ext-701984"`, true},
		{`externalId eq "ext-701984"`, false},
		{`externalid sw "Ext"`, true},
		{`meta.resourceType eq "User"`, true},
		{`meta.resourceType eq "Group"`, false},
		{`meta pr`, true},
		{`meta.version eq "W/\"3694e05e9dff591\""`, true},
		{`meta.location ew "/2819c223-7f76-453a-919d-413861904646"`, true},
		{`meta[resourceType eq "User" and created lt "2011-01-01T00:00:00Z"]`, true},
		{`schemas pr`, true},
		{`schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`, true},
		{`schemas eq "urn:ietf:params:scim:schemas:core:2.0:Group"`, false},
		{`schemas[value ew ":User" and value co "enterprise"]`, true},
		{`URN:IETF:params:scim:schemas:extension:enterprise:2.0:user:employeenumber eq "701984"`, true},
		{`urn:ietf:params:scim:schemas:core:2.0:User:name.familyName eq "o'malley"`, true},
	})
	group := schema.Object{
		"id": "g", "displayName": "Tour Guides", "externalId": "G-1",
		"members": []any{schema.Object{"value": "2819c223", "type": "User", "display": "Babs"}},
	}
	runMatch(t, types.group, group, []matchCase{
		{`displayName eq "tour guides"`, true},
		{`externalId eq "G-1"`, true},
		{`members[value eq "2819C223"]`, true},
		{`members eq "2819c223" and members.type eq "user"`, true},
		{`members.value eq "other"`, false},
	})
}

// TestRow32_CaseExact: folding follows the attribute, for eq and for parts.
func TestRow32_CaseExact(t *testing.T) {
	t.Parallel()
	types := load(t)
	runMatch(t, types.device, device(), []matchCase{
		{`serial eq "Ab-1"`, true},
		{`serial eq "ab-1"`, false},
		{`serial co "B"`, false},
		{`serial sw "Ab"`, true},
		{`serial gt "AZ"`, true},
		{`tags eq "RED"`, true},
		{`tags co "LU"`, true},
		{`link eq "https://example.com/a"`, false},
		{`link sw "https:"`, true},
		{`link co "://Example"`, false},
		{`link gt "https"`, true},
	})
	user := schema.Object{"id": "1", "userName": "ÄRGER", "displayName": "ＡＢＣ é"}
	runMatch(t, types.user, user, []matchCase{
		{`userName eq "ärger"`, true},
		{`userName eq "a\u0308rger"`, true},
		{`userName sw "Är"`, true},
		{`displayName eq "abc \u0065\u0301"`, true},
		{`displayName eq "ABC e"`, false},
	})
}

// TestRow65_Types: strings lexical, numbers by value, dates by instant,
// booleans and binary values by equality.
func TestRow65_Types(t *testing.T) {
	t.Parallel()
	runMatch(t, load(t).device, device(), []matchCase{
		{`count eq 9007199254740993`, true},
		{`count eq 9007199254740992`, false},
		{`count gt 9007199254740992`, true},
		{`count lt 10000000000000000`, true},
		{`count ge -5`, true},
		{`ratio eq 2.5`, true},
		{`ratio eq 25e-1`, true},
		{`ratio lt 10`, true},
		{`ratio gt 2.49`, true},
		{`ratio le -2.5`, false},
		{`on eq true`, true},
		{`on ne true`, false},
		{`on eq false`, false},
		{`seen eq "2024-02-29T10:00:00.500Z"`, true},
		{`seen gt "2024-02-29T11:30:00Z"`, false},
		{`seen lt "2024-02-29T11:30:00Z"`, true},
		{`seen ge "2024-02-29T06:00:00.5-04:00"`, true},
		{`seen gt "2024-02-29T10:00:00.499999Z"`, true},
		{`blob eq "AQID"`, true},
		{`blob ne "AQID"`, false},
		{`blob eq "aqid"`, false},
		{`label gt "str"`, true},
		{`label lt "STS"`, true},
		{`ports.number gt 100`, true},
		{`ports[number gt 100 and open eq true]`, false},
		{`ports[number eq 22].open eq true`, true},
		{`ports.roles eq "OPS"`, true},
		{`ports[roles eq "ops" and roles eq "admin"]`, true},
		{`ports[number eq 443].roles pr`, false},
		{`ports[number eq 443 and roles ne "ops"]`, true},
		{`tags[value sw "r" and value ew "d"]`, true},
		{`tags[value sw "r" and value ew "e"]`, false},
		{`tags[value sw "b"].value ew "e"`, true},
		{`tags ne "red"`, true},
	})
}

// TestMatchElement: a predicate of a PATCH path, on single elements.
func TestMatchElement(t *testing.T) {
	t.Parallel()
	types := load(t)
	policy := compat()
	tests := []struct {
		rt      *schema.ResourceType
		path    string
		element any
		want    bool
	}{
		{types.user, `emails[type eq "work"].value`, schema.Object{"type": "Work"}, true},
		{types.user, `emails[type eq "work"].value`, schema.Object{"type": "home"}, false},
		{types.user, `emails[type ne "work"]`, schema.Object{"value": "x"}, true},
		{types.user, `emails[type eq null]`, schema.Object{"value": "x"}, true},
		{types.user, `emails[type pr and not (value ew ".org")]`, schema.Object{"type": "x", "value": "a.com"}, true},
		{types.user, `roles[primary eq "True"].value`, schema.Object{"primary": true}, true},
		{types.user, `roles[primary eq "False"].value`, schema.Object{"primary": true}, false},
		{types.user, `name[givenName eq "barbara"]`, schema.Object{"givenName": "Barbara"}, true},
		{types.group, `members[value eq "ABC"]`, schema.Object{"value": "abc"}, true},
		{types.group, `members[value eq "a" or value eq "b"]`, schema.Object{"value": "b"}, true},
		{types.device, `tags[value eq "RED"]`, "Red", true},
		{types.device, `tags[value eq "RED"]`, "Green", false},
		{types.device, `ports[number ge 22]`, schema.Object{"number": json.Number("22")}, true},
		{types.device, `ports[number ge 22]`, schema.Object{}, false},
	}
	for _, tt := range tests {
		path, err := filter.ParsePath(tt.path, filter.Limits{})
		if err != nil {
			t.Fatalf("ParsePath(%q): %v", tt.path, err)
		}
		ref, err := tt.rt.Lookup(path.Attr.URN, path.Attr.Name, "", policy)
		if err != nil {
			t.Fatalf("Lookup(%q): %v", tt.path, err)
		}
		p, err := filter.BindElement(path.Filter, ref, tt.rt, policy)
		if err != nil {
			t.Fatalf("BindElement(%q): %v", tt.path, err)
		}
		if got := filter.MatchElement(p, ref, tt.element); got != tt.want {
			t.Errorf("MatchElement(%q, %v) = %v, want %v", tt.path, tt.element, got, tt.want)
		}
	}
}

// TestRow68_NilPredicateSelectsNothing: a forgotten filter is not the whole list.
func TestRow68_NilPredicateSelectsNothing(t *testing.T) {
	t.Parallel()
	if filter.Match(nil, barbara()) {
		t.Error("Match(nil) = true, want false")
	}
	if _, err := filter.Bind(nil, load(t).user, schema.Policy{}); err == nil {
		t.Error("Bind(nil) succeeds, want an error")
	}
}

// TestMatchConstants: empty lists, and combinations that no parser makes.
func TestMatchConstants(t *testing.T) {
	t.Parallel()
	tests := []struct {
		p    filter.Predicate
		want bool
	}{
		{&filter.All{}, true},
		{&filter.Any{}, false},
		{filter.Constant(true), true},
		{filter.Constant(false), false},
		{&filter.None{Term: filter.Constant(false)}, true},
		{&filter.All{Terms: []filter.Predicate{filter.Constant(true), filter.Constant(false)}}, false},
		{&filter.Any{Terms: []filter.Predicate{filter.Constant(false), filter.Constant(true)}}, true},
	}
	for _, tt := range tests {
		if got := filter.Match(tt.p, schema.Object{}); got != tt.want {
			t.Errorf("Match(%s) = %v, want %v", filter.Print(tt.p), got, tt.want)
		}
	}
}
