package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation/totp"
)

var _ totp.Store = (*DB)(nil)

const (
	selectTOTP = `SELECT id, kid, sealed, algorithm, digits, period, last_step, created_at
		FROM totp_secrets WHERE user_id = $1`

	upsertTOTP = `INSERT INTO totp_secrets (user_id, id, kid, sealed, algorithm, digits, period, last_step, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (user_id) DO UPDATE SET id = excluded.id, kid = excluded.kid, sealed = excluded.sealed,
			algorithm = excluded.algorithm, digits = excluded.digits, period = excluded.period,
			last_step = excluded.last_step, created_at = excluded.created_at`

	forgetTOTP = `DELETE FROM credential_settings WHERE user_id = $1
		AND credential IN (SELECT 'totp:' || id FROM totp_secrets WHERE user_id = $1)`

	useStep = `UPDATE totp_secrets SET last_step = $1 WHERE user_id = $2 AND id = $3 AND last_step < $1`
)

// totpPlace is where the secret of a user is sealed: a secret that is moved to
// another user does not open.
func totpPlace(userID string) seal.Place {
	return seal.Place{Table: "totp_secrets", Column: "sealed", Row: userID}
}

// TOTP implements [totp.Store]. A secret that does not open, since a row was
// changed behind the back of the program, leaves an audit event.
func (db *DB) TOTP(ctx context.Context, userID string) (totp.Enrolment, error) {
	e := totp.Enrolment{UserID: userID}
	var kid string
	var sealed []byte
	var period, created int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectTOTP, userID).Scan(
		&e.ID, &kid, &sealed, &e.Algorithm, &e.Digits, &period, &e.LastStep, &created)
	if err = db.sqlError(ctx, "read authenticator app", err); errors.Is(err, scim.ErrNotFound) {
		return totp.Enrolment{}, totp.ErrNotEnrolled
	}
	if err != nil {
		return totp.Enrolment{}, err
	}
	e.Period, e.CreatedAt = time.Duration(period)*time.Second, fromMicros(created)
	secret, err := db.cfg.Keys.Open(totpPlace(userID), kid, sealed)
	if err != nil {
		return totp.Enrolment{}, errors.Join(fmt.Errorf("open TOTP secret: %w", err), db.reportUnopened(ctx, userID, "totp"))
	}
	e.Secret = secret
	return e, nil
}

// reportUnopened leaves an audit event about a sealed value of a user.
func (db *DB) reportUnopened(ctx context.Context, userID, purpose string) error {
	event := keyEvent(audit.SealOpenFailed, "", map[string]any{"purpose": purpose})
	event.Outcome = audit.Failed
	event.Target = audit.Party{Type: "User", ID: userID}
	return db.Append(ctx, event)
}

// HasTOTP implements [totp.Store].
func (db *DB) HasTOTP(ctx context.Context, userID string) (bool, error) {
	var n int
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx),
		"SELECT count(*) FROM totp_secrets WHERE user_id = $1", userID).Scan(&n)
	return n > 0, db.sqlError(ctx, "look for an authenticator app", err)
}

// PutTOTP implements [totp.Store].
func (db *DB) PutTOTP(ctx context.Context, e totp.Enrolment) error {
	if e.UserID == "" || len(e.Secret) == 0 {
		return errors.New("store authenticator app: user or secret is missing")
	}
	kid, sealed, err := db.cfg.Keys.Seal(totpPlace(e.UserID), e.Secret)
	if err != nil {
		return fmt.Errorf("seal TOTP secret: %w", err)
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		// What was set for an earlier secret ends with it.
		if _, err := w.ExecContext(ctx, forgetTOTP, e.UserID); err != nil {
			return db.sqlError(ctx, "forget settings of authenticator app", err)
		}
		_, err = w.ExecContext(ctx, upsertTOTP, e.UserID, db.ids.next(), kid, sealed, string(e.Algorithm),
			e.Digits, int64(e.Period/time.Second), e.LastStep, micros(e.CreatedAt))
		return db.sqlError(ctx, "store authenticator app", err)
	})
}

// UseTOTPStep implements [totp.Store].
func (db *DB) UseTOTPStep(ctx context.Context, e totp.Enrolment, step int64) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, useStep, step, e.UserID, e.ID)
		if err != nil {
			return db.sqlError(ctx, "count TOTP step", err)
		}
		if n == 1 {
			return nil
		}
		var id string
		err = w.QueryRowContext(ctx, "SELECT id FROM totp_secrets WHERE user_id = $1", e.UserID).Scan(&id)
		err = db.sqlError(ctx, "read authenticator app", err)
		switch {
		case errors.Is(err, scim.ErrNotFound), err == nil && id != e.ID:
			return totp.ErrNotEnrolled
		case err != nil:
			return err
		default:
			return totp.ErrStepUsed
		}
	})
}

// DeleteTOTP implements [totp.Store].
func (db *DB) DeleteTOTP(ctx context.Context, userID string) (had bool, err error) {
	err = db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, forgetTOTP, userID); err != nil {
			return db.sqlError(ctx, "forget settings of authenticator app", err)
		}
		n, err := db.execCount(ctx, w, "DELETE FROM totp_secrets WHERE user_id = $1", userID)
		had = n == 1
		return db.sqlError(ctx, "remove authenticator app", err)
	})
	return had && err == nil, err
}
