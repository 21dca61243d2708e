package storage

import (
	"context"
	"time"
)

const (
	upsertRemovals = `INSERT INTO removals (token_id, minute, n) VALUES ($1, $2, $3)
		ON CONFLICT (token_id, minute) DO UPDATE SET n = removals.n + excluded.n`
	sumRemovals = "SELECT coalesce(sum(n), 0) FROM removals WHERE token_id = $1 AND minute >= $2"
)

// AddRemovals implements [scim.RemovalStore]. Removals are kept per minute, so
// the span may reach up to a minute further back than since.
func (db *DB) AddRemovals(ctx context.Context, tokenID string, n int, at, since time.Time) (int64, error) {
	var total int64
	err := db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, upsertRemovals, tokenID, minuteOf(at), n); err != nil {
			return db.sqlError(ctx, "count removals", err)
		}
		err = w.QueryRowContext(ctx, sumRemovals, tokenID, minuteOf(since)).Scan(&total)
		return db.sqlError(ctx, "count removals", err)
	})
	return total, err
}

// minuteOf is the number of whole minutes since 1970.
func minuteOf(t time.Time) int64 { return t.Unix() / 60 }
