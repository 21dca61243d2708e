package patch

import (
	"encoding/json"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// valuePath adds an operation on `attr[filter]` or `attr[filter].sub`.
func (b *builder) valuePath(t target, v any) error {
	ref := t.ref
	if ref.Sub != nil || !ref.Attr.MultiValued {
		return notSelectable(ref)
	}
	where, err := b.bind(t)
	if err != nil {
		return err
	}
	op := Op{Kind: t.kind, Ref: ref, Where: where}
	if t.sub != "" {
		op.Sub = ref.Attr.SubAttribute(t.sub)
	}
	if t.kind != Remove && op.Sub == nil && b.policy.RefuseValuePathWithoutSub {
		return fault(schema.InvalidPath, ref.String(), "the path selects whole values of %s; name the sub-attribute to change after the brackets", ref)
	}
	if t.kind != Remove && b.policy.CreateOnMiss {
		op.Seed = b.seed(t.where, ref, where)
	}
	return b.pushElements(op, v)
}

// bind resolves the filter in the brackets. All filters of a request together
// are bounded: every one is evaluated on every element.
func (b *builder) bind(t target) (filter.Predicate, error) {
	b.comparisons += comparisons(t.where)
	if b.comparisons > b.limits.Comparisons {
		return nil, fault(schema.TooLarge, t.ref.String(), "the paths of the request hold more than %d comparisons; send the operations in several requests", b.limits.Comparisons)
	}
	return filter.BindElement(t.where, t.ref, b.rt, b.policy)
}

func comparisons(e filter.Expr) int {
	switch e := e.(type) {
	case *filter.And:
		return comparisons(e.Left) + comparisons(e.Right)
	case *filter.Or:
		return comparisons(e.Left) + comparisons(e.Right)
	case *filter.Not:
		return comparisons(e.Expr)
	default:
		return 1
	}
}

// everyElement adds an operation on a path such as emails.type, which names a
// sub-attribute of every element.
func (b *builder) everyElement(t target, v any) error {
	op := Op{
		Kind:  t.kind,
		Ref:   schema.Ref{URN: t.ref.URN, Attr: t.ref.Attr},
		Where: filter.Constant(true),
		Sub:   t.ref.Sub,
	}
	if t.kind != Remove && b.policy.CreateOnMiss {
		op.Seed = schema.Object{}
	}
	return b.pushElements(op, v)
}

// pushElements accepts the value of an operation on elements and adds it.
func (b *builder) pushElements(op Op, v any) error {
	if op.Kind == Remove {
		b.push(op)
		return nil
	}
	var err error
	if op.Sub != nil {
		op.Value, err = b.rt.AcceptValue(schema.Ref{URN: op.Ref.URN, Attr: op.Ref.Attr, Sub: op.Sub}, v, b.policy)
	} else {
		op.Value, err = b.acceptElement(op.Ref, v)
	}
	if err != nil {
		return err
	}
	if unassigned(op.Value) {
		op.Kind, op.Value, op.Seed = Remove, nil, nil
	}
	b.push(op)
	return nil
}

// acceptElement accepts the value of one whole element. An empty object
// changes nothing and is refused like any other value without content.
func (b *builder) acceptElement(ref schema.Ref, v any) (any, error) {
	if list, isList := v.([]any); isList && b.policy.LooseShapes && len(list) == 1 {
		v = list[0]
	}
	if v == nil || v == "" && b.policy.EmptyStringUnassigns {
		return nil, nil
	}
	b.noteUnknown(ref, v)
	value, err := b.rt.AcceptElement(ref, v, b.policy)
	if err != nil {
		return nil, err
	}
	if o, isObject := value.(schema.Object); value == nil || isObject && len(o) == 0 {
		return nil, fault(schema.InvalidValue, ref.String(), "the value for %s names none of its sub-attributes", ref)
	}
	return value, nil
}

// seed returns the element that the filter of a value path describes, or nil
// if it is not a conjunction of eq terms that one element can satisfy. Entra ID
// relies on it: it sends `emails[type eq "work"].value` for a new address.
func (b *builder) seed(e filter.Expr, ref schema.Ref, where filter.Predicate) schema.Object {
	o := schema.Object{}
	if !b.plant(o, e, ref) || !filter.MatchElement(where, ref, o) {
		return nil
	}
	return o
}

// plant sets the sub-attributes that the eq terms of e name.
func (b *builder) plant(o schema.Object, e filter.Expr, ref schema.Ref) bool {
	switch e := e.(type) {
	case *filter.And:
		return b.plant(o, e.Left, ref) && b.plant(o, e.Right, ref)
	case *filter.Compare:
		sub := ref.Attr.SubAttribute(e.Path.Name)
		if e.Op != filter.Eq || e.Path.Sub != "" || sub == nil || sub.Mutability == schema.ReadOnly {
			return false
		}
		if e.Value.Kind == filter.Null {
			return true
		}
		v, err := b.rt.AcceptValue(schema.Ref{URN: ref.URN, Attr: ref.Attr, Sub: sub}, operand(e.Value), b.policy)
		if err != nil || unassigned(v) {
			return false
		}
		o[sub.Name] = v
		return true
	default:
		return false
	}
}

// operand returns the right side of a comparison as the JSON value it was.
func operand(v filter.Value) any {
	switch v.Kind {
	case filter.Number:
		return json.Number(v.Text)
	case filter.Bool:
		return strings.EqualFold(v.Text, "true")
	case filter.String:
		return v.Text
	case filter.Null:
	}
	return nil
}

func notSelectable(ref schema.Ref) error {
	return fault(schema.InvalidPath, ref.String(), "%s has one value at most; use a path without brackets", ref)
}
