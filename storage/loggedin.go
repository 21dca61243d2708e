package storage

import (
	"context"
	"time"
)

// markLoggedIn changes a row the first time only.
const markLoggedIn = `INSERT INTO user_security (user_id, credential_epoch, logged_in_at) VALUES ($1, 0, $2)
	ON CONFLICT (user_id) DO UPDATE SET logged_in_at = excluded.logged_in_at WHERE user_security.logged_in_at = 0`

// FirstLogin records that a user has logged in and reports whether that is the
// first time. Of several at once one is the first. It joins the transaction of
// ctx.
func (db *DB) FirstLogin(ctx context.Context, userID string, at time.Time) (first bool, err error) {
	err = db.inWriter(ctx, "record first login", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, markLoggedIn, userID, micros(at))
		first = n == 1
		return err
	})
	return first, err
}
