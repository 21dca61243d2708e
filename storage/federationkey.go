package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage/seal"
)

const (
	selectFederationKey = "SELECT kid, sealed FROM federation_keys WHERE id = $1"
	// insertFederationKey leaves the key of another node, which was first.
	insertFederationKey = "INSERT INTO federation_keys (id, kid, sealed, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
)

func federationKeyPlace(id string) seal.Place {
	return seal.Place{Table: "federation_keys", Column: "sealed", Row: id}
}

// FederationKey returns the key that all nodes have for a provider, as make has
// written it at the first call of any node. make may run though its key goes
// unused. It is a secret.
func (db *DB) FederationKey(ctx context.Context, provider string, make func() ([]byte, error)) ([]byte, error) {
	key, err := db.readFederationKey(ctx, provider)
	if key != nil || err != nil {
		return key, err
	}
	made, err := make()
	if err != nil {
		return nil, err
	}
	if err := db.storeFederationKey(ctx, provider, made); err != nil {
		return nil, err
	}
	return db.readFederationKey(ctx, provider)
}

// readFederationKey returns nil if there is none.
func (db *DB) readFederationKey(ctx context.Context, provider string) ([]byte, error) {
	var kid string
	var sealed []byte
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectFederationKey, provider).Scan(&kid, &sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, db.sqlError(ctx, "read key for provider", err)
	}
	key, err := db.cfg.Keys.Open(federationKeyPlace(provider), kid, sealed)
	if err != nil {
		return nil, fmt.Errorf("open key for provider %s: %w", provider, err)
	}
	return key, nil
}

func (db *DB) storeFederationKey(ctx context.Context, provider string, key []byte) error {
	kid, sealed, err := db.cfg.Keys.Seal(federationKeyPlace(provider), key)
	if err != nil {
		return fmt.Errorf("seal key for provider: %w", err)
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, insertFederationKey, provider, kid, sealed, micros(db.now()))
		if err != nil {
			return db.sqlError(ctx, "store key for provider", err)
		}
		if n == 0 {
			return nil
		}
		return db.Append(ctx, keyEvent(audit.KeyCreated, provider, map[string]any{"purpose": "saml"}))
	})
}
