package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/storage/seal"
)

var (
	_ account.Store        = (*DB)(nil)
	_ account.MessageStore = (*DB)(nil)
)

const (
	insertFlow = `INSERT INTO account_flows
		(id, kind, user_id, browser_hash, link_hash, step, kid, sealed, created_at, expires_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`
	selectFlow = `SELECT id, kind, user_id, browser_hash, link_hash, step, kid, sealed, created_at, expires_at, used_at
		FROM account_flows WHERE `
	// updateFlow asks again for the stage that was read: of parallel calls that
	// move a flow on, one changes it.
	updateFlow = `UPDATE account_flows SET user_id = $3, browser_hash = $4, link_hash = $5, step = $6, kid = $7, sealed = $8,
		expires_at = $9, used_at = $10 WHERE id = $1 AND step = $2 AND expires_at > $11`
	endFlows = `UPDATE account_flows SET expires_at = $1, link_hash = NULL
		WHERE user_id = $2 AND user_id <> '' AND id <> $3 AND used_at = 0 AND expires_at > $1`

	insertAccountMessage = `INSERT INTO account_messages (id, kid, sealed, created_at, expires_at, claimed_until)
		VALUES ($1, $2, $3, $4, $5, 0)`
	selectAccountMessages = `SELECT id, kid, sealed FROM account_messages
		WHERE claimed_until <= $1 AND expires_at > $1 ORDER BY created_at, id LIMIT $2`
	// claimAccountMessage asks again for what selectAccountMessages saw: of two
	// nodes that saw the same row, one changes it.
	claimAccountMessage = `UPDATE account_messages SET claimed_until = $1
		WHERE id = $2 AND claimed_until <= $3 AND expires_at > $3`
	deleteAccountMessage = "DELETE FROM account_messages WHERE id = $1"
)

func flowPlace(id string) seal.Place {
	return seal.Place{Table: "account_flows", Column: "sealed", Row: id}
}

func accountMessagePlace(id string) seal.Place {
	return seal.Place{Table: "account_messages", Column: "sealed", Row: id}
}

// sealJSON encodes and seals what a row keeps.
func (db *DB) sealJSON(place seal.Place, v any) (kid string, sealed []byte, err error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", nil, fmt.Errorf("encode %s: %w", place.Table, err)
	}
	kid, sealed, err = db.cfg.Keys.Seal(place, plain)
	if err != nil {
		return "", nil, fmt.Errorf("seal %s: %w", place.Table, err)
	}
	return kid, sealed, nil
}

// openJSON is the reverse of sealJSON.
func (db *DB) openJSON(place seal.Place, kid string, sealed []byte, v any) error {
	plain, err := db.cfg.Keys.Open(place, kid, sealed)
	if err != nil {
		return fmt.Errorf("open %s %s: %w", place.Table, place.Row, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode %s %s: %w", place.Table, place.Row, err)
	}
	return nil
}

// InsertFlow implements [account.Store].
func (db *DB) InsertFlow(ctx context.Context, f account.Flow) error {
	kid, sealed, err := db.sealJSON(flowPlace(f.ID), f.Doc)
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store account flow", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertFlow, f.ID, string(f.Kind), f.UserID, f.BrowserHash, f.LinkHash, string(f.Stage),
			kid, sealed, micros(f.CreatedAt), micros(f.ExpiresAt), micros(f.UsedAt))
		return err
	})
}

// Flow implements [account.Store].
func (db *DB) Flow(ctx context.Context, id string) (account.Flow, error) {
	return db.flow(ctx, selectFlow+"id = $1", id)
}

// FlowByLink implements [account.Store].
func (db *DB) FlowByLink(ctx context.Context, hash []byte) (account.Flow, error) {
	return db.flow(ctx, selectFlow+"link_hash = $1", hash)
}

