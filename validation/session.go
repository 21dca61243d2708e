package validation

import (
	"context"
	"time"
)

// Session is a live login of a user as the sub-resources show it. Times are
// UTC; a zero time means "never".
type Session struct {
	ID        string // public id, never the value of a cookie
	UserID    string
	CreatedAt time.Time
	ExpiresAt time.Time
	// LoginAt and SecondFactorAt are when a factor was last proved, the methods
	// the amr values (RFC 8176) of those proofs. They are the two clocks behind
	// step-up; no token carries them.
	LoginAt, SecondFactorAt           time.Time
	LoginMethods, SecondFactorMethods []string
	// RecoveredAt is when a recovery code was last shown, which is no second factor
	// to rely on and lets its user set up another one (security.md section 6).
	RecoveredAt   time.Time
	IP, UserAgent string
	Clients       []SessionClient
}

// SessionClient is an application that holds a live token of a session.
type SessionClient struct {
	ConsentClient
	LastAuthorization time.Time
}

// SessionStore reads and ends sessions. Every method joins the transaction of
// ctx if there is one.
type SessionStore interface {
	// LiveSession returns a session of the user that has not ended at that time,
	// or scim.ErrNotFound. Clients is not filled.
	LiveSession(ctx context.Context, userID, id string, now time.Time) (Session, error)
	// LiveSessions returns those of a user, oldest first.
	LiveSessions(ctx context.Context, userID string, now time.Time) ([]Session, error)
	// EndSessions ends the sessions of a user, all but the one with the id
	// except ("": all), with their tokens, and returns how many it ended.
	EndSessions(ctx context.Context, userID, except string, now time.Time) (int64, error)
	// EndSession ends one session of a user with its tokens, and reports whether
	// there was one.
	EndSession(ctx context.Context, userID, id string, now time.Time) (bool, error)
}
