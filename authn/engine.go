package authn

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
)

// Visitor is the browser that makes a request.
type Visitor struct {
	// Browser is the secret of the browser cookie, which binds transactions.
	Browser string
	// Sessions are the secrets of the session cookie, one per account, the one
	// in use first.
	Sessions []string
	// Known are the marks of earlier successes in this browser (security.md 2.2).
	Known []string
	// Devices are the secrets by which this browser is remembered, one per user.
	Devices   []string
	IP        netip.Addr
	UserAgent string
	RequestID string
	// Header holds headers that a trusted proxy has set, for conditions.
	Header map[string]string
	// Languages is Accept-Language.
	Languages string
}

// Grants is what a step hands to the browser: secrets to keep in its cookies.
// Zero members leave a cookie as it is.
type Grants struct {
	// Sessions replaces the session cookie when not nil; empty: remove it.
	Sessions []string
	// Known replaces the marks when not nil.
	Known []string
	// Devices replaces the cookie of the remembered browser when not nil; empty:
	// remove it.
	Devices []string
}

// Purpose says what transactions of a kind ask for. It is asked again at every
// step, so that policy that has changed meanwhile counts.
type Purpose interface {
	// Requirement returns what the transaction asks for, before a user or session
	// is considered.
	Requirement(ctx context.Context, t Txn) (acr.Requirement, error)
}

// Step is what to show next.
type Step interface{ step() }

// Choice is a factor that the person may show.
type Choice struct {
	Factor     acr.Factor
	Credential string
	Name       string // what its user calls it, "" if nothing
	Masked     string // destination, masked; "" for what has none
	// LockedFor is how long it takes no attempt; 0: it is open.
	LockedFor time.Duration
}

// AskAccount asks which of several accounts to use.
type AskAccount struct{ Accounts []Account }

// Account is a session of this browser.
type Account struct {
	SessionID string
	User      User
}

// AskLogin asks for user name and first factor. If User is set, only the first
// factor is asked for again, and "not you?" is offered unless Fixed.
type AskLogin struct {
	Hint    string
	User    *User
	Fixed   bool         // the answer must be about this user
	Factors []acr.Factor // first factors that would do, in order
	// Upstreams are the providers to log in at, if Factors has acr.Federated.
	Upstreams []Upstream
	Reason    acr.StepReason
}

// Upstream is a provider that logs users in for us.
type Upstream struct {
	ID   string // in the configuration; stands in URLs
	Name string // for people
	Kind string // oidc, google, microsoft, facebook, saml: which picture to show
}

// AskFactor asks which of several factors to show.
type AskFactor struct {
	User    User
	Choices []Choice // the one that the user prefers first, then the one used last
	// Confirms tells that these are values which an administrator has set and the
	// user has not proved yet: the code makes no proof, another one is asked for
	// afterwards.
	Confirms bool
	MaySkip  bool
	Reason   acr.StepReason
}

// AskCode asks for what is typed: a code that was sent or that an app shows, a
// recovery code, a second password, the answer to a plugged-in authenticator.
type AskCode struct {
	User   User
	Choice Choice
	// ResendAt is when another code may be asked for; zero for an app.
	ResendAt time.Time
	Digits   int // of the code; 0: not only digits
	// Prompt is what a plugged-in authenticator says, plain text; "": nothing.
	Prompt string
	// Waits tells that nothing is typed: Code is asked with "" until it is over.
	Waits bool
	// Confirms is that of AskFactor.
	Confirms bool
	Others   []Choice
	MaySkip  bool // an optional link of a chain
	// MayRemember offers to remember this browser; Remember is what was said last.
	MayRemember, Remember bool
	Reason                acr.StepReason
}

// AskPasskey asks for a passkey on top of a first factor. Its options are made
// by Engine.PasskeyOptions.
type AskPasskey struct {
	User    User
	Choice  Choice // Credential is "": any passkey of the user
	Others  []Choice
	MaySkip bool
	// MayRemember and Remember are those of AskCode.
	MayRemember, Remember bool
	Reason                acr.StepReason
}

// AskNewPassword asks for a new password in place of one that must be changed.
type AskNewPassword struct {
	User                 User
	MinLength, MaxLength int
	// Reason is why: validation.MustCompromised, or "".
	Reason string
}

// Ready says that the requirement is met. Issue does the rest.
type Ready struct {
	User    User
	Session session.Session
	Issue   acr.Issue
}

// Failed says that the requirement cannot be met.
type Failed struct{ Reason acr.Reason }

func (AskAccount) step()     {}
func (AskLogin) step()       {}
func (AskFactor) step()      {}
func (AskCode) step()        {}
func (AskPasskey) step()     {}
func (AskNewPassword) step() {}
func (Ready) step()          {}
func (Failed) step()         {}

// RefusalReason is why an answer of a person was not accepted; pages give each
// its text.
type RefusalReason string

// The reasons.
const (
	// BadCredentials: name or password is wrong; also unknown, inactive and
	// throttled users, so that nothing tells them apart.
	BadCredentials RefusalReason = "bad_credentials"
	WrongCode      RefusalReason = "wrong_code"
	CodeExpired    RefusalReason = "code_expired" // also superseded or used up: ask for another
	FactorLocked   RefusalReason = "factor_locked"
	SendLimited    RefusalReason = "send_limited"
	SendFailed     RefusalReason = "send_failed"
	PasswordRules  RefusalReason = "password_rules"
	Busy           RefusalReason = "busy"
	Missing        RefusalReason = "missing" // an empty submission
	// Unavailable: the service behind a factor does not answer.
	Unavailable RefusalReason = "unavailable"
	// Waiting: nothing has happened yet; see Kind.Waits.
	Waiting RefusalReason = "waiting"
	// Of logins at providers elsewhere: the person or the provider said no; it
	// cannot be reached; its answer does not count; it is switched off; the login
	// there is too old; the account there is nobody's here, or somebody else's; its
	// user may not log in.
	UpstreamDenied    RefusalReason = "upstream_denied"
	UpstreamDown      RefusalReason = "upstream_down"
	UpstreamInvalid   RefusalReason = "upstream_invalid"
	UpstreamOff       RefusalReason = "upstream_off"
	UpstreamStale     RefusalReason = "upstream_stale"
	UpstreamNotLinked RefusalReason = "upstream_not_linked"
	UpstreamOther     RefusalReason = "upstream_other"
	UpstreamInactive  RefusalReason = "upstream_inactive"

	OutOfStep RefusalReason = "out_of_step" // not what is asked for now: another tab went on
)

// Refusal is an answer that was not accepted. The transaction goes on.
//
//nolint:errname // an answer to a person, named for what it is
type Refusal struct {
	Reason     RefusalReason
	RetryAfter time.Duration // 0: at once
	// Provider is what the provider is called that this is about; "": none.
	Provider string
}

// Error implements error.
func (r *Refusal) Error() string { return "login: " + string(r.Reason) }

// ErrNotReady says that the requirement is no longer met: go to the dispatcher.
var ErrNotReady = errors.New("login is not ready")
