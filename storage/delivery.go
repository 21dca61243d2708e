package storage

import (
	"context"
	"database/sql"
	"time"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

var _ delivery.StatusStore = (*DB)(nil)

const (
	insertDelivery = `INSERT INTO delivery_messages
		(id, provider, provider_id, channel, country, dest_hash, created_at, status)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`

	// A final status stays: call-backs come in any order.
	updateDelivery = `UPDATE delivery_messages SET status = $1 WHERE provider = $2 AND provider_id = $3 AND status = $4`
	countDelivery  = "SELECT count(*) FROM delivery_messages WHERE provider = $1 AND provider_id = $2"
	countDest      = "SELECT count(*) FROM (SELECT 1 FROM delivery_messages WHERE dest_hash = $1 LIMIT 1) AS earlier"

	countStatuses = `SELECT provider, status, count(*) FROM delivery_messages
		WHERE created_at >= $1 GROUP BY provider, status`
)

// RecordSent implements [delivery.StatusStore].
func (db *DB) RecordSent(ctx context.Context, r delivery.Record) error {
	return db.inWriter(ctx, "record delivery", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertDelivery, r.ID, r.Provider, r.ProviderID, string(r.Channel), r.Country,
			r.DestHash, micros(r.CreatedAt), string(r.Status))
		return err
	})
}

// RecordStatus implements [delivery.StatusStore].
func (db *DB) RecordStatus(ctx context.Context, provider, providerID string, s delivery.Status) error {
	known := 0
	err := db.inWriter(ctx, "record status of delivery", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, updateDelivery, string(s), provider, providerID, string(delivery.Sent))
		if err != nil {
			return err
		}
		return w.QueryRowContext(ctx, countDelivery, provider, providerID).Scan(&known)
	})
	if err == nil && known == 0 {
		return delivery.ErrUnknownMessage
	}
	return err
}

// FirstSend implements [delivery.StatusStore].
func (db *DB) FirstSend(ctx context.Context, destHash []byte) (bool, error) {
	var earlier int
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), countDest, destHash).Scan(&earlier)
	return earlier == 0, db.sqlError(ctx, "look for earlier deliveries", err)
}

// Statuses implements [delivery.StatusStore].
func (db *DB) Statuses(ctx context.Context, since time.Time) (map[string]map[delivery.Status]int64, error) {
	out := map[string]map[delivery.Status]int64{}
	err := eachRow(ctx, db.reader(ctx), countStatuses, []any{micros(since)}, func(rows *sql.Rows) error {
		var provider, status string
		var n int64
		if err := rows.Scan(&provider, &status, &n); err != nil {
			return err
		}
		if out[provider] == nil {
			out[provider] = map[delivery.Status]int64{}
		}
		out[provider][delivery.Status(status)] = n
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "count deliveries", err)
	}
	return out, nil
}
