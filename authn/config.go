package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/passkey"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// Tx runs fn in one transaction of the database: every store called with its
// context joins it, and an error undoes them all. fn may run again.
type Tx interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// ErrBusy is what a Hasher returns when too many computations run at once.
var ErrBusy = errors.New("too many passwords are being computed")

// Hasher makes and compares hashes of passwords. Its methods but the last three
// are slow on purpose and must not run in a transaction; errors.Is ErrBusy asks
// to try again.
type Hasher interface {
	// Hash returns the encoded hash of a password that the rules accept. user is
	// the user's document, for the names that are no passwords.
	Hash(ctx context.Context, text string, user schema.Object) (string, error)
	// Rehash returns the encoded hash of a password in use, whatever the rules.
	Rehash(ctx context.Context, text string) (string, error)
	// Verify reports whether text, in form NFC, is the password of the encoded
	// hash; "" does the same work and is never right.
	Verify(ctx context.Context, hash, text string) (bool, error)
	// NeedsRehash reports whether a hash was made with other parameters than new
	// ones are.
	NeedsRehash(hash string) bool
	Rules() validation.PasswordRules
	// Judge tells which rules Hash would refuse the text by, without the work. An
	// error means that this could not be found out.
	Judge(text string, user schema.Object) (validation.PasswordFaults, error)
}

// PasswordStore keeps passwords. Every method joins the transaction of ctx.
type PasswordStore interface {
	validation.PasswordStore
	// ReplaceHash stores another hash of the same password: unlike SetPassword it
	// ends nothing. It changes nothing when the hash is no longer old.
	ReplaceHash(ctx context.Context, userID, old, hash string) error
	// MustChangeFor says that the password must be changed at the next login, and
	// why; see [validation.PasswordState].
	MustChangeFor(ctx context.Context, userID, reason string) error
}

// Ender ends sessions with the tokens, grants and notices that hang on them.
// Every method joins the transaction of ctx.
type Ender interface {
	// EndSessions ends the sessions of a user but the one with the id except.
	EndSessions(ctx context.Context, userID, except string, now time.Time) (int64, error)
	// EndSession ends one session of a user and reports whether there was one.
	EndSession(ctx context.Context, userID, id string, now time.Time) (bool, error)
}

// SessionLife is how long sessions live. A zero member takes its default: 12 h
// without use, 24 h in all (security.md 1).
type SessionLife struct{ Idle, Absolute time.Duration }

// Bounds and defaults of SessionLife.
const (
	DefaultSessionIdle     = 12 * time.Hour
	DefaultSessionAbsolute = 24 * time.Hour
	leastIdle              = 5 * time.Minute
	leastAbsolute          = time.Hour
	mostSession            = 30 * 24 * time.Hour
)

// Config is what an Engine needs. Every member without a comment is required.
type Config struct {
	Users         UserStore
	Txns          TxnStore
	Sessions      session.Store
	Ender         Ender
	Tx            Tx
	Passwords     PasswordStore
	Hasher        Hasher
	PasswordTries *throttle.Passwords
	Factors       *throttle.Factors
	Sends         *throttle.Sends
	Outcomes      *throttle.Outcomes
	Hash          *throttle.Hasher
	Challenges    challenge.Store
	Secrets       totp.Store
	Held          validation.HoldingStore
	Settings      validation.SettingStore
	Extras        validation.ExtraStore
	Devices       DeviceStore
	Records       validation.Records
	Paths         *validation.Paths
	States        *state.Sealer
	Delivery      *delivery.Providers
	Outbox        OutboxStore
	Audit         audit.Log
	Life          SessionLife
	// Passkeys verifies passkeys and PasskeyStore keeps them, both or neither: then
	// nobody is asked for one.
	Passkeys     *passkey.Party
	PasskeyStore passkey.Store
	// Authenticators judge further factors, in the order in which they are offered;
	// none by default.
	Authenticators []Authenticator
	// RememberFor is how long a browser can stay remembered, a day to a year; 0: no
	// browser is.
	RememberFor time.Duration
	// RememberedBy are the factors whose proof can make a browser remembered (see
	// acr.RememberedBy); nil: all.
	RememberedBy []acr.Factor
	// Federation is for logins at providers elsewhere; nil: there are none.
	Federation *Federation
	// MayEnrol says who may enrol a second factor while logging in, where a
	// requirement lets users; nil: nobody.
	MayEnrol func(ctx context.Context, u User) (bool, error)
	// Confirmed records that a user has proved a value which an administrator set,
	// in the transaction that consumes the code; validation.ErrNotAssigned if it is
	// no such value any more. Nil: nobody is asked to confirm any.
	Confirmed func(ctx context.Context, v Visitor, u User, c Confirmation) error
	// Skew is how many steps before and after the present one a code of an
	// authenticator app may be of: 0 or 1.
	Skew int
	// Tries is the number of attempts of one challenge; 0: 5.
	Tries int
	// KnownKey keys the marks of known browsers, 32 bytes that all nodes share.
	KnownKey []byte
	// PasswordChanged, if set, follows a password that was changed while logging
	// in, in its transaction: the user is told.
	PasswordChanged func(ctx context.Context, u User, ip string) error
	// Warn, if set, leaves a notice for a user of what may be somebody else's doing,
	// in the transaction of ctx if there is one: a login with a browser that has no
	// mark of an earlier one, and failures that have reached their ceiling.
	Warn func(ctx context.Context, v Visitor, u User, kind delivery.NoticeKind) error
	// Compromised, if set, tells whether a password in use stands in a list of
	// breached ones: then it must be changed. An error means that this could not
	// be found out, and keeps nobody out.
	Compromised func(text string) (bool, error)
	// Reused, if set, tells whether a text is an earlier password of a user or the
	// present one. It is slow and does not run in a transaction.
	Reused func(ctx context.Context, userID, text string) (bool, error)
	// Logger is for what happens after an answer; nil discards.
	Logger *slog.Logger
	Now    func() time.Time
}

