package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/totp"
)

var _ validation.ExtraStore = (*DB)(nil)

const (
	selectExtraApp = `SELECT kid, sealed, algorithm, digits, period, last_step, created_at
		FROM extra_apps WHERE id = $1 AND user_id = $2`

	insertExtraApp = `INSERT INTO extra_apps (id, user_id, kid, sealed, algorithm, digits, period, last_step, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	useExtraStep = `UPDATE extra_apps SET last_step = $1 WHERE id = $2 AND user_id = $3 AND last_step < $1`

	insertExtraAddress = `INSERT INTO extra_addresses (id, user_id, kind, value, created_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id, kind, value) DO NOTHING`
)

// extraAppPlace is where the secret of a further app is sealed.
func extraAppPlace(id string) seal.Place {
	return seal.Place{Table: "extra_apps", Column: "sealed", Row: id}
}

// ExtraApp implements [validation.ExtraStore]. A secret that does not open
// leaves an audit event.
func (db *DB) ExtraApp(ctx context.Context, userID, id string) (totp.Enrolment, error) {
	e := totp.Enrolment{ID: id, UserID: userID}
	var kid string
	var sealed []byte
	var period, created int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectExtraApp, id, userID).Scan(
		&kid, &sealed, &e.Algorithm, &e.Digits, &period, &e.LastStep, &created)
	if err = db.sqlError(ctx, "read authenticator app", err); errors.Is(err, scim.ErrNotFound) {
		return totp.Enrolment{}, totp.ErrNotEnrolled
	}
	if err != nil {
		return totp.Enrolment{}, err
	}
	e.Period, e.CreatedAt = time.Duration(period)*time.Second, fromMicros(created)
	secret, err := db.cfg.Keys.Open(extraAppPlace(id), kid, sealed)
	if err != nil {
		return totp.Enrolment{}, errors.Join(fmt.Errorf("open TOTP secret: %w", err), db.reportUnopened(ctx, userID, "totp"))
	}
	e.Secret = secret
	return e, nil
}

// AddExtraApp implements [validation.ExtraStore].
func (db *DB) AddExtraApp(ctx context.Context, e totp.Enrolment) (string, error) {
	if e.UserID == "" || len(e.Secret) == 0 {
		return "", errors.New("store authenticator app: user or secret is missing")
	}
	id := db.ids.next()
	kid, sealed, err := db.cfg.Keys.Seal(extraAppPlace(id), e.Secret)
	if err != nil {
		return "", fmt.Errorf("seal TOTP secret: %w", err)
	}
	return id, db.inWriter(ctx, "store authenticator app", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertExtraApp, id, e.UserID, kid, sealed, string(e.Algorithm),
			e.Digits, int64(e.Period/time.Second), e.LastStep, micros(e.CreatedAt))
		return err
	})
}

// UseExtraAppStep implements [validation.ExtraStore].
func (db *DB) UseExtraAppStep(ctx context.Context, e totp.Enrolment, step int64) error {
	return db.inWriter(ctx, "count TOTP step", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, useExtraStep, step, e.ID, e.UserID)
		if err != nil || n == 1 {
			return err
		}
		err = w.QueryRowContext(ctx, "SELECT 1 FROM extra_apps WHERE id = $1 AND user_id = $2", e.ID, e.UserID).Scan(&n)
		if err = db.sqlError(ctx, "read authenticator app", err); errors.Is(err, scim.ErrNotFound) {
			return totp.ErrNotEnrolled
		}
		if err != nil {
			return err
		}
		return totp.ErrStepUsed
	})
}

// AddExtraAddress implements [validation.ExtraStore].
func (db *DB) AddExtraAddress(ctx context.Context, a validation.ExtraAddress) (string, error) {
	if a.UserID == "" || a.Value == "" || a.Kind != validation.EnrolledEmail && a.Kind != validation.EnrolledPhone {
		return "", errors.New("store address: user, kind or value is missing")
	}
	id := db.ids.next()
	return id, db.inWriter(ctx, "store address", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, insertExtraAddress, id, a.UserID, string(a.Kind), a.Value, micros(a.CreatedAt))
		if err == nil && n == 0 {
			return validation.ErrExtraExists
		}
		return err
	})
}

// DeleteExtra implements [validation.ExtraStore].
func (db *DB) DeleteExtra(ctx context.Context, userID string, kind validation.EnrolledKind, id string) (had bool, err error) {
	query, args := "DELETE FROM extra_addresses WHERE id = $1 AND user_id = $2 AND kind = $3", []any{id, userID, string(kind)}
	if kind == validation.EnrolledTOTP {
		query, args = "DELETE FROM extra_apps WHERE id = $1 AND user_id = $2", []any{id, userID}
	}
	err = db.inWriter(ctx, "remove credential", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, query, args...)
		if had = n == 1; err != nil || !had {
			return err
		}
		_, err = w.ExecContext(ctx, forgetCredential, userID, validation.ExtraCredential(kind, id))
		return err
	})
	return had && err == nil, err
}
