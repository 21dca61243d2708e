package patch

import (
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// target is what one path, or one key of a path-less value, points at.
type target struct {
	kind  Kind
	ref   schema.Ref
	where filter.Expr // nil without brackets
	sub   string      // name after the brackets
	// explicit is true for a path and false for a key of a value.
	explicit bool
	// given is false for a remove without value, which is not the same as a
	// remove with null.
	given bool
}

// withPath adds an operation that has a path.
func (b *builder) withPath(r request) error {
	if ext := b.rt.Extension(r.path); ext != nil {
		return b.extension(r.kind, ext.ID, r.value)
	}
	if strings.EqualFold(r.path, b.rt.Schema.ID) {
		if r.kind == Remove {
			return fault(schema.InvalidPath, r.path, "the core schema cannot be removed; name the attribute to remove")
		}
		return b.extension(r.kind, "", r.value)
	}
	path, err := filter.ParsePath(r.path, b.limits.Filter)
	if err != nil {
		return err
	}
	t := target{kind: r.kind, explicit: true, given: r.hasValue}
	return b.point(t, path, r.path, r.value)
}

// extension adds the operations on an extension container (RFC 7643 section
// 3.3). urn is "" for the core schema.
func (b *builder) extension(kind Kind, urn string, v any) error {
	if kind == Remove || v == nil {
		if urn != "" {
			b.push(Op{Kind: Remove, Ref: schema.Ref{URN: urn}})
		}
		return nil
	}
	if list, isList := v.([]any); isList && b.policy.LooseShapes && len(list) == 1 {
		v = list[0]
	}
	o, isObject := v.(schema.Object)
	if !isObject {
		return fault(schema.InvalidValue, urn, "the value of %s must be an object that names its attributes", b.containerName(urn))
	}
	return b.container(kind, urn, o)
}

func (b *builder) containerName(urn string) string {
	if urn == "" {
		return b.rt.Schema.ID
	}
	return urn
}

// container adds one operation for each attribute that an object names.
func (b *builder) container(kind Kind, urn string, o schema.Object) error {
	for _, k := range keys(o) {
		if err := b.key(kind, urn, k, o[k]); err != nil {
			return err
		}
	}
	return nil
}

// key adds the operation for one key of a path-less value or of an extension
// container: a name, a container URN, a flattened "urn:…:User:department", or
// with DottedKeys any PATCH path.
func (b *builder) key(kind Kind, urn, key string, v any) error {
	if urn == "" {
		if ext := b.rt.Extension(key); ext != nil {
			return b.extension(kind, ext.ID, v)
		}
		if strings.EqualFold(key, b.rt.Schema.ID) {
			return b.extension(kind, "", v)
		}
	}
	path := filter.Path{Attr: filter.AttrPath{Name: key}}
	if strings.ContainsAny(key, ":.[") {
		parsed, err := filter.ParsePath(key, b.limits.Filter)
		if err != nil {
			return b.unknown(clip(key), err)
		}
		if dotted(parsed) && !b.policy.DottedKeys {
			return fault(schema.InvalidPath, key, "the key %q is a path; send the attribute as an object, or an operation with this path", clip(key))
		}
		path = parsed
	}
	if urn != "" {
		if path.Attr.URN != "" && !strings.EqualFold(path.Attr.URN, urn) {
			return b.unknown(clip(key), fault(schema.InvalidPath, urn, "%q is not an attribute of %s", clip(key), urn))
		}
		path.Attr.URN = urn
	}
	return b.point(target{kind: kind, given: true}, path, key, v)
}

// dotted tells whether a key reaches inside an attribute.
func dotted(p filter.Path) bool { return p.Attr.Sub != "" || p.Filter != nil || p.Sub != "" }

// point resolves a path against the resource type.
func (b *builder) point(t target, path filter.Path, text string, v any) error {
	ref, err := b.rt.Lookup(path.Attr.URN, path.Attr.Name, path.Attr.Sub, b.policy)
	if err != nil {
		return b.unknown(clip(text), err)
	}
	if path.Sub != "" && ref.Attr != nil && ref.Attr.SubAttribute(path.Sub) == nil {
		return b.unknown(clip(text), fault(schema.InvalidPath, text, "%s has no sub-attribute %q", ref, clip(path.Sub)))
	}
	t.ref, t.where, t.sub = ref, path.Filter, path.Sub
	return b.assign(t, v)
}

// assign adds the operations on a resolved target.
func (b *builder) assign(t target, v any) error {
	attr := t.ref.Attr
	switch {
	case attr == nil:
		return b.extension(t.kind, t.ref.URN, v)
	case readOnly(t.ref) || t.sub != "" && attr.SubAttribute(t.sub).Mutability == schema.ReadOnly:
		if !t.explicit && b.policy.IgnoreReadOnlyKeys {
			return nil
		}
		return fault(schema.MutabilityErr, t.ref.String(), "%s is read-only; leave it out of the request", t.ref)
	case attr.Relation:
		return b.relation(t, v)
	case isPassword(t.ref):
		return b.password(t, v)
	case t.where != nil:
		return b.valuePath(t, v)
	case t.kind == Remove:
		return b.remove(t, v)
	case t.ref.Sub != nil && attr.MultiValued:
		return b.everyElement(t, v)
	case t.ref.Sub == nil && attr.Type == schema.Complex && !attr.MultiValued:
		return b.complexValue(t.kind, t.ref, v)
	case linked(t.ref):
		// The id and the address of a reference follow from each other.
		return b.parts(t.kind, schema.Ref{URN: t.ref.URN, Attr: attr}, schema.Object{t.ref.Sub.Name: v})
	default:
		return b.set(t.kind, t.ref, v)
	}
}

// linked tells whether ref is one half of a reference: "value" or "$ref" of an
// attribute that has both.
func linked(ref schema.Ref) bool {
	return ref.Sub != nil && (ref.Sub.Name == "value" || ref.Sub.Name == "$ref") &&
		ref.Attr.SubAttribute("value") != nil && ref.Attr.SubAttribute("$ref") != nil
}

// set adds the assignment of a whole attribute or of a sub-attribute of a
// singular one. A value that means "unassigned" turns it into a removal
// (RFC 7643 section 2.5); adding none to a multi-valued attribute does nothing.
func (b *builder) set(kind Kind, ref schema.Ref, v any) error {
	if ref.Sub == nil && ref.Attr.MultiValued {
		b.noteUnknown(ref, v)
	}
	value, err := b.rt.AcceptValue(ref, v, b.policy)
	if err != nil {
		return err
	}
	if list, _ := value.([]any); len(list) > b.limits.Elements {
		return tooMany(ref, b.limits.Elements)
	}
	if !unassigned(value) {
		b.push(Op{Kind: kind, Ref: ref, Value: value})
		return nil
	}
	if kind == Add && ref.Target().MultiValued {
		return nil
	}
	b.push(Op{Kind: Remove, Ref: ref})
	return nil
}

// remove adds a removal without value path. Only multi-valued attributes look
// at the value, and never remove more than it lists.
func (b *builder) remove(t target, v any) error {
	ref := t.ref
	if ref.Sub != nil && ref.Attr.MultiValued {
		return b.everyElement(t, nil)
	}
	if !ref.Attr.MultiValued || !t.given || v == nil {
		b.push(Op{Kind: Remove, Ref: ref})
		return nil
	}
	list, err := b.rt.AcceptValue(ref, v, b.policy)
	if err != nil || unassigned(list) {
		return err
	}
	if !b.policy.RemoveMemberList {
		return removalWithList(ref)
	}
	if values, _ := list.([]any); len(values) > b.limits.Elements {
		return tooMany(ref, b.limits.Elements)
	}
	b.push(Op{Kind: Remove, Ref: ref, Value: list})
	return nil
}

func removalWithList(ref schema.Ref) error {
	return fault(schema.InvalidSyntax, ref.String(), "a remove operation takes no value; select the values of %s to remove with a filter in brackets after the path", ref)
}

// complexValue adds the assignment of a singular complex attribute: sub-attribute
// by sub-attribute, since the ones not listed stay (RFC 7644 section 3.5.2.3),
// or as a whole where the policy says so.
func (b *builder) complexValue(kind Kind, ref schema.Ref, v any) error {
	o, err := b.complexObject(ref, v)
	if err != nil {
		return err
	}
	if o == nil {
		b.push(Op{Kind: Remove, Ref: ref})
		return nil
	}
	if kind == Replace && b.policy.ReplaceComplexWhole {
		b.noteUnknown(ref, o)
		return b.set(kind, ref, o)
	}
	return b.parts(kind, ref, o)
}

// parts adds one operation for each sub-attribute that o names: the accepted
// ones are set, the known ones without value are removed. A client that sends
// back what it read must not fail over read-only parts, such as
// manager.displayName, so these are left out.
func (b *builder) parts(kind Kind, ref schema.Ref, o schema.Object) error {
	b.noteUnknown(ref, o)
	value, err := b.rt.AcceptValue(ref, o, b.policy)
	if err != nil {
		return err
	}
	accepted, _ := value.(schema.Object)
	if len(accepted) == 0 && emptied(ref.Attr, o) {
		b.push(Op{Kind: Remove, Ref: ref})
		return nil
	}
	for _, sub := range ref.Attr.Sub {
		part := schema.Ref{URN: ref.URN, Attr: ref.Attr, Sub: sub}
		if v := accepted[sub.Name]; v != nil {
			b.push(Op{Kind: kind, Ref: part, Value: v})
			continue
		}
		if _, named := member(o, sub.Name); !named || sub.Mutability == schema.ReadOnly || kind == Add && sub.MultiValued {
			continue
		}
		b.push(Op{Kind: Remove, Ref: part})
	}
	return nil
}

// emptied tells whether a value without content names a sub-attribute that the
// attribute cannot be without: {"manager": {"value": ""}} means no manager.
func emptied(attr *schema.Attribute, o schema.Object) bool {
	for _, sub := range attr.Sub {
		if _, named := member(o, sub.Name); named && sub.Required {
			return true
		}
	}
	return false
}

// noteUnknown counts the keys of a complex value that no schema defines.
// Where they are not to be ignored, accepting the value refuses them.
func (b *builder) noteUnknown(ref schema.Ref, v any) {
	if b.policy.UnknownInPatch != schema.UnknownDrop {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			b.noteUnknown(ref, e)
		}
	case schema.Object:
		for _, k := range keys(v) {
			if ref.Attr.SubAttribute(k) == nil {
				b.plan.Ignored = append(b.plan.Ignored, ref.String()+"."+clip(k))
			}
		}
	}
}

