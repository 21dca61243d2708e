package state

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// ErrInvalid is the one answer to a text that is no valid token of the kind:
// unreadable, changed, sealed by an unknown or retired key, or of another kind.
var ErrInvalid = errors.New("state not valid")

// Kind is what a token is for. Each kind has its own derived key.
type Kind string

// The kinds of tokens.
const (
	KindEmail  Kind = "email"  // enrolment of an e-mail address
	KindPhone  Kind = "phone"  // enrolment of a telephone number, by SMS or voice
	KindTOTP   Kind = "totp"   // enrolment of an authenticator app
	KindStepUp Kind = "stepup" // step-up of a running session
	KindLink   Kind = "link"   // link of an external identity
	KindLogin  Kind = "login"  // code that logs in
)

// Kinds returns every kind.
func Kinds() []Kind { return []Kind{KindEmail, KindPhone, KindTOTP, KindStepUp, KindLink, KindLogin} }

// typ is the header member of that name (RFC 7516 section 4.1.11).
func (k Kind) typ() string { return "sp-" + string(k) + "+jwe" }

// info is the HKDF info of the encryption key.
func (k Kind) info() string { return "state/" + string(k) }

// codeInfo is the HKDF info of the key of code MACs.
const codeInfo = "code"

// redacted stands for whatever must not be printed.
const redacted = "[redacted]"

// Token is a sealed state. It shows itself as [redacted] wherever it is
// printed, logged or marshaled.
type Token string

// Reveal returns the text of the token, to be handed to the client alone.
func (t Token) Reveal() string { return string(t) }

// LogValue implements [slog.LogValuer].
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements [fmt.Formatter].
func (Token) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON implements [json.Marshaler].
func (Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Actor is the caller that started, and alone may finish.
type Actor struct {
	Client  string // client id of the access token
	Subject string // subject of the access token, "" without a user
	Session string // session id of the access token, "" without a session
}

// Claims is the content of a token. It prints as its kind and JTI only, for it
// holds secrets.
type Claims struct {
	JTI       string // from NewJTI; the key of one-time use
	Kind      Kind
	Subject   string    // id of the user that the factor belongs to
	IssuedAt  time.Time // whole seconds, UTC; the zero time at Mint: now
	ExpiresAt time.Time // whole seconds, UTC; judged by the caller
	Actor     Actor
	Path      string // canonical attribute path; step-up: the factor
	Value     string // normalised value; step-up: the current value of the factor
	Provider  string // messaging provider, telephone only
	Secret    []byte // the TOTP secret, TOTP enrolment only

	CredentialEpoch int64 // of the user
	FactorEpoch     int64 // of the factor

	mac     []byte // of the delivered code
	codeKey []byte // that makes mac, set by Open
}

// HasCode reports whether the token was minted with a delivered code.
func (c Claims) HasCode() bool { return len(c.mac) > 0 }

// Expired reports whether the token is no longer good at that time: it is good
// until one instant before ExpiresAt.
func (c Claims) Expired(now time.Time) bool { return !now.Before(c.ExpiresAt) }

// LogValue implements [slog.LogValuer].
func (c Claims) LogValue() slog.Value { return slog.StringValue(c.short()) }

// Format implements [fmt.Formatter].
func (c Claims) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.short())) }

// MarshalJSON implements [json.Marshaler].
func (c Claims) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

func (c Claims) short() string { return fmt.Sprintf("state(%s %s)", string(c.Kind), c.JTI) }

// NewJTI returns 128 random bits in base64url.
func NewJTI() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}
