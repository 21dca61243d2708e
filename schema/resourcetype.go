package schema

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