// complexObject returns the object for a singular complex attribute, or nil
// when the value unassigns it. Entra ID sends a manager as a string, as
// {"value"}, as an array of one object, and as "" to remove it.
func (b *builder) complexObject(ref schema.Ref, v any) (schema.Object, error) {
	if list, isList := v.([]any); isList && b.policy.LooseShapes && len(list) < 2 {
		if len(list) == 0 {
			return nil, nil
		}
		v = list[0]
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case schema.Object:
		return v, nil
	case string:
		if v == "" && b.policy.EmptyStringUnassigns {
			return nil, nil
		}
		if value := ref.Attr.SubAttribute("value"); value != nil && b.policy.LooseShapes {
			return schema.Object{value.Name: v}, nil
		}
	}
	return nil, fault(schema.InvalidValue, ref.String(), "%s must be an object with its sub-attributes", ref)
}

// password adds a change of the credential (RFC 7643 section 4.1.1).
func (b *builder) password(t target, v any) error {
	if b.policy.RefusePassword {
		return fault(schema.InvalidValue, t.ref.String(), "%s cannot be set here; leave it out of the request", t.ref)
	}
	if t.where != nil || t.sub != "" {
		return notSelectable(t.ref)
	}
	b.plan.Password, b.plan.ClearPassword = nil, true
	if t.kind == Remove {
		return nil
	}
	value, err := b.rt.AcceptValue(t.ref, v, b.policy)
	if err != nil {
		return err
	}
	if text, isString := value.(string); isString {
		b.plan.Password, b.plan.ClearPassword = &text, false
	}
	return nil
}

func (b *builder) push(op Op) { b.plan.Ops = append(b.plan.Ops, op) }

// readOnly tells whether clients may not write what ref names. The attribute
// schemas follows from the content of the resource.
func readOnly(ref schema.Ref) bool {
	if ref.Attr.Derived || ref.Attr.Mutability == schema.ReadOnly {
		return true
	}
	if ref.Sub != nil && ref.Sub.Mutability == schema.ReadOnly {
		return true
	}
	return ref.URN == "" && ref.Attr.Name == "schemas"
}

// isPassword tells whether ref is the User's password, the one value that is
// kept apart from the document.
func isPassword(ref schema.Ref) bool {
	return ref.URN == "" && ref.Attr.Name == "password" && ref.Attr.Mutability == schema.WriteOnly
}

// unassigned tells whether an accepted value is no value (RFC 7643 section 2.5).
func unassigned(v any) bool {
	if v == nil {
		return true
	}
	list, isList := v.([]any)
	return isList && len(list) == 0
}
