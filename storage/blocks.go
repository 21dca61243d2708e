package storage

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"

	"github.com/sallyport-id/sallyport/schema"
)

// Blocks make a deep startIndex and the total of a type cheap. The ids of a
// type are cut into blocks of about blockSize rows; resource_blocks has the
// first possible id and the number of rows of each. The last block, the tail,
// is open: its rows are counted when it is read, so that creating resources,
// whose ids only grow, writes nothing here. When it holds enough it is counted
// once and a new tail begins behind it.
//
//	''…        b1…        b2…        b3… (tail)
//	n = 1000   n = 998    n = 1000   counted live
//
// On PostgreSQL every transaction settles its blocks under a shared advisory
// lock, which it holds until it commits. Closing the tail takes the lock alone:
// then no transaction exists that took an id for one of the tail, has not
// counted it, and can still commit.

// blockSize is the number of rows at which the tail is closed. Nodes may differ.
const blockSize = 1000

// errRetry asks for the whole transaction to be run again.
var errRetry = errors.New("transaction must be run again")

// blockChange is one resource more or less.
type blockChange struct {
	typ, id string
	delta   int
}

// blockChanges is what a transaction did that must be settled before its
// commit. The zero value is ready.
type blockChanges struct {
	list    []blockChange
	indexes *indexes // the oldest index set that values were written under
}

// merge adds the changes of a part of the transaction.
func (c *blockChanges) merge(other *blockChanges) {
	c.list = append(c.list, other.list...)
	if c.indexes == nil || other.indexes != nil && other.indexes.version < c.indexes.version {
		c.indexes = other.indexes
	}
}

// indexesOr returns the index set of the transaction, which is set at its
// first use.
func (c *blockChanges) indexesOr(set *indexes) *indexes {
	if c.indexes == nil {
		c.indexes = set
	}
	return c.indexes
}

// countChange notes that a resource was created (1) or deleted (-1).
func (db *DB) countChange(ctx context.Context, rt *schema.ResourceType, id string, delta int) error {
	changes := db.changes(ctx)
	if changes == nil {
		return errNoTransaction
	}
	if db.dialect == dialectSQLite && (delta < 0 || db.ranks.closed(rt.Name, id)) {
		// With one writer there is nothing to wait for, and the transactions
		// that share the commit see right totals.
		tail, err := db.tail(ctx, rt.Name)
		if err != nil {
			return err
		}
		if id < tail {
			start, err := db.blockOf(ctx, rt.Name, id)
			if err != nil {
				return err
			}
			return db.addToBlocks(ctx, rt.Name, map[string]int{start: delta})
		}
	}
	changes.list = append(changes.list, blockChange{rt.Name, id, delta})
	return nil
}

// flushBlocks settles the changes of a transaction that is about to commit. On
// errRetry the transaction must be rolled back and run again: the set of
// indexed attributes has changed under it.
func (db *DB) flushBlocks(ctx context.Context, changes *blockChanges) error {
	closing := db.ranks.full(changes)
	if err := db.lockBlocks(ctx, closing); err != nil {
		return err
	}
	if err := db.checkIndexes(ctx, changes); err != nil {
		return err
	}
	byType := map[string][]blockChange{}
	for _, c := range changes.list {
		byType[c.typ] = append(byType[c.typ], c)
	}
	for _, typ := range slices.Sorted(maps.Keys(byType)) {
		if err := db.flushType(ctx, typ, byType[typ], closing); err != nil {
			return err
		}
	}
	if db.dialect == dialectPostgres {
		return nil // pg_current_snapshot tells what has changed
	}
	return db.bump(ctx, "")
}

// lockBlocks takes the lock of the blocks and of the index set until the
// transaction ends. SQLite has one writer anyway.
func (db *DB) lockBlocks(ctx context.Context, alone bool) error {
	if db.dialect != dialectPostgres {
		return nil
	}
	function := "pg_advisory_xact_lock_shared"
	if alone {
		function = "pg_advisory_xact_lock"
	}
	q, err := db.writer(ctx)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "SELECT "+function+
		"(hashtextextended('sallyport blocks in ' || coalesce(current_schema(), ''), 0))")
	if isRetryable(err) {
		return err
	}
	return db.sqlError(ctx, "lock blocks", err)
}

// bump counts a change in resource_changes.
func (db *DB) bump(ctx context.Context, row string) error {
	q, err := db.writer(ctx)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "INSERT INTO resource_changes (type, n) VALUES ($1, 1)"+
		" ON CONFLICT (type) DO UPDATE SET n = resource_changes.n + 1", row)
	return db.sqlError(ctx, "count change", err)
}

