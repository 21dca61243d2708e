package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

var _ delivery.InboxStore = (*DB)(nil)

// inboxKept is how many messages the development inbox holds.
const inboxKept = 200

const (
	insertInbox = "INSERT INTO inbox_messages (id, kid, sealed, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)"

	trimInbox = `DELETE FROM inbox_messages WHERE expires_at <= $1 OR id NOT IN
		(SELECT id FROM inbox_messages ORDER BY created_at DESC, id DESC LIMIT $2)`

	selectInbox = `SELECT id, kid, sealed FROM inbox_messages
		WHERE expires_at > $1 ORDER BY created_at DESC, id DESC LIMIT $2`
)

// inboxPlace is where the message of that row id is sealed.
func inboxPlace(id string) seal.Place {
	return seal.Place{Table: "inbox_messages", Column: "sealed", Row: id}
}

// sealedMessage is an inbox message as its column holds it, sealed.
type sealedMessage struct {
	ID        string           `json:"id"`
	Channel   delivery.Channel `json:"channel"`
	Provider  string           `json:"provider"`
	To        string           `json:"to"`
	Subject   string           `json:"subject,omitempty"`
	Text      string           `json:"text"`
	Code      string           `json:"code"`
	Language  string           `json:"language"`
	CreatedAt time.Time        `json:"created_at"`
	ExpiresAt time.Time        `json:"expires_at"`
}

// AddInboxMessage implements [delivery.InboxStore]. Address, text and code are
// in the sealed column.
func (db *DB) AddInboxMessage(ctx context.Context, m delivery.InboxMessage) error {
	m.ID = db.ids.next()
	plain, err := json.Marshal(sealedMessage(m))
	if err != nil {
		return fmt.Errorf("encode inbox message: %w", err)
	}
	kid, sealed, err := db.cfg.Keys.Seal(inboxPlace(m.ID), plain)
	if err != nil {
		return fmt.Errorf("seal inbox message: %w", err)
	}
	return db.inWriter(ctx, "store inbox message", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertInbox, m.ID, kid, sealed, micros(m.CreatedAt), micros(m.ExpiresAt))
		if err != nil {
			return err
		}
		_, err = w.ExecContext(ctx, trimInbox, micros(m.CreatedAt), inboxKept)
		return err
	})
}

// InboxMessages implements [delivery.InboxStore].
func (db *DB) InboxMessages(ctx context.Context, now time.Time) ([]delivery.InboxMessage, error) {
	var out []delivery.InboxMessage
	err := eachRow(ctx, db.reader(ctx), selectInbox, []any{micros(now), inboxKept}, func(rows *sql.Rows) error {
		var id, kid string
		var sealed []byte
		if err := rows.Scan(&id, &kid, &sealed); err != nil {
			return err
		}
		plain, err := db.cfg.Keys.Open(inboxPlace(id), kid, sealed)
		if err != nil {
			return fmt.Errorf("open inbox message %s: %w", id, err)
		}
		var m sealedMessage
		if err := json.Unmarshal(plain, &m); err != nil {
			return fmt.Errorf("decode inbox message %s: %w", id, err)
		}
		out = append(out, delivery.InboxMessage(m))
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read inbox", err)
	}
	return out, nil
}
