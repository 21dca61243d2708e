package keys

import (
	"context"
	"time"
)

// State is the place of a key in its life.
type State string

// The states.
const (
	Next    State = "next"    // published, will sign
	Active  State = "active"  // published, signs
	Retired State = "retired" // published until its last token has expired
)

// Stored is one key as the store has it.
type Stored struct {
	ID        string // kid: the thumbprint of RFC 7638
	Alg       string // RS256, PS256, ES256, EdDSA
	State     State
	Private   []byte // PKCS #8, DER; the store seals it
	CreatedAt time.Time
	ChangedAt time.Time // when it came into this state
}

// Store keeps keys. Every method joins the transaction of ctx.
type Store interface {
	// SigningKeys returns all keys, oldest first.
	SigningKeys(ctx context.Context) ([]Stored, error)
	// InsertSigningKey stores a key; false when another node was first: there is
	// at most one next and one active key for an algorithm.
	InsertSigningKey(ctx context.Context, k Stored) (bool, error)
	// MoveSigningKey changes the state of a key; false unless it is in from.
	MoveSigningKey(ctx context.Context, id string, from, to State, now time.Time) (bool, error)
	// DeleteSigningKey removes a retired key.
	DeleteSigningKey(ctx context.Context, id string) error
}
