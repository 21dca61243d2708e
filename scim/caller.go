package scim

import (
	"context"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
)

// Caller is who makes a request and what they may do: a provisioning token, a
// user's own token, or a command of the administrator.
type Caller struct {
	// TokenID is the id of the token, "" for a command. Rate and mass-removal
	// brake count under it.
	TokenID string
	// Name is the token's name, or the command's, for audit.
	Name string
	// Scopes are the granted scopes; use Has to ask.
	Scopes []string
	// Profile is the client profile of the token, never nil for a caller that
	// an Authenticator returned. Shared: read only.
	Profile *Profile
	// Domain is the provisioning domain; "" sees the whole directory.
	Domain string
	// UserID is the user whose own token this is; "" for provisioning.
	UserID string
	// ClientID is the application that the token was issued to; "" for tokens
	// made by a command, which stand for themselves. See Client.
	ClientID string
	// SessionID is the login session behind a user's token; "" without one. Its
	// times are read where they matter and never carried here.
	SessionID string
	// PublicClient callers are applications that cannot keep a secret; what they
	// send to third parties in a user's name is not theirs to word.
	PublicClient bool
	// IgnorePasswords drops "password" on write.
	IgnorePasswords bool
	// ActorType is the type of the actor in audit events: "token", "user" or
	// "command".
	ActorType string
	// IP, UserAgent and RequestID describe the request, for audit.
	IP, UserAgent, RequestID string
	// RemovalsAllowedUntil lifts the mass-removal brake until then.
	RemovalsAllowedUntil time.Time
	// Exempt callers (commands) are not held by the mass-removal brake.
	Exempt bool
}

// Has reports whether the caller holds the scope. ScopeAdmin implies every
// SCIM scope; ScopeWrite does not imply ScopeRead.
func (c Caller) Has(scope string) bool {
	return slices.Contains(c.Scopes, scope) || slices.Contains(c.Scopes, ScopeAdmin)
}

// Client is the id of the application that calls: the client, or the token that
// a command made for one.
func (c Caller) Client() string {
	if c.ClientID != "" {
		return c.ClientID
	}
	return c.TokenID
}

// Authenticator turns the bearer token of a request into its Caller.
// Implementations are safe for concurrent use.
type Authenticator interface {
	// Authenticate returns the caller of a token. A token that is unknown,
	// expired or revoked is an *Error with status 401; any other error means
	// that the token could not be checked. IP, UserAgent and RequestID are
	// left to the caller of this method.
	Authenticate(ctx context.Context, bearer string) (Caller, error)
}

// callerKey is where the caller of a request stands in the echo context, so
// that an error is written in the caller's profile too.
const callerKey = "sallyport.scim.caller"

// setCaller records who makes the request.
func setCaller(c echo.Context, caller Caller) { c.Set(callerKey, caller) }

// CallerOf returns the caller that the request was authenticated as; false for
// a public route or a refused token. Logging middleware reads it.
func CallerOf(c echo.Context) (Caller, bool) {
	caller, ok := c.Get(callerKey).(Caller)
	return caller, ok
}
