package authn

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/session"
)

// Begin makes a transaction in memory: with its id, its times and the browser
// that it belongs to, but not stored. A silent request never needs more; see
// Keep.
func (e *Engine) Begin(v Visitor, n NewTxn) (Txn, error) {
	if e.purposes[n.Purpose] == nil {
		return Txn{}, fmt.Errorf("begin login: nobody handles purpose %q", n.Purpose)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Txn{}, fmt.Errorf("begin login: %w", err)
	}
	now := e.now()
	languages := n.Languages
	if languages == "" {
		languages = v.Languages
	}
	return Txn{
		ID: id.String(), Purpose: n.Purpose, BrowserHash: session.Hash(v.Browser), Request: n.Request,
		ClientID: n.ClientID, Languages: languages, LoginHint: n.LoginHint, Progress: Progress{Select: n.SelectAccount},
		CreatedAt: now, IdleUntil: now.Add(TxnIdle), ExpiresAt: now.Add(TxnAbsolute),
	}, nil
}

// Keep stores a transaction of Begin, once pages are needed. It must belong to a
// browser.
func (e *Engine) Keep(ctx context.Context, t Txn) error {
	if hmac.Equal(t.BrowserHash, session.Hash("")) {
		return fmt.Errorf("keep login transaction %s: it belongs to no browser", t.ID)
	}
	if err := e.cfg.Txns.InsertTxn(ctx, t); err != nil {
		return fmt.Errorf("keep login transaction: %w", err)
	}
	return nil
}

// Load returns a kept transaction of this browser: ErrTxnUnknown, also for that
// of another browser, ErrTxnExpired or ErrTxnSpent otherwise.
func (e *Engine) Load(ctx context.Context, v Visitor, id string) (Txn, error) {
	if _, err := uuid.Parse(id); err != nil || v.Browser == "" {
		return Txn{}, ErrTxnUnknown
	}
	t, err := e.cfg.Txns.Txn(ctx, id)
	if err != nil {
		return Txn{}, fmt.Errorf("load login transaction: %w", err)
	}
	if !t.of(v) {
		return Txn{}, ErrTxnUnknown
	}
	if err := t.Ended(e.now()); err != nil {
		return Txn{}, err
	}
	t.kept = true
	return t, nil
}

// of reports whether the transaction belongs to the browser.
func (t Txn) of(v Visitor) bool { return hmac.Equal(t.BrowserHash, session.Hash(v.Browser)) }

// NewSecret returns 256 random bits for a cookie.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}
