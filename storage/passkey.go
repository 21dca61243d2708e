package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/passkey"
	"github.com/sallyport-id/sallyport/scim"
)

var _ passkey.Store = (*DB)(nil)

const (
	selectPasskeys = "SELECT id, user_id, credential_id, record, name, created_at, last_used_at FROM passkeys" //nolint:gosec // a statement

	insertPasskey = `INSERT INTO passkeys (id, user_id, credential_id, record, name, created_at, last_used_at)
		VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT (credential_id) DO NOTHING`

	usePasskey = "UPDATE passkeys SET record = $1, last_used_at = $2 WHERE id = $3 AND record = $4"

	upsertCeremony = `INSERT INTO passkey_ceremonies (session_id, user_id, ceremony, expires_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (session_id) DO UPDATE SET user_id = excluded.user_id, ceremony = excluded.ceremony,
			expires_at = excluded.expires_at`

	takeCeremony = "DELETE FROM passkey_ceremonies WHERE session_id = $1 AND user_id = $2 RETURNING ceremony"
)

// Passkeys implements [passkey.Store].
func (db *DB) Passkeys(ctx context.Context, userID string) ([]passkey.Passkey, error) {
	return db.passkeys(ctx, selectPasskeys+" WHERE user_id = $1 ORDER BY created_at, id", userID)
}

// PasskeyByCredential implements [passkey.Store].
func (db *DB) PasskeyByCredential(ctx context.Context, credentialID []byte) (passkey.Passkey, error) {
	if len(credentialID) == 0 {
		return passkey.Passkey{}, passkey.ErrNotFound
	}
	found, err := db.passkeys(ctx, selectPasskeys+" WHERE credential_id = $1", credentialID)
	if err != nil {
		return passkey.Passkey{}, err
	}
	if len(found) == 0 {
		return passkey.Passkey{}, passkey.ErrNotFound
	}
	return found[0], nil
}

func (db *DB) passkeys(ctx context.Context, query string, key any) ([]passkey.Passkey, error) {
	var out []passkey.Passkey
	err := eachRow(db.pointContext(ctx), db.reader(ctx), query, []any{key}, func(rows *sql.Rows) error {
		var p passkey.Passkey
		var record string
		var created, used int64
		if err := rows.Scan(&p.ID, &p.UserID, &p.CredentialID, &record, &p.Name, &created, &used); err != nil {
			return err
		}
		p.Record, p.CreatedAt, p.LastUsedAt = json.RawMessage(record), fromMicros(created), fromMicros(used)
		out = append(out, p)
		return nil
	})
	return out, db.sqlError(ctx, "read passkeys", err)
}

// AddPasskey implements [passkey.Store].
func (db *DB) AddPasskey(ctx context.Context, p passkey.Passkey) error {
	return db.inPasskeys(ctx, "store passkey", func(ctx context.Context, w querier) error {
		var has int
		if err := w.QueryRowContext(ctx, "SELECT count(*) FROM passkeys WHERE user_id = $1", p.UserID).Scan(&has); err != nil {
			return err
		}
		if has >= passkey.Most {
			return passkey.ErrTooMany
		}
		n, err := db.execCount(ctx, w, insertPasskey, p.ID, p.UserID, p.CredentialID, string(p.Record), p.Name, micros(p.CreatedAt))
		if err == nil && n != 1 {
			return passkey.ErrTaken
		}
		return err
	})
}

// UsePasskey implements [passkey.Store].
func (db *DB) UsePasskey(ctx context.Context, id string, old, record json.RawMessage, at time.Time) error {
	return db.inPasskeys(ctx, "use passkey", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, usePasskey, string(record), micros(at), id, string(old))
		if err != nil || n == 1 {
			return err
		}
		if err := w.QueryRowContext(ctx, "SELECT id FROM passkeys WHERE id = $1", id).Scan(&id); err != nil {
			return err
		}
		return passkey.ErrChanged
	})
}

// RenamePasskey implements [passkey.Store].
func (db *DB) RenamePasskey(ctx context.Context, userID, id, name string) error {
	return db.onePasskey(ctx, "rename passkey", "UPDATE passkeys SET name = $3 WHERE user_id = $1 AND id = $2", userID, id, name)
}

// RemovePasskey implements [passkey.Store].
func (db *DB) RemovePasskey(ctx context.Context, userID, id string) error {
	return db.onePasskey(ctx, "remove passkey", "DELETE FROM passkeys WHERE user_id = $1 AND id = $2", userID, id)
}

// onePasskey runs a statement that changes one row or finds none.
func (db *DB) onePasskey(ctx context.Context, op, query string, args ...any) error {
	return db.inPasskeys(ctx, op, func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, query, args...)
		if err == nil && n != 1 {
			return passkey.ErrNotFound
		}
		return err
	})
}

// HoldCeremony implements [passkey.Store].
func (db *DB) HoldCeremony(ctx context.Context, sessionID, userID string, c passkey.Ceremony) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write ceremony: %w", err)
	}
	return db.inPasskeys(ctx, "keep registration of a passkey", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, upsertCeremony, sessionID, userID, string(text), micros(c.Expires))
		return err
	})
}

// TakeCeremony implements [passkey.Store].
func (db *DB) TakeCeremony(ctx context.Context, sessionID, userID string) (c passkey.Ceremony, err error) {
	err = db.inPasskeys(ctx, "take registration of a passkey", func(ctx context.Context, w querier) error {
		var text string
		if err := w.QueryRowContext(ctx, takeCeremony, sessionID, userID).Scan(&text); err != nil {
			return err
		}
		c = passkey.Ceremony{}
		return json.Unmarshal([]byte(text), &c)
	})
	return c, err
}

// inPasskeys runs fn with the writer; a row that is not there is
// passkey.ErrNotFound.
func (db *DB) inPasskeys(ctx context.Context, op string, fn func(ctx context.Context, w querier) error) error {
	err := db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		err = fn(ctx, w)
		for _, known := range []error{passkey.ErrNotFound, passkey.ErrTaken, passkey.ErrTooMany, passkey.ErrChanged} {
			if errors.Is(err, known) {
				return known
			}
		}
		return db.sqlError(ctx, op, err)
	})
	if errors.Is(err, scim.ErrNotFound) {
		return passkey.ErrNotFound
	}
	return err
}
