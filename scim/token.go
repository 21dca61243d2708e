package scim

import (
	"context"
	"time"
)

// Scopes that a provisioning token may carry.
const (
	ScopeRead  = "scim:read"
	ScopeWrite = "scim:write"
	// ScopeAdmin implies every SCIM scope.
	ScopeAdmin = "scim:admin"
)

// Token is a bearer token (RFC 6750) for provisioning, or a user's own. The secret itself is
// shown once and never stored; Hash is its SHA-256.
type Token struct {
	ID              string // UUIDv7
	Name            string
	Hash            []byte
	Scopes          []string
	Profile         string            // name of a client profile
	Overrides       map[string]string // profile fields set apart for this token
	Domain          string            // provisioning domain; "" sees the whole directory
	IgnorePasswords bool              // drop "password" on write (Okta placeholders)
	CreatedAt       time.Time
	ExpiresAt       time.Time // zero: never
	RevokedAt       time.Time // zero: live
	LastUsedAt      time.Time // zero: never; recorded at most once a minute
	// UserID is the user whose own token this is; "" for provisioning. Then
	// SessionID names the session behind it, without which it does not count.
	UserID, SessionID string
	// ClientID is the application that holds a user's token; PublicClient tells
	// that it cannot keep a secret.
	ClientID     string
	PublicClient bool
	// RemovalsAllowedUntil lifts the mass-removal brake until then.
	RemovalsAllowedUntil time.Time
}

// OwnerStore knows the users and sessions behind users' own tokens.
type OwnerStore interface {
	// OwnerLive reports whether the session is one of this user, has not ended
	// at that time, and the user is active.
	OwnerLive(ctx context.Context, userID, sessionID string, now time.Time) (bool, error)
}

// TokenStore keeps tokens.
type TokenStore interface {
	InsertToken(ctx context.Context, t *Token) error // *ConflictError{"name"} when the name is taken by a live token
	// TokenByHash returns the token with this hash, revoked or expired ones included, or ErrNotFound.
	TokenByHash(ctx context.Context, hash []byte) (*Token, error)
	// Tokens returns all tokens, oldest first.
	Tokens(ctx context.Context) ([]Token, error)
	// UpdateToken edits the token with this id or name in one transaction.
	UpdateToken(ctx context.Context, idOrName string, edit func(*Token) error) (*Token, error)
	// TouchToken records the last use.
	TouchToken(ctx context.Context, id string, at time.Time) error
}

// RemovalStore counts deactivations and deletions per token for the
// mass-removal brake, in rows that all nodes share.
type RemovalStore interface {
	// AddRemovals records n removals by the token at that time, in the
	// transaction of ctx, and returns how many it made since since, n included.
	AddRemovals(ctx context.Context, tokenID string, n int, at, since time.Time) (int64, error)
}
