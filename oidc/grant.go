package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Why a code or refresh token is not redeemed.
var (
	// ErrUsed: it was redeemed before.
	ErrUsed = errors.New("was used")
)

// Grant is what one authorization gave one client. What it says about the login
// never changes. Times are UTC with microseconds.
type Grant struct {
	ID       string // UUIDv7
	ClientID string
	// UserID and SessionID are "" for client credentials; SessionID is "" too for
	// a grant that outlives its session (offline_access).
	UserID    string
	SessionID string
	// SID names the session to this client (OpenID Connect Back-Channel Logout
	// 1.0 section 2.1); it is not the id of the session.
	SID      string
	Scopes   []string
	Audience []string // RFC 8707; empty: by scope
	ACR      string
	AMR      []string
	AuthTime time.Time
	// Floors are the ACRs that policy asked for besides and that held.
	Floors []string
	// FirstACR, FirstAMR describe the first factor alone, for
	// drop_elevation_on_refresh.
	FirstACR string
	FirstAMR []string
	// Claims is the claims parameter (OpenID Connect Core 1.0 section 5.5).
	Claims  json.RawMessage
	Nonce   string
	Offline bool
	// KeyThumbprint is the DPoP key (RFC 9449) that tokens are bound to; "":
	// none yet.
	KeyThumbprint string

	// CodeHash is the SHA-256 of the authorization code; nil: there is none.
	CodeHash      []byte
	CodeExpiresAt time.Time
	CodeUsedAt    time.Time // zero: not used
	RedirectURI   string    // of the request, as it was sent
	CodeChallenge string    // S256; "": none
	Device        bool      // by the device flow

	CreatedAt time.Time
	ExpiresAt time.Time // no token of the grant counts from then on
	RevokedAt time.Time // zero: live
}

// Refresh is one refresh token: each is used once and then replaced.
type Refresh struct {
	Hash      []byte // SHA-256
	GrantID   string
	Scopes    []string // of the grant, or fewer
	CreatedAt time.Time
	ExpiresAt time.Time // idle
	UsedAt    time.Time // zero: not used
	// Successor is the hash of the token that replaced it, for refresh_grace.
	Successor []byte
}

