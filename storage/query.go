package storage

import (
	"context"
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// Query implements [scim.ResourceStore]. Count and page belong to one moment.
// Position.Key of a query that sorts by a time is its microseconds.
//
// Most lists cost one statement: a filter on a unique or indexed value needs
// no count unless its page is full, and a total that is known comes with the
// version of the data that it holds for, which the page's own statement
// confirms. Only otherwise a read transaction is opened.
func (db *DB) Query(ctx context.Context, q scim.Query) (*scim.Page, error) {
	if q.Then != nil {
		return db.queryThen(ctx, q)
	}
	if text, key := lookupText(q); text != "" && ctx.Err() == nil {
		if page, done, err := db.lookup(ctx, q, text, key); done || err != nil {
			return page, err
		}
	}
	r := db.newRun(q)
	if len(r.sources) == 0 {
		return emptyPage(q), nil
	}
	if r.brief(ctx) {
		return r.answer(db.pointContext(ctx))
	}
	var page *scim.Page
	err := db.scan(ctx, func(ctx context.Context) (err error) {
		page, err = r.answer(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", r.names(), err)
	}
	return page, nil
}

// queryThen answers a query and what follows from it in one view. Passing the
// gate comes before taking the connection, as holding explains.
func (db *DB) queryThen(ctx context.Context, q scim.Query) (*scim.Page, error) {
	then := q.Then
	q.Then = nil
	var page *scim.Page
	both := func(ctx context.Context) error {
		return db.inRead(ctx, func(ctx context.Context) (err error) {
			if page, err = db.Query(ctx, q); err != nil {
				return err
			}
			return then(ctx, page)
		})
	}
	text, _ := lookupText(q)
	if text == "" && !db.holding(ctx) && !db.newRun(q).brief(ctx) {
		if err := db.enterScan(ctx); err != nil {
			return nil, fmt.Errorf("query: %w", err)
		}
		defer db.scans.leave()
	}
	err := both(ctx)
	return page, err
}

func emptyPage(q scim.Query) *scim.Page {
	page := &scim.Page{Total: -1}
	if q.Total {
		page.Total = 0
	}
	return page
}

// run is one query under way.
type run struct {
	scim.Query

	db      *DB
	sources []planned // those whose filter is not plainly false
	sorted  bool
	class   hintClass // of the least selective source
	hinted  bool      // every source has a hint
}

// planned is a source with the hint of its filter, if it has one.
type planned struct {
	scim.Source

	hint *hint
}

func (db *DB) newRun(q scim.Query) *run {
	r := &run{Query: q, db: db, hinted: true}
	for _, s := range q.Sources {
		r.sorted = r.sorted || s.Sort != nil
		p := planned{Source: s}
		if s.Where != nil {
			c := r.compiler(&sqlText{dialect: db.dialect}, s)
			// At the root, meta.resourceType often rules a whole type out.
			if len(q.Sources) > 1 && c.condition(s.Where, scope{}, false) == sqlFalse {
				continue
			}
			p.hint = c.hint(s.Where, db, q.Domain)
		}
		r.sources = append(r.sources, p)
		if p.hint == nil {
			r.hinted = false
			continue
		}
		r.class = max(r.class, p.hint.class)
	}
	r.inNameOrder()
	return r
}

// inNameOrder lists the users whose names a filter narrows in the order of
// their names, where the client asked for none: the index then yields the page
// and nothing needs sorting.
func (r *run) inNameOrder() {
	if r.sorted || len(r.sources) != 1 {
		return
	}
	s := &r.sources[0]
	if t, ok := s.Where.(*filter.Test); ok && s.hint != nil && s.hint.class == hintRange && isUserName(s.Type, t.Ref) {
		s.Sort, r.sorted = &t.Ref, true
	}
}

// byName says whether the source is sorted by the names that its filter
// narrows.
func (s planned) byName() bool {
	t, ok := s.Where.(*filter.Test)
	return ok && s.Sort != nil && isUserName(s.Type, t.Ref) && isUserName(s.Type, *s.Sort)
}

// briefOffset is how many rows a query may skip without a deadline.
const briefOffset = 10_000

// brief says whether the query reads little whatever the data: a look-up by a
// unique value, or a page in an order that an index has. Watching its deadline
// would cost more than the query.
func (r *run) brief(ctx context.Context) bool {
	if len(r.sources) != 1 || ctx.Err() != nil {
		return false
	}
	s := r.sources[0]
	if s.Where == nil {
		return s.Sort == nil && r.Domain == "" && (r.Offset < briefOffset || r.ranked())
	}
	return r.hinted && (r.class == hintUnique || r.class == hintPoint && simple(s.Where) && s.Sort == nil)
}

// simple says whether a filter is one value, or one value and its type: what
// the index finds then mostly satisfies it.
func simple(p filter.Predicate) bool {
	switch p := p.(type) {
	case *filter.Test:
		return true
	case *filter.Element:
		all, ok := p.Where.(*filter.All)
		return !ok || len(all.Terms) <= 2
	default:
		return false
	}
}

func (r *run) compiler(t *sqlText, s scim.Source) *compiler {
	return &compiler{sqlText: t, rt: s.Type, base: r.BaseURL, domain: r.Domain}
}

func (r *run) names() string {
	names := make([]string, len(r.sources))
	for i, s := range r.sources {
		names[i] = s.Type.Name
	}
	return strings.Join(names, ", ")
}

func (r *run) keyset() bool { return r.After != nil || r.Before != nil }

// writing says whether the query runs inside a transaction that writes, whose
// view no data version describes.
func (r *run) writing(ctx context.Context) bool { return r.db.transactionOf(ctx) != nil }

// answer chooses the cheapest way to page and total.
func (r *run) answer(ctx context.Context) (*scim.Page, error) {
	pointed := r.hinted && r.class <= hintPoint
	switch {
	case !r.Total && r.Limit > 0 && !r.ranked():
		return r.page(ctx)
	case r.Limit > 0 && !r.keyset() && pointed && len(r.sources) == 1 && !r.writing(ctx):
		page, err := r.counted(ctx)
		if err != nil || page != nil {
			return page, err
		}
	case r.Limit > 0 && !r.keyset() && pointed:
		page, err := r.page(ctx)
		if err != nil || r.totalOf(page) {
			return page, err
		}
	case r.Limit > 0 && !r.writing(ctx):
		page, err := r.optimistic(ctx)
		if err != nil || page != nil {
			return page, err
		}
	}
	var page *scim.Page
	err := r.db.inRead(ctx, func(ctx context.Context) (err error) {
		page, err = r.exact(ctx)
		return err
	})
	return page, err
}

// totalOf fills in a total that follows from the page itself.
func (r *run) totalOf(page *scim.Page) bool {
	if !r.Total {
		return true
	}
	n := len(page.Records)
	if r.keyset() || page.More || n == 0 && r.Offset > 0 {
		return false
	}
	page.Total = int64(r.Offset + n)
	return true
}

// optimistic answers in one statement that also tells the version of the data:
// from what is known of that version, or else, for a whole type, with its total
// as a column. A nil page: neither will do.
func (r *run) optimistic(ctx context.Context) (*scim.Page, error) {
	adding := r.Total && len(r.sources) == 1 && r.plain(r.sources[0]) && !r.ranked()
	known, ok := r.known()
	if ok && (!adding || !r.db.ranks.restless()) {
		var at blockStart
		if r.ranked() {
			at.start, at.skip = known.ranks.block(int64(r.Offset))
			at.known = true
		}
		page, told, err := r.pageAt(ctx, at, asked{version: true})
		if err != nil {
			return nil, err
		}
		if len(page.Records) > 0 && told.version == known.version {
			if r.Total {
				page.Total = known.total
			}
			return page, nil
		}
		r.db.ranks.missed()
	}
	if !adding {
		return nil, nil
	}
	page, told, err := r.pageAt(ctx, blockStart{}, asked{version: true, total: true})
	switch {
	case err != nil:
		return nil, err
	case len(page.Records) > 0:
		page.Total = told.total
		r.db.ranks.learn(told.version, r.totalKey(r.sources[0]), told.total)
	case !r.totalOf(page):
		return nil, nil
	}
	return page, nil
}

// counted reads a page that mostly tells its total itself. When it does not,
// the total of the same version of the data is taken from what is known, or
// counted. A nil page: the data changed in between.
func (r *run) counted(ctx context.Context) (*scim.Page, error) {
	page, told, err := r.pageAt(ctx, blockStart{}, asked{version: true})
	if err != nil || r.totalOf(page) {
		return page, err
	}
	if told.version == "" {
		return nil, nil
	}
	s := r.sources[0]
	key := r.totalKey(s)
	n, known := r.db.ranks.totalAt(told.version, key)
	if !known {
		t := &sqlText{dialect: r.db.dialect}
		t.WriteString("SELECT " + r.db.dialect.versionColumn() + ", (")
		r.countText(t, s)
		t.WriteString(")")
		version := ""
		if err := r.db.reader(ctx).QueryRowContext(ctx, t.String(), t.args...).Scan(&version, &n); err != nil {
			return nil, r.db.sqlError(ctx, "count "+s.Type.Name, err)
		}
		if version != told.version {
			return nil, nil
		}
		r.db.ranks.setTotal(version, key, n)
	}
	page.Total = n
	return page, nil
}

// knowledge is what an earlier query learned of one version of the data.
type knowledge struct {
	version string
	ranks   *ranks
	total   int64
}

func (r *run) known() (knowledge, bool) {
	var all knowledge
	for i, s := range r.sources {
		version, ranks, total, ok := r.db.ranks.latest(s.Type.Name, r.totalKey(s))
		if r.Total && !ok || r.ranked() && ranks == nil || i > 0 && version != all.version {
			return knowledge{}, false
		}
		all = knowledge{version, ranks, all.total + total}
	}
	return all, true
}

// plain says whether the blocks alone tell the total of a source.
func (r *run) plain(s planned) bool { return s.Where == nil && r.Domain == "" }

// rankedFrom is the offset from which blocks are worth their look-up.
const rankedFrom = 500

// ranked says whether the page lies deep in an order that the blocks know.
func (r *run) ranked() bool {
	return len(r.sources) == 1 && r.plain(r.sources[0]) && !r.sorted && !r.Descending &&
		!r.keyset() && r.Offset >= rankedFrom && r.Limit > 0
}

// totalKey names the filter of a source in the cache of totals.
func (r *run) totalKey(s planned) string {
	where := ""
	if s.Where != nil {
		where = filter.Print(s.Where)
	}
	return s.Type.Name + "\x00" + r.Domain + "\x00" + r.BaseURL + "\x00" + where
}

// exact pages and counts in the read transaction of ctx.
func (r *run) exact(ctx context.Context) (*scim.Page, error) {
	version := ""
	if !r.writing(ctx) {
		var err error
		if version, err = r.db.dataVersion(ctx); err != nil {
			return nil, err
		}
	}
	page := &scim.Page{Total: -1}
	if r.Limit > 0 {
		var err error
		if page, err = r.exactPage(ctx, version); err != nil {
			return nil, err
		}
		if r.totalOf(page) {
			if r.Total && len(r.sources) == 1 && version != "" {
				r.db.ranks.setTotal(version, r.totalKey(r.sources[0]), page.Total)
			}
			return page, nil
		}
	}
	if !r.Total {
		return page, nil
	}
	page.Total = 0
	for _, s := range r.sources {
		n, err := r.total(ctx, version, s)
		if err != nil {
			return nil, err
		}
		page.Total += n
	}
	if r.Limit <= 0 {
		page.More = page.Total > int64(r.Offset)
	}
	return page, nil
}

// exactPage pages in the read transaction of ctx, from the block in which the
// page begins where the blocks of that version are ranked.
func (r *run) exactPage(ctx context.Context, version string) (*scim.Page, error) {
	var at blockStart
	if r.ranked() && version != "" {
		ranks, err := r.db.ranksOf(ctx, version, r.sources[0].Type)
		if err != nil {
			return nil, err
		}
		at.start, at.skip = ranks.block(int64(r.Offset))
		at.known = true
	}
	page, _, err := r.pageAt(ctx, at, asked{})
	return page, err
}

// total is the exact number of rows of a source in the transaction of ctx.
func (r *run) total(ctx context.Context, version string, s planned) (int64, error) {
	key := r.totalKey(s)
	if version != "" {
		if n, ok := r.db.ranks.totalAt(version, key); ok {
			return n, nil
		}
	}
	n, err := r.count(ctx, s)
	if err == nil && version != "" {
		r.db.ranks.setTotal(version, key, n)
	}
	return n, err
}

func (r *run) count(ctx context.Context, s planned) (int64, error) {
	if r.plain(s) {
		return r.db.countByBlocks(ctx, s.Type)
	}
	t := &sqlText{dialect: r.db.dialect}
	r.countText(t, s)
	var n int64
	err := r.db.reader(ctx).QueryRowContext(ctx, t.String(), t.args...).Scan(&n)
	return n, r.db.sqlError(ctx, "count "+s.Type.Name, err)
}

// countText writes the count of a source.
func (r *run) countText(t *sqlText, s planned) {
	c := r.compiler(t, s.Source)
	if test, ok := s.Where.(*filter.Test); ok && r.Domain == "" && r.countable(c, test) {
		what := "count(*)"
		if multiple(test.Ref) {
			what = "count(DISTINCT v.id)"
		}
		t.WriteString("SELECT " + what + " " + c.valueRows(test, indexName(test.Ref)))
		return
	}
	t.WriteString("SELECT count(*) FROM resources r" + r.where(c, s, true))
}

// countable says whether the value rows alone count a filter exactly.
func (r *run) countable(c *compiler, t *filter.Test) bool {
	h := c.hintTest(t, r.db, r.Domain)
	return h != nil && !h.column && !t.Ref.Attr.Relation && !t.Ref.Attr.Derived && boundKey(t.Key) == t.Key
}

// multiple says whether a resource may have several values of an attribute.
func multiple(ref schema.Ref) bool {
	return ref.Attr.MultiValued || ref.Sub != nil && ref.Sub.MultiValued
}
