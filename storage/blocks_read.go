package storage

import (
	"cmp"
	"context"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// rankCache keeps what was computed from one version of the data: sums of the
// blocks and exact totals of filters. It is used only by a read that sees the
// same version in its own transaction, so it is right on every node. The zero
// value is ready.
type rankCache struct {
	mu      sync.Mutex
	version string
	ranks   map[string]*ranks
	totals  map[string]int64
	wide    map[string]measured // by filter
	open    map[string]tail     // by type, as far as this process knows
	busy    bool                // versions change faster than they are used
	size    int                 // rows at which a tail is closed; 0 means blockSize
}

// blockRows is the number of rows at which a tail is closed.
func (c *rankCache) blockRows() int { return cmp.Or(c.size, blockSize) }

// measured says whether a range holds too many rows for its index to help.
type measured struct {
	wide  bool
	until time.Time // data changes, so it is measured again
}

// tail is the open block of a type.
type tail struct {
	start string
	rows  int
}

// ranks is the blocks of one type, summed.
type ranks struct {
	starts []string
	before []int64 // rows in front of each block
}

// Bounds of the caches; a full one starts anew.
const (
	totalsLimit = 512
	wideLimit   = 1024
	wideFor     = 30 * time.Second
)

// block returns the start of the block that holds the row at offset and how
// many rows of it lie before.
func (r *ranks) block(offset int64) (start string, skip int64) {
	i := sort.Search(len(r.before), func(i int) bool { return r.before[i] > offset }) - 1
	if i < 0 {
		return "", offset
	}
	return r.starts[i], offset - r.before[i]
}

// at makes version the one that is kept.
func (c *rankCache) at(version string) {
	if c.version != version || c.ranks == nil {
		c.version = version
		c.ranks = map[string]*ranks{}
		c.totals = map[string]int64{}
	}
}

// latest returns what is known of the newest version seen.
func (c *rankCache) latest(typ, key string) (version string, r *ranks, total int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	total, ok = c.totals[key]
	return c.version, c.ranks[typ], total, ok
}

func (c *rankCache) ranksAt(version, typ string) *ranks {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != version {
		return nil
	}
	return c.ranks[typ]
}

func (c *rankCache) setRanks(version, typ string, r *ranks) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at(version)
	c.ranks[typ] = r
}

func (c *rankCache) totalAt(version, key string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version != version {
		return 0, false
	}
	n, ok := c.totals[key]
	return n, ok
}

func (c *rankCache) setTotal(version, key string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at(version)
	if len(c.totals) >= totalsLimit {
		clear(c.totals)
	}
	c.totals[key] = n
}

// restless says whether a total that is kept will hardly be used again.
func (c *rankCache) restless() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy
}

// learn keeps a total and notes whether the version was seen before.
func (c *rankCache) learn(version, key string, n int64) {
	c.mu.Lock()
	c.busy = c.version != version
	c.mu.Unlock()
	c.setTotal(version, key, n)
}

func (c *rankCache) missed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = true
}

// isWide returns what was learned of a range. It only steers the plan, so it
// may be a little outdated.
func (c *rankCache) isWide(key string, now time.Time) (wide, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, known := c.wide[key]
	return m.wide, known && now.Before(m.until)
}

func (c *rankCache) setWide(key string, wide bool, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wide == nil || len(c.wide) >= wideLimit {
		c.wide = map[string]measured{}
	}
	c.wide[key] = measured{wide, until}
}

// full says whether a tail may be long enough to close with these changes. A
// type not seen yet counts as full: its tail is measured then.
func (c *rankCache) full(changes *blockChanges) bool {
	created := map[string]int{}
	for _, b := range changes.list {
		created[b.typ] += max(b.delta, 0)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for typ, n := range created {
		if open, known := c.open[typ]; n > 0 && (!known || open.rows+n > c.blockRows()) {
			return true
		}
	}
	return false
}

// grow adds created rows to the tail of a type and says whether it is full.
func (c *rankCache) grow(typ string, n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	open, known := c.open[typ]
	if !known {
		return n > 0
	}
	open.rows += n
	c.open[typ] = open
	return open.rows > c.blockRows()
}

// closed says whether an id belongs to a block known to be closed.
func (c *rankCache) closed(typ, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return id < c.open[typ].start
}

func (c *rankCache) setOpen(typ, start string, rows int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[string]tail{}
	}
	c.open[typ] = tail{start, rows}
}

