package storage

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/scim"
)

var _ authn.DeviceStore = (*DB)(nil)

const (
	deviceColumns = "id, user_id, secret_hash, user_agent, ip, created_at, last_used_at, expires_at"

	selectRemembered = "SELECT " + deviceColumns + " FROM devices WHERE id = $1 AND expires_at > $2"
	listRemembered   = "SELECT " + deviceColumns + " FROM devices WHERE user_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id DESC"
	insertRemembered = "INSERT INTO devices (" + deviceColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
	useRemembered    = "UPDATE devices SET last_used_at = $1 WHERE id = $2 AND last_used_at < $1"
	forgetBrowsers   = "DELETE FROM devices WHERE user_id = $1"
)

func scanDevice(row interface{ Scan(...any) error }) (authn.Device, error) {
	var d authn.Device
	var created, used, expires int64
	err := row.Scan(&d.ID, &d.UserID, &d.SecretHash, &d.UserAgent, &d.IP, &created, &used, &expires)
	d.CreatedAt, d.LastUsedAt, d.ExpiresAt = fromMicros(created), fromMicros(used), fromMicros(expires)
	return d, err
}

// AddDevice implements [authn.DeviceStore].
func (db *DB) AddDevice(ctx context.Context, d authn.Device) error {
	if d.ID == "" || d.UserID == "" || len(d.SecretHash) == 0 || !d.ExpiresAt.After(d.CreatedAt) {
		return errors.New("remember browser: id, user, secret or life is missing")
	}
	return db.inWriter(ctx, "remember browser", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertRemembered, d.ID, d.UserID, d.SecretHash, d.UserAgent, d.IP,
			micros(d.CreatedAt), micros(d.LastUsedAt), micros(d.ExpiresAt))
		return err
	})
}

// Device implements [authn.DeviceStore].
func (db *DB) Device(ctx context.Context, id string, now time.Time) (authn.Device, error) {
	d, err := scanDevice(db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectRemembered, id, micros(now)))
	if err = db.sqlError(ctx, "read remembered browser", err); errors.Is(err, scim.ErrNotFound) {
		return authn.Device{}, authn.ErrNoDevice
	}
	return d, err
}

// Devices implements [authn.DeviceStore].
func (db *DB) Devices(ctx context.Context, userID string, now time.Time) ([]authn.Device, error) {
	var out []authn.Device
	err := eachRow(ctx, db.reader(ctx), listRemembered, []any{userID, micros(now)}, func(rows *sql.Rows) error {
		d, err := scanDevice(rows)
		out = append(out, d)
		return err
	})
	return out, db.sqlError(ctx, "list remembered browsers", err)
}

// UseDevice implements [authn.DeviceStore].
func (db *DB) UseDevice(ctx context.Context, id string, at time.Time) error {
	return db.inWriter(ctx, "record use of browser", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, useRemembered, micros(at), id)
		return err
	})
}

// DeleteDevice implements [authn.DeviceStore].
func (db *DB) DeleteDevice(ctx context.Context, userID, id string) (had bool, err error) {
	n, err := db.deleteDeviceRows(ctx, forgetBrowsers+" AND id = $2", userID, id)
	return n == 1, err
}

// DeleteDevices implements [authn.DeviceStore].
func (db *DB) DeleteDevices(ctx context.Context, userID string) (int64, error) {
	return db.deleteDeviceRows(ctx, forgetBrowsers, userID)
}

func (db *DB) deleteDeviceRows(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = db.inWriter(ctx, "forget browser", func(ctx context.Context, w querier) error {
		n, err = db.execCount(ctx, w, query, args...)
		return err
	})
	return n, err
}
