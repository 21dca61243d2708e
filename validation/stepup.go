package validation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// Ages that satisfy a step-up when nothing else is configured, with the bounds
// of what can be (security.md 1).
const (
	DefaultStepUpAge = 300 * time.Second
	DefaultLoginAge  = 900 * time.Second
	LeastAge         = 60 * time.Second
	MostAge          = time.Hour
)

// Names of the authentication contexts that a step-up asks for when nothing
// else is configured.
const (
	DefaultStepUpACR = "MFA"
	DefaultLoginACR  = "Default"
)

// StepUpConfig is what NewStepUp needs; the ages and names have defaults.
type StepUpConfig struct {
	Sessions SessionStore
	Records  Records
	Held     HoldingStore
	Paths    *Paths
	Now      func() time.Time
	// Plugged reports whether the user has a factor that a service of others
	// judges; nil: there is no such service.
	Plugged func(ctx context.Context, userID string, user schema.Object) (bool, error)

	// Age is how old a second factor may be, LoginAge a login of a user who has
	// no second factor.
	Age, LoginAge time.Duration
	// ACR and LoginACR are named to the client (RFC 9470 section 3).
	ACR, LoginACR string
}

// StepUp asks whoever changes factors with a user's token for a recent proof in
// the session behind the token. Fresh tokens, refreshes and the flag
// secondFactorEnabled count for nothing: only the session's own times do. It is
// safe for concurrent use.
type StepUp struct{ cfg StepUpConfig }

var (
	_ Freshness  = (*StepUp)(nil)
	_ scim.Guard = (*StepUp)(nil)
)

// NewStepUp checks the configuration.
func NewStepUp(cfg StepUpConfig) (*StepUp, error) {
	if cfg.Sessions == nil || cfg.Records == nil || cfg.Held == nil || cfg.Paths == nil || cfg.Now == nil {
		return nil, errors.New("step-up: sessions, records, holdings, paths and clock are required")
	}
	if cfg.Age == 0 {
		cfg.Age = DefaultStepUpAge
	}
	if cfg.LoginAge == 0 {
		cfg.LoginAge = DefaultLoginAge
	}
	if cfg.ACR == "" {
		cfg.ACR = DefaultStepUpACR
	}
	if cfg.LoginACR == "" {
		cfg.LoginACR = DefaultLoginACR
	}
	for _, age := range []time.Duration{cfg.Age, cfg.LoginAge} {
		if age < LeastAge || age > MostAge {
			return nil, fmt.Errorf("step-up: an age must be %v to %v, not %v", LeastAge, MostAge, age)
		}
	}
	return &StepUp{cfg: cfg}, nil
}

// Check implements Freshness. A token without a user passes. The own record
// needs a recent second factor if the user has one enrolled, else a recent
// login; the record of another needs a recent second factor of the
// administrator. user is the present document.
func (s *StepUp) Check(ctx context.Context, caller scim.Caller, userID string, user schema.Object) error {
	if caller.UserID == "" {
		return nil
	}
	now := s.cfg.Now()
	session, err := s.session(ctx, caller, now)
	if err != nil {
		return err
	}
	if recent(session.SecondFactorAt, now, s.cfg.Age) {
		return nil
	}
	if caller.UserID != userID {
		return s.demandFactor()
	}
	// Whoever has lost the second factor sets up another one with a saved
	// recovery code (security.md section 6); it is recent for nothing else.
	if recent(session.RecoveredAt, now, s.cfg.Age) {
		return nil
	}
	better, other, err := s.enrolled(ctx, userID, user)
	if err != nil {
		return fmt.Errorf("step-up: %w", err)
	}
	if better || other {
		return s.demandFactor()
	}
	// A second factor is a proof of a login too: whoever gave one later than
	// the password has been there since.
	if recent(session.LoginAt, now, s.cfg.LoginAge) || recent(session.SecondFactorAt, now, s.cfg.LoginAge) {
		return nil
	}
	return demand("A recent login is required.", s.cfg.LoginACR, s.cfg.LoginAge)
}

