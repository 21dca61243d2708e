package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/oidc/keys"
)

// Purposes of login transactions that the provider begins.
const (
	PurposeAuthorize = "authorize"
	PurposeDevice    = "device"
)

// Engine logs people in; *authn.Engine is one.
type Engine interface {
	Begin(v authn.Visitor, n authn.NewTxn) (authn.Txn, error)
	Keep(ctx context.Context, t authn.Txn) error
	Next(ctx context.Context, v authn.Visitor, t authn.Txn) (authn.Step, authn.Grants, error)
	Issue(ctx context.Context, v authn.Visitor, t authn.Txn, fn func(ctx context.Context, r authn.Ready) error) error
	Accounts(ctx context.Context, v authn.Visitor) ([]authn.Account, error)
	Logout(ctx context.Context, v authn.Visitor, sessionID string) (authn.Grants, error)
	Enrolments(ctx context.Context, u authn.User) ([]acr.Enrolment, []authn.Choice, error)
}

// Group is a group that a user is in.
type Group struct{ ID, Name string }

// Users finds users and their groups.
type Users interface {
	authn.UserStore
	// Groups returns the groups of a user, nested ones included, by name.
	Groups(ctx context.Context, userID string) ([]Group, error)
}

// Tx runs fn in one transaction: every store called with its context joins it,
// and an error undoes them all. fn may run again.
type Tx interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// ClientTries counts failed authentications of clients, by client and address,
// so that nobody can lock a client out from elsewhere.
type ClientTries interface {
	// ClientFailed counts one failure, committed before it returns, and says how
	// long the next answer has to wait; 0: not at all.
	ClientFailed(ctx context.Context, clientID string, ip netip.Addr) (wait time.Duration, err error)
}

// Lifetimes are how long what the provider issues is good. Zero members take
// the defaults of the specification (section 2).
type Lifetimes struct {
	Code            time.Duration // 60 s; at most 10 min (RFC 6749 section 4.1.2)
	AccessToken     time.Duration // 5 min
	IDToken         time.Duration // 5 min
	RefreshIdle     time.Duration // 30 d
	RefreshAbsolute time.Duration // 90 d
	Pushed          time.Duration // 90 s until first use (RFC 9126 section 2.2)
	Device          time.Duration // 10 min (RFC 8628 section 3.2)
	DeviceInterval  time.Duration // 5 s
}

func (l Lifetimes) withDefaults() Lifetimes {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&l.Code, time.Minute},
		{&l.AccessToken, 5 * time.Minute},
		{&l.IDToken, 5 * time.Minute},
		{&l.RefreshIdle, 30 * 24 * time.Hour},
		{&l.RefreshAbsolute, 90 * 24 * time.Hour},
		{&l.Pushed, 90 * time.Second},
		{&l.Device, 10 * time.Minute},
		{&l.DeviceInterval, 5 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	return l
}

// Values of ACRUnmet and ACRUnmetError, of the server and of a client.
const (
	UnmetFail      = "fail"      // the default
	UnmetDowngrade = "downgrade" // go on with what is permitted; floors still hold
)

// Policy is what the operator demands of logins. The zero value with ACRs and
// DefaultACRs is the default of the specification (section 4).
type Policy struct {
	ACRs        []acr.ACR // every one that is known
	DefaultACRs []string  // ordered; one at least
	RequiredACR string    // floor of every login; "": none
	// UserFloorOff lets a request go below the first of DefaultACRs that the user
	// can reach, as the original did.
	UserFloorOff bool
	// ACRUnmet is UnmetFail or UnmetDowngrade, ACRUnmetError the code; "": the
	// defaults.
	ACRUnmet      string
	ACRUnmetError Code
	// PermittedFallback uses permitted_acrs only for requests that name no ACR.
	PermittedFallback bool
	// InlineEnrolment lets users enrol a missing factor while they log in.
	InlineEnrolment bool
	// RequirePKCE demands PKCE of every client.
	RequirePKCE bool
}

// Registration are the settings of dynamic client registration (RFC 7591).
type Registration struct {
	Enabled bool
	Open    bool   // without an initial access token
	Token   []byte // SHA-256 of the initial access token; nil: none is accepted
}

