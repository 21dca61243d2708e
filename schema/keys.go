package schema

import "encoding/json"

// Key returns the comparison key of one simple value of the attribute. Keys are
// texts, and comparing two bytewise compares the values as RFC 7644
// section 3.4.2.2 demands: strings folded unless case-exact, references and
// binary values exactly, booleans as "true" and "false", dateTime as moments in
// microseconds, numbers by value without loss. ok is false if v is not of the
// attribute's type.
func (a *Attribute) Key(v any) (key string, ok bool) {
	switch v := v.(type) {
	case string:
		return a.textKey(v)
	case bool:
		if a.Type != Boolean {
			return "", false
		}
		if v {
			return "true", true
		}
		return "false", true
	case json.Number:
		if a.Type == Decimal || a.Type == Integer && isInteger(string(v)) {
			return numberKey(string(v))
		}
	}
	return "", false
}

func (a *Attribute) textKey(s string) (string, bool) {
	switch a.Type {
	case String:
		if a.CaseExact {
			return s, true
		}
		return Fold(s), true
	case Reference, Binary:
		return s, true
	case DateTime:
		micros, ok := parseDateTime(s)
		if !ok {
			return "", false
		}
		return DateTimeKey(micros), true
	default:
		return "", false
	}
}

// Keys returns the document of comparison keys: the nesting and the names of
// what Encode writes, but with every leaf replaced by its Key as a string. A
// multi-valued attribute is an array also here. It is what SQL compares with.
func (rt *ResourceType) Keys(o Object) []byte { return rt.write(o, true) }
