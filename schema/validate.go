package schema

import (
	"strings"
)

// Validate checks a complete canonical Object against the rules that span more
// than one value: required attributes and extensions are there (RFC 7643
// sections 6 and 7), "primary" is true at most once per attribute, no type and
// value occur together twice (section 2.4), and userName is a name that PRECIS
// allows (section 4.1.1). Secrets are never part of a stored Object, so they
// are not asked for. The error is Errors with every fault.
func (rt *ResourceType) Validate(o Object, p Policy) error {
	a := &acceptor{rt: rt, policy: p}
	for _, f := range rt.fields {
		if f.ext == nil && !f.attr.Derived {
			a.checkField(o, f)
		}
	}
	for _, c := range rt.exts {
		inner, _ := o[c.urn].(Object)
		if len(inner) == 0 {
			if c.required {
				a.fault(InvalidValue, c.urn, c.urn+" is a required extension of "+rt.Name+"; add an object under that URN.")
			}
			continue
		}
		for _, f := range c.fields {
			a.checkField(inner, f)
		}
	}
	if rt.userName != nil {
		a.checkUserName(o)
	}
	return a.err()
}

// CheckLimits reports multi-valued attributes with more elements than l allows,
// as Errors. Accept does the same for what it reads.
func (rt *ResourceType) CheckLimits(o Object, l Limits) error {
	a := &acceptor{rt: rt}
	for _, f := range rt.fields {
		in := o
		if f.ext != nil {
			in, _ = o[f.ext.urn].(Object)
		}
		if list, ok := in[f.attr.Name].([]any); ok && l.tooMany(f.attr, len(list)) {
			a.invalid(f.ref, l.sentence(len(list)))
		}
	}
	return a.err()
}

func (a *acceptor) checkField(o Object, f *field) {
	v, ok := o[f.attr.Name]
	if !ok {
		if f.attr.Required && f.attr.Mutability != ReadOnly && !f.attr.hidden() && f.attr.Name != "schemas" {
			a.invalid(f.ref, "is required; give it a value")
		}
		return
	}
	if f.attr.Required && isBlank(v) {
		a.invalid(f.ref, "is required and must not be empty")
	}
	switch v := v.(type) {
	case Object:
		a.checkComplex(f, v)
	case []any:
		if f.attr.Type != Complex {
			return
		}
		for _, e := range v {
			if e, ok := e.(Object); ok {
				a.checkComplex(f, e)
			}
		}
		if f.attr.primary != nil {
			a.checkPrimary(f, v)
		}
		if !f.attr.Relation && f.attr.value != nil && f.attr.typ != nil && len(v) > 1 {
			a.checkPairs(f, v)
		}
	}
}

func isBlank(v any) bool {
	s, ok := v.(string)
	return ok && strings.TrimSpace(s) == ""
}

func (a *acceptor) checkComplex(f *field, o Object) {
	for _, sub := range f.attr.Sub {
		if !sub.Required || sub.Mutability == ReadOnly {
			continue
		}
		if v, ok := o[sub.Name]; !ok || isBlank(v) {
			r := f.ref
			r.Sub = sub
			a.invalid(r, "is required in every "+f.attr.Name+"; give it a value")
		}
	}
}

func (a *acceptor) checkPrimary(f *field, list []any) {
	n := 0
	for _, e := range list {
		if o, ok := e.(Object); ok && o["primary"] == true {
			n++
		}
	}
	if n > 1 {
		r := f.ref
		r.Sub = f.attr.primary
		a.invalid(r, "is true more than once; mark one element only")
	}
}

// checkPairs finds two elements with the same type and value. Both are compared
// by key, so that a difference that the attribute ignores does not hide it.
func (a *acceptor) checkPairs(f *field, list []any) {
	type pair struct{ typ, value string }
	var few [8]pair
	seen := few[:0]
	var many map[pair]bool
	for _, e := range list {
		o, ok := e.(Object)
		if !ok {
			continue
		}
		value, ok := f.attr.value.Key(o["value"])
		if !ok {
			continue
		}
		typ, _ := f.attr.typ.Key(o["type"])
		p := pair{typ, value}
		duplicate := many[p]
		for _, q := range seen {
			duplicate = duplicate || q == p
		}
		if duplicate {
			a.invalid(f.ref, "holds the same type and value twice; leave one out")
			return
		}
		if len(seen) < cap(seen) {
			seen = append(seen, p)
			continue
		}
		if many == nil {
			many = make(map[pair]bool, len(list))
		}
		many[p] = true
	}
}

func (a *acceptor) checkUserName(o Object) {
	name, ok := o[a.rt.userName.Name].(string)
	if !ok || isBlank(name) {
		return // reported as required
	}
	if _, err := PrecisFold(name); err != nil {
		a.invalid(Ref{Attr: a.rt.userName},
			"contains characters that a user name must not have, or begins or ends with a blank (RFC 8265 section 3.3)")
	}
}

// CheckImmutable checks that new keeps the immutable attributes, and immutable
// sub-attributes of single complex attributes, that old has (RFC 7644
// section 3.5.1). Elements of multi-valued attributes have no identity: a
// changed element is one removed and one added. The error is Errors with
// MutabilityErr.
func (rt *ResourceType) CheckImmutable(old, new Object) error {
	a := &acceptor{rt: rt}
	for _, f := range rt.fields {
		if !f.attr.stored() || f.attr.Name == "schemas" {
			continue
		}
		was, is := old, new
		if f.ext != nil {
			was, _ = old[f.ext.urn].(Object)
			is, _ = new[f.ext.urn].(Object)
		}
		if f.attr.Mutability == Immutable {
			a.keep(f.ref, was[f.attr.Name], is[f.attr.Name])
			continue
		}
		before, ok := was[f.attr.Name].(Object)
		if !ok {
			continue
		}
		after, _ := is[f.attr.Name].(Object)
		for _, sub := range f.attr.Sub {
			if sub.Mutability == Immutable {
				r := f.ref
				r.Sub = sub
				a.keep(r, before[sub.Name], after[sub.Name])
			}
		}
	}
	return a.err()
}

func (a *acceptor) keep(ref Ref, was, is any) {
	if was == nil || Equal(was, is) {
		return
	}
	path := ref.String()
	a.fault(MutabilityErr, path, path+" is immutable and has a value already; send the value that is set.")
}

// ResetPrimary sets "primary" to false on every element of the multi-valued
// attribute but the one at index keep (RFC 7644 section 3.5.2).
func (rt *ResourceType) ResetPrimary(o Object, attr Ref, keep int) {
	if attr.Attr == nil || attr.Attr.primary == nil {
		return
	}
	if attr.URN != "" {
		o, _ = o[attr.URN].(Object)
	}
	list, _ := o[attr.Attr.Name].([]any)
	for i, e := range list {
		if e, ok := e.(Object); ok && i != keep && e["primary"] == true {
			e["primary"] = false
		}
	}
}
