package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
)

const (
	selectSession = `SELECT id, user_id, secret_hash, created_at, expires_at, idle_until, ip, user_agent FROM sessions
		WHERE expires_at > $1 AND (idle_until = 0 OR idle_until > $1)`
	selectLedger = "SELECT id, user_id, credential, txn, factor, amr, second, at FROM proofs WHERE session_id = $1 ORDER BY at, id"

	rotateSession = `UPDATE sessions SET secret_hash = $1, idle_until = $2
		WHERE id = $3 AND secret_hash = $4 AND expires_at > $5 AND (idle_until = 0 OR idle_until > $5)`
	// A session without an idle limit gets none by its use.
	extendSession = "UPDATE sessions SET idle_until = $1 WHERE id = $2 AND idle_until <> 0 AND idle_until < $1"

	forgetProofs = "DELETE FROM proofs WHERE user_id = $1 AND factor = $2 AND ($3 = '' OR credential = $3)"
)

// SessionBySecret implements [session.Store].
func (db *DB) SessionBySecret(ctx context.Context, hash []byte, now time.Time) (session.Session, error) {
	if len(hash) == 0 {
		return session.Session{}, session.ErrNotFound
	}
	return db.liveSession(ctx, selectSession+" AND secret_hash = $2", now, hash)
}

// SessionByID implements [session.Store].
func (db *DB) SessionByID(ctx context.Context, id string, now time.Time) (session.Session, error) {
	query := selectSession + " AND id = $2"
	if db.dialect == dialectPostgres && db.transactionOf(ctx) != nil {
		query += " FOR UPDATE"
	}
	return db.liveSession(ctx, query, now, id)
}

func (db *DB) liveSession(ctx context.Context, query string, now time.Time, key any) (session.Session, error) {
	var s session.Session
	var created, expires, idle int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), query, micros(now), key).
		Scan(&s.ID, &s.UserID, &s.SecretHash, &created, &expires, &idle, &s.IP, &s.UserAgent)
	if errors.Is(err, sql.ErrNoRows) {
		return session.Session{}, session.ErrNotFound
	}
	if err != nil {
		return session.Session{}, db.sqlError(ctx, "read session", err)
	}
	s.CreatedAt, s.ExpiresAt, s.IdleUntil = fromMicros(created), fromMicros(expires), fromMicros(idle)
	if s.Proofs, err = db.ledger(ctx, s.ID); err != nil {
		return session.Session{}, db.sqlError(ctx, "read ledger", err)
	}
	return s, nil
}

func (db *DB) ledger(ctx context.Context, sessionID string) ([]session.Proof, error) {
	var out []session.Proof
	err := eachRow(db.pointContext(ctx), db.reader(ctx), selectLedger, []any{sessionID}, func(rows *sql.Rows) error {
		p := session.Proof{Proof: acr.Proof{Session: sessionID}}
		var amr string
		var second, at int64
		if err := rows.Scan(&p.ID, &p.User, &p.Credential, &p.Txn, &p.Factor, &amr, &second, &at); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(amr), &p.AMR); err != nil {
			return fmt.Errorf("decode amr of proof %s: %w", p.ID, err)
		}
		p.Second, p.At = second != 0, fromMicros(at)
		out = append(out, p)
		return nil
	})
	return out, err
}

// RotateSession implements [session.Store].
func (db *DB) RotateSession(ctx context.Context, id string, old, hash []byte, idleUntil, now time.Time) error {
	return db.inWriter(ctx, "rotate session", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, rotateSession, hash, micros(idleUntil), id, old, micros(now))
		if err != nil {
			return err
		}
		if n != 1 {
			return session.ErrNotFound
		}
		return nil
	})
}

// AddProof implements [session.Store].
func (db *DB) AddProof(ctx context.Context, p session.Proof, now time.Time) error {
	return db.inWriter(ctx, "append proof", func(ctx context.Context, w querier) error {
		s, err := db.SessionByID(ctx, p.Session, now)
		if err != nil {
			return err
		}
		if s.UserID != p.User {
			return session.ErrNotFound
		}
		return db.insertProof(ctx, w, p)
	})
}

// ExtendSession implements [session.Store].
func (db *DB) ExtendSession(ctx context.Context, id string, idleUntil time.Time) error {
	return db.inWriter(ctx, "extend session", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, extendSession, micros(idleUntil), id)
		return err
	})
}

// ForgetProofs implements [session.Store].
func (db *DB) ForgetProofs(ctx context.Context, userID string, f acr.Factor, credential string) (n int64, err error) {
	err = db.inWriter(ctx, "forget proofs", func(ctx context.Context, w querier) error {
		n, err = db.execCount(ctx, w, forgetProofs, userID, string(f), credential)
		return err
	})
	return n, err
}
