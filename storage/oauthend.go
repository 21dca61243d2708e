package storage

import (
	"context"
	"fmt"
	"time"
)

// endSessionGrants ends what hangs on sessions that are about to be deleted, in
// the same transaction: grants that do not outlive them are revoked (OpenID
// Connect Back-Channel Logout 1.0 section 2.7) and a notice for every client
// that wants one is queued. which is SQL that selects the ids of the sessions;
// its parameters begin at $2.
func (db *DB) endSessionGrants(ctx context.Context, w querier, which string, now time.Time, args ...any) error {
	args = append([]any{micros(now)}, args...)
	// As text: what else a client has written about itself need not be JSON that
	// the database can read, and must not keep a session alive. A notice too many
	// is dropped when it is due.
	queue := fmt.Sprintf(queueLogouts, which) + db.dialect.pick("instr", "strpos") +
		`(c.doc, '"backchannel_logout_uri":') > 0 ON CONFLICT (id) DO NOTHING`
	for _, statement := range []string{queue, fmt.Sprintf(revokeSessionGrants, which)} {
		if _, err := w.ExecContext(ctx, statement, args...); err != nil {
			return db.sqlError(ctx, "end grants of session", err)
		}
	}
	// PostgreSQL wants to see the first parameter of every text, to know its type.
	_, err := w.ExecContext(ctx, fmt.Sprintf(deleteSIDs, which)+" AND coalesce(created_at, $1) IS NOT NULL", args...)
	return db.sqlError(ctx, "end grants of session", err)
}

// revokeOfflineGrants ends the grants of a user that outlive their sessions:
// whoever knew the password may have got one by it. Those that came of the
// session except stay, whose names they carry; "": none stays.
func (db *DB) revokeOfflineGrants(ctx context.Context, w querier, userID, except string, now time.Time) error {
	query := `UPDATE oauth_grants SET revoked_at = $1
		WHERE user_id = $2 AND user_id <> '' AND session_id = '' AND revoked_at = 0
		AND NOT EXISTS (SELECT 1 FROM oauth_sids n WHERE n.session_id = $3 AND n.client_id = oauth_grants.client_id
			AND ` + db.dialect.pick("instr", "strpos") + `(oauth_grants.doc, '"sid":"' || n.sid || '"') > 0)`
	_, err := w.ExecContext(ctx, query, micros(now), userID, except)
	return db.sqlError(ctx, "end grants of user", err)
}

// hasGrants tells whether anything of the provider belongs to a user: most
// users that are deleted have never logged in.
const hasGrants = `SELECT EXISTS (SELECT 1 FROM sessions WHERE user_id = $1)
	OR EXISTS (SELECT 1 FROM oauth_grants WHERE user_id = $1 AND user_id <> '')
	OR EXISTS (SELECT 1 FROM consents WHERE user_id = $1) OR EXISTS (SELECT 1 FROM consent_history WHERE user_id = $1)`

// deleteUserGrants removes what the provider keeps of a user who is about to be
// deleted, and queues logout notices for the user's sessions.
func (db *DB) deleteUserGrants(ctx context.Context, w querier, userID string) error {
	var found bool
	if err := w.QueryRowContext(ctx, hasGrants, userID).Scan(&found); err != nil || !found {
		return db.sqlError(ctx, "look up grants of user", err)
	}
	err := db.endSessionGrants(ctx, w, "SELECT id FROM sessions WHERE user_id = $2", db.now(), userID)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"DELETE FROM oauth_refresh_tokens WHERE grant_id IN (SELECT id FROM oauth_grants WHERE user_id = $1 AND user_id <> '')",
		"DELETE FROM oauth_access_tokens WHERE grant_id IN (SELECT id FROM oauth_grants WHERE user_id = $1 AND user_id <> '')",
		"DELETE FROM oauth_grants WHERE user_id = $1 AND user_id <> ''",
		"DELETE FROM consents WHERE user_id = $1",
		"DELETE FROM consent_history WHERE user_id = $1",
	} {
		if _, err := w.ExecContext(ctx, statement, userID); err != nil {
			return db.sqlError(ctx, "delete grants of user", err)
		}
	}
	return nil
}
