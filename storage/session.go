package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

var (
	_ session.Store           = (*DB)(nil)
	_ validation.SessionStore = (*DB)(nil)
	_ scim.OwnerStore         = (*DB)(nil)
)

const (
	insertSession = `INSERT INTO sessions (id, user_id, created_at, expires_at, ip, user_agent, proofs)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`

	selectSessions = `SELECT id, user_id, created_at, expires_at, ip, user_agent, proofs FROM sessions
		WHERE user_id = $1 AND expires_at > $2`

	selectSessionClients = `SELECT session_id, client_id, max(created_at) FROM tokens
		WHERE user_id = $1 AND user_id <> '' AND revoked_at = 0 AND (expires_at = 0 OR expires_at > $2)
		GROUP BY session_id, client_id ORDER BY session_id, client_id`

	//nolint:gosec // SQL, not a credential
	revokeUserTokens = `UPDATE tokens SET revoked_at = $1, live = FALSE
		WHERE user_id = $2 AND user_id <> '' AND session_id <> $3 AND revoked_at = 0`
	//nolint:gosec // SQL, not a credential
	revokeSessionTokens = `UPDATE tokens SET revoked_at = $1, live = FALSE
		WHERE user_id = $2 AND user_id <> '' AND session_id = $3 AND revoked_at = 0`
	deleteSessions = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2"
	deleteSession  = "DELETE FROM sessions WHERE user_id = $1 AND id = $2"

	// The user's state is read beside the session although a deactivation ends
	// the sessions too: neither may count when the other does not.
	ownerSQLite = `SELECT count(*) FROM sessions s JOIN resources r ON r.type = 'User' AND r.id = s.user_id
		WHERE s.id = $1 AND s.user_id = $2 AND s.expires_at > $3 AND coalesce(json_extract(r.doc, '$.active'), 1) = 1`
	ownerPostgres = `SELECT count(*) FROM sessions s JOIN resources r ON r.type = 'User' AND r.id = s.user_id
		WHERE s.id = $1 AND s.user_id = $2 AND s.expires_at > $3 AND coalesce(r.doc::jsonb ->> 'active', 'true') = 'true'`
)

// StartSession implements [session.Store].
func (db *DB) StartSession(ctx context.Context, s session.Session) error {
	if err := s.Check(); err != nil {
		return err
	}
	proofs, err := json.Marshal(s.Proofs)
	if err != nil {
		return fmt.Errorf("encode proofs: %w", err)
	}
	return db.inWriter(ctx, "store session", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertSession, s.ID, s.UserID, micros(s.CreatedAt), micros(s.ExpiresAt),
			s.IP, s.UserAgent, string(proofs))
		return err
	})
}

// LiveSession implements [validation.SessionStore].
func (db *DB) LiveSession(ctx context.Context, userID, id string, now time.Time) (validation.Session, error) {
	found, err := db.sessions(ctx, selectSessions+" AND id = $3", userID, micros(now), id)
	if err != nil {
		return validation.Session{}, err
	}
	if len(found) == 0 {
		return validation.Session{}, scim.ErrNotFound
	}
	return found[0], nil
}

// LiveSessions implements [validation.SessionStore].
func (db *DB) LiveSessions(ctx context.Context, userID string, now time.Time) ([]validation.Session, error) {
	found, err := db.sessions(ctx, selectSessions+" ORDER BY created_at, id", userID, micros(now))
	if err != nil || len(found) == 0 {
		return found, err
	}
	rows, err := db.reader(ctx).QueryContext(db.pointContext(ctx), selectSessionClients, userID, micros(now))
	if err != nil {
		return nil, db.sqlError(ctx, "read clients of sessions", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id string
		var c validation.SessionClient
		var at int64
		if err := rows.Scan(&id, &c.Name, &at); err != nil {
			return nil, db.sqlError(ctx, "read clients of sessions", err)
		}
		c.LastAuthorization = fromMicros(at)
		if i := slices.IndexFunc(found, func(s validation.Session) bool { return s.ID == id }); i >= 0 && c.Name != "" {
			found[i].Clients = append(found[i].Clients, c)
		}
	}
	return found, db.sqlError(ctx, "read clients of sessions", rows.Err())
}

func (db *DB) sessions(ctx context.Context, query string, args ...any) ([]validation.Session, error) {
	rows, err := db.reader(ctx).QueryContext(db.pointContext(ctx), query, args...)
	if err != nil {
		return nil, db.sqlError(ctx, "read sessions", err)
	}
	defer func() { _ = rows.Close() }()
	var out []validation.Session
	for rows.Next() {
		var s validation.Session
		var created, expires int64
		var proofs string
		if err := rows.Scan(&s.ID, &s.UserID, &created, &expires, &s.IP, &s.UserAgent, &proofs); err != nil {
			return nil, db.sqlError(ctx, "read sessions", err)
		}
		s.CreatedAt, s.ExpiresAt = fromMicros(created), fromMicros(expires)
		var ledger []session.Proof
		if err := json.Unmarshal([]byte(proofs), &ledger); err != nil {
			return nil, fmt.Errorf("read proofs of session %s: %w", s.ID, err)
		}
		derive(&s, ledger)
		out = append(out, s)
	}
	return out, db.sqlError(ctx, "read sessions", rows.Err())
}

// derive reads the two clocks of a session off its ledger: the last proof of
// either sort, with the methods of all proofs made at that moment.
func derive(s *validation.Session, ledger []session.Proof) {
	for _, p := range ledger {
		at, methods := &s.LoginAt, &s.LoginMethods
		if p.Second {
			at, methods = &s.SecondFactorAt, &s.SecondFactorMethods
		}
		if p.At.Before(*at) {
			continue
		}
		if p.At.After(*at) {
			*at, *methods = p.At, nil
		}
		*methods = append(*methods, p.AMR...)
	}
}

// EndSessions implements [validation.SessionStore].
func (db *DB) EndSessions(ctx context.Context, userID, except string, now time.Time) (n int64, err error) {
	err = db.inWriter(ctx, "end sessions", func(ctx context.Context, w querier) error {
		if _, err := w.ExecContext(ctx, revokeUserTokens, micros(now), userID, except); err != nil {
			return err
		}
		n, err = db.execCount(ctx, w, deleteSessions, userID, except)
		return err
	})
	return n, err
}

// EndSession implements [validation.SessionStore].
func (db *DB) EndSession(ctx context.Context, userID, id string, now time.Time) (bool, error) {
	var n int64
	err := db.inWriter(ctx, "end session", func(ctx context.Context, w querier) error {
		var err error
		if n, err = db.execCount(ctx, w, deleteSession, userID, id); err != nil || n == 0 {
			return err
		}
		_, err = w.ExecContext(ctx, revokeSessionTokens, micros(now), userID, id)
		return err
	})
	return n > 0, err
}

// OwnerLive implements [scim.OwnerStore].
func (db *DB) OwnerLive(ctx context.Context, userID, sessionID string, now time.Time) (bool, error) {
	query := ownerSQLite
	if db.dialect == dialectPostgres {
		query = ownerPostgres
	}
	var n int
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), query, sessionID, userID, micros(now)).Scan(&n)
	return n > 0, db.sqlError(ctx, "look up session", err)
}
