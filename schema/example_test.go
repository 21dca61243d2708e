package schema_test

import (
	"fmt"
	"testing/fstest"

	"github.com/sallyport-id/sallyport/schema"
)

// A body comes in as sent and goes out in canonical form.
func ExampleResourceType_Accept() {
	g, err := schema.Load(nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	users := g.ByName("User")
	body, err := schema.Decode([]byte(`{"USERNAME":"bjensen","active":"True","emails":null,"department":"Tours"}`), schema.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := schema.Policy{StringBooleans: true, SchemasOptional: true, BareExtensionNames: true}
	o, _, err := users.Accept(body, policy, schema.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o["userName"], o["active"])
	fmt.Println(users.SchemaURNs(o)[1])
	// Output:
	// bjensen true
	// urn:ietf:params:scim:schemas:extension:enterprise:2.0:User
}

// Every fault of a body is reported at once, attribute by attribute.
func ExampleErrors() {
	g, err := schema.Load(nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := schema.Decode([]byte(`{"userName":7,"active":"yes"}`), schema.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _, err = g.ByName("User").Accept(body, schema.Policy{SchemasOptional: true}, schema.Limits{})
	fmt.Println(err)
	// Output:
	// invalidValue: active must be true or false.; invalidValue: userName must be a JSON string.
}

// A resource type needs no code.
func ExampleLoad() {
	schemas := fstest.MapFS{"printer.json": {Data: []byte(`{
		"id": "urn:example:schemas:Printer", "name": "Printer",
		"attributes": [{"name": "model", "type": "string", "required": true}, {"name": "colour", "type": "boolean"}]}`)}}
	types := fstest.MapFS{"printer.json": {Data: []byte(`{
		"name": "Printer", "endpoint": "/Printers", "schema": "urn:example:schemas:Printer"}`)}}
	g, err := schema.Load(schemas, types)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, rt := range g.Types() {
		fmt.Println(rt.Endpoint, len(rt.Schema.Attributes))
	}
	// Output:
	// /Users 21
	// /Groups 2
	// /Printers 2
}

// A broken file says where it is broken.
func ExampleLoadErrors() {
	schemas := fstest.MapFS{"printer.json": {Data: []byte(`{"id": "printer", "attributes": [{"name": "2 sided", "type": "bool"}]}`)}}
	_, err := schema.Load(schemas, nil)
	fmt.Println(err)
	// Output:
	// schemas/printer.json at /id: id must be a URN, such as "urn:example:params:scim:schemas:2.0:Device".
	// schemas/printer.json at /attributes/0/type: type must be one of [string boolean decimal integer dateTime binary reference complex].
	// schemas/printer.json at /attributes/0/name: "2 sided" is not an attribute name: a letter, then letters, digits, "-", "_" and "$".
}
