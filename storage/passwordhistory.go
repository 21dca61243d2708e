package storage

import (
	"context"
	"database/sql"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

const (
	// keepPassword puts the present hash among the earlier ones.
	keepPassword = `INSERT INTO password_history (user_id, at, hash)
		SELECT user_id, $2, hash FROM passwords WHERE user_id = $1
		ON CONFLICT (user_id, at) DO UPDATE SET hash = excluded.hash`
	trimHistory = `DELETE FROM password_history WHERE user_id = $1 AND at NOT IN
		(SELECT at FROM password_history WHERE user_id = $1 ORDER BY at DESC LIMIT $2)`
	selectEarlier = "SELECT hash FROM password_history WHERE user_id = $1 ORDER BY at DESC LIMIT $2"
)

// keepEarlier remembers the password that is about to be replaced, and forgets
// those beyond the configured number.
func (db *DB) keepEarlier(ctx context.Context, w querier, userID string) error {
	if db.cfg.PasswordHistory == 0 {
		return nil
	}
	if _, err := w.ExecContext(ctx, keepPassword, userID, micros(db.now())); err != nil {
		return err
	}
	_, err := w.ExecContext(ctx, trimHistory, userID, db.cfg.PasswordHistory)
	return err
}

// EarlierPasswords returns the hashes of up to limit passwords that a user had
// before the present one, the newest first.
func (db *DB) EarlierPasswords(ctx context.Context, userID string, limit int) ([]string, error) {
	var out []string
	err := eachRow(ctx, db.reader(ctx), selectEarlier, []any{userID, limit}, func(rows *sql.Rows) error {
		var hash string
		if err := rows.Scan(&hash); err != nil {
			return err
		}
		out = append(out, hash)
		return nil
	})
	return out, db.sqlError(ctx, "read earlier passwords", err)
}

// UsersByAddress returns up to limit users who have this e-mail address,
// whatever the case.
func (db *DB) UsersByAddress(ctx context.Context, address string, limit int) ([]authn.User, error) {
	rt := db.registry.ByName(userType)
	ref, err := resolvePath(rt, loginEmail)
	if err != nil {
		return nil, nil //nolint:nilerr // this directory has no such attribute
	}
	page, err := db.Query(ctx, scim.Query{
		Sources: []scim.Source{{Type: rt, Where: &filter.Test{Ref: ref, Op: filter.Eq, Key: schema.Fold(address)}}}, Limit: limit,
	})
	if err != nil {
		return nil, err
	}
	out := make([]authn.User, 0, len(page.Records))
	for _, rec := range page.Records {
		u, err := db.UserByID(ctx, rec.ID)
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}
