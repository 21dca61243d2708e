package patch

import (
	"slices"

	"github.com/sallyport-id/sallyport/schema"
)

// Apply edits o, a resource of type rt, by the operations of the plan. Each
// operation sees what the one before it did (RFC 7644 section 3.5.2). It
// reports whether o differs from before.
//
// The caller gives a copy: on an error o is half changed and must be dropped,
// which makes the request atomic. A fault is a *schema.Error: MutabilityErr
// for a change of an immutable or the removal of a required attribute,
// NoTarget for a value path without match, InvalidFilter for one with several
// where the policy asks for one, InvalidValue for two primary values. What
// concerns the document as a whole is left to schema.ResourceType.Validate.
// The plan itself stays unchanged and may be applied again.
func (pl *Plan) Apply(o schema.Object, rt *schema.ResourceType, p schema.Policy) (bool, error) {
	// Only several operations can undo each other.
	var before schema.Object
	if len(pl.Ops) > 1 {
		before = o.Clone()
	}
	e := editor{doc: o, rt: rt, policy: p, limit: pl.elements}
	changed, extended := false, false
	for i := range pl.Ops {
		c, err := e.apply(&pl.Ops[i])
		if err != nil {
			return false, located(err, i, len(pl.Ops))
		}
		changed = changed || c
		extended = extended || c && pl.Ops[i].Ref.URN != ""
	}
	if _, listed := o["schemas"]; listed && extended {
		rt.SetSchemas(o)
	}
	if changed && before != nil {
		changed = !schema.Equal(before, o)
	}
	return changed, nil
}

// editor changes one document.
type editor struct {
	doc    schema.Object
	rt     *schema.ResourceType
	policy schema.Policy
	limit  int // elements of a multi-valued attribute; 0 = none
}

// apply carries out one operation and reports whether it changed anything.
func (e *editor) apply(op *Op) (bool, error) {
	switch {
	case op.Ref.Attr == nil:
		return e.removeContainer(op.Ref)
	case op.Where != nil:
		return e.selected(op)
	case op.Ref.Sub != nil:
		return e.subAttribute(op)
	case op.Ref.Attr.MultiValued:
		return e.list(op)
	default:
		return e.single(op)
	}
}

// get returns the value of an attribute, or nil.
func (e *editor) get(ref schema.Ref) any {
	if ref.URN == "" {
		return e.doc[ref.Attr.Name]
	}
	container, _ := e.doc[ref.URN].(schema.Object)
	return container[ref.Attr.Name]
}

// put sets an attribute; nil unassigns it. An extension container exists if
// and only if it holds something (RFC 7643 section 3.3).
func (e *editor) put(ref schema.Ref, v any) {
	if ref.URN == "" {
		store(e.doc, ref.Attr.Name, v)
		return
	}
	container, _ := e.doc[ref.URN].(schema.Object)
	if container == nil {
		container = schema.Object{}
	}
	store(container, ref.Attr.Name, v)
	if len(container) == 0 {
		delete(e.doc, ref.URN)
		return
	}
	e.doc[ref.URN] = container
}

func store(o schema.Object, name string, v any) {
	if v == nil {
		delete(o, name)
		return
	}
	o[name] = v
}

// unset removes a whole attribute that has a value or not.
func (e *editor) unset(ref schema.Ref) (bool, error) {
	if ref.Attr.Required {
		return false, requiredFault(ref)
	}
	old := e.get(ref)
	if old == nil {
		return false, nil
	}
	if err := checkChange(ref, old, nil); err != nil {
		return false, err
	}
	e.put(ref, nil)
	return true, nil
}

// single applies an operation on a singular attribute.
func (e *editor) single(op *Op) (bool, error) {
	if op.Kind == Remove {
		return e.unset(op.Ref)
	}
	old := e.get(op.Ref)
	value := copied(op.Value)
	if was, isObject := old.(schema.Object); isObject {
		keepReadOnly(op.Ref.Attr, was, value)
	}
	if old != nil && schema.Equal(old, value) {
		return false, nil
	}
	if err := checkChange(op.Ref, old, value); err != nil {
		return false, err
	}
	e.put(op.Ref, value)
	return true, nil
}

