package delivery

import (
	"context"
	"errors"
	"time"
)

// Status is what a provider last said about a message.
type Status string

// The statuses; the last three are final.
const (
	Sent        Status = "sent" // accepted by the provider
	Delivered   Status = "delivered"
	Undelivered Status = "undelivered"
	Failed      Status = "failed"
)

// Record is one message in the records of deliveries. It holds neither the
// address nor the code.
type Record struct {
	ID         string // of the message
	Provider   string
	ProviderID string
	Channel    Channel
	Country    string // calling code without "+"; empty for e-mail
	DestHash   []byte
	CreatedAt  time.Time
	Status     Status
}

// ErrUnknownMessage is returned for a call-back about a message that is not
// in the records.
var ErrUnknownMessage = errors.New("unknown message")

// StatusStore keeps the records of deliveries. They are shared by all nodes.
type StatusStore interface {
	// RecordSent adds a message. A second one with the same ID replaces
	// nothing and is no error. It joins the transaction of ctx.
	RecordSent(ctx context.Context, r Record) error
	// RecordStatus changes the status of a message; ErrUnknownMessage if there
	// is none. Call-backs arrive in any order and more than once: a final
	// status is never replaced.
	RecordStatus(ctx context.Context, provider, providerID string, s Status) error
	// FirstSend says whether no message to this destination is in the records.
	FirstSend(ctx context.Context, destHash []byte) (bool, error)
	// Statuses counts the messages since a time by provider and status.
	Statuses(ctx context.Context, since time.Time) (map[string]map[Status]int64, error)
}

// InboxMessage is what would have been mailed, texted or spoken.
type InboxMessage struct {
	ID        string // set by the store
	Channel   Channel
	Provider  string
	To        string
	Subject   string // e-mail only
	Text      string // with the code in it, if it has one
	Code      string // by itself, for scripts; empty in a notice
	Language  string
	CreatedAt time.Time
	ExpiresAt time.Time // end of the code's life; the row goes then
}

// InboxStore keeps the messages of the development inbox, sealed, for all
// processes that share the database.
type InboxStore interface {
	// AddInboxMessage keeps a message and drops all but the newest 200.
	AddInboxMessage(ctx context.Context, m InboxMessage) error
	// InboxMessages returns the messages that are not expired at now, newest
	// first.
	InboxMessages(ctx context.Context, now time.Time) ([]InboxMessage, error)
}
