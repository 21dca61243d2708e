package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// KeySize is the length of a master key and of every derived key, in bytes.
const KeySize = 32

// Purposes of derived keys. A purpose is never reused for something else.
const (
	// PurposeKid names a key that was given without a kid.
	PurposeKid = "sallyport/v1/kid"
	// PurposeSeal is the prefix of the key that seals the columns of a table.
	PurposeSeal = "sallyport/v1/seal/"
	// PurposeCursor is for the positions in list cursors.
	PurposeCursor = "sallyport/v1/cursor"
	// PurposeThrottle is for what the counters of the limits are keyed on. It
	// never rotates, or the counters would begin anew.
	PurposeThrottle = "sallyport/v1/throttle"
	// PurposeForms is for the tokens of forms on pages.
	PurposeForms = "sallyport/v1/forms"
	// PurposeFlow is for the places of flows in URIs of the JSON login.
	PurposeFlow = "sallyport/v1/flow"
	// PurposeKnown is for the marks by which browsers are known.
	PurposeKnown = "sallyport/v1/known"
)

// Errors of key rings. None of them repeats key material.
var (
	// ErrNoKey: the ring is empty, or the text held no key.
	ErrNoKey = errors.New("no master key")
	// ErrUnknownKid: the ring lacks the key that a value was sealed with.
	ErrUnknownKid = errors.New("unknown key id")
	// ErrOpen: the value was changed, belongs to another place, or the key of
	// that id is a different one.
	ErrOpen = errors.New("sealed value does not open")
)

// Ring is an ordered list of master keys. It shows itself as [redacted]
// wherever it is printed. It is safe for concurrent use; the nil Ring is empty.
type Ring struct {
	keys    []masterKey
	derived sync.Map // aeadKey -> cipher.AEAD
}

type masterKey struct {
	kid    string
	secret []byte
}

var kidForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// ParseRing reads keys separated by commas or line breaks, each
// "[kid:]KEY" where KEY is 32 bytes in hexadecimal or base64 (either
// alphabet). Lines that begin with # are comments. A key without kid is named
// after itself, so every node gives it the same name.
func ParseRing(text string) (*Ring, error) {
	ring := &Ring{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for entry := range strings.SplitSeq(line, ",") {
			if entry = strings.TrimSpace(entry); entry == "" {
				continue
			}
			if err := ring.add(entry); err != nil {
				return nil, fmt.Errorf("master key %d: %w", len(ring.keys)+1, err)
			}
		}
	}
	if len(ring.keys) == 0 {
		return nil, ErrNoKey
	}
	return ring, nil
}

// add reads one "[kid:]KEY".
func (r *Ring) add(entry string) error {
	kid, text, named := strings.Cut(entry, ":")
	if !named {
		kid, text = "", entry
	}
	secret, err := decodeKey(text)
	if err != nil {
		return err
	}
	if !named {
		kid = hex.EncodeToString(derive(secret, PurposeKid)[:4])
	}
	if !kidForm.MatchString(kid) {
		return errors.New("the key id before the colon must be 1 to 32 letters, digits, dots, dashes or underscores")
	}
	if r.find(kid) != nil {
		return fmt.Errorf("key id %q is given twice", kid)
	}
	r.keys = append(r.keys, masterKey{kid: kid, secret: secret})
	return nil
}

// decodeKey reads 32 bytes. Hexadecimal is tried first: 64 such digits are
// never 32 bytes of base64.
func decodeKey(text string) ([]byte, error) {
	if len(text) == hex.EncodedLen(KeySize) {
		if b, err := hex.DecodeString(text); err == nil {
			return b, nil
		}
	}
	text = strings.TrimRight(text, "=")
	for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if b, err := alphabet.DecodeString(text); err == nil && len(b) == KeySize {
			return b, nil
		}
	}
	return nil, fmt.Errorf("not %d bytes in base64 or hexadecimal", KeySize)
}

// NewKeyText returns a new random master key in the text form of [ParseRing].
// It is a secret: write it where only the server can read it.
func NewKeyText() string {
	var b [KeySize]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return base64.StdEncoding.EncodeToString(b[:])
}

// text is the key in the form of ParseRing. It is a secret.
func (k masterKey) text() string {
	return k.kid + ":" + base64.StdEncoding.EncodeToString(k.secret)
}

// Len returns the number of keys.
func (r *Ring) Len() int {
	if r == nil {
		return 0
	}
	return len(r.keys)
}

// Kids returns the key ids, the sealing one first.
func (r *Ring) Kids() []string {
	out := make([]string, 0, r.Len())
	if r != nil {
		for _, k := range r.keys {
			out = append(out, k.kid)
		}
	}
	return out
}

// First returns the id of the key that seals, "" for an empty ring.
func (r *Ring) First() string {
	if r.Len() == 0 {
		return ""
	}
	return r.keys[0].kid
}

// Has reports whether the ring holds the key with that id.
func (r *Ring) Has(kid string) bool { return r.find(kid) != nil }

// Derive returns the key for a purpose under one master key (HKDF-SHA-256,
// RFC 5869). It is a secret.
func (r *Ring) Derive(kid, purpose string) ([]byte, error) {
	key := r.find(kid)
	if key == nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownKid, kid)
	}
	return derive(key.secret, purpose), nil
}

func (r *Ring) find(kid string) *masterKey {
	if r == nil {
		return nil
	}
	for i := range r.keys {
		if r.keys[i].kid == kid {
			return &r.keys[i]
		}
	}
	return nil
}

func derive(secret []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, KeySize)
	if err != nil {
		panic(err) // only for lengths beyond 255 hashes
	}
	return key
}

const redacted = "[redacted]"

// LogValue implements [slog.LogValuer].
func (*Ring) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements [fmt.Formatter].
func (*Ring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalJSON implements [json.Marshaler].
func (*Ring) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
