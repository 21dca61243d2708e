package storage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/storage/seal"
)

var (
	_ federated.LinkStore    = (*DB)(nil)
	_ federated.PendingStore = (*DB)(nil)
	_ federated.AnswerStore  = (*DB)(nil)
	_ federated.ReplayStore  = (*DB)(nil)
)

const (
	linkColumns = "provider, issuer, subject, user_id, display, linked_at, last_login_at"
	selectLink  = "SELECT " + linkColumns + " FROM external_identities WHERE provider = $1 AND issuer = $2 AND subject = $3"
	selectLinks = "SELECT " + linkColumns + " FROM external_identities WHERE user_id = $1 ORDER BY provider"
	// insertLink leaves both kinds of conflict alone: the identity of somebody
	// else, and a second one of the user at this provider.
	insertLink = "INSERT INTO external_identities (" + linkColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
	deleteLink = "DELETE FROM external_identities WHERE provider = $1 AND issuer = $2 AND subject = $3 AND user_id = $4"
	touchLink  = `UPDATE external_identities SET last_login_at = $1
		WHERE provider = $2 AND issuer = $3 AND subject = $4 AND last_login_at < $1`

	insertPending = `INSERT INTO federation_requests (id, provider, purpose, txn, browser_hash, user_id, session_id,
		kid, sealed, created_at, expires_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0)`
	selectPending = `SELECT provider, purpose, txn, browser_hash, user_id, session_id, kid, sealed, created_at, expires_at, used_at
		FROM federation_requests WHERE id = $1`
	usePending = "UPDATE federation_requests SET used_at = $2 WHERE id = $1 AND used_at = 0 AND expires_at > $2"

	insertAnswer = "INSERT INTO federation_answers (id, provider, kid, sealed, expires_at) VALUES ($1, $2, $3, $4, $5)"
	selectAnswer = "SELECT kid, sealed FROM federation_answers WHERE id = $1 AND expires_at > $2"
	deleteAnswer = "DELETE FROM federation_answers WHERE id = $1"

	insertSeen = "INSERT INTO federation_replays (issuer, id, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)

func pendingPlace(id string) seal.Place {
	return seal.Place{Table: "federation_requests", Column: "sealed", Row: id}
}

func answerPlace(id string) seal.Place {
	return seal.Place{Table: "federation_answers", Column: "sealed", Row: id}
}

func scanLink(scan func(...any) error) (l federated.Link, err error) {
	var linked, last int64
	err = scan(&l.Provider, &l.Issuer, &l.Subject, &l.UserID, &l.Display, &linked, &last)
	l.LinkedAt, l.LastLogin = fromMicros(linked), fromMicros(last)
	return l, err
}

// Link implements [federated.LinkStore].
func (db *DB) Link(ctx context.Context, provider, issuer, subject string) (federated.Link, error) {
	l, err := scanLink(db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectLink, provider, issuer, subject).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return federated.Link{}, federated.ErrUnknown
	}
	if err != nil {
		return federated.Link{}, db.sqlError(ctx, "read external identity", err)
	}
	return l, nil
}

// Links implements [federated.LinkStore].
func (db *DB) Links(ctx context.Context, userID string) ([]federated.Link, error) {
	var out []federated.Link
	err := eachRow(ctx, db.reader(ctx), selectLinks, []any{userID}, func(rows *sql.Rows) error {
		l, err := scanLink(rows.Scan)
		out = append(out, l)
		return err
	})
	if err != nil {
		return nil, db.sqlError(ctx, "read external identities", err)
	}
	return out, nil
}

// InsertLink implements [federated.LinkStore].
func (db *DB) InsertLink(ctx context.Context, l federated.Link) error {
	return db.inWriter(ctx, "link external identity", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, insertLink, l.Provider, l.Issuer, l.Subject, l.UserID, l.Display,
			micros(l.LinkedAt), micros(l.LastLogin))
		if err == nil && n == 0 {
			return federated.ErrTaken
		}
		return err
	})
}

// DeleteLink implements [federated.LinkStore].
func (db *DB) DeleteLink(ctx context.Context, userID, provider string) (gone federated.Link, err error) {
	err = db.inWriter(ctx, "unlink external identity", func(ctx context.Context, w querier) error {
		links, err := db.Links(ctx, userID)
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.Provider != provider {
				continue
			}
			n, err := db.execCount(ctx, w, deleteLink, l.Provider, l.Issuer, l.Subject, userID)
			if err == nil && n == 1 {
				gone = l
				return nil
			}
			return errors.Join(err, federated.ErrUnknown)
		}
		return federated.ErrUnknown
	})
	return gone, err
}

