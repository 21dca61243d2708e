package schema

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
)

// AcceptValue checks and coerces one value for one attribute or sub-attribute,
// as a PATCH operation carries it, and returns it in canonical form: []any for
// a multi-valued attribute, an Object for a complex one or for an extension
// container. It returns nil when the value unassigns the attribute. Unknown
// keys inside follow p.UnknownInPatch; read-only sub-attributes inside are
// dropped; a read-only ref is an error with MutabilityErr (RFC 7644
// section 3.5.2).
func (rt *ResourceType) AcceptValue(ref Ref, v any, p Policy) (any, error) {
	a := &acceptor{rt: rt, policy: p, unknown: p.UnknownInPatch}
	if ref.Attr == nil {
		return a.wholeContainer(ref, v)
	}
	if err := a.refuseReadOnly(ref); err != nil {
		return nil, err
	}
	if a.unassigned(v) {
		return nil, nil
	}
	out := a.attribute(ref, ref.Target(), v)
	return a.result(out)
}

// AcceptElement checks and coerces one element of a multi-valued attribute and
// returns it in canonical form; nil if it holds nothing.
func (rt *ResourceType) AcceptElement(ref Ref, v any, p Policy) (any, error) {
	a := &acceptor{rt: rt, policy: p, unknown: p.UnknownInPatch}
	if ref.Attr == nil {
		return nil, unknownPath(rt, ref.String())
	}
	if err := a.refuseReadOnly(ref); err != nil {
		return nil, err
	}
	if a.unassigned(v) {
		return nil, nil
	}
	return a.result(a.single(ref, ref.Target(), v))
}

// result returns the single fault itself, several as Errors.
func (a *acceptor) result(v any) (any, error) {
	switch len(a.faults) {
	case 0:
		return v, nil
	case 1:
		return nil, a.faults[0]
	}
	return nil, a.err()
}

func (a *acceptor) refuseReadOnly(ref Ref) error {
	if ref.Attr.Mutability != ReadOnly && !ref.Attr.Derived && ref.Target().Mutability != ReadOnly {
		return nil
	}
	path := ref.String()
	return &Error{Code: MutabilityErr, Path: path, Detail: path + " is read-only; leave it out."}
}

func (a *acceptor) wholeContainer(ref Ref, v any) (any, error) {
	c := a.rt.containers[ref.URN]
	if c == nil {
		return nil, unknownPath(a.rt, ref.String())
	}
	out := Object{}
	a.container(out, c, v)
	if inner, ok := out[c.urn].(Object); ok {
		return a.result(inner)
	}
	return a.result(nil)
}

// attribute takes the value of an attribute as a whole, elements or single; def
// is what ref ends at. It returns nil for a value that holds nothing or is at
// fault.
func (a *acceptor) attribute(ref Ref, def *Attribute, v any) any {
	list, isList := v.([]any)
	switch {
	case def.MultiValued && isList:
		return a.elements(ref, def, list)
	case def.MultiValued:
		if !a.policy.LooseShapes {
			a.invalid(ref, "is multi-valued and must be given as an array")
			return nil
		}
		if e := a.single(ref, def, v); e != nil {
			return []any{e}
		}
		return nil
	case isList:
		if !a.policy.LooseShapes || len(list) != 1 {
			a.invalid(ref, "has a single value and must not be given as an array")
			return nil
		}
		if a.unassigned(list[0]) {
			return nil
		}
		v = list[0]
	}
	return a.single(ref, def, v)
}

