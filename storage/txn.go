package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/scim"
)

var _ authn.TxnStore = (*DB)(nil)

const (
	insertTxn = `INSERT INTO login_txns
		(id, purpose, browser_hash, client_id, request, languages, login_hint, progress, created_at, idle_until, expires_at, issued_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)`
	selectTxn = `SELECT id, purpose, browser_hash, client_id, request, languages, login_hint, progress,
		created_at, idle_until, expires_at, issued_at FROM login_txns WHERE id = $1`
	updateTxn = "UPDATE login_txns SET progress = $2, idle_until = $3 WHERE id = $1 AND issued_at = 0"
	spendTxn  = `UPDATE login_txns SET issued_at = $2
		WHERE id = $1 AND issued_at = 0 AND idle_until > $2 AND expires_at > $2`
)

// InsertTxn implements [authn.TxnStore].
func (db *DB) InsertTxn(ctx context.Context, t authn.Txn) error {
	progress, err := json.Marshal(t.Progress)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	request := t.Request
	if request == nil {
		request = json.RawMessage("null")
	}
	return db.inWriter(ctx, "store login transaction", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertTxn, t.ID, t.Purpose, t.BrowserHash, t.ClientID, string(request),
			t.Languages, t.LoginHint, string(progress), micros(t.CreatedAt), micros(t.IdleUntil), micros(t.ExpiresAt))
		return err
	})
}

// Txn implements [authn.TxnStore].
func (db *DB) Txn(ctx context.Context, id string) (authn.Txn, error) {
	return db.txn(ctx, selectTxn, id)
}

func (db *DB) txn(ctx context.Context, query, id string) (authn.Txn, error) {
	var t authn.Txn
	var request, progress string
	var created, idle, expires, issued int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), query, id).Scan(&t.ID, &t.Purpose, &t.BrowserHash,
		&t.ClientID, &request, &t.Languages, &t.LoginHint, &progress, &created, &idle, &expires, &issued)
	if errors.Is(err, sql.ErrNoRows) {
		return authn.Txn{}, authn.ErrTxnUnknown
	}
	if err != nil {
		return authn.Txn{}, db.sqlError(ctx, "read login transaction", err)
	}
	if err := json.Unmarshal([]byte(progress), &t.Progress); err != nil {
		return authn.Txn{}, fmt.Errorf("read login transaction %s: %w", id, err)
	}
	t.Request = json.RawMessage(request)
	t.CreatedAt, t.IdleUntil, t.ExpiresAt, t.IssuedAt = fromMicros(created), fromMicros(idle), fromMicros(expires), fromMicros(issued)
	return t, nil
}

// UpdateTxn implements [authn.TxnStore].
func (db *DB) UpdateTxn(ctx context.Context, id string, now time.Time, edit func(*authn.Txn) error) (out authn.Txn, err error) {
	err = db.InTx(ctx, func(ctx context.Context) error {
		t, err := db.txn(ctx, selectTxn+db.dialect.pick("", " FOR UPDATE"), id)
		if err != nil {
			return err
		}
		if err := t.Ended(now); err != nil {
			return err
		}
		if err := edit(&t); err != nil {
			return err
		}
		progress, err := json.Marshal(t.Progress)
		if err != nil {
			return fmt.Errorf("encode progress: %w", err)
		}
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, updateTxn, id, string(progress), micros(t.IdleUntil))
		if err != nil {
			return db.sqlError(ctx, "update login transaction", err)
		}
		if n != 1 {
			return authn.ErrTxnSpent
		}
		out = t
		return nil
	})
	return out, err
}

// SpendTxn implements [authn.TxnStore].
func (db *DB) SpendTxn(ctx context.Context, id string, now time.Time) error {
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, spendTxn, id, micros(now))
		if err != nil || n == 1 {
			return db.sqlError(ctx, "spend login transaction", err)
		}
		t, err := db.Txn(ctx, id)
		if err != nil {
			return err
		}
		if err := t.Ended(now); err != nil {
			return err
		}
		// Another transaction spends it at this moment.
		return fmt.Errorf("spend login transaction: %w", scim.ErrBusy)
	})
}
