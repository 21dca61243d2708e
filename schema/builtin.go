package schema

import (
	"embed"
	"slices"

	elimity "github.com/elimity-com/scim/schema"
)

// builtinFiles holds the extensions that Sallyport ships as JSON; they are
// read by the same loader as an operator's files.
//
//go:embed builtin/*.json
var builtinFiles embed.FS

// convert copies a definition of the elimity package into our own tables, so
// that nothing else depends on how that package keeps it.
func convert(a elimity.CoreAttribute) *Attribute {
	out := &Attribute{
		Name:            a.Name(),
		Description:     a.Description(),
		Type:            Type(a.AttributeType()),
		MultiValued:     a.MultiValued(),
		Required:        a.Required(),
		CaseExact:       a.CaseExact(),
		Mutability:      Mutability(a.Mutability()),
		Returned:        Returned(a.Returned()),
		Uniqueness:      Uniqueness(a.Uniqueness()),
		CanonicalValues: slices.Clone(a.CanonicalValues()),
	}
	for _, r := range a.ReferenceTypes() {
		out.ReferenceTypes = append(out.ReferenceTypes, string(r))
	}
	for _, s := range a.SubAttributes() {
		out.Sub = append(out.Sub, convert(s))
	}
	out.normalize()
	return out
}

// normalize sets the characteristics that the type of an attribute fixes:
// references and binary values are case-exact (RFC 7643 sections 2.3.6 and
// 2.3.7), and there is nothing to fold in the others.
func (a *Attribute) normalize() {
	switch a.Type {
	case Reference, Binary:
		a.CaseExact = true
	case Boolean, Complex:
		a.CaseExact = false
		a.Uniqueness = UniquenessNone
	case Integer, Decimal, DateTime:
		a.CaseExact = false
	case String:
	}
}

func convertSchema(s elimity.Schema) *Schema {
	out := &Schema{ID: s.ID, Name: s.Name.Value(), Description: s.Description.Value()}
	for _, a := range s.Attributes {
		out.Attributes = append(out.Attributes, convert(a))
	}
	return out
}

// find returns the attribute with that canonical name, and its sub-attribute
// when sub is given. It is for the built-in definitions, whose names are known.
func find(attrs []*Attribute, name string) *Attribute {
	i := slices.IndexFunc(attrs, func(a *Attribute) bool { return a.Name == name })
	return attrs[i]
}

// userSchema is RFC 7643 section 4.1 with what Sallyport knows beyond the text:
// groups are computed from membership (section 4.1.2) and can only be Groups.
func userSchema() *Schema {
	s := convertSchema(elimity.CoreUserSchema())
	s.Description = "User Account"
	groups := find(s.Attributes, "groups")
	groups.Derived = true
	find(groups.Sub, "$ref").ReferenceTypes = []string{"Group"}
	find(s.Attributes, "locale").standard = standardLocale
	find(s.Attributes, "timezone").standard = standardTimezone
	find(find(s.Attributes, "addresses").Sub, "country").standard = standardCountry
	return s
}

// groupSchema is RFC 7643 section 4.2. Members are rows, a member without a
// value names nothing, and its display name is ours to tell.
func groupSchema() *Schema {
	s := convertSchema(elimity.CoreGroupSchema())
	members := find(s.Attributes, "members")
	members.Relation = true
	find(members.Sub, "value").Required = true
	find(members.Sub, "display").Mutability = ReadOnly
	return s
}

// enterpriseSchema is RFC 7643 section 4.3. The manager is stored as an id;
// $ref follows from it, so clients cannot set it apart from the value.
func enterpriseSchema() *Schema {
	s := convertSchema(elimity.ExtensionEnterpriseUser())
	manager := find(s.Attributes, "manager")
	find(manager.Sub, "value").Required = true
	find(manager.Sub, "$ref").Mutability = ReadOnly
	manager.refBase = "../Users/"
	return s
}

// commonAttributes are those of RFC 7643 section 3.1 that every resource has:
// schemas, id, externalId and meta. "schemas" and "id" stand in every response.
func commonAttributes() (schemas, id, externalID, meta *Attribute) {
	var all []*Attribute
	for _, a := range elimity.CommonAttributes() {
		all = append(all, convert(a))
	}
	schemas = find(all, "schemas")
	schemas.Returned = ReturnedAlways
	schemas.Description = "The URIs of the schemas that define the attributes of the resource."
	meta = find(all, "meta")
	meta.Derived = true
	return schemas, find(all, "id"), find(all, "externalId"), meta
}