// versionColumn is the version of the data that a statement sees, as text.
func (d dialect) versionColumn() string {
	return d.pick(
		"(SELECT CAST(COALESCE(MAX(n), 0) AS TEXT) FROM resource_changes WHERE type = '')",
		"(SELECT pg_current_snapshot()::text)",
	)
}

// dataVersion is the version of the data that the transaction of ctx sees.
func (db *DB) dataVersion(ctx context.Context) (string, error) {
	var v string
	err := db.reader(ctx).QueryRowContext(ctx, "SELECT "+db.dialect.versionColumn()).Scan(&v)
	return v, db.sqlError(ctx, "read data version", err)
}

// ranksOf returns the blocks of a type in the transaction of ctx, which sees
// that version of the data.
func (db *DB) ranksOf(ctx context.Context, version string, rt *schema.ResourceType) (*ranks, error) {
	if r := db.ranks.ranksAt(version, rt.Name); r != nil {
		return r, nil
	}
	r, err := db.loadRanks(ctx, rt)
	if err == nil {
		db.ranks.setRanks(version, rt.Name, r)
	}
	return r, err
}

// The rows of the closed blocks b of a type, and those of its tail.
const (
	closedRows = "CAST(COALESCE(SUM(b.n), 0) AS BIGINT)"
	openRows   = "(SELECT count(*) FROM resources x WHERE x.type = $1 AND x.id >=" +
		" (SELECT COALESCE(MAX(start_id), '') FROM resource_blocks WHERE type = $1))"
)

// totalColumn is the number of resources of a type as a column of a page, so
// that both are of one moment.
func (t *sqlText) totalColumn(typ string) string {
	return strings.ReplaceAll("(SELECT "+closedRows+" + "+openRows+" FROM resource_blocks b WHERE b.type = $1)", "$1", t.param(typ))
}

// countByBlocks adds up the blocks and counts the tail. In a transaction that
// writes, the blocks do not know yet all that it did, so that is added.
func (db *DB) countByBlocks(ctx context.Context, rt *schema.ResourceType) (int64, error) {
	var closed, open int64
	var start string
	if err := db.reader(ctx).QueryRowContext(ctx,
		"SELECT "+closedRows+", COALESCE(MAX(b.start_id), ''), "+openRows+" FROM resource_blocks b WHERE b.type = $1",
		rt.Name).Scan(&closed, &start, &open); err != nil {
		return 0, db.sqlError(ctx, "count "+rt.Name, err)
	}
	if changes := db.changes(ctx); changes != nil {
		for _, c := range changes.list {
			if c.typ == rt.Name && c.id < start {
				closed += int64(c.delta)
			}
		}
	}
	return closed + open, nil
}

func (db *DB) loadRanks(ctx context.Context, rt *schema.ResourceType) (*ranks, error) {
	rows, err := db.reader(ctx).QueryContext(ctx, "SELECT start_id, n FROM resource_blocks WHERE type = $1 ORDER BY start_id", rt.Name)
	if err != nil {
		return nil, db.sqlError(ctx, "read blocks", err)
	}
	defer rows.Close()
	r := &ranks{}
	var before int64
	for rows.Next() {
		var start string
		var n int64
		if err := rows.Scan(&start, &n); err != nil {
			return nil, db.sqlError(ctx, "read blocks", err)
		}
		r.starts = append(r.starts, start)
		r.before = append(r.before, before)
		before += n
	}
	return r, db.sqlError(ctx, "read blocks", rows.Err())
}

// Count implements [scim.ResourceStore].
func (db *DB) Count(ctx context.Context, rt *schema.ResourceType) (int64, error) {
	page, err := db.Query(ctx, scim.Query{Sources: []scim.Source{{Type: rt}}, Total: true})
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", rt.Name, err)
	}
	return page.Total, nil
}
