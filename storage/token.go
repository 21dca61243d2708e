package storage

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sallyport-id/sallyport/scim"
)

// tokenRow is a row of tokens.
type tokenRow struct {
	ID   string `gorm:"primaryKey"`
	Name string
	// Live tokens hold their name: neither revoked nor seen expired when
	// another token asked for it.
	Live                 bool
	Hash                 []byte
	Scopes               []string `gorm:"serializer:json"`
	Profile              string
	Overrides            map[string]string `gorm:"serializer:json"`
	Domain               string
	IgnorePasswords      bool
	CreatedAt            int64 `gorm:"autoCreateTime:false"`
	ExpiresAt            int64
	RevokedAt            int64
	LastUsedAt           int64
	RemovalsAllowedUntil int64
	UserID               string
	SessionID            string
	ClientID             string
	PublicClient         bool
}

// TableName implements gorm's Tabler.
func (*tokenRow) TableName() string { return "tokens" }

// newTokenRow turns a token into its row. The columns of lists are never NULL.
func newTokenRow(t *scim.Token) *tokenRow {
	scopes, overrides := t.Scopes, t.Overrides
	if scopes == nil {
		scopes = []string{}
	}
	if overrides == nil {
		overrides = map[string]string{}
	}
	return &tokenRow{
		ID: t.ID, Name: t.Name, Live: t.RevokedAt.IsZero(), Hash: t.Hash, Scopes: scopes,
		Profile: t.Profile, Overrides: overrides, Domain: t.Domain, IgnorePasswords: t.IgnorePasswords,
		CreatedAt: micros(t.CreatedAt), ExpiresAt: micros(t.ExpiresAt), RevokedAt: micros(t.RevokedAt),
		LastUsedAt: micros(t.LastUsedAt), RemovalsAllowedUntil: micros(t.RemovalsAllowedUntil),
		UserID: t.UserID, SessionID: t.SessionID, ClientID: t.ClientID, PublicClient: t.PublicClient,
	}
}

// token turns a row into the token; empty lists are nil.
func (r *tokenRow) token() *scim.Token {
	if len(r.Scopes) == 0 {
		r.Scopes = nil
	}
	if len(r.Overrides) == 0 {
		r.Overrides = nil
	}
	return &scim.Token{
		ID: r.ID, Name: r.Name, Hash: r.Hash, Scopes: r.Scopes,
		Profile: r.Profile, Overrides: r.Overrides, Domain: r.Domain, IgnorePasswords: r.IgnorePasswords,
		CreatedAt: fromMicros(r.CreatedAt), ExpiresAt: fromMicros(r.ExpiresAt), RevokedAt: fromMicros(r.RevokedAt),
		LastUsedAt: fromMicros(r.LastUsedAt), RemovalsAllowedUntil: fromMicros(r.RemovalsAllowedUntil),
		UserID: r.UserID, SessionID: r.SessionID, ClientID: r.ClientID, PublicClient: r.PublicClient,
	}
}

// InsertToken implements [scim.TokenStore].
func (db *DB) InsertToken(ctx context.Context, t *scim.Token) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		// An expired token gives up its name to the next one.
		err := db.gorm(ctx).Model(&tokenRow{}).
			Where("name = ? AND live AND expires_at <> 0 AND expires_at <= ?", t.Name, micros(t.CreatedAt)).
			Update("live", false).Error
		if err != nil {
			return db.sqlError(ctx, "retire expired token", err)
		}
		return db.tokenError(ctx, "insert token", db.gorm(ctx).Create(newTokenRow(t)).Error)
	})
}

// tokenError turns a duplicate into the conflict of the name: ids and hashes
// are random, so nothing else of a token can be taken.
func (db *DB) tokenError(ctx context.Context, op string, err error) error {
	if errors.Is(err, gorm.ErrDuplicatedKey) {
		return &scim.ConflictError{Attribute: "name"}
	}
	return db.sqlError(ctx, op, err)
}

// TokenByHash implements [scim.TokenStore].
func (db *DB) TokenByHash(ctx context.Context, hash []byte) (*scim.Token, error) {
	ctx = db.pointContext(ctx)
	var row tokenRow
	if err := db.gorm(ctx).Where("hash = ?", hash).Take(&row).Error; err != nil {
		return nil, db.sqlError(ctx, "look up token", err)
	}
	return row.token(), nil
}

// Tokens implements [scim.TokenStore].
func (db *DB) Tokens(ctx context.Context) ([]scim.Token, error) {
	var rows []tokenRow
	if err := db.gorm(ctx).Order("created_at, id").Find(&rows).Error; err != nil {
		return nil, db.sqlError(ctx, "list tokens", err)
	}
	out := make([]scim.Token, len(rows))
	for i := range rows {
		out[i] = *rows[i].token()
	}
	return out, nil
}

// UpdateToken implements [scim.TokenStore]. Of several tokens that had one
// name the live one is meant, else the youngest. The secret's hash, the id,
// the owner and the time of creation cannot be edited.
func (db *DB) UpdateToken(ctx context.Context, idOrName string, edit func(*scim.Token) error) (*scim.Token, error) {
	var out *scim.Token
	err := db.InTx(ctx, func(ctx context.Context) error {
		var row tokenRow
		query := db.gorm(ctx).Where("id = ? OR name = ?", idOrName, idOrName).Order("live DESC, created_at DESC, id DESC")
		if db.dialect == dialectPostgres {
			query = query.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
		}
		if err := query.Take(&row).Error; err != nil {
			return db.sqlError(ctx, "look up token", err)
		}
		t := row.token()
		if err := edit(t); err != nil {
			return err
		}
		t.ID, t.Hash, t.CreatedAt = row.ID, row.Hash, fromMicros(row.CreatedAt)
		t.UserID, t.SessionID = row.UserID, row.SessionID
		out = t
		return db.tokenError(ctx, "update token", db.gorm(ctx).Save(newTokenRow(t)).Error)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// TouchToken implements [scim.TokenStore].
func (db *DB) TouchToken(ctx context.Context, id string, at time.Time) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		err := db.gorm(ctx).Model(&tokenRow{}).
			Where("id = ? AND last_used_at < ?", id, micros(at)).
			Update("last_used_at", micros(at)).Error
		return db.sqlError(ctx, "record use of token", err)
	})
}
