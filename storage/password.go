package storage

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/validation"
)

var _ authn.PasswordStore = (*DB)(nil)

const (
	upsertPassword = `INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at`
	deletePassword = "DELETE FROM passwords WHERE user_id = $1"

	//nolint:gosec // SQL, not a credential
	selectPassword = `SELECT coalesce((SELECT hash FROM passwords WHERE user_id = $1), ''),
		coalesce((SELECT changed_at FROM passwords WHERE user_id = $1), 0),
		coalesce((SELECT must_change FROM user_security WHERE user_id = $1), FALSE),
		coalesce((SELECT must_change_reason FROM user_security WHERE user_id = $1), '')`

	upsertMustChange = `INSERT INTO user_security (user_id, credential_epoch, must_change, must_change_reason) VALUES ($1, 0, $2, $3)
		ON CONFLICT (user_id) DO UPDATE SET must_change = excluded.must_change, must_change_reason = excluded.must_change_reason`
	replaceHash        = "UPDATE passwords SET hash = $1 WHERE user_id = $2 AND hash = $3"
	updatePasswordTime = "UPDATE passwords SET changed_at = $1 WHERE user_id = $2"
)

// SetPassword implements [scim.PasswordStore] and [validation.PasswordStore].
// It raises the credential epoch, so that no enrolment that was begun under the
// earlier password can be finished.
func (db *DB) SetPassword(ctx context.Context, userID, hash string, at time.Time) error {
	return db.inWriter(ctx, "set password", func(ctx context.Context, w querier) error {
		err := db.keepEarlier(ctx, w, userID)
		if err != nil {
			return err
		}
		if hash == "" {
			_, err = w.ExecContext(ctx, deletePassword, userID)
		} else {
			_, err = w.ExecContext(ctx, upsertPassword, userID, hash, micros(at))
		}
		if err == nil {
			err = raiseEpoch(ctx, w, userID, bumpCredential, userID)
		}
		return err
	})
}

// Password implements [validation.PasswordStore].
func (db *DB) Password(ctx context.Context, userID string) (validation.PasswordState, error) {
	if tx := db.transactionOf(ctx); tx != nil && db.dialect == dialectPostgres {
		// The row of every change of a password; whoever changes it waits here.
		if _, err := tx.ExecContext(ctx, lockSecurity, userID); err != nil {
			return validation.PasswordState{}, db.sqlError(ctx, "lock password", err)
		}
	}
	var state validation.PasswordState
	var changed int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectPassword, userID).Scan(&state.Hash, &changed, &state.MustChange, &state.Reason)
	state.ChangedAt = fromMicros(changed)
	return state, db.sqlError(ctx, "read password", err)
}

// SetMustChange implements [validation.PasswordStore].
func (db *DB) SetMustChange(ctx context.Context, userID string, must bool) error {
	return db.inWriter(ctx, "record that the password must change", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, upsertMustChange, userID, must, "")
		return err
	})
}

// MustChangeFor implements [authn.PasswordStore].
func (db *DB) MustChangeFor(ctx context.Context, userID, reason string) error {
	return db.inWriter(ctx, "record that the password must change", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, upsertMustChange, userID, true, reason)
		return err
	})
}

// SetPasswordTime implements [validation.PasswordStore].
func (db *DB) SetPasswordTime(ctx context.Context, userID string, at time.Time) (has bool, err error) {
	err = db.inWriter(ctx, "set time of password", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, updatePasswordTime, micros(at), userID)
		has = n > 0
		return err
	})
	return has, err
}

// ReplaceHash implements [authn.PasswordStore].
func (db *DB) ReplaceHash(ctx context.Context, userID, old, hash string) error {
	return db.inWriter(ctx, "replace hash of password", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, replaceHash, hash, userID, old)
		return err
	})
}
