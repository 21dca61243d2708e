package storage

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/scim"
)

// scanGate bounds how many queries of unknown length run at once, so that
// filters that read the whole directory cannot hold every connection: look-ups,
// single resources, writes and the readiness check always find one.
type scanGate chan struct{}

// newScanGate is the gate for a pool of conns connections, of which it leaves
// a quarter to others.
func newScanGate(conns int) scanGate {
	return make(scanGate, max(1, conns-max(1, conns/4)))
}

// enter waits for a place, for at most wait. ErrBusy when none became free:
// unlike ErrTooMany it says nothing against the query. The caller calls leave
// afterwards.
func (g scanGate) enter(ctx context.Context, wait time.Duration) error {
	select {
	case g <- struct{}{}:
		return nil
	default:
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	select {
	case g <- struct{}{}:
		return nil
	case <-limited.Done():
		if err := ctx.Err(); err != nil {
			return err
		}
		return scim.ErrBusy
	}
}

func (g scanGate) leave() { <-g }

// patience is how many times the limit of one query a scan waits for its place.
// Waiting costs nothing, and an honest list behind a few long ones is better
// late than refused.
const patience = 4

// enterScan enters the gate of db.
func (db *DB) enterScan(ctx context.Context) error {
	return db.scans.enter(ctx, patience*db.queryTimeout)
}

// scan runs a read of unknown length: inside the gate, and within the time that
// a query may take. ErrTooMany past it.
func (db *DB) scan(ctx context.Context, fn func(ctx context.Context) error) error {
	if !db.holding(ctx) {
		if err := db.enterScan(ctx); err != nil {
			return err
		}
		defer db.scans.leave()
	}
	limited, cancel := context.WithTimeout(ctx, db.queryTimeout)
	defer cancel()
	err := fn(limited)
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return scim.ErrTooMany
	}
	return err
}

// holding says whether ctx already has a connection. Who holds one and waits
// at the gate for those inside it, who wait for a connection, waits for ever.
func (db *DB) holding(ctx context.Context) bool {
	return db.transactionOf(ctx) != nil || ctx.Value(readKey{db}) != nil
}
