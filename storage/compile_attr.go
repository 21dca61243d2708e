package storage

import (
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// isCommon says whether ref is the core or common attribute of that name.
func isCommon(ref schema.Ref, name string) bool {
	return ref.URN == "" && ref.Attr != nil && ref.Attr.Name == name
}

// at is where an attribute stands: the columns that uniqueness and order need
// are read instead of the document, since an index can serve them.
func (c *compiler) at(ref schema.Ref) place {
	switch {
	case isCommon(ref, "id"):
		return c.rangeColumn("r.id")
	case isCommon(ref, "externalId"):
		return c.rangeColumn("r.external_id")
	case isCommon(ref, "meta"):
		return place{constant: new(string)}
	case isUserName(c.rt, ref):
		return c.rangeColumn("r.name_key")
	case ref.URN != "" && ref.Attr == nil:
		return place{doc: "r.keys", path: []string{ref.URN}}
	case ref.URN != "":
		return place{doc: "r.keys", path: []string{ref.URN, ref.Attr.Name}}
	default:
		return place{doc: "r.keys", path: []string{ref.Attr.Name}}
	}
}

// isUserName says whether ref is the attribute whose key name_key holds.
func isUserName(rt *schema.ResourceType, ref schema.Ref) bool {
	return isCommon(ref, "userName") && rt.Schema.ID == schema.UserURN
}

// rangeColumn is a column that a range condition may scan by index, or with
// scan an expression of the same value, which no index serves.
func (c *compiler) rangeColumn(name string) place {
	switch {
	case !c.scan || name == "r.id":
		return place{column: name}
	case c.dialect != dialectPostgres:
		return place{column: "+" + name}
	case name == "r.last_modified":
		return place{column: "(" + name + " + 0)"}
	default:
		return place{column: "(" + name + " || '')"}
	}
}

// column is where a sub-attribute of the singular attribute at a place stands.
func (c *compiler) column(ref schema.Ref, sub string, at place) place {
	if isCommon(ref, "meta") {
		return c.meta(ref.Attr.SubAttribute(sub))
	}
	return at.child(sub)
}

// meta is RFC 7643 section 3.1: no part of it is in the document.
func (c *compiler) meta(sub *schema.Attribute) place {
	switch sub.Name {
	case "created":
		return place{column: "r.created", micros: true}
	case "lastModified":
		at := c.rangeColumn("r.last_modified")
		at.micros = true
		return at
	case "version":
		// The key of W/"7" begins like the key of every version.
		prefix := sqlQuote(textKey(sub, `W/"`))
		return place{column: c.dialect.pick(
			"("+prefix+` || r.version || '"')`,
			"(("+prefix+` || r.version::text || '"') COLLATE "C")`,
		)}
	case "location":
		return place{column: c.concat(c.param(textKey(sub, c.base+c.rt.Endpoint+"/")), "r.id")}
	case "resourceType":
		key := textKey(sub, c.rt.Name)
		return place{constant: &key}
	default:
		return place{doc: "r.keys", path: []string{"meta", sub.Name}}
	}
}

// concat joins two text expressions.
func (c *compiler) concat(a, b string) string {
	return c.dialect.pick("("+a+" || "+b+")", "(("+a+" || "+b+`) COLLATE "C")`)
}

// textKey is the comparison key of a text that need not be a whole value.
func textKey(a *schema.Attribute, s string) string {
	if a.CaseExact {
		return s
	}
	return schema.Fold(s)
}

// schemas compiles a test of "schemas": the core URN, and the URN of every
// extension whose container the resource has (RFC 7643 section 3.3).
func (c *compiler) schemas(t *filter.Test) string {
	if t.Op == filter.Pr || t.Null {
		return sqlBool(t.Op != filter.Eq)
	}
	if holds(textKey(t.Ref.Attr, c.rt.Schema.ID), t) {
		return sqlTrue
	}
	var some []string
	for _, x := range c.rt.Extensions {
		if holds(textKey(t.Ref.Attr, x.Schema.ID), t) {
			some = append(some, c.at(schema.Ref{URN: x.Schema.ID}).present(c.dialect))
		}
	}
	if len(some) == 0 {
		return sqlFalse
	}
	return "(" + strings.Join(some, " OR ") + ")"
}

// holds compares two keys as SQL would.
func holds(key string, t *filter.Test) bool {
	switch t.Op {
	case filter.Eq:
		return key == t.Key
	case filter.Ne:
		return key != t.Key
	case filter.Co:
		return strings.Contains(key, t.Key)
	case filter.Sw:
		return strings.HasPrefix(key, t.Key)
	case filter.Ew:
		return strings.HasSuffix(key, t.Key)
	case filter.Gt:
		return key > t.Key
	case filter.Ge:
		return key >= t.Key
	case filter.Lt:
		return key < t.Key
	case filter.Le:
		return key <= t.Key
	default:
		return true
	}
}

// compareMicros compares a column of microseconds that is never NULL.
func (c *compiler) compareMicros(column string, t *filter.Test) string {
	micros, ok := schema.DateTimeMicros(t.Key)
	if !ok {
		return sqlBool(t.Op == filter.Ne)
	}
	op := "="
	switch t.Op {
	case filter.Eq:
	case filter.Ne:
		op = "<>"
	case filter.Gt, filter.Ge, filter.Lt, filter.Le:
		op = sqlOrder(t.Op)
	default:
		return sqlFalse
	}
	return column + " " + op + " " + c.param(micros)
}

// rows is the elements of a multi-valued attribute; false for a singular one.
func (c *compiler) rows(ref schema.Ref, at place) (rowset, bool) {
	switch {
	case ref.Attr == nil || !ref.Attr.MultiValued:
		return rowset{}, false
	case ref.Attr.Relation:
		return c.members(ref.Attr, "r.id"), true
	case ref.Attr.Derived:
		return c.groups(ref.Attr), true
	default:
		return c.elements(at, ref.Attr.Type == schema.Complex), true
	}
}

// members is the direct members of a group as rows (RFC 7643 section 4.2).
// The join serves display only and costs nothing without it.
func (c *compiler) members(a *schema.Attribute, group string) rowset {
	m, d := c.alias("m"), c.alias("d")
	where := m + ".group_id = " + group + c.visible(d)
	return rowset{
		from: "members " + m + " LEFT JOIN resources " + d +
			" ON " + d + ".type = " + m + ".member_type AND " + d + ".id = " + m + ".member_id",
		where: where,
		order: m + ".member_id",
		leaf: func(sub string) place {
			switch sub {
			case "value":
				return place{column: m + ".member_id"}
			case "type":
				if s := a.SubAttribute(sub); s.CaseExact {
					return place{column: m + ".member_type"}
				}
				return place{column: "lower(" + m + ".member_type)"}
			case "$ref":
				return place{column: c.reference(m+".member_type", m+".member_id")}
			case "display":
				return place{column: c.display(d)}
			default:
				return place{column: c.dialect.pick("NULL", "NULL::text")}
			}
		},
	}
}

// groups is the groups of a resource, direct and through other groups (RFC 7643
// section 4.1.2). UNION drops what was seen, so cycles end.
func (c *compiler) groups(a *schema.Attribute) rowset {
	g, d, u := c.alias("g"), c.alias("d"), c.alias("u")
	return rowset{
		with: "WITH RECURSIVE " + u + "(id) AS (SELECT group_id FROM members WHERE member_id = r.id" +
			" UNION SELECT m.group_id FROM members m JOIN " + u + " ON m.member_id = " + u + ".id) ",
		from:  u + " " + g + " LEFT JOIN resources " + d + " ON " + d + ".type = 'Group' AND " + d + ".id = " + g + ".id",
		where: strings.TrimPrefix(c.visible(d), " AND "),
		order: g + ".id",
		leaf: func(sub string) place {
			switch sub {
			case "value":
				return place{column: g + ".id"}
			case "type":
				s := a.SubAttribute(sub)
				return place{column: "(CASE WHEN EXISTS (SELECT 1 FROM members x WHERE x.group_id = " + g +
					".id AND x.member_id = r.id) THEN " + sqlQuote(textKey(s, "direct")) +
					" ELSE " + sqlQuote(textKey(s, "indirect")) + " END)"}
			case "$ref":
				return place{column: c.reference("'Group'", g+".id")}
			case "display":
				return place{column: c.display(d)}
			default:
				return place{column: c.dialect.pick("NULL", "NULL::text")}
			}
		},
	}
}

// visible hides the members or groups that the provisioning domain of the
// query must not see.
func (c *compiler) visible(row string) string {
	if c.domain == "" {
		return ""
	}
	return " AND " + row + ".domain = " + c.param(c.domain)
}

// reference is the address of a user or group.
func (c *compiler) reference(typ, id string) string {
	users, groups := c.param(c.base+"/Users/"), c.param(c.base+"/Groups/")
	return c.concat("(CASE "+typ+" WHEN 'User' THEN "+users+" ELSE "+groups+" END)", id)
}

// display is the key of a member's current displayName, else userName.
func (c *compiler) display(row string) string {
	own := place{doc: row + ".keys", path: []string{"displayName"}}
	return "COALESCE(" + own.text(c.dialect) + ", " + row + ".name_key)"
}
