package storage

import (
	"context"
	"time"
)

// takeLease succeeds when the lease is free, over, or held by the same holder.
const takeLease = `INSERT INTO leases (name, holder, until) VALUES ($1, $2, $3)
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
	WHERE leases.until <= $4 OR leases.holder = excluded.holder`

// Lease takes or prolongs the lease of that name for holder until ttl from
// now, and reports whether holder has it. At most one holder has a lease at a
// time, as far as the clocks of the nodes agree: ttl must be much longer than
// they differ. A ttl of 0 gives it back and reports whether holder had it.
func (db *DB) Lease(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	var n int64
	err := db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		if now := db.now(); ttl > 0 {
			n, err = db.execCount(ctx, w, takeLease, name, holder, micros(now.Add(ttl)), micros(now))
		} else {
			n, err = db.execCount(ctx, w, "DELETE FROM leases WHERE name = $1 AND holder = $2", name, holder)
		}
		return db.sqlError(ctx, "take lease "+name, err)
	})
	return n == 1, err
}

// exclusively runs fn while this process holds the lease, and not at all when
// another one does. fn must end before ttl or be harmless when it runs twice.
func (db *DB) exclusively(ctx context.Context, name string, ttl time.Duration, fn func(ctx context.Context) error) (ran bool, err error) {
	holder := db.ids.next()
	got, err := db.Lease(ctx, name, holder, ttl)
	if err != nil || !got {
		return false, err
	}
	defer func() {
		// Also after ctx has ended, so that the next node need not wait.
		if _, back := db.Lease(context.WithoutCancel(ctx), name, holder, 0); err == nil {
			err = back
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, ttl)
	defer cancel()
	return true, fn(ctx)
}
