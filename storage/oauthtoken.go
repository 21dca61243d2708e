package storage

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/oidc"
)

const (
	insertRefresh = `INSERT INTO oauth_refresh_tokens (hash, grant_id, scopes, created_at, expires_at, used_at, successor)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	selectRefresh = `SELECT grant_id, scopes, created_at, expires_at, used_at, successor
		FROM oauth_refresh_tokens WHERE hash = $1`
	consumeRefresh = `UPDATE oauth_refresh_tokens SET used_at = $3, successor = $2
		WHERE hash = $1 AND used_at = 0 AND expires_at > $3`

	insertAccess = `INSERT INTO oauth_access_tokens (hash, grant_id, scopes, audience, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6)`
	selectAccess = `SELECT grant_id, scopes, audience, created_at, expires_at
		FROM oauth_access_tokens WHERE hash = $1 AND expires_at > $2`
)

// InsertRefresh implements [oidc.GrantStore].
func (db *DB) InsertRefresh(ctx context.Context, r oidc.Refresh) error {
	scopes, err := encode("scopes", texts(r.Scopes))
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store refresh token", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertRefresh, r.Hash, r.GrantID, scopes, micros(r.CreatedAt), micros(r.ExpiresAt),
			micros(r.UsedAt), r.Successor)
		return err
	})
}

// RefreshByHash implements [oidc.GrantStore].
func (db *DB) RefreshByHash(ctx context.Context, hash []byte) (oidc.Refresh, error) {
	r := oidc.Refresh{Hash: hash}
	var scopes string
	var created, expires, used int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectRefresh, hash).Scan(
		&r.GrantID, &scopes, &created, &expires, &used, &r.Successor)
	if err := db.absent(ctx, "read refresh token", err); err != nil {
		return oidc.Refresh{}, err
	}
	r.CreatedAt, r.ExpiresAt, r.UsedAt = fromMicros(created), fromMicros(expires), fromMicros(used)
	return r, decode("scopes", scopes, &r.Scopes)
}

// ConsumeRefresh implements [oidc.GrantStore].
func (db *DB) ConsumeRefresh(ctx context.Context, hash, successor []byte, now time.Time) error {
	return db.inWriter(ctx, "use refresh token", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, consumeRefresh, hash, successor, micros(now))
		if err != nil || n == 1 {
			return err
		}
		r, err := db.RefreshByHash(ctx, hash)
		if err != nil {
			return err
		}
		if !r.UsedAt.IsZero() {
			return oidc.ErrUsed
		}
		return oidc.ErrNotFound
	})
}

// InsertAccess implements [oidc.GrantStore].
func (db *DB) InsertAccess(ctx context.Context, a oidc.Access) error {
	scopes, err := encode("scopes", texts(a.Scopes))
	if err != nil {
		return err
	}
	audience, err := encode("audience", texts(a.Audience))
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store access token", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertAccess, a.Hash, a.GrantID, scopes, audience, micros(a.CreatedAt), micros(a.ExpiresAt))
		return err
	})
}

// accessRow is an access token as it is stored.
type accessRow struct {
	oidc.Access
	scopes, audience string
	created, expires int64
}

// into are the places of its columns but the id of the grant.
func (r *accessRow) into() []any { return []any{&r.scopes, &r.audience, &r.created, &r.expires} }

func (r *accessRow) access() (oidc.Access, error) {
	a := r.Access
	a.CreatedAt, a.ExpiresAt = fromMicros(r.created), fromMicros(r.expires)
	if err := decode("scopes", r.scopes, &a.Scopes); err != nil {
		return oidc.Access{}, err
	}
	return a, decode("audience", r.audience, &a.Audience)
}

// AccessByHash implements [oidc.GrantStore].
func (db *DB) AccessByHash(ctx context.Context, hash []byte, now time.Time) (oidc.Access, error) {
	row := accessRow{Access: oidc.Access{Hash: hash}}
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectAccess, hash, micros(now)).
		Scan(append([]any{&row.GrantID}, row.into()...)...)
	if err := db.absent(ctx, "read access token", err); err != nil {
		return oidc.Access{}, err
	}
	return row.access()
}

// texts keeps a list without elements a list in JSON.
func texts(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
