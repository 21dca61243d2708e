package storage

import (
	"context"
	"time"
)

const (
	upsertPassword = `INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`
	deletePassword = "DELETE FROM passwords WHERE user_id = $1"
)

// SetPassword implements [scim.PasswordStore]. It raises the credential epoch,
// so that no enrolment that was begun under the earlier password can be
// finished.
func (db *DB) SetPassword(ctx context.Context, userID, hash string, at time.Time) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		if hash == "" {
			_, err = w.ExecContext(ctx, deletePassword, userID)
		} else {
			_, err = w.ExecContext(ctx, upsertPassword, userID, hash, micros(at))
		}
		if err == nil {
			_, err = w.ExecContext(ctx, bumpCredential, userID)
		}
		return db.sqlError(ctx, "set password", err)
	})
}
