package storage

import (
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// Conditions that a constant compiles to; conjunctions and disjunctions fold them.
const (
	sqlTrue  = "1=1"
	sqlFalse = "1=0"
)

// compiler turns a bound filter into an SQL condition over one row r of
// resources. The truth is the keys document, whose leaves are comparison keys
// (schema.Attribute.Key), so SQL only ever compares text bytewise; attributes
// that are columns or rows are read there instead.
//
// Logic is two-valued (RFC 7644 section 3.4.2.2 knows no NULL). A comparison
// with an absent value may give NULL only where NULL and false are the same:
// under conjunctions and disjunctions that end in WHERE. Below a negation
// every comparison is made to give true or false.
type compiler struct {
	*sqlText

	rt   *schema.ResourceType
	base string // what meta.location and $ref start with
	// domain hides members and groups of other provisioning domains; "" hides none.
	domain string
	// scan hides the columns' own range indexes from the planner, for filters
	// that most rows satisfy.
	scan bool
}

// scope is where a Test reads: the resource, or one element of an attribute.
type scope struct {
	attr *schema.Attribute // nil at the resource
	leaf func(sub string) place
}

// condition compiles p. With strict, the result is never NULL.
func (c *compiler) condition(p filter.Predicate, s scope, strict bool) string {
	switch p := p.(type) {
	case *filter.All:
		return c.join(p.Terms, s, strict, " AND ", sqlTrue, sqlFalse)
	case *filter.Any:
		return c.join(p.Terms, s, strict, " OR ", sqlFalse, sqlTrue)
	case *filter.None:
		return negate(c.condition(p.Term, s, true))
	case filter.Constant:
		return sqlBool(bool(p))
	case *filter.Test:
		return c.test(p, s, strict)
	case *filter.Element:
		return c.element(p)
	default:
		// Row 68 of the checklist: what cannot be compiled selects nothing.
		return sqlFalse
	}
}

// join compiles the terms of a conjunction (neutral true, zero false) or of a
// disjunction.
func (c *compiler) join(terms []filter.Predicate, s scope, strict bool, word, neutral, zero string) string {
	parts := make([]string, 0, len(terms))
	decided := false
	for _, t := range terms {
		part := c.condition(t, s, strict)
		decided = decided || part == zero
		if part != neutral {
			parts = append(parts, part)
		}
	}
	switch {
	case decided && len(c.args) == 0, len(parts) == 1 && parts[0] == zero:
		return zero
	case len(parts) == 0:
		return neutral
	case len(parts) == 1:
		return parts[0]
	default:
		// A term that decides stays in the text once there are parameters:
		// they are bound by position.
		return "(" + strings.Join(parts, word) + ")"
	}
}

func negate(cond string) string {
	switch cond {
	case sqlTrue:
		return sqlFalse
	case sqlFalse:
		return sqlTrue
	default:
		return "NOT (" + cond + ")"
	}
}

func sqlBool(b bool) string {
	if b {
		return sqlTrue
	}
	return sqlFalse
}

// element compiles `x[…]`: one EXISTS, so that all of it holds on one element.
func (c *compiler) element(p *filter.Element) string {
	at := c.at(p.Ref)
	if rows, ok := c.rows(p.Ref, at); ok {
		return rows.exists(c.condition(p.Where, scope{attr: p.Ref.Attr, leaf: rows.leaf}, false))
	}
	// A singular complex value is its own only element.
	inner := c.condition(p.Where, scope{attr: p.Ref.Attr, leaf: func(sub string) place {
		if sub == "" {
			return at
		}
		return c.column(p.Ref, sub, at)
	}}, true)
	return "(" + at.present(c.dialect) + " AND " + inner + ")"
}

// test compiles a comparison.
func (c *compiler) test(t *filter.Test, s scope, strict bool) string {
	if s.attr != nil {
		if t.Ref.Sub == nil {
			return c.compare(s.leaf(""), s.attr, t, strict)
		}
		return c.value(s.leaf(t.Ref.Sub.Name), t.Ref.Sub, t, strict)
	}
	if isCommon(t.Ref, "schemas") {
		return c.schemas(t)
	}
	at := c.at(t.Ref)
	if rows, ok := c.rows(t.Ref, at); ok {
		return c.anyElement(rows, t, func() string {
			if t.Ref.Sub == nil {
				if t.Ref.Attr.Type == schema.Complex {
					return sqlBool(t.Op == filter.Pr || t.Null && t.Op == filter.Ne)
				}
				return c.compare(rows.leaf(""), t.Ref.Attr, t, false)
			}
			return c.value(rows.leaf(t.Ref.Sub.Name), t.Ref.Sub, t, false)
		})
	}
	if t.Ref.Sub != nil {
		return c.value(c.column(t.Ref, t.Ref.Sub.Name, at), t.Ref.Sub, t, strict)
	}
	return c.compare(at, t.Ref.Attr, t, strict)
}

// value compares a sub-attribute, which may itself hold several simple values.
func (c *compiler) value(at place, a *schema.Attribute, t *filter.Test, strict bool) string {
	if !a.MultiValued || at.column != "" {
		return c.compare(at, a, t, strict)
	}
	rows := c.elements(at, false)
	return c.anyElement(rows, t, func() string { return c.compare(rows.leaf(""), a, t, false) })
}

// anyElement holds if any element satisfies cond. Without an element the
// attribute is absent, which is what ne and `eq null` are true for.
func (c *compiler) anyElement(rows rowset, t *filter.Test, cond func() string) string {
	some := cond()
	if some != sqlFalse {
		some = rows.exists(some)
	}
	if !trueWhenAbsent(t) {
		return some
	}
	none := "NOT " + rows.exists("")
	if some == sqlFalse {
		return none
	}
	return "(" + none + " OR " + some + ")"
}

// trueWhenAbsent says what a comparison with an absent value gives.
func trueWhenAbsent(t *filter.Test) bool {
	if t.Null {
		return t.Op == filter.Eq
	}
	return t.Op == filter.Ne
}

// compare compares the single value at a place.
func (c *compiler) compare(at place, a *schema.Attribute, t *filter.Test, strict bool) string {
	switch {
	case t.Op == filter.Pr, t.Null && t.Op == filter.Ne:
		return at.present(c.dialect)
	case t.Null && t.Op == filter.Eq:
		return at.absent(c.dialect)
	case t.Null || a.Type == schema.Complex:
		return sqlBool(t.Op == filter.Ne)
	case at.constant != nil:
		return sqlBool(holds(*at.constant, t))
	case at.micros:
		return c.compareMicros(at.column, t)
	default:
		return c.compareText(at.text(c.dialect), t, strict)
	}
}

// compareText compares a text expression with the operand.
func (c *compiler) compareText(x string, t *filter.Test, strict bool) string {
	postgres := c.dialect == dialectPostgres
	var cond string
	switch t.Op {
	case filter.Eq:
		cond = x + " = " + c.param(t.Key)
	case filter.Ne:
		return x + c.dialect.pick(" IS NOT ", " IS DISTINCT FROM ") + c.param(t.Key)
	case filter.Gt, filter.Ge, filter.Lt, filter.Le:
		cond = x + " " + sqlOrder(t.Op) + " " + c.param(t.Key)
	case filter.Co:
		if t.Key == "" {
			return x + " IS NOT NULL"
		}
		cond = c.dialect.pick("instr(", "strpos(") + x + ", " + c.param(t.Key) + ") > 0"
	case filter.Sw:
		cond = c.startsWith(x, t.Key)
	case filter.Ew:
		if t.Key == "" {
			return x + " IS NOT NULL"
		}
		key := c.param(t.Key)
		if postgres {
			cond = "right(" + x + ", length(" + key + ")) = " + key
		} else {
			cond = "substr(" + x + ", -length(" + key + ")) = " + key
		}
	default:
		return sqlFalse
	}
	if strict {
		return "COALESCE(" + cond + ", " + c.dialect.pick("0", "FALSE") + ")"
	}
	return cond
}

// startsWith compares a prefix. Columns get a range, which an index serves;
// values in JSON are computed once and compared in part.
func (c *compiler) startsWith(x, prefix string) string {
	if prefix == "" {
		return x + " IS NOT NULL"
	}
	switch {
	case strings.HasPrefix(strings.TrimLeft(x, "+("), "r."):
		cond := x + " >= " + c.param(prefix)
		if end, ok := successor(prefix); ok {
			cond = "(" + cond + " AND " + x + " < " + c.param(end) + ")"
		}
		return cond
	case c.dialect == dialectPostgres:
		return "starts_with(" + x + ", " + c.param(prefix) + ")"
	default:
		key := c.param(prefix)
		return "substr(" + x + ", 1, length(" + key + ")) = " + key
	}
}

// sqlOrder is the SQL operator of an ordering comparison.
func sqlOrder(op filter.Op) string {
	switch op {
	case filter.Gt:
		return ">"
	case filter.Ge:
		return ">="
	case filter.Lt:
		return "<"
	default:
		return "<="
	}
}
