package storage

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// serverKeyPlace is where the key of that row id is sealed.
func serverKeyPlace(id string) seal.Place {
	return seal.Place{Table: "server_keys", Column: "sealed", Row: id}
}

// ServerKey returns the 32 random bytes that all nodes share for a purpose
// (such as [seal.PurposeCursor]), made at the first call of any node. They
// outlive the rotation of the master key. They are a secret.
func (db *DB) ServerKey(ctx context.Context, purpose string) ([]byte, error) {
	key, err := db.readServerKey(ctx, purpose)
	if !errors.Is(err, scim.ErrNotFound) {
		return key, err
	}
	if err := db.makeServerKey(ctx, purpose); err != nil {
		return nil, err
	}
	return db.readServerKey(ctx, purpose)
}

func (db *DB) readServerKey(ctx context.Context, purpose string) ([]byte, error) {
	var id, kid string
	var sealed []byte
	err := db.reader(ctx).QueryRowContext(ctx,
		"SELECT id, kid, sealed FROM server_keys WHERE purpose = $1 AND state = 'active'", purpose).
		Scan(&id, &kid, &sealed)
	if err != nil {
		return nil, db.sqlError(ctx, "read server key", err)
	}
	key, err := db.cfg.Keys.Open(serverKeyPlace(id), kid, sealed)
	if err != nil {
		return nil, fmt.Errorf("open server key %s: %w", purpose, err)
	}
	return key, nil
}

// makeServerKey adds a key unless another node was faster.
func (db *DB) makeServerKey(ctx context.Context, purpose string) error {
	id := db.ids.next()
	key := make([]byte, seal.KeySize)
	_, _ = rand.Read(key) // never fails, says crypto/rand
	kid, sealed, err := db.cfg.Keys.Seal(serverKeyPlace(id), key)
	if err != nil {
		return fmt.Errorf("seal server key: %w", err)
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, `INSERT INTO server_keys (id, purpose, kid, sealed, created_at, state)
			VALUES ($1, $2, $3, $4, $5, 'active') ON CONFLICT DO NOTHING`, id, purpose, kid, sealed, micros(db.now()))
		if err != nil {
			return db.sqlError(ctx, "store server key", err)
		}
		if n == 0 {
			return nil
		}
		return db.Append(ctx, keyEvent(audit.KeyCreated, id, map[string]any{"purpose": purpose}))
	})
}

// keyEvent is an audit event of the server itself about a key.
func keyEvent(name audit.Name, key string, detail map[string]any) audit.Event {
	body, err := json.Marshal(detail)
	if err != nil {
		panic(err) // names and numbers always marshal
	}
	return audit.Event{
		Name: name, Outcome: audit.OK, Detail: body,
		Actor:  audit.Party{Type: "server"},
		Target: audit.Party{Type: "key", ID: key},
	}
}
