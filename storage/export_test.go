package storage

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// SQLiteSettings reads pragmas of the writing and of a reading connection.
func (db *DB) SQLiteSettings(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, q := range map[string]querier{"write": db.write.conn, "read": db.pool} {
		for _, pragma := range []string{"journal_mode", "synchronous", "busy_timeout", "query_only", "wal_autocheckpoint"} {
			var value any
			if err := q.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&value); err != nil {
				t.Fatalf("PRAGMA %s: %v", pragma, err)
			}
			out[name+"."+pragma] = fmt.Sprint(value)
		}
	}
	return out
}

// CopiedColumns lists what a copy carries over, by table, sorted.
func CopiedColumns() map[string][]string {
	out := map[string][]string{}
	for _, t := range copyTables() {
		for _, c := range t.columns {
			out[t.name] = append(out[t.name], bareColumn(c))
		}
		slices.Sort(out[t.name])
	}
	return out
}

// Queued is the number of closures waiting for the writer.
func (db *DB) Queued() int { return len(db.write.jobs) }

// ExecInTx runs SQL in the transaction of ctx.
func (db *DB) ExecInTx(ctx context.Context, query string) error {
	w, err := db.writer(ctx)
	if err != nil {
		return err
	}
	_, err = w.ExecContext(ctx, query)
	return err
}

// ReadInt runs a query of one number on the reading pool.
func (db *DB) ReadInt(ctx context.Context, query string) (n int, err error) {
	err = db.reader(ctx).QueryRowContext(ctx, query).Scan(&n)
	return n, err
}

// CachedStatements is the number of prepared statements of the reading pool.
func (db *DB) CachedStatements() int {
	db.prepared.mu.Lock()
	defer db.prepared.mu.Unlock()
	return len(db.prepared.cached)
}

// MergeLog is what the background does with SQLite's write-ahead log.
func (db *DB) MergeLog(ctx context.Context) (pages, merged int, err error) { return db.mergeLog(ctx) }
