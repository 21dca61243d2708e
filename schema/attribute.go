package schema

import "strings"

// Type is the data type of an attribute (RFC 7643 section 2.3).
type Type string

// The data types of RFC 7643 section 2.3.
const (
	String    Type = "string"
	Boolean   Type = "boolean"
	Decimal   Type = "decimal"
	Integer   Type = "integer"
	DateTime  Type = "dateTime"
	Binary    Type = "binary"
	Reference Type = "reference"
	Complex   Type = "complex"
)

// Mutability says when a client may write an attribute (RFC 7643 section 7).
type Mutability string

// The mutabilities of RFC 7643 section 7.
const (
	ReadWrite Mutability = "readWrite"
	ReadOnly  Mutability = "readOnly"
	Immutable Mutability = "immutable"
	WriteOnly Mutability = "writeOnly"
)

// Returned says when an attribute stands in a response (RFC 7643 section 7).
type Returned string

// The values of "returned" of RFC 7643 section 7.
const (
	ReturnedAlways  Returned = "always"
	ReturnedNever   Returned = "never"
	ReturnedDefault Returned = "default"
	ReturnedRequest Returned = "request"
)

// Uniqueness says how far a value must be unique (RFC 7643 section 7).
type Uniqueness string

// The values of "uniqueness" of RFC 7643 section 7.
const (
	UniquenessNone   Uniqueness = "none"
	UniquenessServer Uniqueness = "server"
	UniquenessGlobal Uniqueness = "global"
)

// Attribute is one attribute definition with every characteristic of
// RFC 7643 section 7. It is immutable once its ResourceType is compiled.
type Attribute struct {
	Name            string
	Description     string
	Type            Type
	MultiValued     bool
	Required        bool
	CaseExact       bool
	Mutability      Mutability
	Returned        Returned
	Uniqueness      Uniqueness
	CanonicalValues []string
	ReferenceTypes  []string
	Sub             []*Attribute // sub-attributes, for Complex only

	// Derived marks values that storage computes from other rows when it
	// reads (User.groups) and that are never stored in the document.
	Derived bool
	// Relation marks values that live as rows of their own instead of in the
	// document (Group.members), so that a change of one never loads the rest.
	Relation bool

	// standard names the list that values must come from under
	// Policy.CheckStandards.
	standard standard
	// refBase makes the sub-attribute $ref follow from value: refBase + value.
	refBase string
	// sub finds sub-attributes by canonical and by lower-cased name.
	sub map[string]*Attribute
	// primary, typ and value are the sub-attributes of RFC 7643 section 2.4
	// with these names, or nil.
	primary, typ, value *Attribute
	// quoted is `"name":`, ready to be written.
	quoted string
	// slot is the position among the siblings.
	slot int
}

// SubAttribute returns the sub-attribute with that name, ignoring case
// (RFC 7643 section 2.1), or nil.
func (a *Attribute) SubAttribute(name string) *Attribute {
	if s := a.sub[name]; s != nil {
		return s
	}
	return a.sub[strings.ToLower(name)]
}

// hidden reports whether values never leave the server and are never kept in
// the stored document.
func (a *Attribute) hidden() bool {
	return a.Returned == ReturnedNever || a.Mutability == WriteOnly
}

// stored reports whether values stand in the stored document.
func (a *Attribute) stored() bool { return !a.hidden() && !a.Derived && !a.Relation }

// Ref names one attribute, or one sub-attribute, of a resource type.
type Ref struct {
	// URN is the canonical URN of the extension that holds the attribute;
	// empty for core and common attributes.
	URN string
	// Attr is nil when the Ref names the whole extension container URN.
	Attr *Attribute
	// Sub is nil when the Ref names Attr itself.
	Sub *Attribute
}

// Target returns the definition that the Ref ends at: Sub, else Attr. It is
// nil for an extension container.
func (r Ref) Target() *Attribute {
	if r.Sub != nil {
		return r.Sub
	}
	return r.Attr
}

// String returns the canonical path: "name.givenName",
// "urn:…:User:manager.value", or the bare URN of a container.
func (r Ref) String() string {
	var b strings.Builder
	b.WriteString(r.URN)
	if r.Attr == nil {
		return b.String()
	}
	if r.URN != "" {
		b.WriteByte(':')
	}
	b.WriteString(r.Attr.Name)
	if r.Sub != nil {
		b.WriteByte('.')
		b.WriteString(r.Sub.Name)
	}
	return b.String()
}
