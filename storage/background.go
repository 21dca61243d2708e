package storage

import (
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
