package storage

import (
	"context"
	"time"
)

// indexLease bounds one turn of building value indexes.
const indexLease = 10 * time.Minute

// indexRetry is the pause before another try, after an error or when another
// node is at it.
const indexRetry = 30 * time.Second

// indexInBackground builds the value indexes that are missing. Filters work
// without them, only slower, so the start does not wait.
func (db *DB) indexInBackground() {
	ctx := db.background
	for {
		// Most starts find nothing to build and should not write anything.
		if pending, err := db.pendingIndexes(ctx); err == nil && !pending {
			return
		}
		ran, err := db.exclusively(ctx, "value-indexes", indexLease, db.buildIndexes)
		if ctx.Err() != nil || (ran && err == nil) {
			return
		}
		if err != nil {
			db.log.WarnContext(ctx, "build value indexes", "error", err)
		}
		pause := time.NewTimer(indexRetry)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
	}
}

// pendingIndexes reports whether a value index is not built yet.
func (db *DB) pendingIndexes(ctx context.Context) (pending bool, err error) {
	err = db.read.QueryRowContext(ctx, "SELECT count(*) > 0 FROM value_indexes WHERE state <> $1", indexBuilt).Scan(&pending)
	return pending, db.sqlError(ctx, "read state of value indexes", err)
}
