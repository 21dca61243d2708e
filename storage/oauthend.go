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
	queue := fmt.Sprintf(queueLogouts, which) + db.dialect.pick(
		"json_extract(c.doc, '$.backchannel_logout_uri') IS NOT NULL",
		"c.doc::jsonb ->> 'backchannel_logout_uri' IS NOT NULL") + " ON CONFLICT (id) DO NOTHING"
	for _, statement := range []string{queue, fmt.Sprintf(revokeSessionGrants, which)} {
		if _, err := w.ExecContext(ctx, statement, args...); err != nil {
			return db.sqlError(ctx, "end grants of session", err)
		}
	}
	// The first parameter of every text must be used: SQLite counts, PostgreSQL
	// wants its type.
	_, err := w.ExecContext(ctx, fmt.Sprintf(deleteSIDs, which)+" AND created_at <= $1", args...)
	return db.sqlError(ctx, "end grants of session", err)
}

// deleteUserGrants are the rows of the provider that end with a user. Logout
// notices are queued before; the history of consents goes too.
func deleteUserGrants() []string {
	return []string{
		"DELETE FROM oauth_refresh_tokens WHERE grant_id IN (SELECT id FROM oauth_grants WHERE user_id = $1 AND user_id <> '')",
		"DELETE FROM oauth_access_tokens WHERE grant_id IN (SELECT id FROM oauth_grants WHERE user_id = $1 AND user_id <> '')",
		"DELETE FROM oauth_grants WHERE user_id = $1 AND user_id <> ''",
		"DELETE FROM oauth_sids WHERE session_id IN (SELECT id FROM sessions WHERE user_id = $1)",
		"DELETE FROM consents WHERE user_id = $1",
		"DELETE FROM consent_history WHERE user_id = $1",
	}
}
