package account

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
)

// Store keeps flows. Every method joins the transaction of ctx.
type Store interface {
	// InsertFlow stores a new flow.
	InsertFlow(ctx context.Context, f Flow) error
	// Flow returns a flow, ended ones included, or ErrUnknown.
	Flow(ctx context.Context, id string) (Flow, error)
	// FlowByLink is Flow by the hash of a link.
	FlowByLink(ctx context.Context, hash []byte) (Flow, error)
	// UpdateFlow edits a live flow at that stage under a lock: of parallel calls
	// that move it on, one succeeds. ErrOver if it is at another stage, used or
	// expired; ErrUnknown if there is none. The edit may run again.
	UpdateFlow(ctx context.Context, id string, from Stage, now time.Time, edit func(*Flow) error) (Flow, error)
	// EndFlows ends the live flows about a user but the one with the id except,
	// and returns how many there were.
	EndFlows(ctx context.Context, userID, except string, now time.Time) (int64, error)
}

// Message is work of the worker: to find out whom a flow is about, and to send
// what belongs to it. It is stored sealed.
type Message struct {
	ID      string    `json:"-"` // of the row
	FlowID  string    `json:"flow"`
	Expires time.Time `json:"expires"`
	// IP and RequestID are of who asked, for the audit record and the text.
	IP        string `json:"ip,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	// Link is the token of an invitation, which is made before it is sent.
	Link string `json:"link,omitempty"`
}

// MessageStore keeps messages from the request until they are sent. Every
// method joins the transaction of ctx.
type MessageStore interface {
	QueueAccountMessage(ctx context.Context, m Message) error
	// ClaimAccountMessages takes up to limit messages; until the time until,
	// nobody else gets them. Those whose time is over are left out.
	ClaimAccountMessages(ctx context.Context, now, until time.Time, limit int) ([]Message, error)
	RemoveAccountMessage(ctx context.Context, id string) error
}

// Users finds users. Every method joins the transaction of ctx.
type Users interface {
	// UserByLogin returns the user with this user name, else the one user who has
	// this e-mail address; ErrNoUser if there is none or more than one.
	UserByLogin(ctx context.Context, login string) (User, error)
	// UsersByAddress returns up to limit users who have this e-mail address,
	// whatever the case.
	UsersByAddress(ctx context.Context, address string, limit int) ([]User, error)
	// UserByID returns a user or ErrNoUser. In a transaction the user stays as it
	// is until the transaction ends.
	UserByID(ctx context.Context, id string) (User, error)
}

// Directory changes users. Its methods join the transaction of ctx.
type Directory interface {
	// CreateUser makes a user without a password and returns the id; ErrExists if
	// the user name is taken, a *Refusal with BadValue for a value that the
	// schema refuses.
	CreateUser(ctx context.Context, v Visitor, o schema.Object) (string, error)
	// AddressProved records that a user was reached at an address: accountVerified
	// is set if it is one of the addresses of the record. factors tells that the
	// values at the configured paths of second factors that are this address count
	// as validated too.
	AddressProved(ctx context.Context, v Visitor, userID, address string, factors Factors) error
}

// Factors says whether a proved address counts for second factors.
type Factors bool

// What a proved address counts for.
const (
	AccountOnly Factors = false
	WithFactors Factors = true
)

// Hasher makes hashes of passwords; it is slow and must not run in a
// transaction. errors.Is ErrBusy asks to try again.
type Hasher interface {
	Hash(ctx context.Context, text string, user schema.Object) (string, error)
	Verify(ctx context.Context, hash, text string) (bool, error)
	Rules() validation.PasswordRules
	Judge(text string, user schema.Object) (validation.PasswordFaults, error)
}

// Tx runs fn in one transaction of the database; see [validation.Tx].
type Tx interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Ender ends what a user is logged in to, in the transaction of ctx: sessions,
// refresh families, remembered browsers.
type Ender interface {
	EndAll(ctx context.Context, userID string, now time.Time) (int64, error)
}
