package storage

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// packedText writes a page on SQLite as one value: what else is asked, each
// with a space behind it, and the packed records in their order.
func (r *run) packedText(c *compiler, s planned, k sortKey, at blockStart, narrow bool, ask asked) {
	head := ""
	if ask.version {
		head += r.db.dialect.versionColumn() + " || ' ' || "
	}
	if ask.total {
		head += c.totalColumn(s.Type.Name) + " || ' ' || "
	}
	member := "0"
	if s.Type.Name == userType && !r.dense() {
		member = packedMember
	}
	c.WriteString("SELECT CAST(" + head + "coalesce(group_concat(p, ''), '') AS BLOB) FROM (SELECT " +
		packed(member, k.expr) + " AS p" + r.packedFrom(c, s, k, at, narrow) + packClose)
}

// dense says whether the page holds users that follow each other in the order
// of ids, most of them.
func (r *run) dense() bool { return !r.sorted && r.sources[0].Where == nil }

// betweenMembers says whether any resource of a range of ids is a member.
const betweenMembers = "SELECT CAST(EXISTS (SELECT 1 FROM members WHERE member_id BETWEEN $1 AND $2) AS BLOB)"

// markMembers fills in who may be a member on a page in the order of ids: one
// look at the range costs less than one at each of its resources.
func (r *run) markMembers(ctx context.Context, page *scim.Page) error {
	n := len(page.Records)
	if n == 0 || !r.dense() || r.sources[0].Type.Name != userType {
		return nil
	}
	from, to := page.Records[0].ID, page.Records[n-1].ID
	some, err := r.db.value(ctx, betweenMembers, min(from, to), max(from, to))
	if err != nil || string(some) != "1" {
		return err
	}
	for i := range page.Records {
		page.Records[i].HasGroups = true
	}
	return nil
}

// packedFrom is where the records of a page come from and in which order.
func (r *run) packedFrom(c *compiler, s planned, k sortKey, at blockStart, narrow bool) string {
	if narrow && k.expr == "" && s.hint != nil && s.hint.value != nil {
		return r.valuesFrom(c, s)
	}
	conds := []string{r.keysetCond(c, k)}
	offset := int64(r.Offset)
	if at.known {
		conds = append(conds, "r.id >= "+c.param(at.start))
		offset = at.skip
	}
	id := "r.id"
	if narrow && s.hint != nil && s.hint.column {
		// SQLite would read the whole type in order of id rather than sort the
		// few rows that the other index finds; it leaves an expression alone.
		id = "+r.id"
	}
	return " FROM resources r" + r.where(c, s, narrow, conds...) + k.orderBy(k.expr, id, r.descendingScan()) + r.limit(c, offset)
}

func (r *run) limit(c *compiler, offset int64) string {
	text := " LIMIT " + c.limit(r.Limit+1)
	if !r.keyset() && offset > 0 {
		text += " OFFSET " + c.param(offset)
	}
	return text
}

// valuesFrom walks the value rows of one value, which are in order of id, and
// looks only at the resources of the page.
func (r *run) valuesFrom(c *compiler, s planned) string {
	test := s.hint.value
	conds := []string{}
	if r.Domain != "" {
		conds = append(conds, "r.domain = "+c.param(r.Domain))
	}
	// The rows alone are the answer when the filter is no more than this value.
	if only, ok := s.Where.(*filter.Test); !ok || only != test || !r.countable(c, test) {
		conds = append(conds, c.condition(s.Where, scope{}, false))
	}
	if at := r.keysetCond(c, sortKey{}); at != "" {
		conds = append(conds, "v"+at[1:])
	}
	from := " FROM resource_values v CROSS JOIN resources r ON r.type = v.type AND r.id = v.id"
	rows := c.valueRows(test, indexName(test.Ref))
	conds = slices.Insert(conds, 0, from+rows[len("FROM resource_values v"):])
	return strings.Join(conds, " AND ") +
		sortKey{}.orderBy("", "v.id", r.descendingScan()) + r.limit(c, int64(r.Offset))
}
