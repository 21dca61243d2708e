package storage

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/scim"
)

const (
	// lockSecurity makes the row of a user and locks it on PostgreSQL: whoever
	// reads or raises an epoch in a transaction waits here for the others.
	lockSecurity = `INSERT INTO user_security (user_id, credential_epoch) VALUES ($1, 0)
		ON CONFLICT (user_id) DO UPDATE SET credential_epoch = user_security.credential_epoch`

	bumpCredential = `INSERT INTO user_security (user_id, credential_epoch) VALUES ($1, 1)
		ON CONFLICT (user_id) DO UPDATE SET credential_epoch = user_security.credential_epoch + 1`

	bumpFactor = `INSERT INTO factor_epochs (user_id, factor, epoch) VALUES ($1, $2, 1)
		ON CONFLICT (user_id, factor) DO UPDATE SET epoch = factor_epochs.epoch + 1`

	selectEpochs = `SELECT coalesce((SELECT credential_epoch FROM user_security WHERE user_id = $1), 0),
		coalesce((SELECT epoch FROM factor_epochs WHERE user_id = $1 AND factor = $2), 0)`

	// A row whose validated_at is 0 is about a value that was assigned.
	upsertAssigned = `INSERT INTO validations (user_id, path, value_hash, validated_at) VALUES ($1, $2, $3, 0)
		ON CONFLICT (user_id, path) DO UPDATE SET value_hash = excluded.value_hash, validated_at = 0
		WHERE validations.value_hash <> excluded.value_hash`
	upsertValidation = `INSERT INTO validations (user_id, path, value_hash, validated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, path) DO UPDATE SET value_hash = excluded.value_hash, validated_at = excluded.validated_at`
)

// Epochs returns the credential epoch of a user and the epoch of one of its
// factors, both 0 at first. factor is the canonical attribute path, or the name
// of a factor without one. In a transaction of ctx neither can be raised by
// others until it ends.
func (db *DB) Epochs(ctx context.Context, userID, factor string) (credential, epoch int64, err error) {
	if tx := db.transactionOf(ctx); tx != nil && db.dialect == dialectPostgres {
		if _, err := tx.ExecContext(ctx, lockSecurity, userID); err != nil {
			return 0, 0, db.sqlError(ctx, "lock epochs", err)
		}
	}
	err = db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectEpochs, userID, factor).Scan(&credential, &epoch)
	return credential, epoch, db.sqlError(ctx, "read epochs", err)
}

// BumpCredentialEpoch ends whatever was sealed under the present credentials of
// a user: after a change or reset of the password (SetPassword does it) and a
// deactivation. It joins the transaction of ctx.
func (db *DB) BumpCredentialEpoch(ctx context.Context, userID string) error {
	return db.inWriter(ctx, "raise credential epoch", func(ctx context.Context, w querier) error {
		return raiseEpoch(ctx, w, userID, bumpCredential, userID)
	})
}

// BumpFactorEpoch ends whatever was sealed under the present value or secret of
// a factor; see Epochs for its name. It joins the transaction of ctx.
func (db *DB) BumpFactorEpoch(ctx context.Context, userID, factor string) error {
	return db.inWriter(ctx, "raise factor epoch", func(ctx context.Context, w querier) error {
		if db.dialect == dialectPostgres {
			if _, err := w.ExecContext(ctx, lockSecurity, userID); err != nil {
				return err
			}
		}
		return raiseEpoch(ctx, w, userID, bumpFactor, userID, factor)
	})
}

// raiseEpoch raises an epoch by a statement. Browsers that were remembered
// before are forgotten with it (security.md section 6).
func raiseEpoch(ctx context.Context, w querier, userID, statement string, args ...any) error {
	if _, err := w.ExecContext(ctx, statement, args...); err != nil {
		return err
	}
	_, err := w.ExecContext(ctx, forgetBrowsers, userID)
	return err
}

// inWriter runs fn with the writer in the transaction of ctx or one of its own.
func (db *DB) inWriter(ctx context.Context, op string, fn func(ctx context.Context, w querier) error) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		return db.sqlError(ctx, op, fn(ctx, w))
	})
}

// SetValidated records that the user has proved to hold this normalised value
// of the attribute at path. It joins the transaction of ctx.
func (db *DB) SetValidated(ctx context.Context, userID, path, value string, at time.Time) error {
	return db.inWriter(ctx, "record validation", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, upsertValidation, userID, path, valueHash(userID, path, value), micros(at))
		return err
	})
}

