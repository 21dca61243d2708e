package storage

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/oidc"
)

var _ oidc.DeviceStore = (*DB)(nil)

const (
	// A user code that is over makes room for another device with the same one.
	dropOldDevice = "DELETE FROM oauth_devices WHERE user_code_hash = $1 AND expires_at <= $2"
	insertDevice  = `INSERT INTO oauth_devices (code_hash, user_code_hash, client_id, doc, state, grant_id,
		poll_every, polled_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`
	selectDevice = `SELECT code_hash, user_code_hash, client_id, doc, state, grant_id, poll_every, polled_at, expires_at
		FROM oauth_devices`
	pollDevice   = "UPDATE oauth_devices SET polled_at = $2, poll_every = $3 WHERE code_hash = $1"
	settleDevice = "UPDATE oauth_devices SET state = $3, grant_id = $4 WHERE code_hash = $1 AND state = $2"
)

// slowDown is what the interval grows by when a device polls too soon (RFC 8628
// section 3.5).
const slowDown = 5 * time.Second

// deviceDoc is what never changes of a device authorization.
type deviceDoc struct {
	Scopes        []string `json:"scopes,omitempty"`
	Audience      []string `json:"audience,omitempty"`
	ACRValues     []string `json:"acr_values,omitempty"`
	KeyThumbprint string   `json:"key_thumbprint,omitempty"`
}

// InsertDevice implements [oidc.DeviceStore].
func (db *DB) InsertDevice(ctx context.Context, d oidc.DeviceAuthorization) error {
	doc, err := encode("device", deviceDoc{
		Scopes: d.Scopes, Audience: d.Audience, ACRValues: d.ACRValues, KeyThumbprint: d.KeyThumbprint,
	})
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store device", func(ctx context.Context, w querier) error {
		if _, err := w.ExecContext(ctx, dropOldDevice, d.UserCodeHash, micros(db.now())); err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, insertDevice, d.CodeHash, d.UserCodeHash, d.ClientID, doc, string(d.State), d.GrantID,
			d.Interval.Microseconds(), micros(d.PolledAt), micros(d.ExpiresAt))
		if err == nil && n == 0 {
			return oidc.ErrTaken
		}
		return err
	})
}

// DeviceByUserCode implements [oidc.DeviceStore].
func (db *DB) DeviceByUserCode(ctx context.Context, hash []byte) (oidc.DeviceAuthorization, error) {
	return db.device(ctx, selectDevice+" WHERE user_code_hash = $1", hash)
}

// DeviceByCode implements [oidc.DeviceStore].
func (db *DB) DeviceByCode(ctx context.Context, hash []byte) (oidc.DeviceAuthorization, error) {
	return db.device(ctx, selectDevice+" WHERE code_hash = $1", hash)
}

func (db *DB) device(ctx context.Context, query string, hash []byte) (oidc.DeviceAuthorization, error) {
	var d oidc.DeviceAuthorization
	var text string
	var interval, polled, expires int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), query, hash).Scan(&d.CodeHash, &d.UserCodeHash,
		&d.ClientID, &text, &d.State, &d.GrantID, &interval, &polled, &expires)
	if err := db.absent(ctx, "read device", err); err != nil {
		return oidc.DeviceAuthorization{}, err
	}
	var doc deviceDoc
	if err := decode("device", text, &doc); err != nil {
		return oidc.DeviceAuthorization{}, err
	}
	d.Scopes, d.Audience, d.ACRValues, d.KeyThumbprint = doc.Scopes, doc.Audience, doc.ACRValues, doc.KeyThumbprint
	d.Interval = time.Duration(interval) * time.Microsecond
	d.PolledAt, d.ExpiresAt = fromMicros(polled), fromMicros(expires)
	return d, nil
}

// PollDevice implements [oidc.DeviceStore].
func (db *DB) PollDevice(ctx context.Context, hash []byte, now time.Time) (d oidc.DeviceAuthorization, tooSoon bool, err error) {
	err = db.inWriter(ctx, "poll device", func(ctx context.Context, w querier) error {
		d, err = db.device(ctx, selectDevice+" WHERE code_hash = $1"+db.dialect.pick("", " FOR UPDATE"), hash)
		if err != nil {
			return err
		}
		tooSoon = !d.PolledAt.IsZero() && now.Before(d.PolledAt.Add(d.Interval))
		if tooSoon {
			d.Interval += slowDown
		}
		d.PolledAt = now
		_, err := w.ExecContext(ctx, pollDevice, hash, micros(now), d.Interval.Microseconds())
		return err
	})
	if err != nil {
		return oidc.DeviceAuthorization{}, false, err
	}
	return d, tooSoon, nil
}

// SettleDevice implements [oidc.DeviceStore].
func (db *DB) SettleDevice(ctx context.Context, hash []byte, from, to oidc.DeviceState, grantID string) error {
	return db.inWriter(ctx, "settle device", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, settleDevice, hash, string(from), string(to), grantID)
		if err == nil && n == 0 {
			return oidc.ErrUsed
		}
		return err
	})
}
