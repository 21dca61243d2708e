package validation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// Directory reads and writes users by the rules of package scim.
type Directory interface {
	// User returns a user that the caller's domain shows, or scim.ErrNotFound.
	// In a transaction the user stays locked until it ends.
	User(ctx context.Context, caller scim.Caller, id string) (*scim.User, error)
	// EditUser changes a user with all that belongs to a change. It joins the
	// transaction of ctx and writes nothing when edit changes nothing.
	EditUser(ctx context.Context, caller scim.Caller, id string, edit func(o schema.Object) error) (*scim.User, error)
}

// Records keeps which values are validated, and the epochs: whatever was sealed
// under an older one no longer counts. Every method joins the transaction of
// ctx. path is the canonical attribute path, or the name of a factor without
// one.
type Records interface {
	// Epochs returns the credential epoch of a user and the epoch of a factor. In
	// a transaction neither moves until it ends.
	Epochs(ctx context.Context, userID, path string) (credential, factor int64, err error)
	BumpCredentialEpoch(ctx context.Context, userID string) error
	BumpFactorEpoch(ctx context.Context, userID, path string) error
	// SetValidated records that this normalised value is the user's.
	SetValidated(ctx context.Context, userID, path, value string, at time.Time) error
	// Validated reports since when exactly this value is validated.
	Validated(ctx context.Context, userID, path, value string) (time.Time, bool, error)
	// SetAssigned records that an administrator has set this normalised value. It
	// takes the validation of any other value, and leaves that of this one.
	SetAssigned(ctx context.Context, userID, path, value string) error
	// Assigned reports whether exactly this value was set by an administrator and
	// is not validated yet.
	Assigned(ctx context.Context, userID, path, value string) (bool, error)
	// ClearValidated forgets the validations of these paths, and what was assigned.
	ClearValidated(ctx context.Context, userID string, paths ...string) (int64, error)
}

// Tx runs functions in one transaction of the database; see
// [scim.ResourceStore].
type Tx interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Config is what a Service needs. All but Freshness, TOTP, Lifetime, Tries, the
// switches and Logger is required.
type Config struct {
	Front      Front
	Directory  Directory
	Tx         Tx
	Records    Records
	Challenges challenge.Store
	Secrets    totp.Store
	States     *state.Sealer
	Sends      *throttle.Sends
	Factors    *throttle.Factors
	Outcomes   *throttle.Outcomes
	Hash       *throttle.Hasher
	Delivery   *delivery.Providers
	Audit      audit.Log
	Follower   *Follower
	Paths      *Paths
	// Sessions, Passwords, Hasher and PasswordTries serve password, sessions and
	// account.
	Sessions      SessionStore
	Passwords     PasswordStore
	Hasher        PasswordHasher
	PasswordTries *throttle.Passwords
	// SecondPasswords, Recovery and Holdings serve secondPassword and
	// recoveryCodes.
	SecondPasswords SecondPasswordStore
	Recovery        RecoverySets
	Holdings        HoldingStore
	// Consents are what users have said to applications; nil: there are no
	// sub-resources about them.
	Consents ConsentStore
	// Passkeys are those of users; nil: there are none.
	Passkeys PasskeyKeeper
	// Identities are accounts elsewhere; nil: there are no sub-resources about them.
	Identities Identities
	// History is how many earlier passwords users may not choose again, and Reused
	// tells whether a text is one of them or the present one; 0 and nil: none.
	// Reused is slow and must not run in a transaction.
	History int
	Reused  func(ctx context.Context, userID, text string) (bool, error)
	// Extras are further addresses and numbers; nil: there are none.
	Extras ExtraStore
	// AdminSetsPasswords lets administrators choose a password for another user.
	AdminSetsPasswords bool
	// Freshness asks for step-up; nil asks nobody.
	Freshness Freshness
	// Issuer is the name under which authenticator apps list the account.
	Issuer string
	// TOTP is how new secrets are made; the zero value is totp.Default.
	TOTP totp.Config
	// Lifetime is that of an enrolment of an authenticator app; 0: 10 minutes.
	Lifetime time.Duration
	// Tries is the number of attempts of one challenge; 0: 5.
	Tries int
	// IgnoreTexts ignores the texts that callers choose for messages. They are
	// always ignored for public clients.
	IgnoreTexts bool
	// NoVoiceEnrolment restricts calls to numbers that are validated already.
	NoVoiceEnrolment bool

	Logger *slog.Logger
	Now    func() time.Time
}

// Service serves the sub-resources. It is safe for concurrent use and keeps
// nothing in memory.
type Service struct {
	cfg   Config
	kinds []*addressKind
}

// New checks the configuration.
func New(cfg Config) (*Service, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.TOTP == (totp.Config{}) {
		cfg.TOTP = totp.Default()
	}
	if err := cfg.TOTP.Validate("totp."); err != nil {
		return nil, fmt.Errorf("validation: %w", err)
	}
	if cfg.Lifetime == 0 {
		cfg.Lifetime = state.MaxLife
	}
	if cfg.Lifetime < 2*time.Minute || cfg.Lifetime > state.MaxLife {
		return nil, fmt.Errorf("validation: an enrolment must live 2m to %v, not %v", state.MaxLife, cfg.Lifetime)
	}
	if cfg.Tries == 0 {
		cfg.Tries = challenge.DefaultAttempts
	}
	if cfg.Tries < challenge.LeastAttempts || cfg.Tries > challenge.MostAttempts {
		return nil, fmt.Errorf("validation: tries must be %d to %d, not %d", challenge.LeastAttempts, challenge.MostAttempts, cfg.Tries)
	}
	return &Service{cfg: cfg, kinds: addressKinds(cfg.Paths)}, nil
}

func (cfg Config) check() error {
	var errs []error
	for _, need := range []struct {
		ok    bool
		field string
	}{
		{cfg.Front != nil, "Front"},
		{cfg.Directory != nil, "Directory"},
		{cfg.Tx != nil, "Tx"},
		{cfg.Records != nil, "Records"},
		{cfg.Challenges != nil, "Challenges"},
		{cfg.Secrets != nil, "Secrets"},
		{cfg.States != nil, "States"},
		{cfg.Sends != nil, "Sends"},
		{cfg.Factors != nil, "Factors"},
		{cfg.Outcomes != nil, "Outcomes"},
		{cfg.Hash != nil, "Hash"},
		{cfg.Delivery != nil, "Delivery"},
		{cfg.Audit != nil, "Audit"},
		{cfg.Follower != nil, "Follower"},
		{cfg.Paths != nil, "Paths"},
		{cfg.Sessions != nil, "Sessions"},
		{cfg.Passwords != nil, "Passwords"},
		{cfg.Hasher != nil, "Hasher"},
		{cfg.PasswordTries != nil, "PasswordTries"},
		{cfg.SecondPasswords != nil, "SecondPasswords"},
		{cfg.Recovery != nil, "Recovery"},
		{cfg.Holdings != nil, "Holdings"},
		{cfg.Issuer != "", "Issuer"},
		{cfg.Now != nil, "Now"},
	} {
		if !need.ok {
			errs = append(errs, errors.New("validation: "+need.field+" is required"))
		}
	}
	return errors.Join(errs...)
}

// now is the time of a change: UTC with microseconds.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// dateTime prints a time as the messages of this package do.
func dateTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// actor is who alone may finish what this caller starts.
func actor(caller scim.Caller) state.Actor {
	return state.Actor{Client: caller.Client(), Subject: caller.UserID, Session: caller.SessionID}
}
