package schema

import (
	"io/fs"
	"slices"
	"strings"
)

// reservedEndpoints are the paths that the protocol itself uses (RFC 7644
// section 3.2), lower-cased.
func reservedEndpoints() []string {
	return []string{"/me", "/bulk", "/.search", "/schemas", "/resourcetypes", "/serviceproviderconfig"}
}

// typeFolder reads files that hold resource types in the form of /ResourceTypes
// (RFC 7643 section 6).
func (l *loader) typeFolder(dir fs.FS) { l.folder("resourceTypes", dir, l.resourceType) }

func (l *loader) resourceType(at place, o Object) {
	m := l.members(at, o)
	m.messageSchema("urn:ietf:params:scim:schemas:core:2.0:ResourceType")
	rt := &ResourceType{
		Name:        m.required("name"),
		ID:          m.text("id"),
		Endpoint:    m.required("endpoint"),
		Description: m.text("description"),
	}
	m.get("meta")
	urn := m.required("schema")
	if rt.Name != "" && !isAttributeName(rt.Name, false) {
		l.fault(at.key("name"), "%s is not a name: a letter, then letters, digits, \"-\" and \"_\".", quoteName(rt.Name))
	}
	if rt.ID != "" && rt.ID != rt.Name {
		l.fault(at.key("id"), "id must equal name.")
	}
	rt.ID = rt.Name
	known := l.byName[strings.ToLower(rt.Name)]
	builtin := known != nil && slices.Contains(l.types[:shippedTypes], known)
	rt.Schema = l.schemaNamed(at.key("schema"), urn)
	rt.Extensions = l.extensions(at.key("schemaExtensions"), m.list("schemaExtensions"), rt)
	m.done()
	if builtin {
		l.extend(at, known, rt)
		return
	}
	if rt.Schema != nil && (rt.Schema.ID == UserURN || rt.Schema.ID == GroupURN) {
		l.fault(at.key("schema"), "%s belongs to the built-in resource type; define a schema of your own.", rt.Schema.ID)
	}
	if known != nil {
		l.fault(at.key("name"), "The resource type %s is defined already.", quoteName(rt.Name))
		return
	}
	if l.checkEndpoint(at.key("endpoint"), rt.Endpoint) && rt.Name != "" && rt.Schema != nil {
		l.addType(rt)
	}
}

func (l *loader) schemaNamed(at place, urn string) *Schema {
	if urn == "" {
		return nil
	}
	s := l.byURN[strings.ToLower(urn)]
	if s == nil {
		l.fault(at, "The schema %s is not defined; put its file into the folder of schemas.", quoteName(urn))
		return nil
	}
	return s.Schema
}

func (l *loader) checkEndpoint(at place, endpoint string) bool {
	name, ok := strings.CutPrefix(endpoint, "/")
	lower := strings.ToLower(endpoint)
	switch {
	case endpoint == "":
	case slices.Contains(reservedEndpoints(), lower):
		l.fault(at, "%s is an endpoint of the protocol; choose another.", endpoint)
	case !ok || !isAttributeName(name, false) || strings.Contains(name, "$"):
		l.fault(at, "endpoint must be one path segment with its slash, such as \"/Devices\".")
	case l.byPath[lower] != nil:
		l.fault(at, "The endpoint %s is that of %s already.", endpoint, l.byPath[lower].Name)
	default:
		return true
	}
	return false
}

func (l *loader) extensions(at place, list []any, rt *ResourceType) []Extension {
	var out []Extension
	seen := map[*Schema]bool{}
	for i, e := range list {
		at := at.item(i)
		o, ok := e.(Object)
		if !ok {
			l.fault(at, "A schema extension must be a JSON object with schema and required.")
			continue
		}
		m := l.members(at, o)
		s := l.schemaNamed(at.key("schema"), m.required("schema"))
		required := m.flag("required")
		m.done()
		switch {
		case s == nil:
		case s == rt.Schema || s.ID == UserURN || s.ID == GroupURN:
			l.fault(at.key("schema"), "%s is a core schema and cannot be an extension.", s.ID)
		case seen[s]:
			l.fault(at.key("schema"), "%s is attached twice.", s.ID)
		default:
			seen[s] = true
			out = append(out, Extension{Schema: s, Required: required})
		}
	}
	return out
}

// extend adds the extensions of a file to a built-in type, or makes one that it
// has required. Endpoint and schema must be those that it has.
func (l *loader) extend(at place, builtin, rt *ResourceType) {
	if rt.Name != builtin.Name {
		l.fault(at.key("name"), "The built-in resource type is written %s.", builtin.Name)
	}
	if rt.Endpoint != "" && rt.Endpoint != builtin.Endpoint {
		l.fault(at.key("endpoint"), "The endpoint of %s is %s.", builtin.Name, builtin.Endpoint)
	}
	if rt.Schema != nil && rt.Schema != builtin.Schema {
		l.fault(at.key("schema"), "The schema of %s is %s.", builtin.Name, builtin.Schema.ID)
	}
	for _, e := range rt.Extensions {
		i := slices.IndexFunc(builtin.Extensions, func(x Extension) bool { return x.Schema == e.Schema })
		if i < 0 {
			builtin.Extensions = append(builtin.Extensions, e)
			continue
		}
		builtin.Extensions[i].Required = builtin.Extensions[i].Required || e.Required
	}
}
