package schema

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/width"
)

// Fold returns the comparison key of a string that is not case-exact: width
// mapping, lower case and Unicode normalisation form C, the mappings of the
// PRECIS profile UsernameCaseMapped (RFC 8265 section 3.3) in its order. It
// never fails and leaves the final sigma to itself, so that the key of a part
// is a part of the key.
func Fold(s string) string {
	upper := -1
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			return foldUnicode(s)
		}
		if upper < 0 && 'A' <= c && c <= 'Z' {
			upper = i
		}
	}
	if upper < 0 {
		return s
	}
	b := make([]byte, len(s))
	copy(b, s)
	for i := upper; i < len(b); i++ {
		if c := b[i]; 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func foldUnicode(s string) string {
	lower := cases.Lower(language.Und, cases.HandleFinalSigma(false))
	return norm.NFC.String(lower.String(width.Fold.String(s)))
}

// errBlank reports blanks at the ends of a name, or a name of blanks only.
var errBlank = errors.New("name is empty, or begins or ends with a blank")

// PrecisFold returns the key under which a userName is unique (RFC 7643
// section 4.1.1, RFC 7644 section 5): the PRECIS profile UsernameCaseMapped
// applied to each part between blanks (RFC 8265 section 3.1). It equals Fold on
// every name that the profile allows and is an error for the rest.
func PrecisFold(s string) (string, error) {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' {
		return "", errBlank
	}
	if isPlainName(s) {
		return Fold(s), nil
	}
	var b strings.Builder
	for i, part := range strings.Split(s, " ") {
		if i > 0 {
			b.WriteByte(' ')
		}
		if part == "" {
			continue
		}
		key, err := precis.UsernameCaseMapped.String(part)
		if err != nil {
			return "", fmt.Errorf("prepare name: %w", err)
		}
		b.WriteString(key)
	}
	return b.String(), nil
}

// isPlainName reports whether every byte is a visible ASCII character or a
// blank: those are allowed as they are (RFC 8264 section 9.11).
func isPlainName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
