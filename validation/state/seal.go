package state

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// MaxSize is the longest token, in bytes.
const MaxSize = 4096

// Sealer mints and opens tokens. It is safe for concurrent use.
type Sealer struct {
	ring *Ring
	now  func() time.Time
}

// NewSealer returns a sealer with the keys of the ring and the clock of the
// server.
func NewSealer(ring *Ring, now func() time.Time) *Sealer {
	return &Sealer{ring: ring, now: now}
}

// Mint seals claims without a delivered code. JTI, Subject, a known Kind and an
// ExpiresAt at most [MaxLife] after IssuedAt are required.
func (s *Sealer) Mint(ctx context.Context, c Claims) (Token, error) {
	c.mac = nil
	return s.seal(ctx, c, "")
}

// MintCode is Mint for a delivered code, which must not be empty. The token
// holds a MAC of the code, made with the state key that seals the token.
func (s *Sealer) MintCode(ctx context.Context, c Claims, code string) (Token, error) {
	if code == "" {
		return "", errors.New("mint state: no code")
	}
	return s.seal(ctx, c, code)
}

func (s *Sealer) seal(ctx context.Context, c Claims, code string) (Token, error) {
	if c.IssuedAt.IsZero() {
		c.IssuedAt = s.now()
	}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("mint state: %w", err)
	}
	key, err := s.ring.mint(ctx)
	if err != nil {
		return "", fmt.Errorf("mint state: %w", err)
	}
	if code != "" {
		c.mac = c.codeMAC(key.code, code)
	}
	token, err := encrypt(c, key)
	if err != nil {
		return "", fmt.Errorf("mint state: %w", err)
	}
	return token, nil
}

// check finds claims that no caller may want to seal.
func (c Claims) check() error {
	life := c.ExpiresAt.Unix() - c.IssuedAt.Unix()
	switch {
	case !c.Kind.known():
		return fmt.Errorf("kind %q is not known", string(c.Kind))
	case c.JTI == "" || c.Subject == "":
		return errors.New("identifier or subject is missing")
	case life <= 0 || life > int64(MaxLife/time.Second):
		return fmt.Errorf("life of %d s is out of bounds", life)
	default:
		return nil
	}
}

func encrypt(c Claims, key *derived) (Token, error) {
	recipient := jose.Recipient{Algorithm: jose.DIRECT, Key: key.seal[c.Kind], KeyID: key.id}
	options := (&jose.EncrypterOptions{}).WithType(jose.ContentType(c.Kind.typ()))
	encrypter, err := jose.NewEncrypter(jose.A256GCM, recipient, options)
	if err != nil {
		return "", fmt.Errorf("make encrypter: %w", err)
	}
	plain, err := c.encode()
	if err != nil {
		return "", err
	}
	object, err := encrypter.Encrypt(plain)
	if err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("serialize: %w", err)
	}
	if len(text) > MaxSize {
		return "", fmt.Errorf("token of %d bytes is too long", len(text))
	}
	return Token(text), nil
}

// CodeMatches reports whether code is the one that the token was minted with.
// It takes the same time wherever the two differ. It is false for a token that
// was minted without a code and for claims that Open did not return.
func (c Claims) CodeMatches(code string) bool {
	if len(c.mac) == 0 || len(c.codeKey) == 0 {
		return false
	}
	return hmac.Equal(c.mac, c.codeMAC(c.codeKey, code))
}

// codeMAC is over length-prefixed parts, so that no two different lists of
// parts give the same bytes.
func (c Claims) codeMAC(key []byte, code string) []byte {
	mac := hmac.New(sha256.New, key)
	var length [8]byte
	for _, part := range []string{c.JTI, c.Subject, c.Path, c.Value, code} {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}
