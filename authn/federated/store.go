package federated

import (
	"context"
	"errors"
	"time"
)

// Limit is how long a provider may take for one exchange: discovery, keys and
// tokens together.
const Limit = 10 * time.Second

// RequestLife is how long a person may take at a provider.
const RequestLife = 10 * time.Minute

// What stores say of what is not there.
var (
	// ErrUnknown: there is no such request, answer or link.
	ErrUnknown = errors.New("not known")
	// ErrUsed: the request was answered before.
	ErrUsed = errors.New("answered before")
	// ErrTaken: the identity belongs to another user, or the user has another
	// identity at this provider.
	ErrTaken = errors.New("linked already")
)

// Link says that an account at a provider is a user's.
type Link struct {
	Provider, Issuer, Subject string
	UserID                    string
	// Display is what the account is called there, for people.
	Display   string
	LinkedAt  time.Time
	LastLogin time.Time // zero: never
}

// Pending is a request that is at a provider.
type Pending struct {
	// ID is the SHA-256 of the state in hexadecimal: the state itself is not kept.
	ID       string
	Provider string
	// Purpose is "login" or "link".
	Purpose string
	// Txn is the login transaction; "" when linking.
	Txn string
	// BrowserHash is the SHA-256 of the secret of the browser, nil when linking
	// by the API.
	BrowserHash []byte
	// UserID is who links, or who must show once more who they are; "": anyone.
	UserID    string
	SessionID string
	// Private is what Upstream.Begin wants back; it is sealed.
	Private   []byte
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Purposes of requests.
const (
	ForLogin = "login"
	ForLink  = "link"
)

// LinkStore keeps whose accounts elsewhere are whose. Every method joins the
// transaction of ctx.
type LinkStore interface {
	// Link returns a link, or ErrUnknown.
	Link(ctx context.Context, provider, issuer, subject string) (Link, error)
	// Links returns those of a user, by provider.
	Links(ctx context.Context, userID string) ([]Link, error)
	// InsertLink adds one, or returns ErrTaken.
	InsertLink(ctx context.Context, l Link) error
	// DeleteLink removes that of a user at a provider, or returns ErrUnknown.
	DeleteLink(ctx context.Context, userID, provider string) (Link, error)
	// TouchLink notes a login.
	TouchLink(ctx context.Context, l Link, at time.Time) error
}

// PendingStore keeps requests that are under way. Every method joins the
// transaction of ctx.
type PendingStore interface {
	InsertPending(ctx context.Context, p Pending) error
	// PendingRequest reads a request that is neither used nor over, without using it:
	// else ErrUnknown or ErrUsed.
	PendingRequest(ctx context.Context, id string, now time.Time) (Pending, error)
	// UsePending marks it as answered: nil for exactly one caller ever, else
	// ErrUnknown or ErrUsed.
	UsePending(ctx context.Context, id string, now time.Time) error
}

// AnswerStore keeps what other sites posted, until the browser comes with its
// cookies to fetch it.
type AnswerStore interface {
	// HoldAnswer stores an answer under id, sealed.
	HoldAnswer(ctx context.Context, id string, a Answer, until time.Time) error
	// TakeAnswer returns it once, or ErrUnknown.
	TakeAnswer(ctx context.Context, id string, now time.Time) (Answer, error)
}

// ReplayStore remembers assertions. Its method joins the transaction of ctx.
type ReplayStore interface {
	// SeenOnce remembers an assertion until it expires: true for the first caller,
	// false for every other.
	SeenOnce(ctx context.Context, issuer, id string, until time.Time) (bool, error)
}
