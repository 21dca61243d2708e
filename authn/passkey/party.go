package passkey

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"
)

// Life is how long a challenge may be answered (security.md section 1).
const Life = 5 * time.Minute

// challengeBytes is the length of a challenge.
const challengeBytes = 32

// longestAnswer bounds what a browser may answer, in bytes: an attestation with
// its certificates is the longest.
const longestAnswer = 64 << 10

// Attestation says what a registration must show of the authenticator.
type Attestation string

// The policies.
const (
	// None asks for no attestation and accepts any.
	None Attestation = "none"
	// Direct asks for the authenticator's own statement and accepts no
	// registration without one.
	Direct Attestation = "direct"
)

// Config is what a Party needs. Every member without a comment is required.
type Config struct {
	// ID is the relying party: the host of the issuer.
	ID string
	// Name is what browsers and authenticators call us.
	Name string
	// Origins are those of our pages. Each must be at ID or below it.
	Origins []string
	// UnverifiedFirst lets a passkey log in without verifying its user. It then
	// counts for one category and for no second factor.
	UnverifiedFirst bool
	// Attestation is None if empty.
	Attestation Attestation
	// AAGUIDs are the models of authenticators that may be registered, with
	// Direct only; empty: all.
	AAGUIDs []string
	// Roots are the authorities of attestation certificates; nil: whatever the
	// statement says of itself counts, if it is consistent.
	Roots *x509.CertPool
	Now   func() time.Time
}

// Party is the relying party of all ceremonies. It is safe for concurrent use.
type Party struct {
	cfg    Config
	lib    *webauthn.WebAuthn
	models map[uuid.UUID]bool
}

// Usable reports whether passkeys can be made for a host: not for an IP address
// (section 5.1.2, "effective domain").
func Usable(host string) bool {
	return host != "" && net.ParseIP(strings.Trim(host, "[]")) == nil && protocol.ValidateRPID(host) == nil
}

// New checks the configuration.
func New(cfg Config) (*Party, error) {
	if cfg.Attestation == "" {
		cfg.Attestation = None
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := &Party{cfg: cfg, models: map[uuid.UUID]bool{}}
	for _, text := range cfg.AAGUIDs {
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("passkeys: AAGUID %q: %w", text, err)
		}
		p.models[id] = true
	}
	lib, err := webauthn.New(&webauthn.Config{
		RPID: cfg.ID, RPDisplayName: cfg.Name, RPOrigins: cfg.Origins,
		AttestationPreference: protocol.ConveyancePreference(cfg.Attestation),
		Timeouts: webauthn.TimeoutsConfig{
			Login:        webauthn.TimeoutConfig{Timeout: Life, TimeoutUVD: Life},
			Registration: webauthn.TimeoutConfig{Timeout: Life, TimeoutUVD: Life},
		},
		// What was not asked for is of no use, and some browsers volunteer it.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	p.lib = lib
	return p, nil
}

func (cfg Config) check() error {
	switch {
	case !Usable(cfg.ID):
		return fmt.Errorf("passkeys: %q is no host for which passkeys can be made", cfg.ID)
	case cfg.Name == "" || len(cfg.Origins) == 0 || cfg.Now == nil:
		return errors.New("passkeys: Name, Origins and Now are required")
	case cfg.Attestation != None && cfg.Attestation != Direct:
		return fmt.Errorf("passkeys: attestation must be none or direct, not %q", cfg.Attestation)
	case cfg.Attestation == None && (len(cfg.AAGUIDs) > 0 || cfg.Roots != nil):
		return errors.New("passkeys: a list of AAGUIDs or authorities needs attestation direct")
	}
	for _, origin := range cfg.Origins {
		if !Covers(cfg.ID, origin) {
			return fmt.Errorf("passkeys: origin %q is not at %s or below it", origin, cfg.ID)
		}
	}
	return nil
}

// Covers reports whether pages at the URL can use passkeys of the relying party
// id: its host is that name or below it (section 5.1.2).
func Covers(id, raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	id = strings.ToLower(id)
	return host == id || strings.HasSuffix(host, "."+id)
}

// Ceremony is what must be known when an answer comes. It goes to no browser.
type Ceremony struct {
	Data    json.RawMessage `json:"data"`
	Expires time.Time       `json:"expires"`
}

// ceremony keeps what the library wants to see again.
func (p *Party) ceremony(data *webauthn.SessionData) (Ceremony, error) {
	raw, err := json.Marshal(data)
	if err != nil {
		return Ceremony{}, fmt.Errorf("keep ceremony: %w", err)
	}
	return Ceremony{Data: raw, Expires: p.cfg.Now().UTC().Truncate(time.Microsecond).Add(Life)}, nil
}

// open returns what was kept, or a *Refusal when the time is over.
func (p *Party) open(c Ceremony) (webauthn.SessionData, error) {
	var data webauthn.SessionData
	if len(c.Data) == 0 || !p.cfg.Now().Before(c.Expires) {
		return data, &Refusal{Reason: Expired}
	}
	if err := json.Unmarshal(c.Data, &data); err != nil {
		return data, fmt.Errorf("read ceremony: %w", err)
	}
	return data, nil
}

// newChallenge is 32 random bytes (security.md section 1).
func newChallenge() []byte {
	b := make([]byte, challengeBytes)
	rand.Read(b)
	return b
}

// Reason is why an answer was refused, for the audit log: people are told no
// more than that it did not work.
type Reason string

// The reasons.
const (
	Malformed  Reason = "malformed"
	Expired    Reason = "expired"
	Unknown    Reason = "unknown_passkey" // also one of somebody else
	Unverified Reason = "user_not_verified"
	Invalid    Reason = "verification"      // origin, RP id, challenge, flags or signature
	Cloned     Reason = "counter_went_back" // a copy of the key may exist
	Policy     Reason = "attestation_policy"
)

// Refusal is an answer that was not accepted.
//
//nolint:errname // an answer, named for what it is
type Refusal struct {
	Reason Reason
	// Passkey is the one that was shown, if it is known.
	Passkey *Passkey
	Err     error // what the verification says; nil: the reason says it all
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Err == nil {
		return "passkey: " + string(r.Reason)
	}
	return "passkey: " + string(r.Reason) + ": " + r.Err.Error()
}

// Unwrap returns what the verification says.
func (r *Refusal) Unwrap() error { return r.Err }
