package validation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-id/sallyport/scim"
)

// Owner is a user at the pages of the own account: the session of a browser that
// a login has just vouched for.
type Owner struct {
	UserID, SessionID        string
	IP, UserAgent, RequestID string
}

// caller is the owner in terms of the services: a user with every right over the
// own record and none over others.
func (o Owner) caller() scim.Caller {
	return scim.Caller{
		TokenID: "account", Name: "account pages", Scopes: scim.OwnScopes(), ActorType: "user",
		UserID: o.UserID, SessionID: o.SessionID, IP: o.IP, UserAgent: o.UserAgent, RequestID: o.RequestID,
	}
}

// ErrNotFresh says that a change needs a recent second factor, or a recent login
// of a user who has none.
var ErrNotFresh = errors.New("a recent proof is required")

// ErrNoCredential says that the user has no such credential, or not any more.
var ErrNoCredential = errors.New("there is no such credential")

// CredentialsConfig is what Credentials need; all fields are required.
type CredentialsConfig struct {
	// Service is that of the SCIM sub-resources, whose rules hold here too.
	Service  *Service
	Holdings HoldingStore
	Settings SettingStore
	Extras   ExtraStore
	// Forget removes the proofs of a credential from every session of its user.
	Forget func(ctx context.Context, userID, credential string) error
}

// Credentials let users manage what they log in with, on pages of their own, by
// the rules of the SCIM sub-resources: the same limits, states, proofs,
// consequences, notices and audit events. It is safe for concurrent use.
type Credentials struct {
	cfg CredentialsConfig
	s   *Service
}

// NewCredentials checks the configuration.
func NewCredentials(cfg CredentialsConfig) (*Credentials, error) {
	if cfg.Service == nil || cfg.Holdings == nil || cfg.Settings == nil || cfg.Extras == nil || cfg.Forget == nil {
		return nil, errors.New("credentials: Service, Holdings, Settings, Extras and Forget are required")
	}
	return &Credentials{cfg: cfg, s: cfg.Service}, nil
}

// Fresh returns nil, or ErrNotFresh: whether the owner may change what protects
// the account now.
func (c *Credentials) Fresh(ctx context.Context, o Owner) error {
	_, err := c.fresh(ctx, o)
	return err
}

// Recovered reports whether the session was begun or stepped up with a recovery
// code a moment ago. Such a code counts in one login only, so that no later one
// takes it: while it is recent, its user sets up what it stands in for.
func (c *Credentials) Recovered(ctx context.Context, o Owner) (bool, error) {
	live, err := c.s.cfg.Sessions.LiveSession(ctx, o.UserID, o.SessionID, c.s.now())
	if errors.Is(err, scim.ErrNotFound) || err == nil && live.RecoveredAt.IsZero() {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read session: %w", err)
	}
	err = c.Fresh(ctx, o)
	if errors.Is(err, ErrNotFresh) {
		return false, nil
	}
	return err == nil, err
}

// target is the owner's own record, as the services take it.
func (c *Credentials) target(ctx context.Context, o Owner) (Target, error) {
	t := Target{Caller: o.caller(), Own: true}
	var err error
	t.User, err = c.s.cfg.Directory.User(ctx, t.Caller, o.UserID)
	switch {
	case errors.Is(err, scim.ErrNotFound):
		return Target{}, notFound()
	case err != nil:
		return Target{}, err
	case !t.User.Active():
		return Target{}, inactive()
	}
	return t, nil
}

// fresh is target for what asks for a recent proof.
func (c *Credentials) fresh(ctx context.Context, o Owner) (Target, error) {
	t, err := c.target(ctx, o)
	if err != nil || c.s.cfg.Freshness == nil {
		return t, err
	}
	err = c.s.cfg.Freshness.Check(ctx, t.Caller, t.User.ID, t.User.Object)
	if e := scim.AsError(err); err != nil && e.Status == http.StatusUnauthorized {
		return t, fmt.Errorf("%w: %w", ErrNotFresh, err)
	}
	return t, err
}

// locked is the owner's record in a transaction of ctx, where it stays as it is.
func (c *Credentials) locked(ctx context.Context, t Target) (*scim.User, error) {
	user, err := c.s.cfg.Directory.User(ctx, t.Caller, t.User.ID)
	switch {
	case errors.Is(err, scim.ErrNotFound):
		return nil, notFound()
	case err != nil:
		return nil, err
	case !user.Active():
		return nil, inactive()
	}
	return user, nil
}

// LongestCredentialName is how long a name of a credential can be, in characters.
const LongestCredentialName = 60

// credentialName cleans the name of a credential: one line of text, cut to the
// longest.
func credentialName(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || r == utf8.RuneError
	}), " ")
	if name := []rune(text); len(name) > LongestCredentialName {
		text = strings.TrimSpace(string(name[:LongestCredentialName]))
	}
	return text
}

// OwnFault is why an answer of an owner was not accepted; pages give each its
// text.
type OwnFault string

// The faults.
const (
	FaultCode        OwnFault = "wrong_code"
	FaultState       OwnFault = "start_again" // the code is used, too old, or not of this session
	FaultTries       OwnFault = "too_many_attempts"
	FaultSends       OwnFault = "too_many_codes"
	FaultDelivery    OwnFault = "not_delivered"
	FaultEmail       OwnFault = "bad_email"
	FaultPhone       OwnFault = "bad_phone"
	FaultUnreachable OwnFault = "cannot_receive"
	FaultMissing     OwnFault = "missing"
	FaultExists      OwnFault = "exists"
	FaultMany        OwnFault = "too_many"
	FaultPassword    OwnFault = "wrong_password"
	FaultQuality     OwnFault = "password_rules"
)

// ErrTooMany says that the user has as many credentials of a kind as can be.
var ErrTooMany = errors.New("there are too many credentials of this kind")

// FaultOf names the fault that an error of Credentials is about, with how long
// to wait; "" if it is none that the owner can mend.
func FaultOf(err error) (OwnFault, time.Duration) {
	switch {
	case errors.Is(err, ErrExtraExists):
		return FaultExists, 0
	case errors.Is(err, ErrTooMany):
		return FaultMany, 0
	}
	e, ok := errors.AsType[*scim.Error](err)
	if !ok {
		return "", 0
	}
	return faults()[e.Detail], e.RetryAfter
}

// faults are the faults by the sentence that a client of the API gets.
func faults() map[string]OwnFault {
	out := map[string]OwnFault{}
	for f, list := range map[OwnFault][]*scim.Error{
		FaultCode:        {wrongCode()},
		FaultState:       {stateInvalid(), stateExpired(), stateUsed(), stateSuperseded(), accountChanged()},
		FaultTries:       {tooManyAttempts(0)},
		FaultSends:       {tooManyCodes(0)},
		FaultDelivery:    {notDelivered()},
		FaultUnreachable: {cannotReceive()},
		FaultMissing:     {required(memberCode), required(memberTOTP), required(memberValue), required(memberCurrent), required(memberNew)},
		FaultEmail:       {badEmail()},
		FaultPhone:       {badPhone()},
		FaultPassword:    {wrongPassword()},
		FaultQuality:     {badPassword()},
	} {
		for _, e := range list {
			out[e.Detail] = f
		}
	}
	return out
}
