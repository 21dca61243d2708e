package challenge

import (
	"context"
	"errors"
	"time"
)

// Why a challenge takes no attempt. When several are true, the first of this
// order is told.
var (
	// ErrUnknown: there is no such challenge, or it ended long ago.
	ErrUnknown = errors.New("challenge is not known")
	// ErrUsed: the challenge was consumed.
	ErrUsed = errors.New("challenge was used")
	// ErrSuperseded: a newer challenge for the same user, kind and path exists.
	ErrSuperseded = errors.New("challenge was superseded")
	// ErrExpired: the time is over, or the challenge was voided.
	ErrExpired = errors.New("challenge has expired")
	// ErrExhausted: all tries were made.
	ErrExhausted = errors.New("challenge has no tries left")
)

// ErrInTransaction reports that the context of CountAttempt carries a
// transaction, which is a bug of the caller.
var ErrInTransaction = errors.New("an attempt cannot be counted inside a transaction")

// Bounds of MaxAttempts.
const (
	DefaultAttempts = 5
	LeastAttempts   = 3
	MostAttempts    = 10
)

// Challenge is one row. Times are UTC; a zero time means "not".
type Challenge struct {
	JTI          string // of the state
	Subject      string // user id
	Kind         string // of the state
	Path         string // canonical attribute path; step-up: the factor
	DestHash     []byte // keyed hash of the destination, nil without one
	Attempts     int    // counted so far
	MaxAttempts  int    // 0 at Start: DefaultAttempts
	CreatedAt    time.Time
	ExpiresAt    time.Time
	SupersededAt time.Time
	UsedAt       time.Time
}

// Judge returns why the challenge takes no attempt at that time, nil if it does.
func (c Challenge) Judge(now time.Time) error {
	switch {
	case !c.UsedAt.IsZero():
		return ErrUsed
	case !c.SupersededAt.IsZero():
		return ErrSuperseded
	case !now.Before(c.ExpiresAt):
		return ErrExpired
	case c.Attempts >= c.MaxAttempts:
		return ErrExhausted
	default:
		return nil
	}
}

// Store keeps challenges. Every method but CountAttempt joins the transaction
// of ctx if there is one.
type Store interface {
	// Start stores a challenge and supersedes every older one of the same
	// subject, kind and path that was neither used nor superseded. Of parallel
	// calls exactly one stays live. The attempts of c are ignored.
	Start(ctx context.Context, c Challenge) error
	// Challenge returns a row, live or not, or ErrUnknown.
	Challenge(ctx context.Context, jti string) (Challenge, error)
	// CountAttempt counts one attempt and has committed it when it returns nil.
	// Otherwise it counted nothing and returns one of the errors of Judge or
	// ErrUnknown. It never joins a transaction, for a roll-back would give the
	// try back: a ctx that carries one is refused with ErrInTransaction,
	// before anything waits.
	CountAttempt(ctx context.Context, jti string, now time.Time) error
	// Consume marks the challenge used: nil for exactly one caller ever, else
	// ErrUsed, ErrSuperseded or ErrUnknown.
	Consume(ctx context.Context, jti string, now time.Time) error
	// Void ends a challenge that is not used, as if its time were over. It is
	// no error if there is none.
	Void(ctx context.Context, jti string) error
	// VoidAll is Void for all challenges of a user of these kinds, of every
	// kind when none is named, and returns how many it ended.
	VoidAll(ctx context.Context, subject string, kinds ...string) (int64, error)
	// VoidPath is Void for the challenges of a user, kind and path.
	VoidPath(ctx context.Context, subject, kind, path string) error
	// Pending reports whether a challenge takes attempts at that time.
	Pending(ctx context.Context, subject, kind, path string, now time.Time) (bool, error)
}
