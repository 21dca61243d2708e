package filter_test

import (
	"encoding/json"
	"errors"
	"testing"
	"testing/fstest"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// deviceSchema has an attribute of every data type, singular and multi-valued
// ones.
const deviceSchema = `{
 "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
 "id": "urn:example:schemas:2.0:Device", "name": "Device", "description": "A device",
 "attributes": [
  {"name":"serial","type":"string","multiValued":false,"description":"d","required":true,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"server"},
  {"name":"label","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"count","type":"integer","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"ratio","type":"decimal","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"on","type":"boolean","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"seen","type":"dateTime","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"blob","type":"binary","multiValued":false,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"link","type":"reference","multiValued":false,"description":"d","required":false,"caseExact":true,"referenceTypes":["external"],"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"tags","type":"string","multiValued":true,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"ports","type":"complex","multiValued":true,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","subAttributes":[
   {"name":"number","type":"integer","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"open","type":"boolean","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"roles","type":"string","multiValued":true,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"token","type":"string","multiValued":false,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none"}]},
  {"name":"secret","type":"string","multiValued":false,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"hint","type":"string","multiValued":false,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"vault","type":"complex","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","subAttributes":[
   {"name":"value","type":"string","multiValued":false,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none"}]}
 ]}`

const extensionA = `{
 "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
 "id": "urn:example:ext:1.0:A", "name": "A", "description": "A",
 "attributes": [
  {"name":"shade","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"alone","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"}]}`

const extensionB = `{
 "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
 "id": "urn:example:ext:1.0:B", "name": "B", "description": "B",
 "attributes": [
  {"name":"shade","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"}]}`

const deviceType = `{
 "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
 "id": "Device", "name": "Device", "endpoint": "/Devices", "description": "A device",
 "schema": "urn:example:schemas:2.0:Device",
 "schemaExtensions": [
  {"schema":"urn:example:ext:1.0:A","required":false},
  {"schema":"urn:example:ext:1.0:B","required":false}]}`

// types are the resource types of the tests.
type types struct{ user, group, device *schema.ResourceType }

func load(tb testing.TB) types {
	tb.Helper()
	g, err := schema.Load(
		fstest.MapFS{
			"device.json": {Data: []byte(deviceSchema)},
			"a.json":      {Data: []byte(extensionA)},
			"b.json":      {Data: []byte(extensionB)},
		},
		fstest.MapFS{"device.json": {Data: []byte(deviceType)}},
	)
	if err != nil {
		tb.Fatalf("Load: %v", err)
	}
	t := types{user: g.ByName("User"), group: g.ByName("Group"), device: g.ByName("Device")}
	if t.user == nil || t.group == nil || t.device == nil {
		tb.Fatalf("Load: a resource type is missing: %+v", t)
	}
	hide(tb, t.device)
	return t
}

// hide makes secrets of some attributes of a Device. The loader refuses such
// schemas today; the binder must not depend on that.
func hide(tb testing.TB, rt *schema.ResourceType) {
	tb.Helper()
	for _, path := range [][2]string{{"secret"}, {"hint"}, {"vault"}, {"ports", "token"}} {
		ref, err := rt.Lookup("", path[0], path[1], schema.Policy{})
		if err != nil {
			tb.Fatal(err)
		}
		a := ref.Target()
		if a.Returned = schema.ReturnedNever; a.Name != "hint" {
			a.Mutability = schema.WriteOnly
		}
	}
}

func mustParse(tb testing.TB, text string, p schema.Policy) filter.Expr {
	tb.Helper()
	e, err := filter.Parse(text, filter.Limits{}, p)
	if err != nil {
		tb.Fatalf("Parse(%q): %v", text, err)
	}
	return e
}

func mustBind(tb testing.TB, text string, rt *schema.ResourceType, p schema.Policy) filter.Predicate {
	tb.Helper()
	pred, err := filter.Bind(mustParse(tb, text, p), rt, p)
	if err != nil {
		tb.Fatalf("Bind(%q): %v", text, err)
	}
	return pred
}

// bindError parses and binds, and returns the fault of either step.
func bindError(tb testing.TB, text string, rt *schema.ResourceType, p schema.Policy) *schema.Error {
	tb.Helper()
	e, err := filter.Parse(text, filter.Limits{}, p)
	if err == nil {
		var pred filter.Predicate
		if pred, err = filter.Bind(e, rt, p); err == nil {
			tb.Fatalf("Bind(%q) = %s, want an error", text, filter.Print(pred))
		}
	}
	return asFault(tb, text, err)
}

func asFault(tb testing.TB, text string, err error) *schema.Error {
	tb.Helper()
	fault, ok := errors.AsType[*schema.Error](err)
	if !ok {
		tb.Fatalf("%q: error is %T (%v), want *schema.Error", text, err, err)
	}
	if fault.Detail == "" {
		tb.Errorf("%q: the error has no detail", text)
	}
	return fault
}

func match(tb testing.TB, text string, rt *schema.ResourceType, o schema.Object) bool {
	tb.Helper()
	return filter.Match(mustBind(tb, text, rt, schema.Policy{}), o)
}

// compat is the policy of clients such as Entra ID as far as filters go.
func compat() schema.Policy {
	return schema.Policy{StringBooleans: true, BareExtensionNames: true, UnquotedFilterValues: true}
}

const enterprise = schema.EnterpriseUserURN

// barbara is a user after RFC 7643 section 8.2, in canonical form.
func barbara() schema.Object {
	return schema.Object{
		"schemas":    []any{schema.UserURN, enterprise},
		"id":         "2819c223-7f76-453a-919d-413861904646",
		"externalId": "Ext-701984",
		"userName":   "BJensen",
		"name":       schema.Object{"familyName": "O'Malley", "givenName": "Barbara"},
		"title":      "Tour Guide",
		"userType":   "Employee",
		"active":     true,
		"emails": []any{
			schema.Object{"value": "bjensen@example.com", "type": "work", "primary": true},
			schema.Object{"value": "babs@jensen.org", "type": "home"},
		},
		"ims":       []any{schema.Object{"value": "someaimhandle@foo.com", "type": "xmpp"}},
		"addresses": []any{schema.Object{"type": "work", "locality": "Hollywood"}},
		enterprise: schema.Object{
			"employeeNumber": "701984",
			"manager":        schema.Object{"value": "26118915-6090-4610-87e4-49d8ca9f808d"},
		},
		"meta": schema.Object{
			"resourceType": "User",
			"created":      "2010-01-23T04:56:22Z",
			"lastModified": "2011-05-13T04:42:34Z",
			"version":      `W/"3694e05e9dff591"`,
			"location":     "https://example.com/v2/Users/2819c223-7f76-453a-919d-413861904646",
		},
	}
}

func device() schema.Object {
	return schema.Object{
		"id":     "0190a3f0-0000-7000-8000-000000000001",
		"serial": "Ab-1",
		"label":  "Straße 50%_a\\b",
		"count":  json.Number("9007199254740993"),
		"ratio":  json.Number("2.50"),
		"on":     true,
		"seen":   "2024-02-29T12:00:00.5+02:00",
		"blob":   "AQID",
		"link":   "https://example.com/A",
		"tags":   []any{"Red", "blue"},
		"ports": []any{
			schema.Object{"number": json.Number("22"), "open": true, "roles": []any{"admin", "ops"}},
			schema.Object{"number": json.Number("443"), "open": false},
		},
		"urn:example:ext:1.0:A": schema.Object{"shade": "dark", "alone": "yes"},
		"meta":                  schema.Object{"resourceType": "Device"},
	}
}
