package storage

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/authn/recovery"
	"github.com/sallyport-id/sallyport/scim"
)

var _ recovery.Store = (*DB)(nil)

const (
	selectRecoverySet = "SELECT id, params, created_at FROM recovery_sets WHERE user_id = $1"

	selectRecoveryCodes = `SELECT n, hash FROM recovery_codes
		WHERE user_id = $1 AND set_id = $2 AND used_at = 0 ORDER BY n`

	upsertRecoverySet = `INSERT INTO recovery_sets (user_id, id, params, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, params = excluded.params, created_at = excluded.created_at`

	insertRecoveryCode = "INSERT INTO recovery_codes (user_id, set_id, n, hash, used_at) VALUES ($1, $2, $3, $4, 0)"

	// A code of a set that was replaced or removed is in no set, whatever its row
	// says.
	useRecoveryCode = `UPDATE recovery_codes SET used_at = $1
		WHERE user_id = $2 AND set_id = $3 AND n = $4 AND used_at = 0
		AND EXISTS (SELECT 1 FROM recovery_sets s WHERE s.user_id = $2 AND s.id = $3)`

	countRecoveryCodes = "SELECT count(*) FROM recovery_codes WHERE user_id = $1 AND set_id = $2 AND used_at = 0"

	deleteRecoverySet   = "DELETE FROM recovery_sets WHERE user_id = $1"
	deleteRecoveryCodes = "DELETE FROM recovery_codes WHERE user_id = $1"
	// A setting whose credential is gone says nothing.
	forgetRecoverySets = "DELETE FROM credential_settings WHERE user_id = $1 AND credential LIKE 'recovery:%'"
)

// RecoverySet implements [recovery.Store].
func (db *DB) RecoverySet(ctx context.Context, userID string) (recovery.Set, error) {
	s := recovery.Set{UserID: userID}
	var created int64
	ctx = db.pointContext(ctx)
	err := db.reader(ctx).QueryRowContext(ctx, selectRecoverySet, userID).Scan(&s.ID, &s.Salt, &created)
	if err = db.sqlError(ctx, "read recovery codes", err); errors.Is(err, scim.ErrNotFound) {
		return recovery.Set{}, recovery.ErrNoSet
	}
	if err != nil {
		return recovery.Set{}, err
	}
	s.CreatedAt = fromMicros(created)
	err = eachRow(ctx, db.reader(ctx), selectRecoveryCodes, []any{userID, s.ID}, func(rows *sql.Rows) error {
		var h recovery.Hashed
		if err := rows.Scan(&h.N, &h.Hash); err != nil {
			return err
		}
		s.Left = append(s.Left, h)
		return nil
	})
	return s, db.sqlError(ctx, "read recovery codes", err)
}

// PutRecoverySet implements [recovery.Store].
func (db *DB) PutRecoverySet(ctx context.Context, s recovery.Set) (string, error) {
	if s.UserID == "" || s.Salt == "" || len(s.Left) == 0 {
		return "", errors.New("store recovery codes: user, salt or codes are missing")
	}
	id := db.ids.next()
	return id, db.inWriter(ctx, "store recovery codes", func(ctx context.Context, w querier) error {
		if err := db.lockUserSecurity(ctx, w, s.UserID); err != nil {
			return err
		}
		for _, forget := range []string{deleteRecoveryCodes, forgetRecoverySets} {
			if _, err := w.ExecContext(ctx, forget, s.UserID); err != nil {
				return err
			}
		}
		if _, err := w.ExecContext(ctx, upsertRecoverySet, s.UserID, id, s.Salt, micros(s.CreatedAt)); err != nil {
			return err
		}
		for _, h := range s.Left {
			if _, err := w.ExecContext(ctx, insertRecoveryCode, s.UserID, id, h.N, h.Hash); err != nil {
				return err
			}
		}
		return nil
	})
}

// UseRecoveryCode implements [recovery.Store].
func (db *DB) UseRecoveryCode(ctx context.Context, userID, setID string, n int, at time.Time) (left int, err error) {
	err = db.inWriter(ctx, "use recovery code", func(ctx context.Context, w querier) error {
		count, err := db.execCount(ctx, w, useRecoveryCode, micros(at), userID, setID, n)
		if err != nil {
			return err
		}
		if count != 1 {
			return recovery.ErrUsed
		}
		return w.QueryRowContext(ctx, countRecoveryCodes, userID, setID).Scan(&left)
	})
	return left, err
}

// DeleteRecoverySet implements [recovery.Store].
func (db *DB) DeleteRecoverySet(ctx context.Context, userID string) (had bool, err error) {
	err = db.inWriter(ctx, "remove recovery codes", func(ctx context.Context, w querier) error {
		if err := db.lockUserSecurity(ctx, w, userID); err != nil {
			return err
		}
		for _, forget := range []string{deleteRecoveryCodes, forgetRecoverySets} {
			if _, err := w.ExecContext(ctx, forget, userID); err != nil {
				return err
			}
		}
		n, err := db.execCount(ctx, w, deleteRecoverySet, userID)
		had = n > 0
		return err
	})
	return had && err == nil, err
}
