package authn

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/passkey"
)

// Life of a transaction (specification of the provider, section 2).
const (
	TxnIdle     = 10 * time.Minute
	TxnAbsolute = 30 * time.Minute
)

// Why a transaction cannot go on. The page then says "start again at the
// application" and never redirects.
var (
	// ErrTxnUnknown: there is no such transaction, or it is not of this browser.
	ErrTxnUnknown = errors.New("login transaction is not known")
	// ErrTxnExpired: its time is over.
	ErrTxnExpired = errors.New("login transaction has expired")
	// ErrTxnSpent: it has given its answer.
	ErrTxnSpent = errors.New("login transaction was used")
)

// Txn is one request on its way through the pages. Times are UTC with
// microseconds.
type Txn struct {
	ID string // UUIDv7; stands in URLs
	// Purpose is the name of what the transaction is for; see Engine.Handle.
	Purpose string
	// BrowserHash is the SHA-256 of the secret in the browser cookie: a
	// transaction belongs to one browser.
	BrowserHash []byte
	// Request is what the purpose must remember. It is not read here.
	Request json.RawMessage
	// ClientID is the application that asks, for audit and limits.
	ClientID string
	// Languages are those asked for, as in Accept-Language, best first.
	Languages string
	// LoginHint is what the login page is filled with.
	LoginHint string
	// Progress is how far the person has come.
	Progress  Progress
	CreatedAt time.Time
	IdleUntil time.Time
	ExpiresAt time.Time // absolute
	IssuedAt  time.Time // zero: it has not given its answer

	kept bool // Load has read it, so it has a row
}

// Ended returns why a transaction takes no change at that time, nil if it does.
func (t Txn) Ended(now time.Time) error {
	switch {
	case !t.IssuedAt.IsZero():
		return ErrTxnSpent
	case !now.Before(t.IdleUntil) || !now.Before(t.ExpiresAt):
		return ErrTxnExpired
	}
	return nil
}

// Progress is how far a transaction has come. It is changed under a lock.
type Progress struct {
	// Select asks which account to use even where there is only one.
	Select bool `json:"select,omitempty"`
	// UserID is who logs in, "" until the first factor is proved or an account
	// is chosen; SessionID is the session that takes the proofs.
	UserID    string `json:"user_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	// Chosen tells that the account was picked or proved in this transaction; with
	// no SessionID, that the person wants to log in as somebody else.
	Chosen bool `json:"chosen,omitempty"`
	// Factor and Credential are what the person chose to show next.
	Factor     acr.Factor `json:"factor,omitempty"`
	Credential string     `json:"credential,omitempty"`
	// Sent is the code on its way, if one is.
	Sent *Sent `json:"sent,omitempty"`
	// Passkey is the challenge that a passkey is to answer, if one is.
	Passkey *passkey.Ceremony `json:"passkey,omitempty"`
	// Begun is the attempt at a plugged-in factor that is under way, if one is.
	Begun *Begun `json:"begun,omitempty"`
	// Remember tells that this browser is to be remembered with the next proof of
	// a further factor.
	Remember bool `json:"remember,omitempty"`
	// Skipped are the links of chains that were given up; see acr.Step.Skip.
	Skipped []string `json:"skipped,omitempty"`
	// Message is the number of the message that is expected next from an
	// application with login pages of its own; see Engine.Advance.
	Message int64 `json:"message,omitempty"`
	// Verify are names of ACRs that the person wants to reach beyond what is
	// required, to unlock scopes.
	Verify []string `json:"verify,omitempty"`
	// ConsentAt is when the person was first asked for consent; zero: not yet.
	ConsentAt time.Time `json:"consent_at,omitzero"`
}

// Sent is a code on its way in a transaction.
type Sent struct {
	State      string     `json:"state"`           // sealed; see package validation/state
	First      bool       `json:"first,omitempty"` // as a first factor, of whom nobody may learn
	JTI        string     `json:"jti"`
	Factor     acr.Factor `json:"factor"`
	Credential string     `json:"credential"`
	Masked     string     `json:"masked"`
	ResendAt   time.Time  `json:"resend_at"`
	Expires    time.Time  `json:"expires"`
}

// Begun is an attempt at a plugged-in factor.
type Begun struct {
	Factor     acr.Factor      `json:"factor"`
	Credential string          `json:"credential,omitempty"`
	First      bool            `json:"first,omitempty"`
	Account    string          `json:"account,omitempty"` // of counters, of a first factor
	UserID     string          `json:"user_id,omitempty"` // of a first factor, "": nobody
	Data       json.RawMessage `json:"data,omitempty"`
	Prompt     string          `json:"prompt,omitempty"`
	Expires    time.Time       `json:"expires,omitzero"`
	// Unsent tells that a limit has refused the start of a first factor, of which
	// nobody may learn.
	Unsent bool `json:"unsent,omitempty"`
}

// TxnStore keeps transactions. Every method joins the transaction of ctx.
type TxnStore interface {
	// InsertTxn stores a new transaction.
	InsertTxn(ctx context.Context, t Txn) error
	// Txn returns a transaction, ended ones included, or ErrTxnUnknown.
	Txn(ctx context.Context, id string) (Txn, error)
	// UpdateTxn edits progress and idle limit of a live transaction under a lock;
	// the edit may run again, so it only changes its argument. ErrTxnUnknown,
	// ErrTxnExpired or ErrTxnSpent when it takes no change.
	UpdateTxn(ctx context.Context, id string, now time.Time, edit func(*Txn) error) (Txn, error)
	// SpendTxn marks the transaction as answered: nil for exactly one caller
	// ever, else ErrTxnSpent, ErrTxnExpired or ErrTxnUnknown.
	SpendTxn(ctx context.Context, id string, now time.Time) error
}
