package patch_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
	"github.com/sallyport-id/sallyport/scim/patch"
)

// deviceSchema has what the built-in types lack: immutable and required
// attributes at every level, simple multi-valued attributes, read-only parts.
const deviceSchema = `{
 "id": "urn:example:params:scim:schemas:core:2.0:Device", "name": "Device",
 "attributes": [
  {"name": "label", "type": "string", "required": true},
  {"name": "serial", "type": "string", "mutability": "immutable"},
  {"name": "inspected", "type": "dateTime", "mutability": "readOnly"},
  {"name": "online", "type": "boolean"},
  {"name": "height", "type": "integer"},
  {"name": "tags", "type": "string", "multiValued": true},
  {"name": "ports", "type": "integer", "multiValued": true},
  {"name": "codes", "type": "string", "multiValued": true, "caseExact": true, "mutability": "immutable"},
  {"name": "zones", "type": "complex", "multiValued": true, "required": true, "subAttributes": [
   {"name": "value", "type": "string", "required": true},
   {"name": "note", "type": "string"}]},
  {"name": "slots", "type": "complex", "multiValued": true, "subAttributes": [
   {"name": "value", "type": "string"},
   {"name": "type", "type": "string"},
   {"name": "primary", "type": "boolean"},
   {"name": "bay", "type": "integer", "mutability": "immutable"},
   {"name": "health", "type": "string", "mutability": "readOnly"},
   {"name": "marks", "type": "string", "multiValued": true}]},
  {"name": "origin", "type": "complex", "mutability": "immutable", "subAttributes": [
   {"name": "country", "type": "string"}, {"name": "year", "type": "integer"}]},
  {"name": "owner", "type": "complex", "subAttributes": [
   {"name": "value", "type": "string"},
   {"name": "$ref", "type": "reference", "referenceTypes": ["User"]},
   {"name": "since", "type": "dateTime", "mutability": "immutable"},
   {"name": "display", "type": "string", "mutability": "readOnly"},
   {"name": "shifts", "type": "string", "multiValued": true}]}
 ]}`

const deviceExtension = `{
 "id": "urn:example:params:scim:schemas:extension:2.0:Device", "name": "Rack",
 "attributes": [
  {"name": "rack", "type": "string", "required": true},
  {"name": "asset", "type": "string", "mutability": "immutable"},
  {"name": "checked", "type": "string", "mutability": "readOnly"}
 ]}`

const deviceType = `{
 "id": "Device", "name": "Device", "endpoint": "/Devices",
 "schema": "urn:example:params:scim:schemas:core:2.0:Device",
 "schemaExtensions": [{"schema": "urn:example:params:scim:schemas:extension:2.0:Device", "required": false}]}`

const (
	deviceURN = "urn:example:params:scim:schemas:core:2.0:Device"
	rackURN   = "urn:example:params:scim:schemas:extension:2.0:Device"
)

// registry returns the built-in types and Device.
func registry(t testing.TB) *schema.Registry {
	t.Helper()
	g, err := schema.Load(
		fstest.MapFS{"device.json": {Data: []byte(deviceSchema)}, "rack.json": {Data: []byte(deviceExtension)}},
		fstest.MapFS{"device.json": {Data: []byte(deviceType)}})
	if err != nil {
		t.Fatalf("Load() = %v", err)
	}
	return g
}

func resourceType(t testing.TB, name string) *schema.ResourceType {
	t.Helper()
	rt := registry(t).ByName(name)
	if rt == nil {
		t.Fatalf("no resource type %s", name)
	}
	return rt
}

// The four columns of the profile table.
func rfcPolicy() schema.Policy {
	return schema.Policy{UnknownInPatch: schema.UnknownInvalidPath}
}

func compatPolicy() schema.Policy {
	return schema.Policy{
		StringBooleans: true, LooseShapes: true, EmptyStringUnassigns: true,
		UnknownInBody: schema.UnknownDrop, UnknownInPatch: schema.UnknownDrop,
		SchemasOptional: true, BareExtensionNames: true, UnquotedFilterValues: true,
		DottedKeys: true, CreateOnMiss: true, RemoveMemberList: true,
		IgnoreReadOnlyKeys: true, EmptyOperations: true,
	}
}

