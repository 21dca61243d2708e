package schema

import (
	"io/fs"
	"slices"
	"strings"
)

// schemaFolder reads files that hold schemas in the form of /Schemas (RFC 7643
// section 7).
func (l *loader) schemaFolder(dir fs.FS) { l.folder("schemas", dir, l.schema) }

func (l *loader) schema(at place, o Object) {
	m := l.members(at, o)
	m.messageSchema("urn:ietf:params:scim:schemas:core:2.0:Schema")
	s := &loadedSchema{Schema: &Schema{
		ID:          m.required("id"),
		Name:        m.text("name"),
		Description: m.text("description"),
	}}
	m.get("meta")
	l.checkURN(at.key("id"), s.ID)
	s.Attributes = l.attributes(at.key("attributes"), m.list("attributes"), s, nil)
	if _, ok := m.get("attributes"); !ok || len(m.list("attributes")) == 0 {
		l.fault(at.key("attributes"), "attributes must hold at least one attribute.")
	}
	m.done()
	if s.ID == "" {
		return
	}
	if l.byURN[strings.ToLower(s.ID)] != nil {
		l.fault(at.key("id"), "The schema %s is defined already.", quoteName(s.ID))
		return
	}
	l.addSchema(s)
}

// messageSchema checks "schemas" of a definition, which may be left out.
func (m *members) messageSchema(urn string) {
	if _, ok := m.get("schemas"); !ok {
		return
	}
	list := m.texts("schemas")
	if len(list) != 1 || !strings.EqualFold(list[0], urn) {
		m.l.fault(m.at.key("schemas"), "schemas must hold %q only.", urn)
	}
}

// checkURN keeps files from redefining what the RFCs define.
func (l *loader) checkURN(at place, urn string) {
	if urn == "" {
		return
	}
	lower := strings.ToLower(urn)
	switch {
	case !isSchemaURN(urn):
		l.fault(at, "id must be a URN, such as \"urn:example:params:scim:schemas:2.0:Device\".")
	case strings.HasPrefix(lower, "urn:ietf:params:scim:schemas:core:"),
		strings.HasPrefix(lower, "urn:ietf:params:scim:api:"):
		l.fault(at, "%s is reserved by RFC 7643; choose a URN of your own.", quoteName(urn))
	}
}

// isSchemaURN reports whether s has the form of a URN (RFC 8141 section 2)
// without the components that an attribute path could not carry.
func isSchemaURN(s string) bool {
	parts := strings.Split(s, ":")
	if len(parts) < 3 || !strings.EqualFold(parts[0], "urn") {
		return false
	}
	if slices.Contains(parts, "") {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return r >= 0x7f || !isNameRune(r) && !strings.ContainsRune(":.", r)
	}) < 0
}

// isNameRune reports the characters of attribute names behind the first.
func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '$'
}

// isAttributeName checks ATTRNAME of RFC 7643 section 2.1; "$ref" is the one
// name that begins otherwise, and only below a complex attribute.
func isAttributeName(name string, sub bool) bool {
	if sub && name == "$ref" {
		return true
	}
	if name == "" || name[0]|0x20 < 'a' || name[0]|0x20 > 'z' {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool { return !isNameRune(r) }) < 0
}

// attributes reads definitions; parent is nil at the top.
func (l *loader) attributes(at place, list []any, s *loadedSchema, parent *Attribute) []*Attribute {
	var out []*Attribute
	seen := map[string]bool{}
	for i, e := range list {
		at := at.item(i)
		o, ok := e.(Object)
		if !ok {
			l.fault(at, "An attribute must be a JSON object.")
			continue
		}
		a := l.attribute(at, o, s, parent)
		lower := strings.ToLower(a.Name)
		if seen[lower] && lower != "" {
			l.fault(at.key("name"), "The attribute %s is defined twice (names are compared ignoring case).", quoteName(a.Name))
		}
		seen[lower] = true
		out = append(out, a)
	}
	return out
}

