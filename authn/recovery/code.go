package recovery

import (
	"encoding/base32"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

const (
	// CodeBytes are the random bytes of a code: 80 bits.
	CodeBytes = 10
	// CodeLength is how many characters a code has, without its hyphens.
	CodeLength = 16
	// group is how many characters stand between two hyphens.
	group = 4
	// longestAnswer bounds what is looked at of an answer, in bytes: a code with
	// room for hyphens and blanks.
	longestAnswer = 64
	redacted      = "[redacted]"
)

// Code is one recovery code in its canonical form: 16 characters of base32 (RFC
// 4648 section 6). It prints, logs and marshals as "[redacted]".
type Code struct{ text string }

// newCode reads a code from a source of random bytes.
func newCode(random io.Reader) (Code, error) {
	raw := make([]byte, CodeBytes)
	if _, err := io.ReadFull(random, raw); err != nil {
		return Code{}, fmt.Errorf("read random code: %w", err)
	}
	return Code{text: base32.StdEncoding.EncodeToString(raw)}, nil
}

// Parse reads what a person has typed: hyphens and blanks between characters and
// the case do not matter, for codes are copied from paper. The digits 0 and 1
// and 8, which base32 does not have, are read as the letters that they are taken
// for. False for anything that is no code.
func Parse(answer string) (Code, bool) {
	if len(answer) > longestAnswer {
		return Code{}, false
	}
	var b strings.Builder
	for _, r := range answer {
		switch {
		case r == '-' || r == ' ':
		case r >= 'a' && r <= 'z':
			b.WriteRune(r - 'a' + 'A')
		case r >= 'A' && r <= 'Z' || r >= '2' && r <= '7':
			b.WriteRune(r)
		case r == '0':
			b.WriteByte('O')
		case r == '1':
			b.WriteByte('I')
		case r == '8':
			b.WriteByte('B')
		default:
			return Code{}, false
		}
	}
	return Code{text: b.String()}, b.Len() == CodeLength
}

// Reveal returns the code as it is shown: in groups of four with hyphens.
func (c Code) Reveal() string {
	parts := make([]string, 0, CodeLength/group)
	for i := 0; i+group <= len(c.text); i += group {
		parts = append(parts, c.text[i:i+group])
	}
	return strings.Join(parts, "-")
}

// String implements fmt.Stringer.
func (Code) String() string { return redacted }

// Format implements fmt.Formatter for every verb.
func (Code) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Code) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (Code) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