func (a *acceptor) elements(ref Ref, def *Attribute, list []any) any {
	if a.limits.tooMany(def, len(list)) {
		a.invalid(ref, a.limits.sentence(len(list)))
		return nil
	}
	out := make([]any, 0, len(list))
	for _, v := range list {
		if a.unassigned(v) {
			continue
		}
		if e := a.single(ref, def, v); e != nil {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// single takes one value, or one element, of an attribute.
func (a *acceptor) single(ref Ref, def *Attribute, v any) any {
	switch def.Type {
	case Complex:
		return a.complex(ref, def, v)
	case Boolean:
		return a.boolean(ref, v)
	case Integer, Decimal:
		return a.number(ref, def, v)
	case String, Reference, DateTime, Binary:
	}
	s, ok := v.(string)
	if !ok {
		a.invalid(ref, "must be a JSON string")
		return nil
	}
	if what := a.text(def, s); what != "" {
		a.invalid(ref, what)
		return nil
	}
	return v
}

// text returns what is wrong with a string for an attribute, or "".
func (a *acceptor) text(def *Attribute, s string) string {
	switch def.Type {
	case DateTime:
		if _, ok := parseDateTime(s); !ok {
			return `must be a date and time as in xsd:dateTime, such as "2008-01-23T04:56:22Z"`
		}
	case Reference:
		if !isReference(s) {
			return "must be a URI"
		}
	case Binary:
		if !isBase64(s) {
			return "must be base64 with padding"
		}
	default:
		if a.policy.CheckStandards && def.standard != noStandard {
			return def.standard.check(s)
		}
		if a.policy.RefusePassword && def.hidden() {
			return "cannot be set here; leave it out"
		}
	}
	return ""
}

func (a *acceptor) boolean(ref Ref, v any) any {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		if !a.policy.StringBooleans {
			break
		}
		if strings.EqualFold(v, "true") {
			return true
		}
		if strings.EqualFold(v, "false") {
			return false
		}
	}
	a.invalid(ref, "must be true or false")
	return nil
}

func (a *acceptor) number(ref Ref, def *Attribute, v any) any {
	n, ok := v.(json.Number)
	switch {
	case def.Type == Integer && (!ok || !isInteger(string(n))):
		a.invalid(ref, "must be a whole number without fraction and exponent")
	case !ok:
		a.invalid(ref, "must be a number")
	default:
		if _, ok := numberKey(string(n)); ok {
			return v
		}
		a.invalid(ref, "is too large or too small a number")
	}
	return nil
}

// complex takes one object of a complex attribute.
func (a *acceptor) complex(ref Ref, def *Attribute, v any) any {
	in, ok := v.(Object)
	if !ok {
		in, ok = a.bare(def, v)
	}
	if !ok {
		a.invalid(ref, "must be a JSON object")
		return nil
	}
	out := make(Object, len(in))
	for key, v := range in {
		sub := def.SubAttribute(key)
		if sub == nil {
			a.unknownKey(ref.String() + "." + key)
			continue
		}
		if sub.Mutability == ReadOnly || a.unassigned(v) {
			continue
		}
		r := ref
		r.Sub = sub
		if v = a.attribute(r, sub, v); v != nil {
			out[sub.Name] = v
		}
	}
	complete(def, in, out)
	if len(out) == 0 {
		return nil
	}
	return out
}

// bare takes a simple value for an object that has a "value", where the policy
// allows it.
func (a *acceptor) bare(def *Attribute, v any) (Object, bool) {
	if !a.policy.LooseShapes || def.value == nil {
		return nil, false
	}
	switch v.(type) {
	case string, bool, json.Number:
		return Object{def.value.Name: v}, true
	}
	return nil, false
}

// complete fills the id of a reference from its $ref when the client sent only
// that, and makes a $ref that the server owns follow from the id.
func complete(def *Attribute, in, out Object) {
	ref := def.sub["$ref"]
	if ref == nil || def.value == nil || def.value.Type != String {
		return
	}
	if _, ok := out["value"]; !ok && (def.Relation || def.refBase != "") {
		for key, v := range in {
			if s, ok := v.(string); ok && strings.EqualFold(key, "$ref") {
				if id := s[strings.LastIndexByte(s, '/')+1:]; id != "" {
					out["value"] = id
				}
			}
		}
	}
	if def.refBase == "" {
		return
	}
	if id, ok := out["value"].(string); ok {
		out["$ref"] = def.refBase + id
	}
}

// isBase64 reports whether s is base64 or base64url with padding (RFC 7643
// section 2.3.6).
func isBase64(s string) bool {
	encoding := base64.StdEncoding.Strict()
	if strings.ContainsAny(s, "-_") {
		encoding = base64.URLEncoding.Strict()
	}
	if strings.ContainsAny(s, "\r\n") {
		return false
	}
	_, err := encoding.DecodeString(s)
	return err == nil
}

// isReference reports whether s has the form of a URI or of a relative
// reference (RFC 3986 section 4.1). Letters beyond ASCII are let through, since
// addresses are commonly kept in their readable form (RFC 3987).
func isReference(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ' || c == 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0:
			return false
		case c == '%':
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return false
			}
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// asError returns the single fault in err.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: InvalidValue, Detail: err.Error()}
}
