package filter

import "github.com/sallyport-id/sallyport/schema"

// Op is a comparison operator (RFC 7644 section 3.4.2.2), always lower case.
type Op string

// The operators of RFC 7644 section 3.4.2.2.
const (
	Eq Op = "eq"
	Ne Op = "ne"
	Co Op = "co"
	Sw Op = "sw"
	Ew Op = "ew"
	Pr Op = "pr"
	Gt Op = "gt"
	Ge Op = "ge"
	Lt Op = "lt"
	Le Op = "le"
)

// AttrPath is an attribute path as written: [URN:]name[.sub].
type AttrPath struct {
	URN  string // "" if unqualified
	Name string
	Sub  string
}

// Expr is a parsed filter: *And, *Or, *Not, *Compare or *ValuePath.
// String prints it so that parsing the text again gives an equal Expr.
type Expr interface {
	String() string
	expr()
}

// And holds when both sides hold.
type And struct{ Left, Right Expr }

// Or holds when one side holds.
type Or struct{ Left, Right Expr }

// Not negates a complete expression.
type Not struct{ Expr Expr }

// Compare is `path op value`, or `path pr` (no Value).
type Compare struct {
	Path  AttrPath
	Op    Op
	Value Value
}

// ValuePath is `path[filter]`, true when one element satisfies Filter, or
// `path[filter].sub op value`, true when one element satisfies both.
type ValuePath struct {
	Path   AttrPath
	Filter Expr
	Sub    string // "" without the second form
	Op     Op     // Pr without the second form
	Value  Value
}

// ValueKind is the JSON kind of a comparison value.
type ValueKind int

// The JSON kinds of a comparison value.
const (
	Null ValueKind = iota
	String
	Number
	Bool
)

// Value is the right side of a comparison.
type Value struct {
	Kind ValueKind
	Text string // decoded string, number literal, or "true"/"false"
}

// Path is a PATCH path (RFC 7644 section 3.5.2): attrPath, attrPath[filter] or
// attrPath[filter].sub.
type Path struct {
	Attr   AttrPath
	Filter Expr   // nil without brackets
	Sub    string // after the brackets
}

// Predicate is a filter bound to a resource type: every attribute resolved,
// every operand turned into a comparison key (schema.Attribute.Key), every
// rule of RFC 7644 section 3.4.2.2 checked. *All, *Any, *None, *Test, *Element
// or Constant. Package storage compiles it to SQL; Match evaluates it; both
// must agree on every input.
type Predicate interface{ predicate() }

// All holds when every term holds; empty holds.
type All struct{ Terms []Predicate }

// Any holds when one term holds; empty does not.
type Any struct{ Terms []Predicate }

// None holds when Term does not.
type None struct{ Term Predicate }

// Constant is always true or always false (an attribute that a resource type
// lacks, in a query across types).
type Constant bool

// Test compares one attribute. Logic is two-valued. Absent: eq, co, sw, ew,
// gt, ge, lt, le, pr are false, ne is true, `eq null` (NullKey with Eq) is
// true. On a multi-valued attribute it holds if any element satisfies it, ne
// included. A multi-valued complex attribute without sub-attribute is bound to
// its "value" sub-attribute (pr excepted, which asks for any element).
// Inside an Element, Ref.Attr is the element's attribute and Ref.Sub the
// sub-attribute of that same element.
type Test struct {
	Ref  schema.Ref
	Op   Op
	Key  string // operand key; unused with Pr and NullKey
	Null bool   // the operand is null: eq null = absent, ne null = present
}

// Element holds when one element of the multi-valued (or the value of the
// singular complex) attribute Ref satisfies Where.
type Element struct {
	Ref   schema.Ref
	Where Predicate
}

func (*And) expr()          {}
func (*Or) expr()           {}
func (*Not) expr()          {}
func (*Compare) expr()      {}
func (*ValuePath) expr()    {}
func (*All) predicate()     {}
func (*Any) predicate()     {}
func (*None) predicate()    {}
func (Constant) predicate() {}
func (*Test) predicate()    {}
func (*Element) predicate() {}
