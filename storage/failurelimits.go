package storage

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

var (
	_ throttle.FactorStore   = (*DB)(nil)
	_ throttle.PasswordStore = (*DB)(nil)
)

const (
	selectTally = "SELECT n, closed_until, disabled FROM factor_failures WHERE user_id = $1 AND factor = $2"

	// countFactor changes nothing while the factor is closed. It leaves the row
	// locked, so that what follows from the count is written with it.
	countFactor = `INSERT INTO factor_failures (user_id, factor, n, closed_until, disabled, last_at)
		VALUES ($1, $2, 1, 0, 0, $3)
		ON CONFLICT (user_id, factor) DO UPDATE SET n = factor_failures.n + 1, last_at = excluded.last_at
		WHERE factor_failures.disabled = 0 AND factor_failures.closed_until <= excluded.last_at
		RETURNING n`

	closeFactor = `UPDATE factor_failures SET closed_until = $1, disabled = $2 WHERE user_id = $3 AND factor = $4`

	countPassword = `INSERT INTO password_failures (scope, key, n, not_before, last_at) VALUES ($1, $2, 1, 0, $3)
		ON CONFLICT (scope, key) DO UPDATE SET n = password_failures.n + 1, last_at = excluded.last_at
		WHERE password_failures.not_before <= excluded.last_at AND password_failures.n < $4
		RETURNING n`
)

// Scopes of password_failures.
const (
	scopeAccount = "account"
	scopeBucket  = "bucket"
)

// noCeiling is more failures than anybody can make.
const noCeiling = 1 << 40

// FactorTally implements [throttle.FactorStore].
func (db *DB) FactorTally(ctx context.Context, user, factor string) (throttle.Tally, error) {
	var t throttle.Tally
	var closed, disabled int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectTally, user, factor).Scan(&t.Failures, &closed, &disabled)
	if err = db.sqlError(ctx, "read failures", err); errors.Is(err, scim.ErrNotFound) {
		return throttle.Tally{}, nil
	}
	t.ClosedUntil, t.Disabled = fromMicros(closed), disabled != 0
	return t, err
}

// CountFactor implements [throttle.FactorStore].
func (db *DB) CountFactor(ctx context.Context, user, factor string, now time.Time, r throttle.FactorRule) (t throttle.Tally, counted bool, err error) {
	if db.transactionOf(ctx) != nil {
		return throttle.Tally{}, false, throttle.ErrInTransaction
	}
	err = db.inWriter(ctx, "count failure", func(ctx context.Context, w querier) error {
		t, counted = throttle.Tally{}, false // the closure may run again
		err := w.QueryRowContext(ctx, countFactor, user, factor, micros(now)).Scan(&t.Failures)
		if errors.Is(err, sql.ErrNoRows) {
			t, err = db.FactorTally(ctx, user, factor)
			return err
		}
		if err != nil {
			return err
		}
		counted = true
		pause, disabled := r.Closure(t.Failures)
		if pause == 0 && !disabled {
			return nil
		}
		flag := 0
		if pause > 0 {
			t.ClosedUntil = fromMicros(micros(now.Add(pause)))
		}
		if t.Disabled = disabled; disabled {
			flag = 1
		}
		_, err = w.ExecContext(ctx, closeFactor, micros(t.ClosedUntil), flag, user, factor)
		return err
	})
	if err != nil {
		return throttle.Tally{}, false, err
	}
	return t, counted, nil
}

// ClearFactor implements [throttle.FactorStore].
func (db *DB) ClearFactor(ctx context.Context, user, factor string) error {
	return db.inWriter(ctx, "clear failures", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "DELETE FROM factor_failures WHERE user_id = $1 AND factor = $2", user, factor)
		return err
	})
}

// ClearFactors implements [throttle.FactorStore].
func (db *DB) ClearFactors(ctx context.Context, user string) (n int64, err error) {
	err = db.inWriter(ctx, "clear failures", func(ctx context.Context, w querier) error {
		n, err = db.execCount(ctx, w, "DELETE FROM factor_failures WHERE user_id = $1", user)
		return err
	})
	return n, err
}

// CountPassword implements [throttle.PasswordStore].
func (db *DB) CountPassword(ctx context.Context, account, bucket []byte, now time.Time, r throttle.PasswordRule) (throttle.Decision, error) {
	if db.transactionOf(ctx) != nil {
		return throttle.Decision{}, throttle.ErrInTransaction
	}
	var decision throttle.Decision
	err := db.InTx(ctx, func(ctx context.Context) (err error) {
		decision, err = db.countBoth(ctx, account, bucket, now, r)
		if err == nil && !decision.Allowed {
			return errLimited
		}
		return err
	})
	if errors.Is(err, errLimited) {
		if decision.RetryAfter == 0 { // the ceiling has no end of its own
			decision.RetryAfter = r.Longest
		}
		return decision, nil
	}
	return decision, err
}

// countBoth counts for the account, then for the bucket; the first to refuse
// decides.
func (db *DB) countBoth(ctx context.Context, account, bucket []byte, now time.Time, r throttle.PasswordRule) (throttle.Decision, error) {
	w, err := db.writer(ctx)
	if err != nil {
		return throttle.Decision{}, err
	}
	ceiling := int64(r.Ceiling)
	if r.Known {
		ceiling = noCeiling
	}
	inRow, ok, err := db.countPassword(ctx, w, scopeAccount, account, now, ceiling)
	if err != nil || !ok {
		return throttle.Decision{Limit: throttle.LimitPasswordCeiling}, err
	}
	n, ok, err := db.countPassword(ctx, w, scopeBucket, bucket, now, noCeiling)
	if err != nil {
		return throttle.Decision{}, err
	}
	if !ok {
		wait, err := db.waitFor(ctx, w, now,
			"SELECT not_before FROM password_failures WHERE scope = $1 AND key = $2", scopeBucket, bucket)
		return throttle.Decision{RetryAfter: wait, Limit: throttle.LimitPasswordDelay}, err
	}
	if pause := r.Delay(n); pause > 0 {
		_, err = w.ExecContext(ctx, "UPDATE password_failures SET not_before = $1 WHERE scope = $2 AND key = $3",
			micros(now.Add(pause)), scopeBucket, bucket)
	}
	return throttle.Decision{Allowed: true, Last: inRow == r.Ceiling}, db.sqlError(ctx, "delay password", err)
}

// countPassword adds one failure to a row; ok is false if it takes none.
func (db *DB) countPassword(ctx context.Context, w querier, scope string, key []byte, now time.Time, ceiling int64) (n int, ok bool, err error) {
	err = w.QueryRowContext(ctx, countPassword, scope, key, micros(now), ceiling).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return n, err == nil, db.sqlError(ctx, "count password", err)
}

// ClearPassword implements [throttle.PasswordStore].
func (db *DB) ClearPassword(ctx context.Context, account, bucket []byte) error {
	return db.inWriter(ctx, "clear passwords", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, `DELETE FROM password_failures
			WHERE (scope = $1 AND key = $2) OR (scope = $3 AND key = $4)`, scopeAccount, account, scopeBucket, bucket)
		return err
	})
}
