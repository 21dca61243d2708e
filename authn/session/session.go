package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// ErrNotFound says that there is no such live session.
var ErrNotFound = errors.New("there is no such session")

// Proof is one row of the ledger.
type Proof struct {
	acr.Proof
	// Second tells that it was shown on top of a first factor of another kind,
	// so that it counts as a second factor.
	Second bool
}

// Session is one login of one user in one browser, or behind a token. Times are
// UTC with microseconds.
type Session struct {
	ID     string // public id, a UUIDv7; never the value of a cookie
	UserID string
	// SecretHash is the SHA-256 of the secret in the cookie; nil for a session
	// that no browser holds.
	SecretHash []byte
	CreatedAt  time.Time
	ExpiresAt  time.Time // absolute; required
	// IdleUntil is when it ends without use; zero: it has no such limit.
	IdleUntil time.Time
	IP        string
	UserAgent string
	Proofs    []Proof // oldest first
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

// Live reports whether the session has not ended by its times.
func (s Session) Live(now time.Time) bool {
	return now.Before(s.ExpiresAt) && (s.IdleUntil.IsZero() || now.Before(s.IdleUntil))
}

// Ledger returns the proofs for a decision.
func (s Session) Ledger() []acr.Proof {
	out := make([]acr.Proof, len(s.Proofs))
	for i, p := range s.Proofs {
		out[i] = p.Proof
	}
	return out
}

// Hash is what is stored of the secret of a cookie.
func Hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Store keeps sessions with their ledgers. Every method joins the transaction
// of ctx.
type Store interface {
	// StartSession stores a new session with its proofs.
	StartSession(ctx context.Context, s Session) error
	// SessionBySecret returns the live session with this hash, or ErrNotFound.
	SessionBySecret(ctx context.Context, hash []byte, now time.Time) (Session, error)
	// SessionByID returns the live session with this id, or ErrNotFound. In a
	// transaction it stays until the transaction ends.
	SessionByID(ctx context.Context, id string, now time.Time) (Session, error)
	// RotateSession replaces the hash of the secret and moves the idle limit; it
	// is ErrNotFound unless the session is live with the old hash.
	RotateSession(ctx context.Context, id string, old, hash []byte, idleUntil, now time.Time) error
	// AddProof appends to the ledger of a live session, else ErrNotFound.
	AddProof(ctx context.Context, p Proof, now time.Time) error
	// ExtendSession moves the idle limit of a session in use; it never shortens.
	ExtendSession(ctx context.Context, id string, idleUntil time.Time) error
	// ForgetProofs removes the proofs of a credential of a user, of every
	// credential of the factor when credential is "", from all sessions.
	ForgetProofs(ctx context.Context, userID string, f acr.Factor, credential string) (int64, error)
}
