package storage

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// blockStart is where the block of a page begins and how many rows of it lie
// before the page.
type blockStart struct {
	start string
	skip  int64
	known bool
}

// asked is what a page should tell beside its rows, and told the answer; there
// is none when the page is empty.
type (
	asked struct{ version, total bool }
	told  struct {
		version string
		total   int64
	}
)

// page reads a page that needs no total and no blocks.
func (r *run) page(ctx context.Context) (*scim.Page, error) {
	page, _, err := r.pageAt(ctx, blockStart{}, asked{})
	return page, err
}

// pageAt reads the page and what else is asked.
func (r *run) pageAt(ctx context.Context, at blockStart, ask asked) (*scim.Page, told, error) {
	t, err := r.pageText(ctx, at, ask)
	if err != nil {
		return nil, told{}, err
	}
	page := &scim.Page{Total: -1}
	var seen told
	if t.packed {
		page.Records = make([]scim.Record, 0, min(r.Limit, roomFor))
		page.Keys = make([]scim.Position, 0, min(r.Limit, roomFor))
		var b []byte
		if b, err = r.db.value(ctx, t.String(), t.args...); err == nil {
			seen, err = r.packedPage(b, ask, page)
		}
		if err == nil {
			err = r.markMembers(ctx, page)
		}
	} else {
		seen, err = r.rows(ctx, t, ask, page)
	}
	if err != nil {
		return nil, told{}, r.db.sqlError(ctx, "query "+r.names(), err)
	}
	return page, seen, r.finish(ctx, page)
}

// roomFor is how many records a page makes room for before it knows them.
const roomFor = 100

// rows reads a page row by row.
func (r *run) rows(ctx context.Context, t *sqlText, ask asked, page *scim.Page) (told, error) {
	rows, err := r.db.reader(ctx).QueryContext(ctx, t.String(), t.args...)
	if err != nil {
		return told{}, err
	}
	defer rows.Close()
	seen, err := r.scan(rows, page, ask)
	if err != nil {
		return told{}, err
	}
	return seen, rows.Close()
}

// scan reads the rows, of which one more than the page was asked for.
func (r *run) scan(rows *sql.Rows, page *scim.Page, ask asked) (seen told, err error) {
	var rec scim.Record
	var created, modified int64
	var key sql.NullString
	dest := make([]any, 0, 10)
	dest = append(dest, &rec.Type, &rec.ID, &rec.Domain, &rec.Version, &created, &modified, &rec.Doc, &rec.HasGroups)
	if r.sorted {
		dest = append(dest, &key)
	}
	if ask.version {
		dest = append(dest, &seen.version)
	}
	if ask.total {
		dest = append(dest, &seen.total)
	}
	for rows.Next() {
		rec.Doc = nil // the last one belongs to its record
		if err := rows.Scan(dest...); err != nil {
			return told{}, err
		}
		if len(page.Records) == r.Limit {
			page.More = true
			continue
		}
		rec.Created, rec.LastModified = fromMicros(created), fromMicros(modified)
		page.Records = append(page.Records, rec)
		page.Keys = append(page.Keys, scim.Position{
			Key: key.String, Missing: r.sorted && !key.Valid, ID: rec.ID,
		})
	}
	return seen, rows.Err()
}

// finish puts a page that was read backwards in order and looks whether rows
// follow it, for the position before which it lies may be gone.
func (r *run) finish(ctx context.Context, page *scim.Page) error {
	if r.Before == nil {
		return nil
	}
	slices.Reverse(page.Records)
	slices.Reverse(page.Keys)
	page.More = false
	if len(page.Keys) == 0 {
		return nil
	}
	behind := *r
	behind.Before, behind.After, behind.Limit = nil, &page.Keys[len(page.Keys)-1], 1
	next, _, err := behind.pageAt(ctx, blockStart{}, asked{})
	if err != nil {
		return err
	}
	page.More = len(next.Records) > 0
	return nil
}

// descendingScan says whether the rows are read from the greatest to the least.
func (r *run) descendingScan() bool { return r.Descending != (r.Before != nil) }

// recordColumns are the columns that scan reads. Only a User says whether it is
// in groups: what reads a Group must not touch its membership.
const (
	plainColumns = "r.type, r.id, r.domain, r.version, r.created, r.last_modified, r.doc, "
	otherColumns = plainColumns + "FALSE"
	userColumns  = plainColumns + "EXISTS (SELECT 1 FROM members g WHERE g.member_id = r.id)"
	mixedColumns = plainColumns + "(r.type = '" + userType + "' AND EXISTS (SELECT 1 FROM members g WHERE g.member_id = r.id))"
)

// recordColumns chooses the columns by the types of the query.
func (r *run) recordColumns() string {
	users := 0
	for _, s := range r.sources {
		if s.Type.Name == userType {
			users++
		}
	}
	switch users {
	case 0:
		return otherColumns
	case len(r.sources):
		return userColumns
	}
	return mixedColumns
}

// pageText writes the statement of a page.
func (r *run) pageText(ctx context.Context, at blockStart, ask asked) (*sqlText, error) {
	if len(r.sources) == 1 {
		s := r.sources[0]
		t := &sqlText{dialect: r.db.dialect}
		c, narrow, err := r.plan(ctx, t, s)
		if err != nil {
			return nil, err
		}
		if k := c.sortKey(s.Sort, r.sorted); k.expr == "" || k.column {
			if t.packed = r.db.dialect == dialectSQLite; t.packed {
				r.packedText(c, s, k, at, narrow, ask)
			} else {
				r.flatText(c, s, k, at, narrow, r.extra(t, ask))
			}
			return t, nil
		}
	}
	// The operands of a key that did not serve must not stay behind.
	t := &sqlText{dialect: r.db.dialect}
	return t, r.nestedText(ctx, t, r.extra(t, ask))
}

