package storage

import (
	"strconv"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// sortKey is the expression that a query sorts by (RFC 7644 section 3.4.2.3).
// Rows without a value stand last when ascending and first when descending;
// the id decides between equal keys, so the order is total.
type sortKey struct {
	expr   string // empty: by id alone
	micros bool   // an integer of microseconds
	column bool   // expr is a column that is never NULL and has an index
	unique bool   // no two rows share a key
}

// sortKey compiles the sort attribute of a source; nil with sorted is a type
// that lacks it.
func (c *compiler) sortKey(ref *schema.Ref, sorted bool) sortKey {
	switch {
	case !sorted:
		return sortKey{}
	case ref == nil || ref.Attr == nil:
		return c.noKey()
	case isCommon(*ref, "id"):
		return sortKey{expr: "r.id", column: true, unique: true}
	case isUserName(c.rt, *ref):
		return sortKey{expr: "r.name_key", column: true, unique: true}
	case isCommon(*ref, "schemas"):
		return sortKey{expr: c.param(textKey(ref.Attr, c.rt.Schema.ID))}
	}
	target := *ref
	if target.Sub == nil && target.Attr.Type == schema.Complex {
		if target.Sub = target.Attr.SubAttribute("value"); target.Sub == nil {
			return c.noKey()
		}
	}
	at := c.at(target)
	if rows, ok := c.rows(target, at); ok {
		return c.firstElement(rows, target)
	}
	if target.Sub != nil {
		at = c.column(target, target.Sub.Name, at)
	}
	if target.Target().MultiValued && at.column == "" {
		rows := c.elements(at, false)
		return c.firstElement(rows, schema.Ref{Attr: target.Sub})
	}
	switch {
	case at.constant != nil:
		return sortKey{expr: c.param(*at.constant)}
	case at.micros:
		return sortKey{expr: at.column, micros: true, column: true}
	default:
		return sortKey{expr: at.text(c.dialect)}
	}
}

func (c *compiler) noKey() sortKey {
	return sortKey{expr: c.dialect.pick("NULL", `NULL::text COLLATE "C"`)}
}

// firstElement is the key of the primary element of a multi-valued attribute,
// else of its first.
func (c *compiler) firstElement(rows rowset, ref schema.Ref) sortKey {
	sub := ""
	if ref.Sub != nil {
		sub = ref.Sub.Name
	}
	order := rows.order
	if p := ref.Attr.SubAttribute("primary"); p != nil && !ref.Attr.Relation && !ref.Attr.Derived {
		order = "CASE WHEN " + rows.leaf(p.Name).text(c.dialect) + " = 'true' THEN 0 ELSE 1 END, " + order
	}
	return sortKey{expr: "(" + rows.with + "SELECT " + rows.leaf(sub).text(c.dialect) + " FROM " + rows.from +
		whereClause(rows.where) + " ORDER BY " + order + " LIMIT 1)"}
}

// orderBy writes the total order over a key and an id expression.
func (k sortKey) orderBy(key, id string, descending bool) string {
	direction, missing := "", " NULLS LAST"
	if descending {
		direction, missing = " DESC", " NULLS FIRST"
	}
	switch {
	case k.expr == "":
		return " ORDER BY " + id + direction
	case k.unique:
		return " ORDER BY " + key + direction
	case k.column:
		return " ORDER BY " + key + direction + ", " + id + direction
	default:
		return " ORDER BY " + key + direction + missing + ", " + id + direction
	}
}

// beyond is the condition for the rows behind a position, or before it.
func (c *compiler) beyond(k sortKey, p scim.Position, descending bool) string {
	op := " > "
	if descending {
		op = " < "
	}
	id := "r.id" + op
	if k.expr == "" {
		return id + c.param(p.ID)
	}
	switch {
	case p.Missing && descending:
		return "(" + k.expr + " IS NOT NULL OR " + id + c.param(p.ID) + ")"
	case p.Missing:
		return "(" + k.expr + " IS NULL AND " + id + c.param(p.ID) + ")"
	}
	var operand any = p.Key
	if k.micros {
		micros, err := strconv.ParseInt(p.Key, 10, 64)
		if err != nil {
			return sqlFalse
		}
		operand = micros
	}
	key := c.param(operand)
	if k.column {
		return "(" + k.expr + ", r.id)" + op + "(" + key + ", " + c.param(p.ID) + ")"
	}
	cond := k.expr + op + key + " OR " + k.expr + " = " + key + " AND " + id + c.param(p.ID)
	if !descending {
		cond += " OR " + k.expr + " IS NULL"
	}
	return "(" + cond + ")"
}

// collated names the bytewise order of a text key, which PostgreSQL does not
// carry out of a sub-query by itself.
func (k sortKey) collated(name string, d dialect) string {
	if k.micros || d != dialectPostgres || strings.HasSuffix(name, `"C"`) {
		return name
	}
	return name + ` COLLATE "C"`
}