// Config is what a Provider needs. Every member without a comment is required.
type Config struct {
	Issuer   string // as published: no trailing slash, no query (Discovery 1.0 section 3)
	Engine   Engine
	Clients  ClientStore
	Services ServiceStore
	Grants   GrantStore
	Consents ConsentStore
	Pushed   PushedStore
	Devices  DeviceStore
	Replays  ReplayStore
	Logouts  LogoutStore
	Sessions session.Store
	Txns     authn.TxnStore
	Users    Users
	Keys     *keys.Ring
	Tx       Tx
	Audit    audit.Log
	Policy   Policy

	// Scopes are the provider's own besides the standard ones.
	Scopes []ServiceScope
	// Validated reports whether the value that the user has of a claim, "email" or
	// "phone_number", is proved to be the user's; nil: never.
	Validated func(ctx context.Context, u authn.User, claim, value string) (bool, error)
	// Claims maps claims to attributes of users; empty: the standard mapping.
	Claims map[string]string
	// Locales are the languages of the pages, for discovery.
	Locales []string
	// Busy reports errors of the stores that pass by themselves; nil: none does.
	Busy func(error) bool
	// Tries counts failed client authentications; nil: they are not counted.
	Tries        ClientTries
	Lifetimes    Lifetimes
	Registration Registration
	// AllowPrivate lets logout tokens go to private addresses.
	AllowPrivate bool
	Logger       *slog.Logger     // nil: discards
	Now          func() time.Time // nil: the system's clock
}

// Provider is the OpenID Connect provider. It is safe for concurrent use.
type Provider struct {
	cfg     Config
	acrs    map[string]acr.ACR
	sources map[string]claimSource // of claims about users
	origins origins
}

// New checks the configuration and returns a Provider.
func New(cfg Config) (*Provider, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the one default of the clock
	}
	if cfg.Busy == nil {
		cfg.Busy = func(error) bool { return false }
	}
	cfg.Lifetimes = cfg.Lifetimes.withDefaults()
	p := &Provider{cfg: cfg, acrs: make(map[string]acr.ACR, len(cfg.Policy.ACRs)), sources: claimSources(cfg.Claims)}
	for _, a := range cfg.Policy.ACRs {
		p.acrs[a.Name] = a
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("provider: %w", err)
	}
	return p, nil
}

// check reports everything that is missing at once.
func (p *Provider) check() error {
	var errs []error
	for _, need := range []struct {
		name    string
		missing bool
	}{
		{"Issuer", p.cfg.Issuer == ""},
		{"Engine", p.cfg.Engine == nil},
		{"Clients", p.cfg.Clients == nil},
		{"Services", p.cfg.Services == nil},
		{"Grants", p.cfg.Grants == nil},
		{"Consents", p.cfg.Consents == nil},
		{"Pushed", p.cfg.Pushed == nil},
		{"Devices", p.cfg.Devices == nil},
		{"Replays", p.cfg.Replays == nil},
		{"Logouts", p.cfg.Logouts == nil},
		{"Sessions", p.cfg.Sessions == nil},
		{"Txns", p.cfg.Txns == nil},
		{"Users", p.cfg.Users == nil},
		{"Keys", p.cfg.Keys == nil},
		{"Tx", p.cfg.Tx == nil},
		{"Audit", p.cfg.Audit == nil},
		{"Policy.DefaultACRs", len(p.cfg.Policy.DefaultACRs) == 0},
	} {
		if need.missing {
			errs = append(errs, fmt.Errorf("%s is required", need.name))
		}
	}
	for _, name := range append([]string{p.cfg.Policy.RequiredACR}, p.cfg.Policy.DefaultACRs...) {
		if _, known := p.acrs[name]; name != "" && !known {
			errs = append(errs, fmt.Errorf("there is no ACR %q", name))
		}
	}
	for _, s := range p.cfg.Scopes {
		if _, known := p.acrs[s.RequiredACR]; s.RequiredACR != "" && !known {
			errs = append(errs, fmt.Errorf("scope %q: there is no ACR %q", s.Name, s.RequiredACR))
		}
	}
	return errors.Join(errs...)
}

// Issuer is the issuer identifier.
func (p *Provider) Issuer() string { return p.cfg.Issuer }

// now is the present with the precision of the stores.
func (p *Provider) now() time.Time { return p.cfg.Now().UTC().Truncate(time.Microsecond) }

// secretBytes is the entropy of codes, tokens and client secrets.
const secretBytes = 32

// newSecret makes a secret of 256 random bits and the hash that is stored.
func newSecret() (secret string, hash []byte) {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails, says crypto/rand
	secret = base64.RawURLEncoding.EncodeToString(b)
	return secret, hashOf(secret)
}

// hashOf is what is stored of a code or token.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// newID makes an id for a row.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return id.String(), nil
}

// HashOf is what is stored of a secret.
func HashOf(secret string) []byte { return hashOf(secret) }
