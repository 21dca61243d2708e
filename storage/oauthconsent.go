package storage

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/oidc"
)

var _ oidc.ConsentStore = (*DB)(nil)

const (
	upsertConsent = `INSERT INTO consents (user_id, client_id, scopes, updated_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id, client_id) DO UPDATE SET scopes = excluded.scopes, updated_at = excluded.updated_at`
	insertConsentHistory = "INSERT INTO consent_history (id, user_id, client_id, scopes, at) VALUES ($1, $2, $3, $4, $5)"
	selectConsents       = "SELECT user_id, client_id, scopes, updated_at FROM consents WHERE user_id = $1"
	selectHistory        = "SELECT user_id, client_id, scopes, at FROM consent_history WHERE user_id = $1 ORDER BY at, id"
	deleteConsent        = "DELETE FROM consents WHERE user_id = $1 AND client_id = $2"
)

// Consent implements [oidc.ConsentStore].
func (db *DB) Consent(ctx context.Context, userID, clientID string) (oidc.Consent, error) {
	c := oidc.Consent{UserID: userID, ClientID: clientID}
	var scopes string
	var at int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx),
		selectConsents+" AND client_id = $2", userID, clientID).Scan(&c.UserID, &c.ClientID, &scopes, &at)
	if err = db.absent(ctx, "read consent", err); errors.Is(err, oidc.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return oidc.Consent{}, err
	}
	c.UpdatedAt = fromMicros(at)
	return c, decode("consent", scopes, &c.Scopes)
}

// SaveConsent implements [oidc.ConsentStore].
func (db *DB) SaveConsent(ctx context.Context, c oidc.Consent) error {
	if c.Scopes == nil {
		c.Scopes = map[string]oidc.ConsentState{}
	}
	scopes, err := encode("consent", c.Scopes)
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store consent", func(ctx context.Context, w querier) error {
		if _, err := w.ExecContext(ctx, upsertConsent, c.UserID, c.ClientID, scopes, micros(c.UpdatedAt)); err != nil {
			return err
		}
		return db.rememberConsent(ctx, w, c, scopes)
	})
}

func (db *DB) rememberConsent(ctx context.Context, w querier, c oidc.Consent, scopes string) error {
	_, err := w.ExecContext(ctx, insertConsentHistory, db.ids.next(), c.UserID, c.ClientID, scopes, micros(c.UpdatedAt))
	return err
}

// Consents implements [oidc.ConsentStore].
func (db *DB) Consents(ctx context.Context, userID string) ([]oidc.Consent, error) {
	return db.consents(ctx, selectConsents+" ORDER BY client_id", userID)
}

// ConsentHistory implements [oidc.ConsentStore].
func (db *DB) ConsentHistory(ctx context.Context, userID string) ([]oidc.Consent, error) {
	return db.consents(ctx, selectHistory, userID)
}

func (db *DB) consents(ctx context.Context, query, userID string) ([]oidc.Consent, error) {
	var out []oidc.Consent
	err := eachRow(ctx, db.reader(ctx), query, []any{userID}, func(rows *sql.Rows) error {
		var c oidc.Consent
		var scopes string
		var at int64
		if err := rows.Scan(&c.UserID, &c.ClientID, &scopes, &at); err != nil {
			return err
		}
		c.UpdatedAt = fromMicros(at)
		out = append(out, c)
		return decode("consent", scopes, &out[len(out)-1].Scopes)
	})
	return out, db.sqlError(ctx, "read consents", err)
}

// DeleteConsent implements [oidc.ConsentStore].
func (db *DB) DeleteConsent(ctx context.Context, userID, clientID string, now time.Time) (was bool, err error) {
	err = db.inWriter(ctx, "withdraw consent", func(ctx context.Context, w querier) error {
		c, err := db.Consent(ctx, userID, clientID)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, deleteConsent, userID, clientID)
		if was = n == 1; err != nil || !was {
			return err
		}
		for scope := range c.Scopes {
			c.Scopes[scope] = oidc.Revoked
		}
		c.UpdatedAt = now
		scopes, err := encode("consent", c.Scopes)
		if err != nil {
			return err
		}
		return db.rememberConsent(ctx, w, c, scopes)
	})
	return was && err == nil, err
}
