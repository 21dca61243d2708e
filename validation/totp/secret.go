package totp

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const redacted = "[redacted]"

// Secret is the shared secret of one authenticator app. It shows itself as
// [redacted] wherever it is printed, logged or marshaled.
type Secret []byte

// NewSecret returns SecretBytes random bytes.
func NewSecret(cfg Config) Secret {
	s := make(Secret, cfg.SecretBytes)
	_, _ = rand.Read(s) // never fails, says crypto/rand
	return s
}

// Base32 returns the secret as an app takes it: unpadded Base32 (RFC 4648
// section 6). It is a secret.
func (s Secret) Base32() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(s)
}

// LogValue implements [slog.LogValuer].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements [fmt.Formatter].
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON implements [json.Marshaler].
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// URI returns the key URI that an app scans,
// otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=ISSUER&…, with every character
// beyond the unreserved ones of RFC 3986 percent-encoded (a space is %20). A
// colon in the issuer, which would end it early, becomes a space. It is a
// secret.
func URI(issuer, account string, s Secret, cfg Config) string {
	issuer = escape(strings.ReplaceAll(issuer, ":", " "))
	return "otpauth://totp/" + issuer + ":" + escape(account) +
		"?secret=" + s.Base32() +
		"&issuer=" + issuer +
		"&algorithm=" + string(cfg.Algorithm) +
		"&digits=" + strconv.Itoa(cfg.Digits) +
		"&period=" + strconv.FormatInt(int64(cfg.Period/time.Second), 10)
}

// escape leaves only unreserved characters. QueryEscape does that, but for the
// space, which it writes as plus.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(strings.ToValidUTF8(s, "\uFFFD")), "+", "%20")
}
