package storage

import (
	"context"
	"fmt"
	"sync/atomic"
)

// checkpointJobs is how many changes lie between two merges of the write-ahead
// log in the background: about a thousand pages of users.
const checkpointJobs = 64

// checkpointer merges SQLite's write-ahead log into the file beside the writer,
// which would otherwise stop for it at every thousand pages: the pages that an
// index of random keys touches lie far apart, and forcing them to the disk
// takes as long as everything else that a change costs. A merge waits for
// nobody and nobody waits for it. It cannot take the log back to its start
// while changes keep coming; the writer does that at checkpointPages, when
// little is left to merge.
type checkpointer struct {
	jobs atomic.Int64 // changes since the last merge began
	wake chan struct{}
}

func newCheckpointer() *checkpointer { return &checkpointer{wake: make(chan struct{}, 1)} }

// note counts committed changes and asks for a merge when they are many.
func (c *checkpointer) note(jobs int) {
	if c == nil || c.jobs.Add(int64(jobs)) < checkpointJobs {
		return
	}
	c.jobs.Store(0)
	select {
	case c.wake <- struct{}{}:
	default: // one is asked for already
	}
}

// checkpointInBackground merges until Close.
func (db *DB) checkpointInBackground() {
	for {
		select {
		case <-db.background.Done():
			return
		case <-db.checkpoints.wake:
		}
		// What fails here is left to the writer, at its limit.
		if _, _, err := db.mergeLog(db.background); err != nil && db.background.Err() == nil {
			db.log.WarnContext(db.background, "merge the write-ahead log", "error", err)
		}
	}
}

// mergeLog merges as much as readers and the writer permit without waiting, and
// says how many pages the log holds and how many of them are merged.
func (db *DB) mergeLog(ctx context.Context) (pages, merged int, err error) {
	var busy int // 1 while another process merges
	err = db.pool.QueryRowContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &merged)
	if err != nil {
		return 0, 0, fmt.Errorf("checkpoint: %w", err)
	}
	return pages, merged, nil
}
