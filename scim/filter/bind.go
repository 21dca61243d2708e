package filter

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// Bind resolves a filter against one resource type. Faults are *schema.Error:
// invalidFilter for an attribute that the type lacks, an operator or operand
// that does not suit the attribute (RFC 7644 section 3.4.2.2); sensitive for an
// attribute that is writeOnly or never returned (RFC 7643 section 7, RFC 7644
// section 7.5.2). Of the policy it reads StringBooleans and BareExtensionNames.
func Bind(e Expr, rt *schema.ResourceType, p schema.Policy) (Predicate, error) {
	b := &binder{rt: rt, policy: p}
	return b.bind(e)
}

// BindRoot is Bind for a query across resource types: an attribute that this
// type lacks counts as absent (RFC 7644 section 3.4.2.1).
func BindRoot(e Expr, rt *schema.ResourceType, p schema.Policy) (Predicate, error) {
	b := &binder{rt: rt, policy: p, root: true}
	return b.bind(e)
}

// BindElement binds the filter between the brackets of a PATCH path, whose
// names are sub-attributes of ref.Attr. Faults are those of Bind. Evaluate the
// result with MatchElement.
func BindElement(e Expr, ref schema.Ref, rt *schema.ResourceType, p schema.Policy) (Predicate, error) {
	ref.Sub = nil
	if !hasElements(ref) {
		return nil, refuse(ref.String(), "%s has no elements or sub-attributes that brackets could choose from.")
	}
	if err := readable(ref); err != nil {
		return nil, err
	}
	b := &binder{rt: rt, policy: p, element: &ref}
	return b.bind(e)
}

// hasElements says whether brackets may follow: after what is multi-valued or
// complex.
func hasElements(ref schema.Ref) bool {
	return ref.Attr != nil && ref.Sub == nil && (ref.Attr.MultiValued || ref.Attr.Type == schema.Complex)
}

// binder binds one expression. With element set, names are sub-attributes of
// it; in a multi-valued simple attribute the name "value" is the element itself.
type binder struct {
	rt      *schema.ResourceType
	policy  schema.Policy
	root    bool
	element *schema.Ref
}

func (b *binder) bind(e Expr) (Predicate, error) {
	switch e := e.(type) {
	case *And:
		left, right, err := b.both(e.Left, e.Right)
		if err != nil {
			return nil, err
		}
		return all(left, right), nil
	case *Or:
		left, right, err := b.both(e.Left, e.Right)
		if err != nil {
			return nil, err
		}
		return anyOf(left, right), nil
	case *Not:
		term, err := b.bind(e.Expr)
		if err != nil {
			return nil, err
		}
		return none(term), nil
	case *Compare:
		return b.compare(e.Path, e.Op, e.Value)
	case *ValuePath:
		return b.valuePath(e)
	default:
		return nil, fmt.Errorf("bind filter: no expression of a parser: %T", e)
	}
}

// both binds the right side even where the left one decides, so that a fault
// is found whatever stands beside it.
func (b *binder) both(left, right Expr) (Predicate, Predicate, error) {
	l, err := b.bind(left)
	if err != nil {
		return nil, nil, err
	}
	r, err := b.bind(right)
	return l, r, err
}

func (b *binder) compare(path AttrPath, op Op, v Value) (Predicate, error) {
	if op != Pr && v.Kind == Null && op != Eq && op != Ne {
		return nil, refuse(shown(path), "%s can be compared with null by eq and ne only.")
	}
	ref, found, err := b.lookup(path)
	if err != nil {
		return nil, err
	}
	if !found {
		return absent(op, v.Kind == Null), nil
	}
	if err := readable(ref); err != nil {
		return nil, err
	}
	return b.test(ref, op, v)
}

// absent is what a comparison with an attribute says that is not there.
func absent(op Op, null bool) Constant {
	if null {
		return op == Eq
	}
	return op == Ne
}

func (b *binder) test(ref schema.Ref, op Op, v Value) (Predicate, error) {
	if op == Pr {
		return &Test{Ref: ref, Op: Pr}, nil
	}
	if v.Kind == Null {
		return &Test{Ref: ref, Op: op, Null: true}, nil
	}
	if ref.Target().Type == schema.Complex {
		value := ref.Attr.SubAttribute("value")
		if value == nil {
			return nil, refuse(ref.String(), "%s is complex; compare one of its sub-attributes: %s.", subNames(ref.Attr))
		}
		ref.Sub = value
		if err := readable(ref); err != nil {
			return nil, err
		}
	}
	key, err := operand(ref, op, v, b.policy)
	if err != nil {
		return nil, err
	}
	return &Test{Ref: ref, Op: op, Key: key}, nil
}