// session is the one behind a token. A token that outlives its session
// (offline_access) has none, and so no proof that is recent.
func (s *StepUp) session(ctx context.Context, caller scim.Caller, now time.Time) (Session, error) {
	if caller.SessionID == "" {
		return Session{}, nil
	}
	live, err := s.cfg.Sessions.LiveSession(ctx, caller.UserID, caller.SessionID, now)
	if errors.Is(err, scim.ErrNotFound) {
		return Session{}, scim.InvalidToken()
	}
	if err != nil {
		return Session{}, fmt.Errorf("step-up: %w", err)
	}
	return live, nil
}

// Allow implements scim.Guard: a write to the user's record asks for step-up if
// it switches the second factor off, changes the value of a factor or sets the
// password. Any other change asks nothing.
func (s *StepUp) Allow(ctx context.Context, caller scim.Caller, c scim.Change) error {
	if caller.UserID == "" || !s.concerns(c) {
		return nil
	}
	return s.Check(ctx, caller, c.ID, c.Before)
}

// concerns reports whether a change touches what protects the account.
func (s *StepUp) concerns(c scim.Change) bool {
	if c.Password {
		return true
	}
	if was, is := enabledFlag(c.Before), enabledFlag(c.After); was != is && is != true {
		return true
	}
	for _, p := range s.cfg.Paths.All() {
		if p.Get(c.Before) != p.Get(c.After) {
			return true
		}
	}
	return false
}

// enabledFlag is the value of secondFactorEnabled, nil without one.
func enabledFlag(user schema.Object) any {
	extension, _ := user[schema.SecondFactorURN].(schema.Object)
	return extension["secondFactorEnabled"]
}

// enrolled reports whether the user has a second factor: a value that is
// validated now, an app, a further address or number, or a passkey. Neither the
// flag nor a pause after failures matters, nor whether it is switched off. Of
// who has none, other tells that there is a second password, or something that
// services of others judge, while second factors are switched on: a user need
// not have set these up.
func (s *StepUp) enrolled(ctx context.Context, userID string, user schema.Object) (better, other bool, err error) {
	for _, p := range s.cfg.Paths.All() {
		value := p.Get(user)
		if value == "" {
			continue
		}
		_, ok, err := s.cfg.Records.Validated(ctx, userID, p.canonical, p.comparable(value))
		if ok || err != nil {
			return ok, false, err
		}
	}
	has, err := s.cfg.Held.Holdings(ctx, userID)
	if err != nil {
		return false, false, fmt.Errorf("read credentials: %w", err)
	}
	if has.App != nil || len(has.Apps)+len(has.Addresses)+len(has.Passkeys) > 0 {
		return true, false, nil
	}
	if !SecondFactorEnabled(user) || has.SecondPassword == "" && s.cfg.Plugged == nil {
		return false, false, nil
	}
	if has.SecondPassword != "" {
		return false, true, nil
	}
	other, err = s.cfg.Plugged(ctx, userID, user)
	return false, other, err
}

// recent reports whether a proof was given at most age ago, by the server's
// clock alone.
func recent(at, now time.Time, age time.Duration) bool {
	return !at.IsZero() && now.Sub(at) <= age
}

func (s *StepUp) demandFactor() error {
	return demand("A recent second factor is required.", s.cfg.ACR, s.cfg.Age)
}

// demand is the challenge of RFC 9470 section 3.
func demand(detail, acr string, age time.Duration) *scim.Error {
	value := `Bearer error="insufficient_user_authentication", error_description="` + detail +
		`", acr_values="` + acr + `", max_age="` + strconv.Itoa(int(age/time.Second)) + `"`
	return scim.NewError(http.StatusUnauthorized, "", detail).WithHeader("WWW-Authenticate", value)
}