func strictPolicy() schema.Policy {
	return schema.Policy{
		UnknownInBody: schema.UnknownSyntax, UnknownInPatch: schema.UnknownSyntax,
		RefusePathless: true, RefuseValuePathWithoutSub: true, RefuseAmbiguousValuePath: true,
		ReplaceComplexWhole: true, RefusePassword: true, CheckStandards: true,
	}
}

func pingPolicy() schema.Policy {
	return schema.Policy{
		UnknownInPatch: schema.UnknownInvalidPath, SchemasOptional: true,
		IgnoreReadOnlyKeys: true, KeepOmitted: true,
	}
}

// decode reads JSON as a request body.
func decode(t testing.TB, text string) schema.Object {
	t.Helper()
	o, err := schema.Decode([]byte(text), schema.Limits{Depth: 32})
	if err != nil {
		t.Fatalf("Decode(%s) = %v", text, err)
	}
	return o
}

// document reads JSON as a stored resource of the type.
func document(t testing.TB, rt *schema.ResourceType, text string) schema.Object {
	t.Helper()
	o, err := rt.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse(%s) = %v", text, err)
	}
	return o
}

// message wraps operations into a PATCH request.
func message(operations string) string {
	return `{"schemas":["` + patch.MessageURN + `"],"Operations":[` + operations + `]}`
}

// parse reads the operations for a type.
func parse(t testing.TB, rt *schema.ResourceType, p schema.Policy, operations string) (*patch.Plan, error) {
	t.Helper()
	return patch.Parse(decode(t, message(operations)), rt, p, patch.Limits{})
}

// change applies operations to a copy of the document and validates it, as
// the service does.
func change(t testing.TB, rt *schema.ResourceType, p schema.Policy, doc schema.Object, operations string) (schema.Object, bool, error) {
	t.Helper()
	plan, err := parse(t, rt, p, operations)
	if err != nil {
		return nil, false, err
	}
	o := doc.Clone()
	changed, err := plan.Apply(o, rt, p)
	if err != nil {
		return nil, false, err
	}
	if err := rt.Validate(o, p); err != nil {
		return nil, false, err
	}
	return o, changed, nil
}

// code returns the keyword of an error, "" for nil.
func code(t testing.TB, err error) schema.Code {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*schema.Error](err)
	if !ok {
		t.Fatalf("error %v (%T) is no *schema.Error", err, err)
	}
	return e.Code
}

// step is one request on one document and what must come of it. want is the
// whole document afterwards, "" for an unchanged one; fails is the keyword of
// a refusal.
type step struct {
	name  string
	doc   string
	ops   string
	want  string
	fails schema.Code
}

func (s step) run(t *testing.T, rt *schema.ResourceType, p schema.Policy) {
	t.Helper()
	doc := document(t, rt, s.doc)
	got, changed, err := change(t, rt, p, doc, s.ops)
	if c := code(t, err); c != s.fails {
		t.Fatalf("PATCH %s = %v, want code %q", s.ops, err, s.fails)
	}
	if s.fails != "" {
		return
	}
	want := doc
	if s.want != "" {
		want = document(t, rt, s.want)
	}
	if diff := cmp.Diff(string(rt.Encode(want)), string(rt.Encode(got))); diff != "" {
		t.Errorf("PATCH %s (-want +got):\n%s", s.ops, diff)
	}
	if wantChanged := s.want != ""; changed != wantChanged {
		t.Errorf("PATCH %s: changed = %v, want %v", s.ops, changed, wantChanged)
	}
}

func runSteps(t *testing.T, rt *schema.ResourceType, p schema.Policy, steps []step) {
	t.Helper()
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t, rt, p)
		})
	}
}

// memberOps is a comparable form of member operations.
func memberOps(plan *patch.Plan) []patch.MemberOp {
	out := make([]patch.MemberOp, len(plan.Members))
	for i, op := range plan.Members {
		out[i] = patch.MemberOp{Kind: op.Kind, Members: op.Members}
		if op.Where != nil {
			out[i].Where = filter.Constant(true)
		}
	}
	return out
}