// checkIndexes compares the index set that values were written under with the
// stored one.
func (db *DB) checkIndexes(ctx context.Context, changes *blockChanges) error {
	if changes.indexes == nil {
		return nil
	}
	q, err := db.writer(ctx)
	if err != nil {
		return err
	}
	var version int64
	err = q.QueryRowContext(ctx, "SELECT n FROM resource_changes WHERE type = $1", indexVersionRow).Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return db.sqlError(ctx, "read version of value indexes", err)
	}
	if version == changes.indexes.version {
		return nil
	}
	if err := db.reloadIndexes(ctx); err != nil {
		return err
	}
	return errRetry
}

// flushType settles the changes of one type.
func (db *DB) flushType(ctx context.Context, typ string, list []blockChange, closing bool) error {
	tail, err := db.tail(ctx, typ)
	if err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b blockChange) int { return cmp.Compare(a.id, b.id) })
	deltas := map[string]int{}
	inTail := 0
	for _, c := range list {
		if c.id >= tail {
			inTail += max(c.delta, 0)
			continue
		}
		start, err := db.blockOf(ctx, typ, c.id)
		if err != nil {
			return err
		}
		deltas[start] += c.delta
	}
	if err := db.addToBlocks(ctx, typ, deltas); err != nil {
		return err
	}
	if db.ranks.grow(typ, inTail) && closing {
		return db.closeTail(ctx, typ, tail)
	}
	return nil
}

// tail returns the first id of the open block of a type.
func (db *DB) tail(ctx context.Context, typ string) (string, error) {
	return db.oneText(ctx, "SELECT start_id FROM resource_blocks WHERE type = $1 ORDER BY start_id DESC LIMIT 1", typ)
}

// blockOf returns the start of the block that an id belongs to.
func (db *DB) blockOf(ctx context.Context, typ, id string) (string, error) {
	return db.oneText(ctx,
		"SELECT start_id FROM resource_blocks WHERE type = $1 AND start_id <= $2 ORDER BY start_id DESC LIMIT 1", typ, id)
}

// oneText reads one text; "" when there is no row.
func (db *DB) oneText(ctx context.Context, query string, args ...any) (string, error) {
	var s string
	err := db.reader(ctx).QueryRowContext(ctx, query, args...).Scan(&s)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", db.sqlError(ctx, "read blocks", err)
	}
	return s, nil
}

// addToBlocks changes the counts of closed blocks, in one order on every node
// so that two transactions never wait for each other.
func (db *DB) addToBlocks(ctx context.Context, typ string, deltas map[string]int) error {
	q, err := db.writer(ctx)
	if err != nil {
		return err
	}
	for _, start := range slices.Sorted(maps.Keys(deltas)) {
		if deltas[start] == 0 {
			continue
		}
		if _, err := q.ExecContext(ctx, "UPDATE resource_blocks SET n = n + $1 WHERE type = $2 AND start_id = $3",
			deltas[start], typ, start); err != nil {
			if isRetryable(err) {
				return err
			}
			return db.sqlError(ctx, "update block", err)
		}
	}
	return nil
}

// closeTail cuts blocks of blockSize rows off the tail while it is longer. The
// lock is held alone.
func (db *DB) closeTail(ctx context.Context, typ, tail string) error {
	q, err := db.writer(ctx)
	if err != nil {
		return err
	}
	size := db.ranks.blockRows()
	for {
		next, err := db.oneText(ctx,
			"SELECT id FROM resources WHERE type = $1 AND id >= $2 ORDER BY id LIMIT 1 OFFSET $3", typ, tail, size)
		if err != nil {
			return err
		}
		if next == "" {
			break
		}
		if _, err := q.ExecContext(ctx, "INSERT INTO resource_blocks (type, start_id, n) VALUES ($1, $2, $3), ($1, $4, 0)"+
			" ON CONFLICT (type, start_id) DO UPDATE SET n = excluded.n", typ, tail, size, next); err != nil {
			return db.sqlError(ctx, "close block", err)
		}
		tail = next
	}
	var open int
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM resources WHERE type = $1 AND id >= $2", typ, tail).Scan(&open); err != nil {
		return db.sqlError(ctx, "count tail", err)
	}
	db.ranks.setOpen(typ, tail, open)
	return nil
}

// settleBlocks closes a tail that was left long, such as one of a database
// that had no blocks.
func (db *DB) settleBlocks(ctx context.Context, rt *schema.ResourceType) error {
	tail, err := db.tail(ctx, rt.Name)
	if err != nil {
		return err
	}
	long, err := db.oneText(ctx,
		"SELECT id FROM resources WHERE type = $1 AND id >= $2 ORDER BY id LIMIT 1 OFFSET $3", rt.Name, tail, 2*db.ranks.blockRows())
	if err != nil || long == "" {
		return err
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		if err := db.lockBlocks(ctx, true); err != nil {
			return err
		}
		tail, err := db.tail(ctx, rt.Name)
		if err != nil {
			return err
		}
		return db.closeTail(ctx, rt.Name, tail)
	})
}
