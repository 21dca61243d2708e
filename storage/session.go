package storage

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

var (
	_ session.Store           = (*DB)(nil)
	_ authn.Ender             = (*DB)(nil)
	_ validation.SessionStore = (*DB)(nil)
	_ scim.OwnerStore         = (*DB)(nil)
)

const (
	insertSession = `INSERT INTO sessions (id, user_id, created_at, expires_at, ip, user_agent, secret_hash, idle_until, proofs)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '[]')`
	insertProof = `INSERT INTO proofs (session_id, id, user_id, credential, txn, factor, amr, second, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

	selectSessions = `SELECT id, user_id, created_at, expires_at, ip, user_agent FROM sessions
		WHERE user_id = $1 AND expires_at > $2 AND (idle_until = 0 OR idle_until > $2)`
	selectUserProofs = `SELECT session_id, factor, amr, second, at FROM proofs
		WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1) ORDER BY at, id`
	deleteUserProofs    = "DELETE FROM proofs WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1 AND id <> $2)"
	deleteSessionProofs = "DELETE FROM proofs WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1 AND id = $2)"

	// Tokens made by a command name their application, grants its registration.
	selectSessionClients = `SELECT session_id, client_id, max(created_at), '' FROM tokens
		WHERE user_id = $1 AND user_id <> '' AND revoked_at = 0 AND (expires_at = 0 OR expires_at > $2)
		GROUP BY session_id, client_id
		UNION ALL
		SELECT g.session_id, g.client_id, max(g.created_at), c.doc FROM oauth_grants g
		JOIN oauth_clients c ON c.id = g.client_id
		WHERE g.user_id = $1 AND g.user_id <> '' AND g.session_id <> '' AND g.revoked_at = 0 AND g.expires_at > $2
		GROUP BY g.session_id, g.client_id, c.doc ORDER BY 1, 2`

	//nolint:gosec // SQL, not a credential
	revokeUserTokens = `UPDATE tokens SET revoked_at = $1, live = FALSE
		WHERE user_id = $2 AND user_id <> '' AND session_id <> $3 AND revoked_at = 0`
	//nolint:gosec // SQL, not a credential
	revokeSessionTokens = `UPDATE tokens SET revoked_at = $1, live = FALSE
		WHERE user_id = $2 AND user_id <> '' AND session_id = $3 AND revoked_at = 0`
	// The sessions that end, for what hangs on them.
	othersOfUser = "SELECT id FROM sessions WHERE user_id = $2 AND id <> $3"
	oneOfUser    = "SELECT id FROM sessions WHERE user_id = $2 AND id = $3"

	deleteSessions = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2"
	deleteSession  = "DELETE FROM sessions WHERE user_id = $1 AND id = $2"

	// The user's state is read beside the session although a deactivation ends
	// the sessions too: neither may count when the other does not.
	ownerSQLite = `SELECT count(*) FROM sessions s JOIN resources r ON r.type = 'User' AND r.id = s.user_id
		WHERE s.id = $1 AND s.user_id = $2 AND s.expires_at > $3 AND (s.idle_until = 0 OR s.idle_until > $3) AND coalesce(json_extract(r.doc, '$.active'), 1) = 1`
	ownerPostgres = `SELECT count(*) FROM sessions s JOIN resources r ON r.type = 'User' AND r.id = s.user_id
		WHERE s.id = $1 AND s.user_id = $2 AND s.expires_at > $3 AND (s.idle_until = 0 OR s.idle_until > $3) AND coalesce(r.doc::jsonb ->> 'active', 'true') = 'true'`
)

// StartSession implements [session.Store].
func (db *DB) StartSession(ctx context.Context, s session.Session) error {
	if err := s.Check(); err != nil {
		return err
	}
	return db.inWriter(ctx, "store session", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertSession, s.ID, s.UserID, micros(s.CreatedAt), micros(s.ExpiresAt),
			s.IP, s.UserAgent, s.SecretHash, micros(s.IdleUntil))
		if err != nil {
			return err
		}
		for _, p := range s.Proofs {
			if err := db.insertProof(ctx, w, p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (db *DB) insertProof(ctx context.Context, w querier, p session.Proof) error {
	amr, err := json.Marshal(p.AMR)
	if err != nil {
		return fmt.Errorf("encode amr: %w", err)
	}
	second := 0
	if p.Second {
		second = 1
	}
	_, err = w.ExecContext(ctx, insertProof, p.Session, p.ID, p.User, p.Credential, p.Txn, string(p.Factor), string(amr), second, micros(p.At))
	return err
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
		var id, client, doc string
		var at int64
		if err := rows.Scan(&id, &client, &at, &doc); err != nil {
			return nil, db.sqlError(ctx, "read clients of sessions", err)
		}
		c := validation.SessionClient{LastAuthorization: fromMicros(at)}
		if c.ConsentClient, err = describeClient(client, doc); err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(found, func(s validation.Session) bool { return s.ID == id }); i >= 0 && c.Name != "" {
			found[i].Clients = append(found[i].Clients, c)
		}
	}
	return found, db.sqlError(ctx, "read clients of sessions", rows.Err())
}

// describeClient says what a user may know of an application; doc is its
// registration, "" without one.
func describeClient(id, doc string) (validation.ConsentClient, error) {
	out := validation.ConsentClient{Name: id}
	if doc == "" {
		return out, nil
	}
	var c oidc.Client
	if err := json.Unmarshal([]byte(doc), &c); err != nil {
		return out, fmt.Errorf("read client %s: %w", id, err)
	}
	if c.Name != "" {
		out.Name = c.Name
	}
	out.URL, out.IconURL = c.URI, c.LogoURI
	if len(c.Contacts) > 0 {
		out.EmailAddress = c.Contacts[0]
	}
	return out, nil
}

func (db *DB) sessions(ctx context.Context, query, userID string, args ...any) ([]validation.Session, error) {
	rows, err := db.reader(ctx).QueryContext(db.pointContext(ctx), query, append([]any{userID}, args...)...)
	if err != nil {
		return nil, db.sqlError(ctx, "read sessions", err)
	}
	defer func() { _ = rows.Close() }()
	var out []validation.Session
	for rows.Next() {
		var s validation.Session
		var created, expires int64
		if err := rows.Scan(&s.ID, &s.UserID, &created, &expires, &s.IP, &s.UserAgent); err != nil {
			return nil, db.sqlError(ctx, "read sessions", err)
		}
		s.CreatedAt, s.ExpiresAt = fromMicros(created), fromMicros(expires)
		out = append(out, s)
	}
	if err := rows.Err(); err != nil || len(out) == 0 {
		return nil, db.sqlError(ctx, "read sessions", err)
	}
	return out, db.derive(ctx, userID, out)
}

// derive reads the two clocks of sessions off their ledgers: the last proof of
// either sort, with the methods of all proofs made at that moment.
func (db *DB) derive(ctx context.Context, userID string, sessions []validation.Session) error {
	rows, err := db.reader(ctx).QueryContext(db.pointContext(ctx), selectUserProofs, userID)
	if err != nil {
		return db.sqlError(ctx, "read proofs", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, factor, amr string
		var second, micro int64
		if err := rows.Scan(&id, &factor, &amr, &second, &micro); err != nil {
			return db.sqlError(ctx, "read proofs", err)
		}
		i := slices.IndexFunc(sessions, func(s validation.Session) bool { return s.ID == id })
		if i < 0 {
			continue
		}
		var methods []string
		if err := json.Unmarshal([]byte(amr), &methods); err != nil {
			return fmt.Errorf("read proofs of session %s: %w", id, err)
		}
		// A recovery code is neither a login nor a recent second factor: it only
		// tells that the user may set up another one.
		if acr.Factor(factor) == acr.RecoveryCode {
			if at := fromMicros(micro); at.After(sessions[i].RecoveredAt) {
				sessions[i].RecoveredAt = at
			}
			continue
		}
		note(&sessions[i], fromMicros(micro), methods, second != 0)
	}
	return db.sqlError(ctx, "read proofs", rows.Err())
}

func note(s *validation.Session, proved time.Time, methods []string, second bool) {
	at, known := &s.LoginAt, &s.LoginMethods
	if second {
		at, known = &s.SecondFactorAt, &s.SecondFactorMethods
	}
	if proved.Before(*at) {
		return
	}
	if proved.After(*at) {
		*at, *known = proved, nil
	}
	*known = append(*known, methods...)
}

// EndSessions implements [validation.SessionStore].
func (db *DB) EndSessions(ctx context.Context, userID, except string, now time.Time) (n int64, err error) {
	err = db.inWriter(ctx, "end sessions", func(ctx context.Context, w querier) error {
		if err := db.endSessionGrants(ctx, w, othersOfUser, now, userID, except); err != nil {
			return err
		}
		if err := db.revokeOfflineGrants(ctx, w, userID, except, now); err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, revokeUserTokens, micros(now), userID, except); err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, deleteUserProofs, userID, except); err != nil {
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
		if err := db.endSessionGrants(ctx, w, oneOfUser, now, userID, id); err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, deleteSessionProofs, userID, id); err != nil {
			return err
		}
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
