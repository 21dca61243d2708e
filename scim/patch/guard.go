package patch

import "github.com/sallyport-id/sallyport/schema"

// frozen tells whether a value, once set, must stay (RFC 7643 section 7).
func frozen(attr *schema.Attribute) bool { return attr.Mutability == schema.Immutable }

// checkRemovable refuses the removal of a required sub-attribute
// (RFC 7644 section 3.5.2.2).
func checkRemovable(ref schema.Ref) error {
	if ref.Sub.Required {
		return requiredFault(ref)
	}
	return nil
}

// checkChange refuses a new value where the old one is immutable, as a whole
// or in a sub-attribute. Setting what was unset is no change
// (RFC 7644 section 3.5.2).
func checkChange(ref schema.Ref, old, value any) error {
	if old == nil {
		return nil
	}
	if frozen(ref.Attr) {
		return immutableFault(ref)
	}
	was, _ := old.(schema.Object)
	now, _ := value.(schema.Object)
	return checkSubs(ref, was, now)
}

// checkSubs refuses a change of an immutable sub-attribute of one complex value.
func checkSubs(ref schema.Ref, was, now schema.Object) error {
	for _, sub := range ref.Attr.Sub {
		if v := was[sub.Name]; v != nil && frozen(sub) && !schema.Equal(v, now[sub.Name]) {
			return immutableFault(schema.Ref{URN: ref.URN, Attr: ref.Attr, Sub: sub})
		}
	}
	return nil
}

// keepReadOnly carries the read-only sub-attributes of a complex value over to
// the value that replaces it, if that is about the same thing.
func keepReadOnly(attr *schema.Attribute, was schema.Object, value any) {
	now, isObject := value.(schema.Object)
	if !isObject {
		return
	}
	if id := was["value"]; id != nil && !schema.Equal(id, now["value"]) {
		return
	}
	for _, sub := range attr.Sub {
		if v := was[sub.Name]; v != nil && sub.Mutability == schema.ReadOnly {
			now[sub.Name] = v
		}
	}
}

func requiredFault(ref schema.Ref) error {
	return fault(schema.MutabilityErr, ref.String(), "%s is required and cannot be removed; replace it with another value", ref)
}

func immutableFault(ref schema.Ref) error {
	return fault(schema.MutabilityErr, ref.String(), "%s is immutable and already has another value; it stays as it was first set", ref)
}
