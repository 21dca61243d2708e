package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Report tells what Accept left out.
type Report struct {
	// Dropped is the paths of attributes that no schema defines, in order.
	Dropped []string
}

// acceptor carries one Accept through a document and gathers its faults.
type acceptor struct {
	rt      *ResourceType
	policy  Policy
	limits  Limits
	unknown UnknownPolicy
	faults  Errors
	dropped []string
}

// Accept turns the body of a POST or PUT, as Decode returns it, into a
// canonical Object of the resource type: names in canonical spelling, types
// checked and coerced as far as p allows, unassigned values (null, [], and ""
// if p says so) left out, flattened and un-namespaced extension attributes
// moved into their containers, "schemas" checked and set by content.
//
// Read-only attributes are dropped silently (RFC 7644 sections 3.3 and 3.5.1),
// "id", "meta" and derived ones among them. Values keep their spelling.
// Attributes that no schema defines are dropped and reported, or refused,
// by p.UnknownInBody. The error is Errors with every fault of the document.
func (rt *ResourceType) Accept(in Object, p Policy, l Limits) (Object, Report, error) {
	a := &acceptor{rt: rt, policy: p, limits: l, unknown: p.UnknownInBody}
	out := make(Object, len(in))
	hasSchemas := false
	for key, v := range in {
		if len(key) == len("schemas") && strings.EqualFold(key, "schemas") {
			hasSchemas = true
			a.schemas(v)
			continue
		}
		a.member(out, key, v)
	}
	if !hasSchemas && !p.SchemasOptional {
		a.fault(InvalidSyntax, "schemas", "schemas is required; name the schemas of the resource, "+rt.Schema.ID+" among them.")
	}
	slices.Sort(a.dropped)
	report := Report{Dropped: a.dropped}
	if err := a.err(); err != nil {
		return nil, report, err
	}
	rt.SetSchemas(out)
	return out, report, nil
}

// err returns the faults in a stable order, since bodies are maps, or nil.
func (a *acceptor) err() error {
	if len(a.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(a.faults, func(x, y *Error) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Detail, y.Detail))
	})
	return a.faults
}

func (a *acceptor) fault(code Code, path, detail string) {
	a.faults = append(a.faults, &Error{Code: code, Path: path, Detail: detail})
}

func (a *acceptor) invalid(ref Ref, what string) {
	path := ref.String()
	a.fault(InvalidValue, path, path+" "+what+".")
}

// schemas checks the attribute "schemas" of a body (RFC 7643 sections 3 and
// 3.1): URIs of the resource type only, none twice, the core schema among them.
func (a *acceptor) schemas(v any) {
	if a.policy.SchemasOptional {
		return
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		a.fault(InvalidSyntax, "schemas", "schemas must be a non-empty array of schema URIs, "+a.rt.Schema.ID+" among them.")
		return
	}
	core := false
	seen := make(map[string]bool, len(list))
	for _, e := range list {
		urn, ok := e.(string)
		if !ok {
			a.fault(InvalidSyntax, "schemas", "schemas must hold strings only.")
			return
		}
		lower := strings.ToLower(urn)
		isCore := strings.EqualFold(urn, a.rt.Schema.ID)
		core = core || isCore
		if !isCore && a.rt.Extension(urn) == nil {
			a.fault(InvalidSyntax, "schemas", quoteName(urn)+" in schemas is not a schema of "+a.rt.Name+"; leave it out.")
		}
		if seen[lower] {
			a.fault(InvalidSyntax, "schemas", quoteName(urn)+" stands twice in schemas; leave one out.")
		}
		seen[lower] = true
	}
	if !core {
		a.fault(InvalidSyntax, "schemas", "schemas must contain "+a.rt.Schema.ID+".")
	}
}

// member takes one key of the body.
func (a *acceptor) member(out Object, key string, v any) {
	if f := a.rt.top[key]; f != nil {
		a.assign(out, f, v)
		return
	}
	if isURN(key) {
		a.urnMember(out, key, v)
		return
	}
	f, err := a.rt.unqualified(key, a.policy)
	switch {
	case err != nil:
		a.faults = append(a.faults, asError(err))
	case f == nil:
		a.unknownKey(key)
	default:
		a.assign(out, f, v)
	}
}