func (l *loader) attribute(at place, o Object, s *loadedSchema, parent *Attribute) *Attribute {
	m := l.members(at, o)
	a := &Attribute{
		Name:            m.required("name"),
		Description:     m.text("description"),
		Type:            choice(m, "type", String, Boolean, Decimal, Integer, DateTime, Binary, Reference, Complex),
		MultiValued:     m.flag("multiValued"),
		Required:        m.flag("required"),
		CaseExact:       m.flag("caseExact"),
		Mutability:      choice(m, "mutability", ReadWrite, ReadOnly, Immutable, WriteOnly),
		Returned:        choice(m, "returned", ReturnedDefault, ReturnedAlways, ReturnedNever, ReturnedRequest),
		Uniqueness:      choice(m, "uniqueness", UniquenessNone, UniquenessServer, UniquenessGlobal),
		CanonicalValues: m.texts("canonicalValues"),
		ReferenceTypes:  m.texts("referenceTypes"),
	}
	subs, hasSubs := m.get("subAttributes")
	l.checkName(m, a, parent)
	l.checkCharacteristics(m, a, hasSubs)
	for i, name := range a.ReferenceTypes {
		s.references = append(s.references, reference{at: at.key("referenceTypes").item(i), name: name})
	}
	if list, ok := subs.([]any); ok || !hasSubs {
		a.Sub = l.attributes(at.key("subAttributes"), list, s, a)
	} else {
		l.fault(at.key("subAttributes"), "subAttributes must be an array.")
	}
	m.done()
	a.normalize()
	return a
}

func (l *loader) checkName(m *members, a *Attribute, parent *Attribute) {
	switch {
	case a.Name == "":
		return
	case !isAttributeName(a.Name, parent != nil):
		l.fault(m.at.key("name"), "%s is not an attribute name: a letter, then letters, digits, \"-\", \"_\" and \"$\".", quoteName(a.Name))
	case parent == nil && slices.Contains([]string{"schemas", "id", "externalid", "meta"}, strings.ToLower(a.Name)):
		l.fault(m.at.key("name"), "%s is a common attribute of every resource; choose another name.", a.Name)
	}
	if parent != nil && a.Type == Complex {
		l.fault(m.at.key("type"), "A sub-attribute must not be complex (RFC 7643 section 2.3.8).")
	}
}

// checkCharacteristics refuses combinations that contradict each other, or that
// this server could not keep.
func (l *loader) checkCharacteristics(m *members, a *Attribute, hasSubs bool) {
	subs, _ := m.o["subAttributes"].([]any)
	switch {
	case a.Type == Complex && len(subs) == 0:
		l.fault(m.at.key("subAttributes"), "A complex attribute needs at least one sub-attribute.")
	case a.Type != Complex && hasSubs && len(subs) > 0:
		l.fault(m.at.key("subAttributes"), "Only a complex attribute has sub-attributes.")
	}
	if a.Required && a.Mutability == ReadOnly {
		l.fault(m.at.key("required"), "An attribute cannot be required and readOnly: no client could give it.")
	}
	if a.Mutability == WriteOnly || a.Returned == ReturnedNever {
		l.fault(m.at, "%s would never be returned (writeOnly, or returned \"never\"); the only secret that is kept is the password of a User.", quoteName(a.Name))
	}
	if a.Uniqueness != UniquenessNone && (a.Type == Complex || a.Type == Boolean) {
		l.fault(m.at.key("uniqueness"), "A %s attribute cannot be unique; mark a sub-attribute or another attribute.", a.Type)
	}
	if len(a.ReferenceTypes) > 0 && a.Type != Reference {
		l.fault(m.at.key("referenceTypes"), "Only an attribute of type reference has referenceTypes.")
	}
}

// checkReferences checks referenceTypes once every resource type is known
// (RFC 7643 section 7).
func (l *loader) checkReferences() {
	for _, s := range l.schemas {
		for _, r := range s.references {
			if r.name != "external" && r.name != "uri" && l.byName[strings.ToLower(r.name)] == nil {
				l.fault(r.at, "%s is no resource type; allowed are the names of resource types, \"external\" and \"uri\".", quoteName(r.name))
			}
		}
	}
}