// subAttribute applies an operation on a sub-attribute of a singular complex
// attribute, which comes and goes with its sub-attributes.
func (e *editor) subAttribute(op *Op) (bool, error) {
	attr := schema.Ref{URN: op.Ref.URN, Attr: op.Ref.Attr}
	parent, _ := e.get(attr).(schema.Object)
	if parent == nil {
		if op.Kind == Remove {
			return false, checkRemovable(op.Ref)
		}
		parent = schema.Object{}
	} else if op.Ref.Attr.Mutability == schema.Immutable && !sameSub(parent, op) {
		return false, immutableFault(attr)
	}
	changed, err := editSub(parent, op.Ref, op.Kind, op.Value)
	if err != nil || !changed {
		return false, err
	}
	if len(parent) == 0 {
		if op.Ref.Attr.Required {
			return false, requiredFault(attr)
		}
		e.put(attr, nil)
		return true, nil
	}
	e.put(attr, parent)
	return true, nil
}

func sameSub(parent schema.Object, op *Op) bool {
	old := parent[op.Ref.Sub.Name]
	if op.Kind == Remove {
		return old == nil
	}
	return old != nil && schema.Equal(old, op.Value)
}

// editSub changes the sub-attribute ref.Sub inside one complex value.
func editSub(parent schema.Object, ref schema.Ref, kind Kind, value any) (bool, error) {
	sub := ref.Sub
	old := parent[sub.Name]
	if kind == Remove {
		if err := checkRemovable(ref); err != nil || old == nil {
			return false, err
		}
		if sub.Mutability == schema.Immutable {
			return false, immutableFault(ref)
		}
		delete(parent, sub.Name)
		dropStale(parent, ref)
		return true, nil
	}
	value = copied(value)
	if list, isList := old.([]any); isList && kind == Add {
		value = union(sub, list, value)
	}
	if old != nil && schema.Equal(old, value) {
		return false, nil
	}
	if old != nil && sub.Mutability == schema.Immutable {
		return false, immutableFault(ref)
	}
	parent[sub.Name] = value
	if old != nil {
		dropStale(parent, ref)
	}
	return true, nil
}

// dropStale removes what described the old "value": its $ref and the
// read-only sub-attributes, such as manager.displayName. Sub-attributes of one
// request come in schema order, "value" first, so a new $ref survives.
func dropStale(parent schema.Object, ref schema.Ref) {
	if ref.Sub.Name != "value" {
		return
	}
	delete(parent, "$ref")
	for _, s := range ref.Attr.Sub {
		if s.Mutability == schema.ReadOnly {
			delete(parent, s.Name)
		}
	}
}

// union appends to the values of a multi-valued sub-attribute those it lacks.
func union(sub *schema.Attribute, list []any, more any) any {
	out := slices.Clone(list)
	added, _ := more.([]any)
	for _, v := range added {
		key, ok := sub.Key(v)
		if !slices.ContainsFunc(out, func(have any) bool {
			k, ok2 := sub.Key(have)
			return ok && ok2 && k == key
		}) {
			out = append(out, v)
		}
	}
	return out
}

// removeContainer removes an extension from the resource, except what clients
// may not write.
func (e *editor) removeContainer(ref schema.Ref) (bool, error) {
	for _, x := range e.rt.Extensions {
		if x.Schema.ID == ref.URN && x.Required {
			return false, fault(schema.MutabilityErr, ref.URN, "the extension %s is required and cannot be removed", ref.URN)
		}
	}
	ext := e.rt.Extension(ref.URN)
	container, _ := e.doc[ref.URN].(schema.Object)
	if ext == nil || container == nil {
		return false, nil
	}
	changed := false
	var missed *schema.Attribute
	for _, attr := range ext.Attributes {
		if container[attr.Name] == nil || attr.Mutability == schema.ReadOnly {
			continue
		}
		if err := checkChange(schema.Ref{URN: ref.URN, Attr: attr}, container[attr.Name], nil); err != nil {
			return false, err
		}
		if attr.Required {
			missed = attr
		}
		delete(container, attr.Name)
		changed = true
	}
	if len(container) == 0 {
		delete(e.doc, ref.URN)
	} else if missed != nil {
		return false, requiredFault(schema.Ref{URN: ref.URN, Attr: missed})
	}
	return changed, nil
}

// copied returns v so that the plan and the document share nothing.
func copied(v any) any {
	switch v := v.(type) {
	case schema.Object:
		return v.Clone()
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = copied(v[i])
		}
		return out
	default:
		return v
	}
}