// extra is the columns of what is asked.
func (r *run) extra(t *sqlText, ask asked) string {
	out := ""
	if ask.version {
		out += ", " + r.db.dialect.versionColumn()
	}
	if ask.total {
		out += ", " + t.totalColumn(r.sources[0].Type.Name)
	}
	return out
}

// flatText reads documents in the order of an index on PostgreSQL.
func (r *run) flatText(c *compiler, s planned, k sortKey, at blockStart, narrow bool, extra string) {
	conds := []string{r.keysetCond(c, k)}
	offset := int64(r.Offset)
	if at.known {
		conds = append(conds, "r.id >= "+c.param(at.start))
		offset = at.skip
	}
	key := ""
	if k.expr != "" {
		key = ", " + k.expr
	}
	body := " FROM resources r" + r.where(c, s, narrow, conds...) + k.orderBy(k.expr, "r.id", r.descendingScan()) +
		" LIMIT " + c.limit(r.Limit+1)
	if r.keyset() || offset <= 0 {
		c.WriteString("SELECT " + r.recordColumns() + key + extra + body)
		return
	}
	// PostgreSQL computes the columns of skipped rows too, so they are added to
	// the rows that remain.
	c.WriteString("SELECT " + r.recordColumns() + key + extra + " FROM (SELECT r.id" + body + " OFFSET " + c.param(offset) +
		") p JOIN resources r ON r.type = " + c.param(s.Type.Name) + " AND r.id = p.id" +
		k.orderBy(k.expr, "r.id", r.descendingScan()))
}

// nestedText sorts ids and keys only, over all sources, and then reads the
// documents of the page.
func (r *run) nestedText(ctx context.Context, t *sqlText, extra string) error {
	descending := r.descendingScan()
	reach := r.Limit + 1
	if !r.keyset() {
		reach += r.Offset
	}
	var arms []string
	var merged sortKey
	for _, s := range r.sources {
		c, narrow, err := r.plan(ctx, t, s)
		if err != nil {
			return err
		}
		k := c.sortKey(s.Sort, r.sorted)
		merged.expr, merged.micros = k.expr, merged.micros || k.micros
		key := ""
		if k.expr != "" {
			key = ", " + k.expr + " AS k"
		}
		arms = append(arms, "SELECT * FROM (SELECT r.type, r.id"+key+" FROM resources r"+
			r.where(c, s, narrow, r.keysetCond(c, k))+k.orderBy(k.expr, "r.id", descending)+
			" LIMIT "+t.limit(reach)+") "+t.alias("a"))
	}
	order := merged.orderBy(merged.collated("k", t.dialect), "id", descending)
	page := "SELECT * FROM (" + strings.Join(arms, " UNION ALL ") + ") u" + order + " LIMIT " + t.limit(r.Limit+1)
	if !r.keyset() && r.Offset > 0 {
		page += " OFFSET " + t.param(r.Offset)
	}
	key := ""
	if r.sorted {
		key = ", p.k"
	}
	t.WriteString("SELECT " + r.recordColumns() + key + extra + " FROM (" + page + ") p CROSS JOIN resources r" +
		" WHERE r.type = p.type AND r.id = p.id" +
		merged.orderBy(merged.collated("p.k", t.dialect), "p.id", descending))
	return nil
}

// keysetCond is the condition of After or Before; "" without.
func (r *run) keysetCond(c *compiler, k sortKey) string {
	switch {
	case r.After != nil:
		return c.beyond(k, *r.After, r.Descending)
	case r.Before != nil:
		return c.beyond(k, *r.Before, !r.Descending)
	default:
		return ""
	}
}

// where writes the condition of a source. narrow adds the hint that finds the
// candidates by an index.
func (r *run) where(c *compiler, s planned, narrow bool, more ...string) string {
	conds := []string{"r.type = " + c.param(s.Type.Name)}
	if r.Domain != "" {
		conds = append(conds, "r.domain = "+c.param(r.Domain))
	}
	if s.Where != nil {
		if narrow && s.hint != nil && !s.hint.column {
			conds = append(conds, "r.id IN ("+s.hint.ids(c)+")")
		}
		conds = append(conds, c.condition(s.Where, scope{}, false))
	}
	return whereClause(append(conds, more...)...)
}

// wideRange is the number of rows in a range beyond which a page is found
// faster in its own order, testing every row, than by the index.
const wideRange = 5000

// plan decides whether the hint of a source should drive its page. A range may
// hold most rows, so it is measured, up to a bound, once per filter.
func (r *run) plan(ctx context.Context, t *sqlText, s planned) (c *compiler, narrow bool, err error) {
	c = r.compiler(t, s.Source)
	if s.hint == nil || s.hint.class != hintRange {
		return c, s.hint != nil, nil
	}
	if s.byName() {
		return c, true, nil // the index is the order
	}
	key := s.Type.Name + "\x00" + filter.Print(s.Where)
	now := r.db.now()
	wide, known := r.db.ranks.isWide(key, now)
	if !known {
		probe := &sqlText{dialect: r.db.dialect}
		ids := s.hint.ids(r.compiler(probe, s.Source))
		probe.WriteString("SELECT count(*) FROM (" + ids + " LIMIT " + probe.limit(wideRange) + ") p")
		var n int
		if err := r.db.reader(ctx).QueryRowContext(ctx, probe.String(), probe.args...).Scan(&n); err != nil {
			return nil, false, r.db.sqlError(ctx, "measure range", err)
		}
		wide = n >= wideRange
		r.db.ranks.setWide(key, wide, now.Add(wideFor))
	}
	c.scan = wide
	return c, !wide, nil
}
