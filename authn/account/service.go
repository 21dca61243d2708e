package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// Lives and their bounds (security.md 1).
const (
	DefaultLinkLife   = time.Hour
	leastLinkLife     = 10 * time.Minute
	MostLinkLife      = 24 * time.Hour
	DefaultInviteLife = 24 * time.Hour
	smsLife           = 10 * time.Minute
	// provedLife is how long a flow may take once its code or link has come back.
	provedLife = 30 * time.Minute
	// endedLife is how long the last page of a flow can be seen.
	endedLife = 10 * time.Minute
	// busyWait is when to try again if too many passwords are being computed.
	busyWait = 2 * time.Second
)

// challengeKind is that of the rows on which the tries of codes are counted.
const challengeKind = "account"

// Rules say what is offered and how.
type Rules struct {
	Password, UserName, Verify, SMS bool
	// Unvalidated lets mail go to an address of the record that nobody has proved,
	// for a user who has proved none.
	Unvalidated bool
	// LinkLife is the life of mailed codes and links, 0: 1 h; InviteLife that of
	// invitations, 0: 24 h. Both at most 24 h.
	LinkLife, InviteLife time.Duration
	SignUp               SignUpRules
}

// SignUpRules are those of self-registration.
type SignUpRules struct {
	Enabled bool
	// Domains are those whose addresses may have an account; empty: all.
	Domains []string
	// Attributes are asked for beside the address: givenName, familyName,
	// displayName, nickName, preferredLanguage, locale, timezone.
	Attributes []string
}

// Config is what a Service needs. Every member without a comment is required.
type Config struct {
	// Issuer is the base of links; no header of a request ever enters one.
	Issuer        string
	Store         Store
	Messages      MessageStore
	Users         Users
	Directory     Directory
	Tx            Tx
	Passwords     validation.PasswordStore
	Hasher        Hasher
	Enrolled      validation.EnrolledReader
	Challenges    challenge.Store
	Sends         *throttle.Sends
	Outcomes      *throttle.Outcomes
	Factors       *throttle.Factors
	PasswordTries *throttle.Passwords
	Hash          *throttle.Hasher
	Delivery      *delivery.Providers
	Ender         Ender
	Audit         audit.Log
	Rules         Rules
	// History is how many earlier passwords are refused, and Reused tells whether
	// a text is one of them or the present one; 0 and nil: none. Reused is slow.
	History int
	Reused  func(ctx context.Context, userID, text string) (bool, error)
	// Tries is the number of attempts of one flow; 0: 5.
	Tries int
	// Recovered, if set, follows a password that was set, in its transaction: the
	// user is told.
	Recovered func(ctx context.Context, u User, k Kind, ip string) error
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
		{cfg.Issuer != "", "Issuer"},
		{cfg.Store != nil, "Store"},
		{cfg.Messages != nil, "Messages"},
		{cfg.Users != nil, "Users"},
		{cfg.Directory != nil, "Directory"},
		{cfg.Tx != nil, "Tx"},
		{cfg.Passwords != nil, "Passwords"},
		{cfg.Hasher != nil, "Hasher"},
		{cfg.Enrolled.Paths != nil, "Enrolled"},
		{cfg.Challenges != nil, "Challenges"},
		{cfg.Sends != nil, "Sends"},
		{cfg.Outcomes != nil, "Outcomes"},
		{cfg.Factors != nil, "Factors"},
		{cfg.PasswordTries != nil, "PasswordTries"},
		{cfg.Hash != nil, "Hash"},
		{cfg.Delivery != nil, "Delivery"},
		{cfg.Ender != nil, "Ender"},
		{cfg.Audit != nil, "Audit"},
		{cfg.Now != nil, "Now"},
	} {
		if !need.ok {
			errs = append(errs, errors.New("accounts: "+need.field+" is required"))
		}
	}
	if cfg.History > 0 && cfg.Reused == nil {
		errs = append(errs, errors.New("accounts: History needs Reused"))
	}
	for name, life := range map[string]time.Duration{"LinkLife": cfg.Rules.LinkLife, "InviteLife": cfg.Rules.InviteLife} {
		if life != 0 && (life < leastLinkLife || life > MostLinkLife) {
			errs = append(errs, fmt.Errorf("accounts: %s must be %v to %v, not %v", name, leastLinkLife, MostLinkLife, life))
		}
	}
	return errors.Join(errs...)
}

