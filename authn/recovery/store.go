package recovery

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNoSet says that a user has no recovery codes.
	ErrNoSet = errors.New("there are no recovery codes")
	// ErrUsed says that a code was used before, or that its set is gone.
	ErrUsed = errors.New("the recovery code was used before")
)

// Set is the recovery codes of a user. Times are UTC with microseconds.
type Set struct {
	ID, UserID string
	Salt       string // as Deriver.NewSalt returned it
	CreatedAt  time.Time
	Left       []Hashed // codes that are not used, by number
}

// Hashed is one code as it is stored.
type Hashed struct {
	N    int // from 1
	Hash []byte
}

// Store keeps sets. Every method joins the transaction of ctx. Whoever puts or
// deletes a set locks the user first.
type Store interface {
	// RecoverySet returns the set of a user with the codes that are left, or
	// ErrNoSet.
	RecoverySet(ctx context.Context, userID string) (Set, error)
	// PutRecoverySet stores a new set in place of the former one, which is void
	// from then on, and returns its id.
	PutRecoverySet(ctx context.Context, s Set) (string, error)
	// UseRecoveryCode consumes a code: nil for exactly one caller ever, who learns
	// how many are left, else ErrUsed.
	UseRecoveryCode(ctx context.Context, userID, setID string, n int, at time.Time) (left int, err error)
	// DeleteRecoverySet removes the set of a user and reports whether there was
	// one.
	DeleteRecoverySet(ctx context.Context, userID string) (bool, error)
}

// Deriver is the slow hash. Its computations share the slots of passwords, so
// that the memory of all together is bounded.
type Deriver interface {
	// NewSalt returns parameters and a fresh salt.
	NewSalt() (string, error)
	// Derive returns the hash of a text under a salt. It must not run in a
	// transaction.
	Derive(ctx context.Context, salt, text string) ([]byte, error)
}
