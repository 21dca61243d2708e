package storage

import (
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// hintClass says how many rows a hint leaves.
type hintClass int

const (
	hintUnique hintClass = iota // at most one
	hintPoint                   // those with one value
	hintRange                   // those in a range, perhaps most
)

// hint is a necessary condition of a filter that an index answers. The exact
// condition stands beside it, so a hint may let too much through, never too
// little.
type hint struct {
	class hintClass
	// column: the exact condition already compares an indexed column.
	column bool
	// value is the comparison with one value whose value rows answer the hint,
	// nil for any other.
	value *filter.Test
	// ids writes a SELECT of the ids that the index finds, with parameters of
	// the statement that c compiles.
	ids func(c *compiler) string
}

// hint returns the most selective hint of a filter, or nil.
func (c *compiler) hint(p filter.Predicate, db *DB, domain string) *hint {
	switch p := p.(type) {
	case *filter.All:
		var best *hint
		for _, t := range p.Terms {
			if h := c.hint(t, db, domain); h != nil && (best == nil || h.class < best.class) {
				best = h
			}
		}
		return best
	case *filter.Any:
		return c.hintAny(p, db, domain)
	case *filter.Element:
		// If one element satisfies all of it, some element satisfies each part.
		return c.hint(p.Where, db, domain)
	case *filter.Test:
		return c.hintTest(p, db, domain)
	default:
		return nil
	}
}

// hintAny joins the hints of all alternatives; one without leaves none.
func (c *compiler) hintAny(p *filter.Any, db *DB, domain string) *hint {
	joined := &hint{class: hintPoint}
	var parts []*hint
	for _, t := range p.Terms {
		h := c.hint(t, db, domain)
		if h == nil {
			return nil
		}
		joined.class = max(joined.class, h.class)
		parts = append(parts, h)
	}
	if len(parts) == 0 {
		return nil
	}
	joined.ids = func(c *compiler) string {
		texts := make([]string, len(parts))
		for i, h := range parts {
			texts[i] = h.ids(c)
		}
		return strings.Join(texts, " UNION ALL ")
	}
	return joined
}

func (c *compiler) hintTest(t *filter.Test, db *DB, domain string) *hint {
	class := hintRange
	switch t.Op {
	case filter.Eq:
		class = hintPoint
	case filter.Sw, filter.Gt, filter.Ge, filter.Lt, filter.Le:
		if t.Key == "" {
			return nil
		}
	default:
		return nil
	}
	if t.Null {
		return nil
	}
	switch {
	case isCommon(t.Ref, "id"), isUserName(c.rt, t.Ref):
		if class == hintPoint {
			class = hintUnique
		}
		return c.columnHint(t, class)
	case isCommon(t.Ref, "externalId"):
		if class == hintPoint && domain != "" {
			class = hintUnique
		}
		return c.columnHint(t, class)
	case isCommon(t.Ref, "meta"):
		if t.Ref.Sub == nil || t.Ref.Sub.Name != "lastModified" {
			return nil
		}
		return c.columnHint(t, class)
	case t.Ref.Attr.Relation, t.Ref.Attr.Derived:
		return c.membershipHint(t, class)
	default:
		return c.valueHint(t, class, db)
	}
}

// columnHint is a comparison of a column of resources. Alone the exact
// condition serves; among alternatives the column is searched apart.
func (c *compiler) columnHint(t *filter.Test, class hintClass) *hint {
	return &hint{class: class, column: true, ids: func(c *compiler) string {
		in := *c
		in.scan = false
		return "SELECT r.id FROM resources r WHERE r.type = " + c.param(c.rt.Name) +
			" AND " + in.test(t, scope{}, false)
	}}
}

// membershipHint finds groups by a member, or resources by a group through any
// number of groups between.
func (c *compiler) membershipHint(t *filter.Test, class hintClass) *hint {
	if class != hintPoint || t.Ref.Sub == nil || t.Ref.Sub.Name != "value" {
		return nil
	}
	if t.Ref.Attr.Relation {
		return &hint{class: hintPoint, ids: func(c *compiler) string {
			return "SELECT group_id FROM members WHERE member_id = " + c.param(t.Key)
		}}
	}
	return &hint{class: hintPoint, ids: func(c *compiler) string {
		w := c.alias("w")
		return "SELECT id FROM (WITH RECURSIVE " + w + "(id) AS (SELECT member_id FROM members WHERE group_id = " +
			c.param(t.Key) + " UNION SELECT m.member_id FROM members m JOIN " + w + " ON m.group_id = " + w +
			".id) SELECT id FROM " + w + ") AS " + c.alias("w")
	}}
}

// valueHint looks the value up in the value rows of an indexed attribute.
func (c *compiler) valueHint(t *filter.Test, class hintClass, db *DB) *hint {
	attr := indexName(t.Ref)
	if !db.indexed(c.rt.Name, attr) {
		return nil
	}
	h := &hint{class: class, ids: func(c *compiler) string { return "SELECT v.id " + c.valueRows(t, attr) }}
	if t.Op == filter.Eq {
		h.value = t
	}
	return h
}

// valueRows is the FROM and WHERE of the value rows v that a comparison needs.
// Rows hold long keys cut short. A cut key is never greater than the key, and
// not less than any bound of half the length that the key reaches.
func (c *compiler) valueRows(t *filter.Test, attr string) string {
	var b strings.Builder
	b.WriteString("FROM resource_values v WHERE v.type = " + c.param(c.rt.Name) + " AND v.attr = " + c.param(attr))
	bound := boundKey(t.Key)
	switch op := t.Op; {
	case op == filter.Eq:
		b.WriteString(" AND v.key = " + c.param(cutKey(t.Key)))
	case op == filter.Sw:
		b.WriteString(" AND v.key >= " + c.param(bound))
		if end, ok := successor(bound); ok {
			b.WriteString(" AND v.key < " + c.param(end))
		}
	case op == filter.Gt && bound == t.Key:
		b.WriteString(" AND v.key > " + c.param(bound))
	case op == filter.Gt, op == filter.Ge:
		b.WriteString(" AND v.key >= " + c.param(bound))
	case op == filter.Lt && bound == t.Key:
		b.WriteString(" AND v.key < " + c.param(t.Key))
	default:
		b.WriteString(" AND v.key <= " + c.param(t.Key))
	}
	return b.String()
}

// indexName is the name of an attribute in value_indexes: its path in lower
// case, where a multi-valued complex attribute means its value.
func indexName(ref schema.Ref) string {
	if ref.Sub == nil && ref.Attr != nil && ref.Attr.Type == schema.Complex {
		if value := ref.Attr.SubAttribute("value"); value != nil {
			ref.Sub = value
		}
	}
	return strings.ToLower(ref.String())
}
