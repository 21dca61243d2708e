package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation"
)

var _ validation.NoticeStore = (*DB)(nil)

const (
	insertNotice = `INSERT INTO notices (id, user_id, kind, kid, sealed, language, created_at, claimed_until, attempts, next_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, $7)`

	selectNotices = `SELECT id, user_id, kind, kid, sealed, language, created_at, attempts FROM notices
		WHERE next_at <= $1 AND claimed_until <= $1 ORDER BY next_at, id LIMIT $2`

	// claimNotice asks again for what selectNotices saw: of two nodes that saw
	// the same row, one changes it.
	claimNotice = `UPDATE notices SET claimed_until = $1, attempts = attempts + 1
		WHERE id = $2 AND next_at <= $3 AND claimed_until <= $3`
)

// noticePlace is where the notice of that row id is sealed.
func noticePlace(id string) seal.Place {
	return seal.Place{Table: "notices", Column: "sealed", Row: id}
}

// sealedNotice is what the sealed column of a notice holds.
type sealedNotice struct {
	To  string `json:"to"`
	IP  string `json:"ip,omitempty"`
	Own bool   `json:"own,omitempty"`
}

// AddNotices implements [validation.NoticeStore].
func (db *DB) AddNotices(ctx context.Context, notices ...validation.Notice) error {
	return db.inWriter(ctx, "store notice", func(ctx context.Context, w querier) error {
		for _, n := range notices {
			plain, err := json.Marshal(sealedNotice{To: n.To, IP: n.IP, Own: n.Own})
			if err != nil {
				return fmt.Errorf("encode notice: %w", err)
			}
			id := db.ids.next()
			kid, sealed, err := db.cfg.Keys.Seal(noticePlace(id), plain)
			if err != nil {
				return fmt.Errorf("seal notice: %w", err)
			}
			_, err = w.ExecContext(ctx, insertNotice, id, n.UserID, string(n.Kind), kid, sealed, n.Language, micros(n.At))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ClaimNotices implements [validation.NoticeStore]. Without a notice that is
// due it writes nothing.
func (db *DB) ClaimNotices(ctx context.Context, now, until time.Time, limit int) ([]validation.Notice, error) {
	due, err := db.dueNotices(ctx, now, limit)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	var claimed []validation.Notice
	err = db.inWriter(ctx, "claim notices", func(ctx context.Context, w querier) error {
		claimed = nil // the closure may run again
		for _, n := range due {
			changed, err := db.execCount(ctx, w, claimNotice, micros(until), n.ID, micros(now))
			if err != nil {
				return err
			}
			if changed == 1 {
				n.Attempts++
				claimed = append(claimed, n)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

func (db *DB) dueNotices(ctx context.Context, now time.Time, limit int) ([]validation.Notice, error) {
	var due []validation.Notice
	err := eachRow(ctx, db.reader(ctx), selectNotices, []any{micros(now), limit}, func(rows *sql.Rows) error {
		var n validation.Notice
		var kid string
		var sealed []byte
		var created int64
		err := rows.Scan(&n.ID, &n.UserID, &n.Kind, &kid, &sealed, &n.Language, &created, &n.Attempts)
		if err != nil {
			return err
		}
		plain, err := db.cfg.Keys.Open(noticePlace(n.ID), kid, sealed)
		if err != nil {
			return fmt.Errorf("open notice %s: %w", n.ID, err)
		}
		var s sealedNotice
		if err := json.Unmarshal(plain, &s); err != nil {
			return fmt.Errorf("decode notice %s: %w", n.ID, err)
		}
		n.To, n.IP, n.Own, n.At = s.To, s.IP, s.Own, fromMicros(created)
		due = append(due, n)
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read notices", err)
	}
	return due, nil
}

// PostponeNotice implements [validation.NoticeStore].
func (db *DB) PostponeNotice(ctx context.Context, id string, next time.Time) error {
	return db.inWriter(ctx, "postpone notice", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "UPDATE notices SET claimed_until = 0, next_at = $1 WHERE id = $2", micros(next), id)
		return err
	})
}

// RemoveNotice implements [validation.NoticeStore].
func (db *DB) RemoveNotice(ctx context.Context, id string) error {
	return db.inWriter(ctx, "remove notice", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, "DELETE FROM notices WHERE id = $1", id)
		return err
	})
}
