package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

var _ authn.OutboxStore = (*DB)(nil)

const (
	insertQueued = `INSERT INTO login_codes (id, kid, sealed, created_at, expires_at, claimed_until) VALUES ($1, $2, $3, $4, $5, 0)`
	selectQueued = `SELECT id, kid, sealed FROM login_codes
		WHERE claimed_until <= $1 AND expires_at > $1 ORDER BY created_at, id LIMIT $2`
	// claimQueued asks again for what selectQueued saw: of two nodes that saw the
	// same row, one changes it.
	claimQueued  = "UPDATE login_codes SET claimed_until = $1 WHERE id = $2 AND claimed_until <= $3 AND expires_at > $3"
	deleteQueued = "DELETE FROM login_codes WHERE id = $1"
)

// queuedPlace is where the queued code of that row id is sealed.
func queuedPlace(id string) seal.Place {
	return seal.Place{Table: "login_codes", Column: "sealed", Row: id}
}

// sealedCode is what the sealed column of a queued code holds.
type sealedCode struct {
	UserID   string           `json:"user"`
	Channel  delivery.Channel `json:"channel"`
	To       string           `json:"to"`
	Code     string           `json:"code"`
	Language string           `json:"language,omitempty"`
	Expires  time.Time        `json:"expires"`
	DestHash []byte           `json:"dest_hash,omitempty"`
	Prefix   string           `json:"prefix,omitempty"`
	Path     string           `json:"path,omitempty"`
	Client   string           `json:"client,omitempty"`
}

// QueueCode implements [authn.OutboxStore].
func (db *DB) QueueCode(ctx context.Context, c authn.QueuedCode) error {
	plain, err := json.Marshal(sealedCode{
		UserID: c.UserID, Channel: c.Channel, To: c.To, Code: c.Code.Reveal(), Language: c.Language, Expires: c.Expires,
		DestHash: c.DestHash, Prefix: c.Prefix, Path: c.Path, Client: c.Client,
	})
	if err != nil {
		return fmt.Errorf("encode queued code: %w", err)
	}
	kid, sealed, err := db.cfg.Keys.Seal(queuedPlace(c.ID), plain)
	if err != nil {
		return fmt.Errorf("seal queued code: %w", err)
	}
	return db.inWriter(ctx, "queue code", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertQueued, c.ID, kid, sealed, micros(db.now()), micros(c.Expires))
		return err
	})
}

// ClaimCodes implements [authn.OutboxStore]. Without a code that is due it
// writes nothing.
func (db *DB) ClaimCodes(ctx context.Context, now, until time.Time, limit int) ([]authn.QueuedCode, error) {
	due, err := db.queuedCodes(ctx, now, limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	var claimed []authn.QueuedCode
	err = db.inWriter(ctx, "claim codes", func(ctx context.Context, w querier) error {
		claimed = nil // the closure may run again
		for _, c := range due {
			n, err := db.execCount(ctx, w, claimQueued, micros(until), c.ID, micros(now))
			if err != nil {
				return err
			}
			if n == 1 {
				claimed = append(claimed, c)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

func (db *DB) queuedCodes(ctx context.Context, now time.Time, limit int) ([]authn.QueuedCode, error) {
	var due []authn.QueuedCode
	err := eachRow(ctx, db.reader(ctx), selectQueued, []any{micros(now), limit}, func(rows *sql.Rows) error {
		var id, kid string
		var sealed []byte
		if err := rows.Scan(&id, &kid, &sealed); err != nil {
			return err
		}
		plain, err := db.cfg.Keys.Open(queuedPlace(id), kid, sealed)
		if err != nil {
			return fmt.Errorf("open queued code %s: %w", id, err)
		}
		var s sealedCode
		if err := json.Unmarshal(plain, &s); err != nil {
			return fmt.Errorf("decode queued code %s: %w", id, err)
		}
		due = append(due, authn.QueuedCode{
			ID: id, UserID: s.UserID, Channel: s.Channel, To: s.To, Code: delivery.Code(s.Code), Language: s.Language,
			Expires: s.Expires, DestHash: s.DestHash, Prefix: s.Prefix, Path: s.Path, Client: s.Client,
		})
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read queued codes", err)
	}
	return due, nil
}

// RemoveCode implements [authn.OutboxStore].
func (db *DB) RemoveCode(ctx context.Context, id string) error {
	return db.inWriter(ctx, "remove queued code", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, deleteQueued, id)
		return err
	})
}
