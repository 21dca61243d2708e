package storage

import (
	"context"
	"database/sql"
	"time"

	"github.com/sallyport-id/sallyport/oidc"
)

var _ oidc.LogoutStore = (*DB)(nil)

const (
	// The sid is unique and dies with its session, so it can name the notice.
	queueLogouts = `INSERT INTO oauth_logouts (id, client_id, sid, user_id, created_at, claimed_until, attempts, next_at)
		SELECT n.sid, n.client_id, n.sid, n.user_id, $1, 0, 0, $1 FROM oauth_sids n JOIN oauth_clients c ON c.id = n.client_id
		WHERE n.session_id IN (%s) AND c.disabled = 0 AND `
	deleteSIDs          = "DELETE FROM oauth_sids WHERE session_id IN (%s)"
	revokeSessionGrants = "UPDATE oauth_grants SET revoked_at = $1 WHERE session_id <> '' AND session_id IN (%s) AND revoked_at = 0"

	selectLogouts = `SELECT id, client_id, sid, user_id, attempts FROM oauth_logouts
		WHERE next_at <= $1 AND claimed_until <= $1 ORDER BY next_at, id LIMIT $2`
	// claimLogout asks again for what selectLogouts saw: of two nodes that saw
	// the same row, one changes it.
	claimLogout = `UPDATE oauth_logouts SET claimed_until = $1, attempts = attempts + 1
		WHERE id = $2 AND next_at <= $3 AND claimed_until <= $3`
)

// ClaimLogouts implements [oidc.LogoutStore]. Without a notice that is due it
// writes nothing.
func (db *DB) ClaimLogouts(ctx context.Context, now, until time.Time, limit int) ([]oidc.LogoutNotice, error) {
	var due []oidc.LogoutNotice
	err := eachRow(ctx, db.reader(ctx), selectLogouts, []any{micros(now), limit}, func(rows *sql.Rows) error {
		var n oidc.LogoutNotice
		err := rows.Scan(&n.ID, &n.ClientID, &n.SID, &n.UserID, &n.Attempts)
		due = append(due, n)
		return err
	})
	if err != nil || len(due) == 0 {
		return nil, db.sqlError(ctx, "read logout notices", err)
	}
	var claimed []oidc.LogoutNotice
	err = db.inWriter(ctx, "claim logout notices", func(ctx context.Context, w querier) error {
		claimed = nil // the closure may run again
		for _, n := range due {
			changed, err := db.execCount(ctx, w, claimLogout, micros(until), n.ID, micros(now))
			if err != nil {
				return err
			}
			if changed == 1 {
				n.Attempts++
				claimed = append(claimed, n)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// PostponeLogout implements [oidc.LogoutStore].
func (db *DB) PostponeLogout(ctx context.Context, id string, next time.Time) error {
	return db.inWriter(ctx, "postpone logout notice", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "UPDATE oauth_logouts SET claimed_until = 0, next_at = $1 WHERE id = $2", micros(next), id)
		return err
	})
}

// RemoveLogout implements [oidc.LogoutStore].
func (db *DB) RemoveLogout(ctx context.Context, id string) error {
	return db.inWriter(ctx, "remove logout notice", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "DELETE FROM oauth_logouts WHERE id = $1", id)
		return err
	})
}