// Access is one opaque access token.
type Access struct {
	Hash      []byte // SHA-256
	GrantID   string
	Scopes    []string
	Audience  []string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// GrantStore keeps grants and their tokens. Every method joins the transaction
// of ctx.
type GrantStore interface {
	// InsertGrant stores a grant, with its code if it has one.
	InsertGrant(ctx context.Context, g Grant) error
	// GrantByCode returns the grant of a code, used or expired ones included, or
	// ErrNotFound.
	GrantByCode(ctx context.Context, hash []byte) (Grant, error)
	// ConsumeCode marks the code used and the DPoP key bound: nil for exactly one
	// caller ever, else ErrUsed; ErrNotFound when code and client do not belong
	// together or it has expired.
	ConsumeCode(ctx context.Context, hash []byte, clientID, keyThumbprint string, now time.Time) error
	// BindGrant binds a grant without a DPoP key to one; nothing happens to a
	// grant that has one.
	BindGrant(ctx context.Context, id, keyThumbprint string) error
	// LiveGrant returns a grant whose tokens count at that time: not revoked, not
	// over, the client enabled, the user there and active, the session (where
	// there is one) live. Else ErrNotFound. One look-up.
	LiveGrant(ctx context.Context, id string, now time.Time) (Grant, error)
	// Grant returns a grant whatever its state, or ErrNotFound.
	Grant(ctx context.Context, id string) (Grant, error)
	// RevokeGrant ends a grant with all its tokens and reports whether it was
	// live.
	RevokeGrant(ctx context.Context, id string, now time.Time) (bool, error)
	// RevokeGrants ends those of a user at a client ("": at any) and returns how
	// many were live.
	RevokeGrants(ctx context.Context, userID, clientID string, now time.Time) (int64, error)
	// SID returns the name of the session for the client, made on first use.
	SID(ctx context.Context, sessionID, clientID string, now time.Time) (string, error)
	// SessionOfSID returns the session that an sid names to a client, or
	// ErrNotFound.
	SessionOfSID(ctx context.Context, sid, clientID string) (sessionID, userID string, err error)

	InsertRefresh(ctx context.Context, r Refresh) error
	// RefreshByHash returns a refresh token, used or expired ones included, or
	// ErrNotFound.
	RefreshByHash(ctx context.Context, hash []byte) (Refresh, error)
	// ConsumeRefresh marks it used and names its successor: nil for exactly one
	// caller ever, else ErrUsed; ErrNotFound when it is expired or unknown.
	ConsumeRefresh(ctx context.Context, hash, successor []byte, now time.Time) error

	InsertAccess(ctx context.Context, a Access) error
	// AccessByHash returns an opaque access token that has not expired, or
	// ErrNotFound. Whether its grant lives is asked apart.
	AccessByHash(ctx context.Context, hash []byte, now time.Time) (Access, error)
	// LiveAccess returns an opaque access token that has not expired with its
	// grant, if that is live as of LiveGrant; else ErrNotFound. One look-up.
	LiveAccess(ctx context.Context, hash []byte, now time.Time) (Access, Grant, error)
}

// ConsentState is what a user said about a scope.
type ConsentState string

// The states.
const (
	Granted ConsentState = "granted"
	Denied  ConsentState = "denied"
	Revoked ConsentState = "revoked"
)

// Consent is what a user has said to a client.
type Consent struct {
	UserID    string
	ClientID  string
	Scopes    map[string]ConsentState
	UpdatedAt time.Time
}

// ConsentStore keeps consents and their history. Every method joins the
// transaction of ctx.
type ConsentStore interface {
	// Consent returns what a user said to a client; no error without one.
	Consent(ctx context.Context, userID, clientID string) (Consent, error)
	// SaveConsent stores it and appends it to the history.
	SaveConsent(ctx context.Context, c Consent) error
	// Consents returns those of a user, by client.
	Consents(ctx context.Context, userID string) ([]Consent, error)
	// ConsentHistory returns every change of a user, oldest first.
	ConsentHistory(ctx context.Context, userID string) ([]Consent, error)
	// DeleteConsent forgets one, leaving history, and reports whether there was.
	DeleteConsent(ctx context.Context, userID, clientID string, now time.Time) (bool, error)
}

// Pushed is a pushed authorization request (RFC 9126).
type Pushed struct {
	ID       string // the random part of the request_uri
	ClientID string
	Params   map[string]string
	// KeyThumbprint is the DPoP key that the code is to be bound to; "": none.
	KeyThumbprint string
	ExpiresAt     time.Time
	UsedAt        time.Time // zero: not used
}

// PushedStore keeps pushed requests. Every method joins the transaction of ctx.
type PushedStore interface {
	InsertPushed(ctx context.Context, p Pushed) error
	// Pushed returns one, used and expired ones included, or ErrNotFound.
	Pushed(ctx context.Context, id string) (Pushed, error)
	// ConsumePushed marks it used: nil for exactly one caller, else ErrUsed.
	ConsumePushed(ctx context.Context, id string, now time.Time) error
}

// DeviceState is where a device authorization stands.
type DeviceState string

// The states.
const (
	DevicePending  DeviceState = "pending"
	DeviceApproved DeviceState = "approved"
	DeviceDenied   DeviceState = "denied"
	DeviceUsed     DeviceState = "used"
)

// DeviceAuthorization is one device that waits for its user (RFC 8628).
type DeviceAuthorization struct {
	CodeHash      []byte // SHA-256 of the device code
	UserCodeHash  []byte // SHA-256 of the normalised user code
	ClientID      string
	Scopes        []string
	Audience      []string
	ACRValues     []string
	KeyThumbprint string
	State         DeviceState
	GrantID       string // once approved
	Interval      time.Duration
	PolledAt      time.Time
	ExpiresAt     time.Time
}

// DeviceStore keeps device authorizations. Every method joins the transaction
// of ctx.
type DeviceStore interface {
	// InsertDevice stores one; ErrTaken when the user code is in use.
	InsertDevice(ctx context.Context, d DeviceAuthorization) error
	DeviceByUserCode(ctx context.Context, hash []byte) (DeviceAuthorization, error) // ErrNotFound
	DeviceByCode(ctx context.Context, hash []byte) (DeviceAuthorization, error)     // ErrNotFound
	// PollDevice records a poll; tooSoon when it came before the interval was
	// over, which then grows by 5 s (RFC 8628 section 3.5).
	PollDevice(ctx context.Context, hash []byte, now time.Time) (d DeviceAuthorization, tooSoon bool, err error)
	// SettleDevice moves it from one state to another: nil for exactly one
	// caller, else ErrUsed.
	SettleDevice(ctx context.Context, hash []byte, from, to DeviceState, grantID string) error
}

// ReplayStore remembers what may be used once: jti of client assertions, DPoP
// proofs and request objects.
type ReplayStore interface {
	// UseOnce is true for the first use of a key of this kind until expires.
	// It joins the transaction of ctx.
	UseOnce(ctx context.Context, kind, key string, expires time.Time) (bool, error)
}

// LogoutNotice tells a client that a session has ended (OpenID Connect
// Back-Channel Logout 1.0). It is written where the session ends.
type LogoutNotice struct {
	ID       string
	ClientID string
	SID      string
	UserID   string
	Attempts int
}

// LogoutStore keeps notices until they are delivered. Every method joins the
// transaction of ctx.
type LogoutStore interface {
	// ClaimLogouts takes up to limit notices due at now; until then nobody else
	// gets them.
	ClaimLogouts(ctx context.Context, now, until time.Time, limit int) ([]LogoutNotice, error)
	PostponeLogout(ctx context.Context, id string, next time.Time) error
	RemoveLogout(ctx context.Context, id string) error
}
