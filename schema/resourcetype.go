package schema

import "io/fs"

// URNs of the schemas that Sallyport ships.
const (
	UserURN           = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupURN          = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseUserURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	SecondFactorURN   = "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User"
	PingUserURN       = "urn:pingidentity:schemas:User:1.0"
)

// Schema is a named set of attributes (RFC 7643 section 7).
type Schema struct {
	ID          string // URN
	Name        string
	Description string
	Attributes  []*Attribute
}

// Extension attaches a schema to a resource type (RFC 7643 section 6).
type Extension struct {
	Schema   *Schema
	Required bool
}

// ResourceType is a compiled resource type (RFC 7643 section 6): every lookup
// that filter, PATCH, projection, validation, discovery and SQL need.
// Safe for concurrent use.
type ResourceType struct {
	ID          string // equals Name
	Name        string
	Endpoint    string // "/Users"
	Description string
	Schema      *Schema
	Extensions  []Extension

	tables
}

// Registry holds every schema and resource type of the server, compiled once
// at start. Safe for concurrent use.
type Registry struct {
	types []*ResourceType
	index map[string]*ResourceType
	// further lookup tables are the owner's business
}

// Types returns all resource types, User and Group first, in a fixed order.
func (g *Registry) Types() []*ResourceType { return g.types }

// Load returns the built-in User and Group types, with the enterprise and
// second-factor extensions, plus what the JSON files of the two folders
// define (RFC 7643 sections 6 and 7, in the form of /Schemas and
// /ResourceTypes). Either folder may be nil. Every fault of every file is
// reported at once with file and JSON pointer.
func Load(schemas, resourceTypes fs.FS) (*Registry, error) {
	return nil, nil
}
