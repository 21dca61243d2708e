package delivery

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of a code (specification of second factors, section 6.1).
const (
	shortestCode    = 6
	longestCode     = 10
	smallestSet     = 10 // characters: a code of six has a million values
	defaultCharset  = "numeric"
	defaultAlphabet = "0123456789"
)

// Generator makes codes of one form from the system's random source. Every
// code of the form is equally likely. The zero value makes none; use
// [Digits] or [ParseGenerator].
type Generator struct {
	places []string // the alphabet of each place
}

// Digits makes codes of n digits, leading zeros kept.
func Digits(n int) (Generator, error) {
	return ParseGenerator(nil, defaultCharset+":"+strconv.Itoa(n))
}

// ParseGenerator reads the properties code-character-set and code-format of
// the original: character sets are "name:characters" (with "numeric:0123456789"
// always there), a format is "name:count", several joined by commas, placed one
// after the other. A code has 6 to 10 characters; a set has at least 10 ASCII
// letters and digits, none twice.
func ParseGenerator(charsets []string, format string) (Generator, error) {
	sets := map[string]string{defaultCharset: defaultAlphabet}
	for _, text := range charsets {
		name, alphabet, ok := strings.Cut(text, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return Generator{}, fmt.Errorf("character set %q is not name:characters", text)
		}
		if err := checkAlphabet(alphabet); err != nil {
			return Generator{}, fmt.Errorf("character set %s: %w", name, err)
		}
		sets[name] = alphabet
	}
	var g Generator
	for part := range strings.SplitSeq(format, ",") {
		name, count, ok := strings.Cut(strings.TrimSpace(part), ":")
		n, err := strconv.Atoi(count)
		if !ok || err != nil || n < 1 || n > longestCode {
			return Generator{}, fmt.Errorf("format %q is not name:count, such as numeric:8", part)
		}
		alphabet, known := sets[name]
		if !known {
			return Generator{}, fmt.Errorf("format %q names no character set", part)
		}
		for range n {
			g.places = append(g.places, alphabet)
		}
	}
	if g.Len() < shortestCode || g.Len() > longestCode {
		return Generator{}, fmt.Errorf("a code must have %d to %d characters, not %d", shortestCode, longestCode, g.Len())
	}
	return g, nil
}

func checkAlphabet(alphabet string) error {
	seen := map[rune]bool{}
	for _, r := range alphabet {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return errors.New("only ASCII letters and digits can be read from a message and spoken")
		}
		if seen[r] {
			return fmt.Errorf("%q is there twice", r)
		}
		seen[r] = true
	}
	if len(seen) < smallestSet {
		return fmt.Errorf("at least %d characters are needed", smallestSet)
	}
	return nil
}

// Len is the number of characters of a code.
func (g Generator) Len() int { return len(g.places) }

// Numeric reports whether its codes have digits only.
func (g Generator) Numeric() bool {
	for _, alphabet := range g.places {
		if strings.Trim(alphabet, defaultAlphabet) != "" {
			return false
		}
	}
	return true
}

// New makes a code.
func (g Generator) New() Code {
	out := make([]byte, len(g.places))
	for i, alphabet := range g.places {
		out[i] = pick(alphabet, randomByte)
	}
	return Code(out)
}

// pick chooses a character without bias: of the 256 values of a byte those
// beyond the last full multiple of the alphabet are thrown away.
func pick(alphabet string, next func() byte) byte {
	limit := 256 - 256%len(alphabet)
	for {
		if b := int(next()); b < limit {
			return alphabet[b%len(alphabet)]
		}
	}
}

func randomByte() byte {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return b[0]
}