func (db *DB) flow(ctx context.Context, query string, key any) (account.Flow, error) {
	var f account.Flow
	var kid string
	var sealed []byte
	var created, expires, used int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), query, key).Scan(&f.ID, &f.Kind, &f.UserID, &f.BrowserHash,
		&f.LinkHash, &f.Stage, &kid, &sealed, &created, &expires, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return account.Flow{}, account.ErrUnknown
	}
	if err != nil {
		return account.Flow{}, db.sqlError(ctx, "read account flow", err)
	}
	f.CreatedAt, f.ExpiresAt, f.UsedAt = fromMicros(created), fromMicros(expires), fromMicros(used)
	if err := db.openJSON(flowPlace(f.ID), kid, sealed, &f.Doc); err != nil {
		return account.Flow{}, err
	}
	return f, nil
}

// UpdateFlow implements [account.Store].
func (db *DB) UpdateFlow(ctx context.Context, id string, from account.Stage, now time.Time, edit func(*account.Flow) error) (f account.Flow, err error) {
	err = db.inWriter(ctx, "change account flow", func(ctx context.Context, w querier) error {
		if f, err = db.flow(ctx, selectFlow+"id = $1"+db.dialect.pick("", " FOR UPDATE"), id); err != nil {
			return err
		}
		if f.Stage != from || !now.Before(f.ExpiresAt) {
			return account.ErrOver
		}
		if err := edit(&f); err != nil {
			return err
		}
		kid, sealed, err := db.sealJSON(flowPlace(id), f.Doc)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, updateFlow, id, string(from), f.UserID, f.BrowserHash, f.LinkHash, string(f.Stage),
			kid, sealed, micros(f.ExpiresAt), micros(f.UsedAt), micros(now))
		if err == nil && n != 1 {
			err = account.ErrOver
		}
		return err
	})
	return f, err
}

// EndFlows implements [account.Store].
func (db *DB) EndFlows(ctx context.Context, userID, except string, now time.Time) (n int64, err error) {
	err = db.inWriter(ctx, "end account flows", func(ctx context.Context, w querier) error {
		n, err = db.execCount(ctx, w, endFlows, micros(now), userID, except)
		return err
	})
	return n, err
}

// QueueAccountMessage implements [account.MessageStore].
func (db *DB) QueueAccountMessage(ctx context.Context, m account.Message) error {
	kid, sealed, err := db.sealJSON(accountMessagePlace(m.ID), m)
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "queue account message", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertAccountMessage, m.ID, kid, sealed, micros(db.now()), micros(m.Expires))
		return err
	})
}

// ClaimAccountMessages implements [account.MessageStore]. Without a message that
// is due it writes nothing.
func (db *DB) ClaimAccountMessages(ctx context.Context, now, until time.Time, limit int) ([]account.Message, error) {
	var due []account.Message
	err := eachRow(ctx, db.reader(ctx), selectAccountMessages, []any{micros(now), limit}, func(rows *sql.Rows) error {
		var id, kid string
		var sealed []byte
		if err := rows.Scan(&id, &kid, &sealed); err != nil {
			return err
		}
		m := account.Message{}
		if err := db.openJSON(accountMessagePlace(id), kid, sealed, &m); err != nil {
			return err
		}
		m.ID = id
		due = append(due, m)
		return nil
	})
	if err != nil || len(due) == 0 {
		return nil, db.sqlError(ctx, "read account messages", err)
	}
	var claimed []account.Message
	err = db.inWriter(ctx, "claim account messages", func(ctx context.Context, w querier) error {
		claimed = nil // the closure may run again
		for _, m := range due {
			n, err := db.execCount(ctx, w, claimAccountMessage, micros(until), m.ID, micros(now))
			if err != nil {
				return err
			}
			if n == 1 {
				claimed = append(claimed, m)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// RemoveAccountMessage implements [account.MessageStore].
func (db *DB) RemoveAccountMessage(ctx context.Context, id string) error {
	return db.inWriter(ctx, "remove account message", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, deleteAccountMessage, id)
		return err
	})
}
