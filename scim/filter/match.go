package filter

import (
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// Match says whether a complete resource satisfies the predicate. "meta",
// "members" and "groups" count as absent unless o carries them.
func Match(p Predicate, o schema.Object) bool {
	return evaluate(p, scope{resource: o})
}

// MatchElement says whether one element of ref.Attr (the value itself, if it
// is singular) satisfies a predicate of BindElement.
func MatchElement(p Predicate, ref schema.Ref, element any) bool {
	return evaluate(p, scope{attr: ref.Attr, element: element})
}

// scope is what names refer to: a resource, or an element of attr.
type scope struct {
	resource schema.Object
	attr     *schema.Attribute
	element  any
}

func evaluate(p Predicate, s scope) bool {
	switch p := p.(type) {
	case *All:
		for _, t := range p.Terms {
			if !evaluate(t, s) {
				return false
			}
		}
		return true
	case *Any:
		for _, t := range p.Terms {
			if evaluate(t, s) {
				return true
			}
		}
		return false
	case *None:
		return !evaluate(p.Term, s)
	case Constant:
		return bool(p)
	case *Test:
		return s.test(p)
	case *Element:
		return s.oneElement(p)
	default:
		// Only a nil Predicate gets here. Row 68: it must not select everything.
		return false
	}
}

func (s scope) test(t *Test) bool {
	if s.attr != nil {
		return t.onElement(s.element)
	}
	return t.onElements(topValue(s.resource, t.Ref))
}

// oneElement says whether one element satisfies all of Where.
func (s scope) oneElement(p *Element) bool {
	v := topValue(s.resource, p.Ref)
	list, ok := v.([]any)
	if !ok {
		return v != nil && evaluate(p.Where, scope{attr: p.Ref.Attr, element: v})
	}
	for _, element := range list {
		if evaluate(p.Where, scope{attr: p.Ref.Attr, element: element}) {
			return true
		}
	}
	return false
}

// topValue returns the value of the attribute, nil if absent.
func topValue(o schema.Object, ref schema.Ref) any {
	if ref.URN != "" {
		o, _ = o[ref.URN].(schema.Object)
	}
	return o[ref.Attr.Name]
}

// onElements evaluates the test over a whole attribute. Without any element
// the attribute is absent; otherwise one element must satisfy the test.
func (t *Test) onElements(v any) bool {
	list, ok := v.([]any)
	if !ok {
		return t.onElement(v)
	}
	return slices.ContainsFunc(list, t.onElement) || len(list) == 0 && t.onValue(nil)
}

// onElement evaluates the test on one element: its sub-attribute, or itself.
func (t *Test) onElement(element any) bool {
	if t.Ref.Sub == nil {
		return t.onValue(element)
	}
	o, _ := element.(schema.Object)
	v := o[t.Ref.Sub.Name]
	list, ok := v.([]any)
	if !ok {
		return t.onValue(v)
	}
	return slices.ContainsFunc(list, t.onValue) || len(list) == 0 && t.onValue(nil)
}

// onValue evaluates the test on one value; nil is absent.
func (t *Test) onValue(v any) bool {
	if v == nil {
		return bool(absent(t.Op, t.Null))
	}
	if t.Null {
		return t.Op == Ne
	}
	if t.Op == Pr {
		return true
	}
	key, ok := t.Ref.Target().Key(v)
	if !ok {
		return bool(absent(t.Op, false))
	}
	return holds(key, t.Op, t.Key)
}

// holds compares two keys. Their order is bytewise everywhere: here, in SQL
// and in cursors.
func holds(key string, op Op, operand string) bool {
	switch op {
	case Eq:
		return key == operand
	case Ne:
		return key != operand
	case Co:
		return strings.Contains(key, operand)
	case Sw:
		return strings.HasPrefix(key, operand)
	case Ew:
		return strings.HasSuffix(key, operand)
	case Gt:
		return key > operand
	case Ge:
		return key >= operand
	case Lt:
		return key < operand
	case Le:
		return key <= operand
	default:
		return false
	}
}
