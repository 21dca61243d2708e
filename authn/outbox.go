package authn

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

// QueuedCode is a code that is sent after the answer to a page, so that the time
// of a send does not tell who exists (security.md 5).
type QueuedCode struct {
	ID       string // jti of its challenge
	UserID   string
	Channel  delivery.Channel
	To       string // normalised
	Code     delivery.Code
	Language string
	Expires  time.Time
	DestHash []byte
	// Prefix is the country calling code; "" for e-mail.
	Prefix string
	Path   string // as configured, for audit
	Client string // that asked for the login
}

// OutboxStore keeps codes, sealed, from the request until they are sent. Every
// method joins the transaction of ctx.
type OutboxStore interface {
	// QueueCode keeps a code, due at once.
	QueueCode(ctx context.Context, c QueuedCode) error
	// ClaimCodes takes up to limit codes that are due at now. Until the time
	// until, nobody else gets them. Those whose time is over are left out.
	ClaimCodes(ctx context.Context, now, until time.Time, limit int) ([]QueuedCode, error)
	// RemoveCode forgets a code: it was sent, or given up.
	RemoveCode(ctx context.Context, id string) error
}
