package schema

import "strings"

// ByName returns the resource type with that name, ignoring case, or nil.
func (g *Registry) ByName(name string) *ResourceType { return get(g.index, name) }

// ByEndpoint returns the resource type with that endpoint, given without its
// slash ("Users"), or nil. URI paths are compared exactly (RFC 3986
// section 6.2.2.1).
func (g *Registry) ByEndpoint(segment string) *ResourceType { return g.endpoints[segment] }

// Schemas returns every schema: those of the built-in types first, then those
// of the files in the order of their URNs.
func (g *Registry) Schemas() []*Schema { return g.schemas }

// Schema returns the schema with that URN, ignoring case (RFC 7643
// section 2.1), or nil.
func (g *Registry) Schema(urn string) *Schema { return get(g.byURN, urn) }

// Extension returns the schema of the extension with that URN, ignoring case,
// or nil if the resource type has no such extension.
func (rt *ResourceType) Extension(urn string) *Schema {
	c := get(rt.containers, urn)
	if c == nil || !strings.EqualFold(c.urn, urn) {
		return nil
	}
	return c.schema
}

// Attributes returns every top-level attribute in canonical order: schemas, id,
// externalId, the core schema, each extension in turn, meta. The caller must
// not change the slice.
func (rt *ResourceType) Attributes() []Ref { return rt.refs }

// Lookup resolves an attribute path of RFC 7644 section 3.10, ignoring case.
// urn is empty for an unqualified name and may be the core URN; sub is the
// sub-attribute or empty. The common attributes (schemas, id, externalId, meta)
// are included. An extension's URN resolves to its container, also when it was
// split at its last colon or dot, since only the resource type knows where a
// URN ends.
//
// An unknown name, or one that several extensions have, is an *Error with
// InvalidPath.
func (rt *ResourceType) Lookup(urn, name, sub string, p Policy) (Ref, error) {
	f, isContainer, err := rt.lookupField(urn, name, sub, p)
	if err != nil {
		return Ref{}, err
	}
	if isContainer != nil {
		return Ref{URN: isContainer.urn}, nil
	}
	if sub == "" {
		return f.ref, nil
	}
	s := f.attr.SubAttribute(sub)
	if s == nil {
		return Ref{}, unknownPath(rt, joinPath(urn, name, sub))
	}
	ref := f.ref
	ref.Sub = s
	return ref, nil
}

// LookupPath resolves a path written as text: "name.givenName",
// "urn:…:User:manager.value", or the URN of an extension. Errors are those of
// Lookup.
func (rt *ResourceType) LookupPath(path string, p Policy) (Ref, error) {
	urn, rest := "", path
	if isURN(path) {
		if c := get(rt.containers, path); c != nil {
			return Ref{URN: c.urn}, nil
		}
		var ok bool
		if urn, rest, ok = rt.splitURN(path); !ok {
			return Ref{}, unknownPath(rt, path)
		}
	}
	name, sub, dotted := strings.Cut(rest, ".")
	if name == "" || dotted && sub == "" {
		return Ref{}, unknownPath(rt, path)
	}
	return rt.Lookup(urn, name, sub, p)
}

// lookupField resolves the part of a path before the sub-attribute: to a field,
// or to an extension as a whole.
func (rt *ResourceType) lookupField(urn, name, sub string, p Policy) (*field, *container, error) {
	if urn == "" {
		f, err := rt.unqualified(name, p)
		if err != nil {
			return nil, nil, err
		}
		if f == nil {
			return nil, nil, unknownPath(rt, joinPath(urn, name, sub))
		}
		return f, nil, nil
	}
	if name == "" {
		if c := get(rt.containers, urn); c != nil {
			return nil, c, nil
		}
		return nil, nil, unknownPath(rt, urn)
	}
	if f := rt.qualified(urn, name); f != nil {
		return f, nil, nil
	}
	if c := get(rt.containers, joinPath(urn, name, sub)); c != nil {
		return nil, c, nil
	}
	return nil, nil, unknownPath(rt, joinPath(urn, name, sub))
}

// qualified finds urn:name, or nil.
func (rt *ResourceType) qualified(urn, name string) *field {
	if c := get(rt.containers, urn); c != nil {
		return get(c.names, name)
	}
	if strings.EqualFold(urn, rt.Schema.ID) {
		return get(rt.top, name)
	}
	return nil
}

// unqualified finds a name without URN: a core or common attribute, else an
// extension's as far as the policy lets its URN be left out. It returns nil if
// there is none, and an *Error if there are several.
func (rt *ResourceType) unqualified(name string, p Policy) (*field, error) {
	if f := get(rt.top, name); f != nil {
		return f, nil
	}
	candidates := rt.bare[strings.ToLower(name)]
	if len(candidates) == 0 {
		return nil, nil
	}
	second := false
	for _, f := range candidates {
		second = second || f.ext.second
	}
	if !second && !p.BareExtensionNames {
		return nil, nil
	}
	if len(candidates) > 1 {
		return nil, &Error{
			Code: InvalidPath,
			Path: name,
			Detail: candidates[0].attr.Name + " is ambiguous: several extensions of " + rt.Name +
				" define it; write it with its schema, as in " + candidates[0].ref.String() + ".",
		}
	}
	return candidates[0], nil
}

// isAmbiguous reports whether a path starts with a name that only its lack of a
// URN keeps from being found.
func (rt *ResourceType) isAmbiguous(path string, p Policy) bool {
	name, _, _ := strings.Cut(path, ".")
	_, err := rt.unqualified(name, p)
	return err != nil
}

// splitURN resolves a body key or a path that may start with a URN:
// "urn:…:User:department" gives the URN and the rest. The URN must be one of
// the resource type.
func (rt *ResourceType) splitURN(key string) (urn, rest string, ok bool) {
	for i := len(key) - 1; i > 0; i-- {
		if key[i] != ':' {
			continue
		}
		prefix := key[:i]
		if get(rt.containers, prefix) != nil || strings.EqualFold(prefix, rt.Schema.ID) {
			return prefix, key[i+1:], true
		}
	}
	return "", key, false
}

// isURN reports whether a key can only be a URN or start with one.
func isURN(key string) bool { return len(key) > 4 && strings.EqualFold(key[:4], "urn:") }

func joinPath(urn, name, sub string) string {
	path := name
	if urn != "" {
		path = urn + ":" + name
	}
	if sub != "" {
		path += "." + sub
	}
	return path
}

func unknownPath(rt *ResourceType, path string) *Error {
	return &Error{
		Code:   InvalidPath,
		Path:   path,
		Detail: quoteName(path) + " is not an attribute of " + rt.Name + "; see /Schemas for those that are.",
	}
}

// quoteName prepares a name that a client sent for an error detail: control
// characters are dropped and length is bounded, so that a detail stays one
// readable line.
func quoteName(name string) string {
	const longest = 200
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '"' {
			return -1
		}
		return r
	}, name)
	if len(clean) > longest {
		clean = strings.ToValidUTF8(clean[:longest], "") + "…"
	}
	return `"` + clean + `"`
}
