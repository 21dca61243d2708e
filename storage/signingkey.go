package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc/keys"
	"github.com/sallyport-id/sallyport/storage/seal"
)

var _ keys.Store = (*DB)(nil)

const (
	insertSigningKey = `INSERT INTO signing_keys (id, alg, state, kid, sealed, created_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`
	selectSigningKeys = "SELECT id, alg, state, kid, sealed, created_at, changed_at FROM signing_keys ORDER BY created_at, id"
	// Of one algorithm one key may be active and one be next: who would be the
	// second changes no row instead of failing the transaction.
	moveSigningKey = `UPDATE signing_keys SET state = $3, changed_at = $4 WHERE id = $1 AND state = $2
		AND ($3 = 'retired' OR NOT EXISTS (SELECT 1 FROM signing_keys o
			WHERE o.alg = signing_keys.alg AND o.state = $3 AND o.id <> signing_keys.id)) RETURNING alg`
)

// signingKeyPlace is where the private key of that id is sealed.
func signingKeyPlace(id string) seal.Place {
	return seal.Place{Table: "signing_keys", Column: "sealed", Row: id}
}

// SigningKeys implements [keys.Store].
func (db *DB) SigningKeys(ctx context.Context) ([]keys.Stored, error) {
	var out []keys.Stored
	err := eachRow(ctx, db.reader(ctx), selectSigningKeys, nil, func(rows *sql.Rows) error {
		var k keys.Stored
		var kid string
		var sealed []byte
		var created, changed int64
		if err := rows.Scan(&k.ID, &k.Alg, &k.State, &kid, &sealed, &created, &changed); err != nil {
			return err
		}
		k.CreatedAt, k.ChangedAt = fromMicros(created), fromMicros(changed)
		var err error
		if k.Private, err = db.cfg.Keys.Open(signingKeyPlace(k.ID), kid, sealed); err != nil {
			return fmt.Errorf("open signing key %s: %w", k.ID, err)
		}
		out = append(out, k)
		return nil
	})
	return out, db.sqlError(ctx, "read signing keys", err)
}

// InsertSigningKey implements [keys.Store].
func (db *DB) InsertSigningKey(ctx context.Context, k keys.Stored) (first bool, err error) {
	kid, sealed, err := db.cfg.Keys.Seal(signingKeyPlace(k.ID), k.Private)
	if err != nil {
		return false, fmt.Errorf("seal signing key: %w", err)
	}
	err = db.inWriter(ctx, "store signing key", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, insertSigningKey, k.ID, k.Alg, string(k.State), kid, sealed, micros(k.CreatedAt), micros(k.ChangedAt))
		if first = n == 1; err != nil || !first {
			return err
		}
		events := []audit.Event{signingKeyEvent(audit.KeyCreated, k.ID, k.Alg)}
		if k.State == keys.Active {
			events = append(events, signingKeyEvent(audit.KeyActivated, k.ID, k.Alg))
		}
		return db.Append(ctx, events...)
	})
	return first && err == nil, err
}

func signingKeyEvent(name audit.Name, id, alg string) audit.Event {
	return keyEvent(name, id, map[string]any{"purpose": "signing", "alg": alg})
}

// MoveSigningKey implements [keys.Store].
func (db *DB) MoveSigningKey(ctx context.Context, id string, from, to keys.State, now time.Time) (moved bool, err error) {
	err = db.inWriter(ctx, "move signing key", func(ctx context.Context, w querier) error {
		if db.dialect == dialectPostgres {
			// Two nodes that move different keys into one state must see each other.
			if _, err := w.ExecContext(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('sallyport signing keys', 0))"); err != nil {
				return err
			}
		}
		var alg string
		err := w.QueryRowContext(ctx, moveSigningKey, id, string(from), string(to), micros(now)).Scan(&alg)
		if moved = err == nil; errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		name := audit.KeyActivated
		if to == keys.Retired {
			name = audit.KeyRetired
		}
		return db.Append(ctx, signingKeyEvent(name, id, alg))
	})
	return moved && err == nil, err
}

// DeleteSigningKey implements [keys.Store].
func (db *DB) DeleteSigningKey(ctx context.Context, id string) error {
	return db.inWriter(ctx, "remove signing key", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "DELETE FROM signing_keys WHERE id = $1 AND state = 'retired'", id)
		return err
	})
}