// TouchLink implements [federated.LinkStore].
func (db *DB) TouchLink(ctx context.Context, l federated.Link, at time.Time) error {
	return db.inWriter(ctx, "note login of external identity", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, touchLink, micros(at), l.Provider, l.Issuer, l.Subject)
		return err
	})
}

// InsertPending implements [federated.PendingStore].
func (db *DB) InsertPending(ctx context.Context, p federated.Pending) error {
	kid, sealed, err := db.cfg.Keys.Seal(pendingPlace(p.ID), p.Private)
	if err != nil {
		return fmt.Errorf("seal request to provider: %w", err)
	}
	return db.inWriter(ctx, "store request to provider", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertPending, p.ID, p.Provider, p.Purpose, p.Txn, p.BrowserHash, p.UserID, p.SessionID,
			kid, sealed, micros(p.CreatedAt), micros(p.ExpiresAt))
		return err
	})
}

// PendingRequest implements [federated.PendingStore].
func (db *DB) PendingRequest(ctx context.Context, id string, now time.Time) (federated.Pending, error) {
	p := federated.Pending{ID: id}
	var kid string
	var sealed []byte
	var created, expires, used int64
	err := db.reader(ctx).QueryRowContext(db.pointContext(ctx), selectPending, id).Scan(
		&p.Provider, &p.Purpose, &p.Txn, &p.BrowserHash, &p.UserID, &p.SessionID, &kid, &sealed, &created, &expires, &used)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return federated.Pending{}, federated.ErrUnknown
	case err != nil:
		return federated.Pending{}, db.sqlError(ctx, "read request to provider", err)
	case used != 0:
		return federated.Pending{}, federated.ErrUsed
	case expires <= micros(now):
		return federated.Pending{}, federated.ErrUnknown
	}
	p.CreatedAt, p.ExpiresAt = fromMicros(created), fromMicros(expires)
	if p.Private, err = db.cfg.Keys.Open(pendingPlace(id), kid, sealed); err != nil {
		return federated.Pending{}, fmt.Errorf("open request to provider: %w", err)
	}
	return p, nil
}

// UsePending implements [federated.PendingStore].
func (db *DB) UsePending(ctx context.Context, id string, now time.Time) error {
	return db.inWriter(ctx, "use request to provider", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, usePending, id, micros(now))
		if err == nil && n == 0 {
			return federated.ErrUsed
		}
		return err
	})
}

// HoldAnswer implements [federated.AnswerStore].
func (db *DB) HoldAnswer(ctx context.Context, id string, a federated.Answer, until time.Time) error {
	plain, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode answer of provider: %w", err)
	}
	kid, sealed, err := db.cfg.Keys.Seal(answerPlace(id), plain)
	if err != nil {
		return fmt.Errorf("seal answer of provider: %w", err)
	}
	return db.inWriter(ctx, "hold answer of provider", func(ctx context.Context, w querier) error {
		_, err := w.ExecContext(ctx, insertAnswer, id, a.Provider, kid, sealed, micros(until))
		return err
	})
}

// TakeAnswer implements [federated.AnswerStore].
func (db *DB) TakeAnswer(ctx context.Context, id string, now time.Time) (a federated.Answer, err error) {
	var kid string
	var sealed []byte
	err = db.inWriter(ctx, "take answer of provider", func(ctx context.Context, w querier) error {
		err := w.QueryRowContext(ctx, selectAnswer, id, micros(now)).Scan(&kid, &sealed)
		if errors.Is(err, sql.ErrNoRows) {
			return federated.ErrUnknown
		}
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, deleteAnswer, id)
		if err == nil && n == 0 {
			return federated.ErrUnknown
		}
		return err
	})
	if err != nil {
		return federated.Answer{}, err
	}
	plain, err := db.cfg.Keys.Open(answerPlace(id), kid, sealed)
	if err != nil {
		return federated.Answer{}, fmt.Errorf("open answer of provider: %w", err)
	}
	if err := json.Unmarshal(plain, &a); err != nil {
		return federated.Answer{}, fmt.Errorf("decode answer of provider: %w", err)
	}
	return a, nil
}

// SeenOnce implements [federated.ReplayStore].
func (db *DB) SeenOnce(ctx context.Context, issuer, id string, until time.Time) (first bool, err error) {
	err = db.inWriter(ctx, "remember assertion", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, insertSeen, issuer, id, micros(until))
		first = n == 1
		return err
	})
	return first && err == nil, err
}
