package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/challenge"
)

var _ challenge.Store = (*DB)(nil)

const (
	supersedeChallenges = `UPDATE challenges SET superseded_at = $4
		WHERE sub = $1 AND kind = $2 AND path = $3 AND used_at = 0 AND superseded_at = 0`

	insertChallenge = `INSERT INTO challenges
		(jti, sub, kind, path, dest_hash, attempts, max_attempts, created_at, expires_at, superseded_at, used_at)
		VALUES ($1, $2, $3, $4, $5, 0, $6, $7, $8, 0, 0)`

	countAttempt = `UPDATE challenges SET attempts = attempts + 1 WHERE jti = $1
		AND used_at = 0 AND superseded_at = 0 AND attempts < max_attempts AND expires_at > $2`

	consumeChallenge = `UPDATE challenges SET used_at = $2 WHERE jti = $1 AND used_at = 0 AND superseded_at = 0`

	// A void challenge has no life: it is expired at any time.
	voidChallenge  = `UPDATE challenges SET expires_at = created_at WHERE jti = $1 AND used_at = 0`
	voidChallenges = `UPDATE challenges SET expires_at = created_at
		WHERE sub = $1 AND used_at = 0 AND superseded_at = 0 AND expires_at > created_at`

	selectChallenge = `SELECT sub, kind, path, dest_hash, attempts, max_attempts,
		created_at, expires_at, superseded_at, used_at FROM challenges WHERE jti = $1`

	pendingChallenge = `SELECT count(*) FROM challenges WHERE sub = $1 AND kind = $2 AND path = $3
		AND used_at = 0 AND superseded_at = 0 AND attempts < max_attempts AND expires_at > $4`
)

// Start implements [challenge.Store].
func (db *DB) Start(ctx context.Context, c challenge.Challenge) error {
	if c.MaxAttempts == 0 {
		c.MaxAttempts = challenge.DefaultAttempts
	}
	if c.JTI == "" || c.Subject == "" || !c.ExpiresAt.After(c.CreatedAt) || c.CreatedAt.IsZero() {
		return errors.New("start challenge: identifier, subject or a life is missing")
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		if db.dialect == dialectPostgres {
			// Parallel calls must see each other's row, not collide with it.
			const lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
			if _, err := w.ExecContext(ctx, lock, challengeLock(c)); err != nil {
				return db.sqlError(ctx, "lock challenges", err)
			}
		}
		if _, err := w.ExecContext(ctx, supersedeChallenges, c.Subject, c.Kind, c.Path, micros(c.CreatedAt)); err != nil {
			return db.sqlError(ctx, "supersede challenges", err)
		}
		_, err = w.ExecContext(ctx, insertChallenge, c.JTI, c.Subject, c.Kind, c.Path, c.DestHash,
			c.MaxAttempts, micros(c.CreatedAt), micros(c.ExpiresAt))
		return db.sqlError(ctx, "store challenge", err)
	})
}

// challengeLock names the series of challenges that supersede each other.
func challengeLock(c challenge.Challenge) string {
	return fmt.Sprintf("sallyport challenge %q %q %q", c.Subject, c.Kind, c.Path)
}

// Challenge implements [challenge.Store].
func (db *DB) Challenge(ctx context.Context, jti string) (challenge.Challenge, error) {
	c := challenge.Challenge{JTI: jti}
	var created, expires, superseded, used int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectChallenge, jti).Scan(
		&c.Subject, &c.Kind, &c.Path, &c.DestHash, &c.Attempts, &c.MaxAttempts, &created, &expires, &superseded, &used)
	if err = db.sqlError(ctx, "read challenge", err); errors.Is(err, scim.ErrNotFound) {
		return challenge.Challenge{}, challenge.ErrUnknown
	}
	if err != nil {
		return challenge.Challenge{}, err
	}
	c.CreatedAt, c.ExpiresAt = fromMicros(created), fromMicros(expires)
	c.SupersededAt, c.UsedAt = fromMicros(superseded), fromMicros(used)
	return c, nil
}

// CountAttempt implements [challenge.Store]. On SQLite a transaction is a
// closure on the one writer, so a second one from inside would wait for itself
// for ever; refusing both databases alike shows the mistake in every test.
func (db *DB) CountAttempt(ctx context.Context, jti string, now time.Time) error {
	if db.transactionOf(ctx) != nil {
		return challenge.ErrInTransaction
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, countAttempt, jti, micros(now))
		if err != nil {
			return db.sqlError(ctx, "count attempt", err)
		}
		if n == 1 {
			return nil
		}
		return db.judge(ctx, jti, now)
	})
}

// judge tells why a statement changed no challenge.
func (db *DB) judge(ctx context.Context, jti string, now time.Time) error {
	c, err := db.Challenge(ctx, jti)
	if err != nil {
		return err
	}
	if err := c.Judge(now); err != nil {
		return err
	}
	return fmt.Errorf("challenge %s takes no change although it is live", jti)
}

// Consume implements [challenge.Store].
func (db *DB) Consume(ctx context.Context, jti string, now time.Time) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, consumeChallenge, jti, micros(now))
		if err != nil {
			return db.sqlError(ctx, "consume challenge", err)
		}
		if n == 1 {
			return nil
		}
		return db.judge(ctx, jti, now)
	})
}

// Void implements [challenge.Store].
func (db *DB) Void(ctx context.Context, jti string) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		_, err = w.ExecContext(ctx, voidChallenge, jti)
		return db.sqlError(ctx, "void challenge", err)
	})
}

// VoidAll implements [challenge.Store].
func (db *DB) VoidAll(ctx context.Context, subject string, kinds ...string) (n int64, err error) {
	query, args := voidChallenges, []any{subject}
	if len(kinds) > 0 {
		marks := make([]string, len(kinds))
		for i, kind := range kinds {
			args = append(args, kind)
			marks[i] = "$" + strconv.Itoa(len(args))
		}
		query += " AND kind IN (" + strings.Join(marks, ", ") + ")"
	}
	err = db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		n, err = db.execCount(ctx, w, query, args...)
		return db.sqlError(ctx, "void challenges", err)
	})
	return n, err
}

// VoidPath implements [challenge.Store].
func (db *DB) VoidPath(ctx context.Context, subject, kind, path string) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		_, err = w.ExecContext(ctx, voidChallenges+" AND kind = $2 AND path = $3", subject, kind, path)
		return db.sqlError(ctx, "void challenges of a path", err)
	})
}

// Pending implements [challenge.Store].
func (db *DB) Pending(ctx context.Context, subject, kind, path string, now time.Time) (bool, error) {
	var n int
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), pendingChallenge, subject, kind, path, micros(now)).Scan(&n)
	return n > 0, db.sqlError(ctx, "look for a pending challenge", err)
}