// urnMember takes an extension's container, or an attribute flattened to
// "urn:…:User:department".
func (a *acceptor) urnMember(out Object, key string, v any) {
	if c := get(a.rt.containers, key); c != nil {
		a.container(out, c, v)
		return
	}
	urn, name, ok := a.rt.splitURN(key)
	if !ok {
		a.unknownKey(key)
		return
	}
	f := a.rt.qualified(urn, name)
	if f == nil {
		a.unknownKey(key)
		return
	}
	a.assign(out, f, v)
}

// container takes the members of an extension.
func (a *acceptor) container(out Object, c *container, v any) {
	if a.unassigned(v) {
		return
	}
	o, ok := v.(Object)
	if !ok {
		a.fault(InvalidValue, c.urn, c.urn+" must be a JSON object that holds the attributes of the extension.")
		return
	}
	for key, v := range o {
		f := get(c.names, key)
		if f == nil {
			a.unknownKey(c.urn + ":" + key)
			continue
		}
		a.assign(out, f, v)
	}
}

// unassigned reports whether a value means "no value": null and the empty
// array (RFC 7643 section 2.5), and "" where the policy says so.
func (a *acceptor) unassigned(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case Object:
		return len(v) == 0
	case string:
		return v == "" && a.policy.EmptyStringUnassigns
	}
	return false
}

// assign checks the value of a top-level attribute and puts it into its place.
func (a *acceptor) assign(out Object, f *field, v any) {
	if f.attr.Mutability == ReadOnly || f.attr.Derived || a.unassigned(v) {
		return
	}
	v = a.attribute(f.ref, f.attr, v)
	if v == nil {
		return
	}
	if f.ext != nil {
		out = a.inner(out, f.ext)
	}
	if old, ok := out[f.attr.Name]; ok {
		if !Equal(old, v) {
			a.invalid(f.ref, "is given twice with different values; give it once")
		}
		return
	}
	out[f.attr.Name] = v
}

// inner returns the container object of an extension, made when first needed.
func (a *acceptor) inner(out Object, c *container) Object {
	if o, ok := out[c.urn].(Object); ok {
		return o
	}
	o := make(Object, len(c.fields))
	out[c.urn] = o
	return o
}

// unknownKey applies the policy for attributes that no schema defines.
func (a *acceptor) unknownKey(path string) {
	switch a.unknown {
	case UnknownInvalidPath:
		a.faults = append(a.faults, unknownPath(a.rt, path))
	case UnknownSyntax:
		e := unknownPath(a.rt, path)
		e.Code = InvalidSyntax
		a.faults = append(a.faults, e)
	default:
		a.dropped = append(a.dropped, path)
	}
}

// Cleared returns the attributes that a body names with null, [] or (if p says
// so) "": those that the client wants unassigned rather than left alone. A
// cleared extension is given as a container; an empty one names nothing.
func (rt *ResourceType) Cleared(in Object, p Policy) []Ref {
	a := &acceptor{rt: rt, policy: p}
	var out []Ref
	for key, v := range in {
		c := get(rt.containers, key)
		if o, ok := v.(Object); ok && c != nil {
			for name, v := range o {
				if f := get(c.names, name); f != nil && a.unassigned(v) {
					out = append(out, f.ref)
				}
			}
			continue
		}
		if !a.unassigned(v) {
			continue
		}
		if c != nil {
			out = append(out, Ref{URN: c.urn})
			continue
		}
		urn, name, _ := rt.splitURN(key)
		if f, _, err := rt.lookupField(urn, name, "", p); err == nil && f != nil {
			out = append(out, f.ref)
		}
	}
	slices.SortFunc(out, func(x, y Ref) int { return cmp.Compare(x.String(), y.String()) })
	return slices.CompactFunc(out, func(x, y Ref) bool { return x == y })
}

// tooMany reports more elements than the limits allow.
func (l Limits) tooMany(attr *Attribute, n int) bool {
	return l.MaxElements > 0 && n > l.MaxElements && !attr.Relation
}

func (l Limits) sentence(n int) string {
	return fmt.Sprintf("has %d elements, but at most %d are allowed", n, l.MaxElements)
}
