package storage

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/sallyport-id/sallyport/oidc"
)

var (
	_ oidc.PushedStore = (*DB)(nil)
	_ oidc.ReplayStore = (*DB)(nil)
)

const (
	insertPushed = `INSERT INTO oauth_pushed_requests (id, client_id, params, key_thumbprint, expires_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6)`
	selectPushed = `SELECT client_id, params, key_thumbprint, expires_at, used_at
		FROM oauth_pushed_requests WHERE id = $1`
	consumePushed = "UPDATE oauth_pushed_requests SET used_at = $2 WHERE id = $1 AND used_at = 0"

	insertReplay = `INSERT INTO oauth_replays (kind, key, expires_at) VALUES ($1, $2, $3)
		ON CONFLICT (kind, key) DO NOTHING`
)

// InsertPushed implements [oidc.PushedStore].
func (db *DB) InsertPushed(ctx context.Context, p oidc.Pushed) error {
	params, err := encode("pushed request", p.Params)
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store pushed request", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertPushed, p.ID, p.ClientID, params, p.KeyThumbprint, micros(p.ExpiresAt), micros(p.UsedAt))
		return err
	})
}

// Pushed implements [oidc.PushedStore].
func (db *DB) Pushed(ctx context.Context, id string) (oidc.Pushed, error) {
	p := oidc.Pushed{ID: id}
	var params string
	var expires, used int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectPushed, id).Scan(
		&p.ClientID, &params, &p.KeyThumbprint, &expires, &used)
	if err := db.absent(ctx, "read pushed request", err); err != nil {
		return oidc.Pushed{}, err
	}
	p.ExpiresAt, p.UsedAt = fromMicros(expires), fromMicros(used)
	return p, decode("pushed request", params, &p.Params)
}

// ConsumePushed implements [oidc.PushedStore].
func (db *DB) ConsumePushed(ctx context.Context, id string, now time.Time) error {
	return db.inWriter(ctx, "use pushed request", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, consumePushed, id, micros(now))
		if err == nil && n == 0 {
			return oidc.ErrUsed
		}
		return err
	})
}

// UseOnce implements [oidc.ReplayStore].
func (db *DB) UseOnce(ctx context.Context, kind, key string, expires time.Time) (first bool, err error) {
	// A key is as long as its sender likes; the row is not.
	sum := sha256.Sum256([]byte(key))
	err = db.inWriter(ctx, "remember use", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, insertReplay, kind, sum[:], micros(expires))
		first = n == 1
		return err
	})
	return first && err == nil, err
}
