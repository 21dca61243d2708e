package password

import (
	"fmt"
	"io"
	"log/slog"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// redacted is what a Password shows in place of itself.
const redacted = "[redacted]"

// Password is the text of a password. It prints, logs and marshals as
// "[redacted]".
type Password struct{ text string }

// Of wraps the text of a password.
func Of(text string) Password { return Password{text: text} }

// Reveal returns the text.
func (p Password) Reveal() string { return p.text }

// String implements fmt.Stringer.
func (Password) String() string { return redacted }

// Format implements fmt.Formatter for every verb.
func (Password) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (Password) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler.
func (Password) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// maxExpansion is how many bytes of input can at most become one character: a
// base letter with a run of marks as long as NFC composes, in four bytes each.
// Longer input is too long whatever it normalises to, so it is not normalised.
const maxExpansion = 16

// LengthError refuses a password by its length in characters.
type LengthError struct {
	Min, Max int
}

// Error implements error; the text is fit to be shown.
func (e *LengthError) Error() string {
	return fmt.Sprintf("a password must have %d to %d characters", e.Min, e.Max)
}

// TextError refuses a password that is not valid UTF-8.
type TextError struct{}

// Error implements error; the text is fit to be shown.
func (*TextError) Error() string { return "a password must be valid UTF-8 text" }

// normalize returns the bytes that are hashed: the text in form NFC.
func (p Password) normalize() []byte { return norm.NFC.Bytes([]byte(p.text)) }

// prepare returns the bytes to hash of a password within the length limits.
func (p Password) prepare(least, most int) ([]byte, error) {
	if len(p.text) > most*maxExpansion {
		return nil, &LengthError{Min: least, Max: most}
	}
	if !utf8.ValidString(p.text) {
		return nil, &TextError{}
	}
	text := p.normalize()
	if n := utf8.RuneCount(text); n < least || n > most {
		return nil, &LengthError{Min: least, Max: most}
	}
	return text, nil
}