// valuePath binds `x[…]` and `x[…].b op v` to one Element, so that all of it
// holds on the same element.
func (b *binder) valuePath(e *ValuePath) (Predicate, error) {
	ref, found, err := b.lookup(e.Path)
	if err != nil {
		return nil, err
	}
	if !found {
		return Constant(false), nil
	}
	if err := readable(ref); err != nil {
		return nil, err
	}
	if !hasElements(ref) {
		return nil, refuse(ref.String(), "%s has no elements or sub-attributes that brackets could choose from.")
	}
	inner := &binder{rt: b.rt, policy: b.policy, root: b.root, element: &ref}
	where, err := inner.bind(e.Filter)
	if err != nil {
		return nil, err
	}
	if e.Sub != "" {
		last, err := inner.compare(AttrPath{Name: e.Sub}, e.Op, e.Value)
		if err != nil {
			return nil, err
		}
		where = all(where, last)
	}
	if c, ok := where.(Constant); ok {
		if !c {
			return c, nil
		}
		return &Test{Ref: ref, Op: Pr}, nil
	}
	return &Element{Ref: ref, Where: where}, nil
}

// lookup resolves a name. found is false for an unknown one at the root;
// elsewhere that is an error.
func (b *binder) lookup(path AttrPath) (ref schema.Ref, found bool, err error) {
	if b.element != nil {
		ref, err = b.lookupSub(path)
	} else {
		ref, err = b.lookupAttribute(path)
	}
	switch {
	case err != nil && b.root && !b.ambiguous(path):
		return schema.Ref{}, false, nil
	case err != nil:
		return schema.Ref{}, false, err
	case ref.Attr == nil:
		return schema.Ref{}, false, refuse(shown(path), "%s is a schema; name one of its attributes behind a colon.")
	default:
		return ref, true, nil
	}
}

func (b *binder) lookupAttribute(path AttrPath) (schema.Ref, error) {
	ref, err := b.rt.Lookup(path.URN, path.Name, path.Sub, b.policy)
	if err == nil {
		return ref, nil
	}
	fault := &schema.Error{
		Code:   schema.InvalidFilter,
		Path:   shown(path),
		Detail: shown(path) + " is not an attribute of " + b.rt.Name + "; see /Schemas for those that are.",
	}
	if known, ok := errors.AsType[*schema.Error](err); ok {
		fault.Detail = known.Detail
	}
	return schema.Ref{}, fault
}

func (b *binder) lookupSub(path AttrPath) (schema.Ref, error) {
	ref := *b.element
	if ref.Attr.Type != schema.Complex {
		if path.URN == "" && path.Sub == "" && strings.EqualFold(path.Name, "value") {
			return ref, nil
		}
		return schema.Ref{}, refuse(ref.String(), "%s holds plain values; between its brackets only the name value is known.")
	}
	if path.URN == "" && path.Sub == "" {
		if ref.Sub = ref.Attr.SubAttribute(path.Name); ref.Sub != nil {
			return ref, nil
		}
	}
	return schema.Ref{}, refuse(ref.String(), "%s of %s has no sub-attribute %s; it has %s.",
		b.rt.Name, shown(path), subNames(ref.Attr))
}

// ambiguous says whether several extensions have an attribute of that bare
// name: it then is not absent, and the client must say which one it means.
// Second-factor names may stand without their URN under every policy.
func (b *binder) ambiguous(path AttrPath) bool {
	if path.URN != "" || b.element != nil {
		return false
	}
	n, bare := 0, b.policy.BareExtensionNames
	for _, x := range b.rt.Extensions {
		for _, a := range x.Schema.Attributes {
			if strings.EqualFold(a.Name, path.Name) {
				n++
				bare = bare || x.Schema.ID == schema.SecondFactorURN
			}
		}
	}
	return bare && n > 1
}

// readable refuses what no response would show: a filter would answer yes or
// no to a guess at the value (row 29 of the checklist).
func readable(ref schema.Ref) error {
	if !hidden(ref.Attr) && (ref.Sub == nil || !hidden(ref.Sub)) {
		return nil
	}
	path := ref.String()
	return &schema.Error{
		Code:   schema.Sensitive,
		Path:   path,
		Detail: path + " is never returned and therefore cannot be used in a filter.",
	}
}

func hidden(a *schema.Attribute) bool {
	return a.Mutability == schema.WriteOnly || a.Returned == schema.ReturnedNever
}

func subNames(a *schema.Attribute) string {
	names := make([]string, 0, len(a.Sub))
	for _, s := range a.Sub {
		if !hidden(s) {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, ", ")
}