func (cfg Config) check() error {
	var errs []error
	for _, need := range []struct {
		ok    bool
		field string
	}{
		{cfg.Users != nil, "Users"},
		{cfg.Txns != nil, "Txns"},
		{cfg.Sessions != nil, "Sessions"},
		{cfg.Ender != nil, "Ender"},
		{cfg.Tx != nil, "Tx"},
		{cfg.Passwords != nil, "Passwords"},
		{cfg.Hasher != nil, "Hasher"},
		{cfg.PasswordTries != nil, "PasswordTries"},
		{cfg.Factors != nil, "Factors"},
		{cfg.Sends != nil, "Sends"},
		{cfg.Outcomes != nil, "Outcomes"},
		{cfg.Hash != nil, "Hash"},
		{cfg.Challenges != nil, "Challenges"},
		{cfg.Secrets != nil, "Secrets"},
		{cfg.Held != nil, "Held"},
		{cfg.Settings != nil, "Settings"},
		{cfg.Extras != nil, "Extras"},
		{cfg.Devices != nil, "Devices"},
		{cfg.Records != nil, "Records"},
		{cfg.Paths != nil, "Paths"},
		{cfg.States != nil, "States"},
		{cfg.Delivery != nil, "Delivery"},
		{cfg.Outbox != nil, "Outbox"},
		{cfg.Audit != nil, "Audit"},
		{len(cfg.KnownKey) == 32, "KnownKey of 32 bytes"},
		{cfg.Now != nil, "Now"},
		{(cfg.Passkeys == nil) == (cfg.PasskeyStore == nil), "PasskeyStore with Passkeys, or neither,"},
	} {
		if !need.ok {
			errs = append(errs, errors.New("login engine: "+need.field+" is required"))
		}
	}
	return errors.Join(append(errs, cfg.Life.check(), cfg.bounds(), cfg.Federation.check(), checkAuthenticators(cfg.Authenticators))...)
}

func (cfg Config) bounds() error {
	if cfg.Skew < 0 || cfg.Skew > 1 {
		return fmt.Errorf("login engine: Skew must be 0 or 1, not %d", cfg.Skew)
	}
	if cfg.Tries != 0 && (cfg.Tries < challenge.LeastAttempts || cfg.Tries > challenge.MostAttempts) {
		return fmt.Errorf("login engine: Tries must be %d to %d, not %d", challenge.LeastAttempts, challenge.MostAttempts, cfg.Tries)
	}
	if r := cfg.RememberFor; r != 0 && (r < leastRemembered || r > mostRemembered) {
		return fmt.Errorf("login engine: a browser must be remembered for %v to %v, not %v", leastRemembered, mostRemembered, r)
	}
	return nil
}

func (l SessionLife) check() error {
	l = l.withDefaults()
	if l.Idle < leastIdle || l.Idle > mostSession || l.Absolute < leastAbsolute || l.Absolute > mostSession {
		return fmt.Errorf("login engine: a session must live %v to %v without use and %v to %v in all, not %v and %v",
			leastIdle, mostSession, leastAbsolute, mostSession, l.Idle, l.Absolute)
	}
	return nil
}

func (l SessionLife) withDefaults() SessionLife {
	if l.Idle == 0 {
		l.Idle = DefaultSessionIdle
	}
	if l.Absolute == 0 {
		l.Absolute = DefaultSessionAbsolute
	}
	return l
}

// Engine logs people in. It is safe for concurrent use and keeps nothing in
// memory but its configuration.
type Engine struct {
	cfg      Config
	plugged  map[acr.Factor]Authenticator
	purposes map[string]Purpose
}

// New checks the configuration.
func New(cfg Config) (*Engine, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.Life = cfg.Life.withDefaults()
	if cfg.Tries == 0 {
		cfg.Tries = challenge.DefaultAttempts
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Engine{cfg: cfg, plugged: byFactor(cfg.Authenticators), purposes: map[string]Purpose{}}, nil
}

// Handle says who asks for transactions of a purpose. Call it before anything
// else, for it is not safe beside other methods.
func (e *Engine) Handle(purpose string, p Purpose) { e.purposes[purpose] = p }

// now is the time of a change: UTC with microseconds.
func (e *Engine) now() time.Time { return e.cfg.Now().UTC().Truncate(time.Microsecond) }