// Service runs the flows. It is safe for concurrent use.
type Service struct{ cfg Config }

// New checks the configuration.
func New(cfg Config) (*Service, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.Rules.LinkLife == 0 {
		cfg.Rules.LinkLife = DefaultLinkLife
	}
	if cfg.Rules.InviteLife == 0 {
		cfg.Rules.InviteLife = DefaultInviteLife
	}
	if cfg.Tries == 0 {
		cfg.Tries = challenge.DefaultAttempts
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Issuer = strings.TrimRight(cfg.Issuer, "/")
	return &Service{cfg: cfg}, nil
}

// now is the time of a change: UTC with microseconds.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// Offers tells what the server lets people do. Without a way to send mail that
// is nothing.
func (s *Service) Offers() Offers {
	_, err := s.cfg.Delivery.Default(delivery.Email)
	mail := err == nil
	_, err = s.cfg.Delivery.Default(delivery.SMS)
	r := s.cfg.Rules
	sms := err == nil && r.Password && r.SMS
	return Offers{
		Password: r.Password && (mail || sms), UserName: r.UserName && mail, Verify: r.Verify && mail,
		SignUp: r.SignUp.Enabled && mail, SMS: sms, Attributes: slices.Clone(r.SignUp.Attributes),
	}
}

func (s *Service) offers(k Kind, ch delivery.Channel) bool {
	o := s.Offers()
	_, err := s.cfg.Delivery.Default(ch)
	switch {
	case err != nil:
		return false
	case ch == delivery.SMS:
		return k == Password && o.SMS
	case ch != delivery.Email:
		return false
	}
	return map[Kind]bool{Password: o.Password, UserName: o.UserName, Verify: o.Verify, SignUp: o.SignUp}[k]
}

// Load returns a flow of this visitor: ErrUnknown, also for that of another, or
// ErrOver. A flow that has ended is still returned for a while, for its last
// page.
func (s *Service) Load(ctx context.Context, v Visitor, id string) (Flow, error) {
	if _, err := uuid.Parse(id); err != nil || v.Browser == "" {
		return Flow{}, ErrUnknown
	}
	f, err := s.cfg.Store.Flow(ctx, id)
	if err != nil {
		return Flow{}, fmt.Errorf("load account flow: %w", err)
	}
	if !f.of(v) {
		return Flow{}, ErrUnknown
	}
	if !s.now().Before(f.ExpiresAt) {
		return Flow{}, ErrOver
	}
	return f, nil
}

// of reports whether the flow belongs to the visitor.
func (f Flow) of(v Visitor) bool {
	return len(f.BrowserHash) > 0 && v.Browser != "" && hmac.Equal(f.BrowserHash, hashOf(v.Browser))
}

// Step says what to ask for.
func (s *Service) Step(f Flow) Step {
	switch {
	case f.Stage == Ended:
		return Done{Kind: f.Kind, Return: f.Doc.Return}
	case f.Stage == Proved:
		return AskPassword{Kind: f.Kind, UserName: f.Doc.UserName, Rules: s.cfg.Hasher.Rules(), Earlier: s.cfg.History}
	case f.Kind == UserName:
		return Told{Kind: f.Kind}
	case f.Kind == Invite:
		return AskConfirm{Kind: f.Kind}
	}
	return AskCode{Kind: f.Kind, Channel: f.Doc.Channel, Digits: s.cfg.Delivery.Rules(f.Doc.Channel).Generator.Len(), ResendAt: f.Doc.ResendAt}
}

// hashOf is what is stored of a secret.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// secretLength is that of 256 random bits in base64url.
const secretLength = 43

// newSecret returns 256 random bits for a URL.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}

// codeMAC is what is kept of a code.
func codeMAC(key []byte, flow, code string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(flow + "\x00" + code))
	return mac.Sum(nil)
}
