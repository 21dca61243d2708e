package storage

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

var _ validation.SecondPasswordStore = (*DB)(nil)

//nolint:gosec // SQL, not credentials
const (
	selectSecondPassword = "SELECT id, hash, changed_at FROM second_passwords WHERE user_id = $1"

	upsertSecondPassword = `INSERT INTO second_passwords (user_id, id, hash, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, hash = excluded.hash, changed_at = excluded.changed_at`

	replaceSecondHash = "UPDATE second_passwords SET hash = $1 WHERE user_id = $2 AND hash = $3"

	deleteSecondPassword = "DELETE FROM second_passwords WHERE user_id = $1"

	// A setting whose credential is gone says nothing.
	forgetSecondPasswords = `DELETE FROM credential_settings WHERE user_id = $1 AND credential LIKE 'second_password:%'`
)

// SecondPassword implements [validation.SecondPasswordStore].
func (db *DB) SecondPassword(ctx context.Context, userID string) (validation.SecondPassword, error) {
	p := validation.SecondPassword{UserID: userID}
	var changed int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectSecondPassword, userID).Scan(&p.ID, &p.Hash, &changed)
	if err = db.sqlError(ctx, "read second password", err); errors.Is(err, scim.ErrNotFound) {
		return validation.SecondPassword{}, validation.ErrNoSecondPassword
	}
	p.ChangedAt = fromMicros(changed)
	return p, err
}

// SetSecondPassword implements [validation.SecondPasswordStore].
func (db *DB) SetSecondPassword(ctx context.Context, p validation.SecondPassword) (string, error) {
	if p.UserID == "" || p.Hash == "" {
		return "", errors.New("store second password: user or hash is missing")
	}
	id := db.ids.next()
	return id, db.inWriter(ctx, "store second password", func(ctx context.Context, w querier) error {
		if _, err := w.ExecContext(ctx, forgetSecondPasswords, p.UserID); err != nil {
			return err
		}
		_, err := w.ExecContext(ctx, upsertSecondPassword, p.UserID, id, p.Hash, micros(p.ChangedAt))
		return err
	})
}

// ReplaceSecondHash implements [validation.SecondPasswordStore].
func (db *DB) ReplaceSecondHash(ctx context.Context, userID, old, hash string) error {
	return db.inWriter(ctx, "replace hash of second password", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, replaceSecondHash, hash, userID, old)
		return err
	})
}

// DeleteSecondPassword implements [validation.SecondPasswordStore].
func (db *DB) DeleteSecondPassword(ctx context.Context, userID string) (had bool, err error) {
	err = db.inWriter(ctx, "remove second password", func(ctx context.Context, w querier) error {
		if _, err := w.ExecContext(ctx, forgetSecondPasswords, userID); err != nil {
			return fmt.Errorf("forget its setting: %w", err)
		}
		n, err := db.execCount(ctx, w, deleteSecondPassword, userID)
		had = n > 0
		return err
	})
	return had && err == nil, err
}
