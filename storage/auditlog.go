package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sallyport-id/sallyport/authn/audit"
)

const insertEvent = `INSERT INTO audit_events (id, time, event, outcome, target_id, subject_id, actor_id, body)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`

// userAgentLimit is where a client's name for itself is cut, in bytes.
const userAgentLimit = 256

// Append implements [audit.Log].
func (db *DB) Append(ctx context.Context, events ...audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	return db.InTx(ctx, func(ctx context.Context) error {
		w, err := db.writer(ctx)
		if err != nil {
			return err
		}
		for i := range events {
			if err := db.appendOne(ctx, w, events[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (db *DB) appendOne(ctx context.Context, w querier, e audit.Event) error {
	if e.ID == "" {
		e.ID = db.ids.next()
	}
	if e.Time.IsZero() {
		e.Time = db.now()
	}
	e.Time = fromMicros(micros(e.Time))
	if len(e.UserAgent) > userAgentLimit {
		e.UserAgent = strings.ToValidUTF8(e.UserAgent[:userAgentLimit], "")
	}
	body, err := eventBody(e)
	if err != nil {
		return fmt.Errorf("encode audit event: %w", err)
	}
	_, err = w.ExecContext(ctx, insertEvent, e.ID, micros(e.Time), string(e.Name), string(e.Outcome),
		e.Target.ID, e.Subject.ID, e.Actor.ID, string(body))
	return db.sqlError(ctx, "append audit event", err)
}

// eventBody is the JSON of an event. The detail, which may hold a whole
// document, is put in as it is: encoding/json would read it through once more,
// while the writer of SQLite keeps every other change waiting.
func eventBody(e audit.Event) ([]byte, error) {
	detail := e.Detail
	e.Detail = nil
	body, err := json.Marshal(e)
	if err != nil || len(detail) == 0 {
		return body, err
	}
	body = append(body[:len(body)-1], `,"detail":`...)
	return append(append(body, detail...), '}'), nil
}

// defaultEvents is the number of events of a reading without limit.
const defaultEvents = 100

// Events implements [audit.Reader].
func (db *DB) Events(ctx context.Context, f audit.Filter) ([]audit.Event, error) {
	query, args := eventQuery(f)
	out := []audit.Event{}
	err := eachRow(ctx, db.reader(ctx), query, args, func(rows *sql.Rows) error {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return err
		}
		var e audit.Event
		if err := json.Unmarshal(body, &e); err != nil {
			return fmt.Errorf("decode audit event: %w", err)
		}
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read audit events", err)
	}
	return out, nil
}

// eventQuery writes the SQL of a filter.
func eventQuery(f audit.Filter) (query string, args []any) {
	var where []string
	add := func(condition string, value any) {
		args = append(args, value)
		where = append(where, strings.ReplaceAll(condition, "$", "$"+strconv.Itoa(len(args))))
	}
	if f.Target != "" {
		add("(target_id = $ OR subject_id = $)", f.Target)
	}
	switch group, isGroup := strings.CutSuffix(string(f.Name), "."); {
	case isGroup:
		add("event >= $", group+".")
		add("event < $", group+"/") // '/' follows '.'
	case f.Name != "":
		add("event = $", string(f.Name))
	}
	if !f.Since.IsZero() {
		add("time >= $", micros(f.Since))
	}
	if !f.Until.IsZero() {
		add("time < $", micros(f.Until))
	}
	if f.After != "" {
		add("id > $", f.After)
	}
	query = "SELECT body FROM audit_events"
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	query += " ORDER BY id"
	if f.Newest {
		query += " DESC"
	}
	args = append(args, orInt(f.Limit, defaultEvents))
	return query + " LIMIT $" + strconv.Itoa(len(args)), args
}
