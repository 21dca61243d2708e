package storage

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// sqlText collects one statement and its parameters. Operands are always
// parameters, so that queries of one shape share one prepared statement.
type sqlText struct {
	strings.Builder

	dialect dialect
	args    []any
	aliases int

	packed bool // the answer is one value of packed records
}

// WriteString adds to the statement. Unlike that of the builder it returns
// nothing, since it cannot fail.
func (t *sqlText) WriteString(s string) { t.Builder.WriteString(s) }

// param adds an operand and returns its placeholder. Placeholders are numbered,
// so one may stand several times and in any order, but every one must stand
// somewhere. PostgreSQL is told the type, since it cannot always guess.
func (t *sqlText) param(v any) string {
	t.args = append(t.args, v)
	if t.dialect != dialectPostgres {
		return "?" + strconv.Itoa(len(t.args))
	}
	cast := "::text"
	switch v.(type) {
	case int, int64:
		cast = "::bigint"
	}
	return "$" + strconv.Itoa(len(t.args)) + cast
}

// alias returns a table alias not used yet in the statement.
func (t *sqlText) alias(prefix string) string {
	t.aliases++
	return prefix + strconv.Itoa(t.aliases)
}

// successor returns the least string that is greater than every string with
// the prefix p, and false when there is none. Bytewise order of UTF-8 is the
// order of code points, so the last code point that can grow does; the result
// is valid UTF-8, which PostgreSQL insists on.
func successor(p string) (string, bool) {
	for p != "" {
		r, size := utf8.DecodeLastRuneInString(p)
		p = p[:len(p)-size]
		switch r {
		case utf8.MaxRune:
			continue
		case 0xD7FF:
			return p + string(rune(0xE000)), true
		default:
			return p + string(r+1), true
		}
	}
	return "", false
}

// sqlQuote writes a name as an SQL text literal. Names come from schemas, never
// from a request.
func sqlQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// place is where a value stands: a column, a constant of the resource type, or
// a spot in a JSON document.
type place struct {
	column   string  // a scalar expression; unless it is empty, doc is unused
	micros   bool    // column is an integer of microseconds since 1970 UTC
	constant *string // the value is the same key for every resource of the type

	doc  string   // an expression that gives JSON
	path []string // attribute names below doc
}

// literalLimit is the greatest LIMIT that stands in the text of a statement.
const literalLimit = 10_000

// limit is the operand of LIMIT. SQLite plans a statement by the value of a
// parameter there, and prepares it anew whenever one is bound: more work than
// most statements are. A number stands in the text, since pages have few
// sizes; behind a function a parameter is only that.
func (t *sqlText) limit(n int) string {
	switch {
	case t.dialect != dialectSQLite:
		return t.param(n)
	case n <= literalLimit:
		return strconv.Itoa(n)
	default:
		return "abs(" + t.param(n) + ")"
	}
}

// child is the place of a sub-attribute.
func (p place) child(name string) place {
	return place{doc: p.doc, path: append(slices.Clip(p.path), name)}
}

// jsonPath is the SQLite path text of the place.
func (p place) jsonPath() string {
	var b strings.Builder
	b.WriteByte('$')
	for _, name := range p.path {
		b.WriteString(`."`)
		b.WriteString(name)
		b.WriteByte('"')
	}
	return sqlQuote(b.String())
}

// json is the PostgreSQL expression of the JSON value at the place.
func (p place) json() string {
	var b strings.Builder
	b.WriteString(p.doc)
	for _, name := range p.path {
		b.WriteString("->")
		b.WriteString(sqlQuote(name))
	}
	return b.String()
}

// text is the scalar at the place, NULL when there is none.
func (p place) text(d dialect) string {
	switch {
	case p.column != "":
		return p.column
	case d != dialectPostgres:
		return "json_extract(" + p.doc + ", " + p.jsonPath() + ")"
	case len(p.path) == 0:
		return "(" + p.doc + " #>> '{}') COLLATE \"C\""
	}
	last := len(p.path) - 1
	up := place{doc: p.doc, path: p.path[:last]}
	return "(" + up.json() + "->>" + sqlQuote(p.path[last]) + ") COLLATE \"C\""
}

// present holds when there is a value of any kind at the place; it is never NULL.
func (p place) present(d dialect) string {
	switch {
	case p.constant != nil:
		return sqlTrue
	case p.column != "":
		return p.column + " IS NOT NULL"
	case d != dialectPostgres:
		return "json_type(" + p.doc + ", " + p.jsonPath() + ") IS NOT NULL"
	default:
		return "(" + p.json() + ") IS NOT NULL"
	}
}

// absent is the opposite of present.
func (p place) absent(d dialect) string {
	if p.constant != nil {
		return sqlFalse
	}
	return strings.TrimSuffix(p.present(d), "NOT NULL") + "NULL"
}

// rowset is the elements of a multi-valued attribute as rows of a sub-query.
type rowset struct {
	with  string // common table expressions, with a trailing blank
	from  string // what stands after FROM
	where string // joins it to its resource; empty when from does so itself
	order string // the order of the elements
	// leaf is the scalar of the named sub-attribute; "" is the element itself.
	leaf func(sub string) place
}

// exists asks for an element that satisfies cond; "" asks for any.
func (r rowset) exists(cond string) string {
	return "EXISTS (" + r.with + "SELECT 1 FROM " + r.from + whereClause(r.where, cond) + ")"
}

// whereClause joins conditions; empty ones and those that always hold are left out.
func whereClause(conds ...string) string {
	kept := conds[:0:0]
	for _, c := range conds {
		if c != "" && c != sqlTrue {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(kept, " AND ")
}

// elements opens the array at a place. Complex elements are JSON again, simple
// ones text.
func (t *sqlText) elements(p place, complexValues bool) rowset {
	e := t.alias("e")
	if t.dialect != dialectPostgres {
		return rowset{
			from:  "jsonb_each(" + p.doc + ", " + p.jsonPath() + ") AS " + e,
			order: e + ".key",
			leaf: func(sub string) place {
				if sub == "" {
					return place{column: e + ".value"}
				}
				return place{doc: e + ".value", path: []string{sub}}
			},
		}
	}
	function := "jsonb_array_elements_text"
	if complexValues {
		function = "jsonb_array_elements"
	}
	return rowset{
		from:  function + "(" + p.json() + ") WITH ORDINALITY AS " + e + "(v, n)",
		order: e + ".n",
		leaf: func(sub string) place {
			if sub == "" {
				return place{column: e + `.v COLLATE "C"`}
			}
			return place{doc: e + ".v", path: []string{sub}}
		},
	}
}
