package session

import (
	"context"
	"errors"
	"time"
)

// MethodCommand is the method of a proof that an administrator vouches for by
// making a token at the command line. It has no amr value (RFC 8176).
const MethodCommand = "command"

// Proof is one authenticator that was answered rightly.
type Proof struct {
	Method string    `json:"method"`        // name of the authenticator, such as "password" or "totp"
	AMR    []string  `json:"amr,omitempty"` // its values of RFC 8176
	At     time.Time `json:"at"`            // UTC, server clock
	// Second tells that it counts as a second factor.
	Second bool `json:"second,omitempty"`
}

// Session is one login of a user. Times are UTC with microseconds.
type Session struct {
	ID        string // public id, a UUIDv7; never the value of a cookie
	UserID    string
	CreatedAt time.Time
	ExpiresAt time.Time // absolute; required
	Proofs    []Proof   // oldest first
	IP        string
	UserAgent string
}

// Check reports what a new session lacks.
func (s Session) Check() error {
	switch {
	case s.ID == "" || s.UserID == "":
		return errors.New("session: id and user are required")
	case !s.ExpiresAt.After(s.CreatedAt) || s.CreatedAt.IsZero():
		return errors.New("session: it must have a life")
	case len(s.Proofs) == 0:
		return errors.New("session: a login needs a proof")
	}
	return nil
}

// Store begins sessions.
type Store interface {
	// StartSession stores a new session, in the transaction of ctx.
	StartSession(ctx context.Context, s Session) error
}
