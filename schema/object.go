package schema

import "encoding/json"

// Object is a JSON object as this package keeps it in memory: a resource or a
// complex value under canonical attribute names, an extension container under
// its canonical URN. Values are string, bool, json.Number (integer and decimal,
// digits as sent), Object (complex) and []any (multi-valued: of Object or of
// the simple types). There is no nil and no empty container: unassigned means
// absent (RFC 7643 section 2.5).
type Object map[string]any

// Clone returns a deep copy, so that a change of one never shows in the other.
func (o Object) Clone() Object {
	if o == nil {
		return nil
	}
	out := make(Object, len(o))
	for k, v := range o {
		out[k] = clone(v)
	}
	return out
}

func clone(v any) any {
	switch v := v.(type) {
	case Object:
		return v.Clone()
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// Equal reports whether two canonical values are the same: objects by their
// attributes, arrays in order, numbers by value however they are written,
// strings exactly (a change of case is a change of the value to be returned).
func Equal(a, b any) bool {
	switch a := a.(type) {
	case Object:
		b, ok := b.(Object)
		return ok && equalObjects(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !Equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumbers(string(a), string(b))
	}
	switch b.(type) {
	case Object, []any:
		return false
	}
	return a == b
}

func equalObjects(a, b Object) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		other, ok := b[k]
		if !ok || !Equal(v, other) {
			return false
		}
	}
	return true
}

func equalNumbers(a, b string) bool {
	if a == b {
		return true
	}
	x, ok1 := numberKey(a)
	y, ok2 := numberKey(b)
	return ok1 && ok2 && x == y
}