// Validated reports whether exactly this normalised value is the validated one,
// and since when.
func (db *DB) Validated(ctx context.Context, userID, path, value string) (at time.Time, ok bool, err error) {
	at, ok, err = db.validation(ctx, userID, path, value)
	return at, ok && !at.IsZero(), err
}

// validation reads the row of a path, if it is about exactly this value. The
// time is zero for a value that was assigned only.
func (db *DB) validation(ctx context.Context, userID, path, value string) (at time.Time, same bool, err error) {
	var hash []byte
	var us int64
	err = db.reader(ctx).QueryRowContext(db.pointContext(ctx),
		"SELECT value_hash, validated_at FROM validations WHERE user_id = $1 AND path = $2", userID, path).Scan(&hash, &us)
	if err = db.sqlError(ctx, "read validation", err); errors.Is(err, scim.ErrNotFound) {
		return time.Time{}, false, nil
	}
	if err != nil || subtle.ConstantTimeCompare(hash, valueHash(userID, path, value)) != 1 {
		return time.Time{}, false, err
	}
	return fromMicros(us), true, nil
}

// SetAssigned records that an administrator has set this normalised value, which
// its user has not proved yet. A validation of the very value stays. It joins
// the transaction of ctx.
func (db *DB) SetAssigned(ctx context.Context, userID, path, value string) error {
	return db.inWriter(ctx, "record assigned value", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, upsertAssigned, userID, path, valueHash(userID, path, value))
		return err
	})
}

// Assigned reports whether exactly this normalised value was set by an
// administrator and is not validated yet.
func (db *DB) Assigned(ctx context.Context, userID, path, value string) (bool, error) {
	at, same, err := db.validation(ctx, userID, path, value)
	return same && at.IsZero(), err
}

// ClearValidated forgets the validations of these paths, of every path when
// none is named, and returns how many there were. Whoever changes or clears the
// attribute calls it in the same transaction, so that setting the earlier value
// again does not bring its validation back.
func (db *DB) ClearValidated(ctx context.Context, userID string, paths ...string) (n int64, err error) {
	query, args := "DELETE FROM validations WHERE user_id = $1", []any{userID}
	if len(paths) > 0 {
		marks := make([]string, len(paths))
		for i, path := range paths {
			args = append(args, path)
			marks[i] = "$" + strconv.Itoa(len(args))
		}
		query += " AND path IN (" + strings.Join(marks, ", ") + ")"
	}
	err = db.inWriter(ctx, "clear validations", func(ctx context.Context, w querier) error {
		n, err = db.execCount(ctx, w, query, args...)
		return err
	})
	return n, err
}

// valueHash binds a value to its user and path. The value itself stands in the
// user's document, so there is nothing to hide from a reader of the database.
func valueHash(userID, path, value string) []byte {
	var b []byte
	for _, part := range []string{userID, path, value} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return sum[:]
}

// deleteUserRows are the rows about passwords and factors that end with a user.
// The failures stay until the janitor takes them: whoever is deleted and
// restored has no more tries than before. Notices stay until they are sent.
func deleteUserRows() []string {
	return []string{
		deletePassword,
		"DELETE FROM challenges WHERE sub = $1",
		"DELETE FROM totp_secrets WHERE user_id = $1",
		"DELETE FROM user_security WHERE user_id = $1",
		"DELETE FROM factor_epochs WHERE user_id = $1",
		"DELETE FROM validations WHERE user_id = $1",
		// Without a session no token of the user counts.
		"DELETE FROM sessions WHERE user_id = $1",
		"DELETE FROM proofs WHERE user_id = $1",
		"DELETE FROM extra_apps WHERE user_id = $1",
		"DELETE FROM extra_addresses WHERE user_id = $1",
		"DELETE FROM credential_settings WHERE user_id = $1",
		"DELETE FROM passkeys WHERE user_id = $1",
		"DELETE FROM passkey_ceremonies WHERE user_id = $1",
		"DELETE FROM second_passwords WHERE user_id = $1",
		"DELETE FROM recovery_sets WHERE user_id = $1",
		"DELETE FROM recovery_codes WHERE user_id = $1",
		"DELETE FROM devices WHERE user_id = $1",
		"DELETE FROM external_identities WHERE user_id = $1",
		"DELETE FROM account_flows WHERE user_id = $1",
		"DELETE FROM password_history WHERE user_id = $1",
	}
}
