package state

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"time"
)

// KeySize is the length of a state key and of what is derived from it, in bytes.
const KeySize = 32

// The life of a state key.
const (
	// KeyLife is how long a key is current.
	KeyLife = 30 * 24 * time.Hour
	// KeyStates is how many tokens a key mints: far fewer than the 2^32 random
	// nonces that one AES-GCM key allows (NIST SP 800-38D section 8.3).
	KeyStates = 1 << 30
	// NextLead is how long a key is next at least. Every node reads the keys
	// again within RefreshEvery, so it knows the key before any node mints
	// with it.
	NextLead = 10 * time.Minute
	// PreviousKept is how long a key opens after it has stopped minting: longer
	// than MaxLife and the time that a node may mint with what it read before.
	PreviousKept = time.Hour
	// MaxLife bounds the life of a token.
	MaxLife = 10 * time.Minute
	// RefreshEvery is the age at which a node reads the keys again.
	RefreshEvery = time.Minute
)

// KeyState is the place of a key in its life.
type KeyState string

// The states of a key, in order.
const (
	KeyNext     KeyState = "next"     // opens, will mint
	KeyCurrent  KeyState = "current"  // mints and opens
	KeyPrevious KeyState = "previous" // opens only
)

// Key is one state key. It shows itself without its secret.
type Key struct {
	ID        string // the kid
	Secret    []byte // KeySize random bytes
	State     KeyState
	CreatedAt time.Time
	ChangedAt time.Time // when it came into this state
	Minted    int64     // tokens minted or reserved
}

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(k.short()) }

// Format implements [fmt.Formatter].
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.short())) }

func (k Key) short() string { return fmt.Sprintf("key(%s %s)", k.ID, string(k.State)) }

// Due reports whether a current key should make way for the next one.
func (k Key) Due(now time.Time) bool {
	return k.Minted >= KeyStates || !now.Before(k.ChangedAt.Add(KeyLife))
}

// KeyStore keeps the keys that all nodes share.
type KeyStore interface {
	// StateKeys returns every key that is not retired: exactly one current,
	// exactly one next, any number of previous ones. The first call of any
	// node makes the first two.
	StateKeys(ctx context.Context) ([]Key, error)
	// CountStates adds n to the tokens minted with the key, and reports false
	// without counting when the key is not the current one any more.
	CountStates(ctx context.Context, id string, n int64) (bool, error)
}

// derived holds the keys that one state key gives.
type derived struct {
	id   string
	seal map[Kind][]byte
	code []byte
}

func deriveAll(k Key) (*derived, error) {
	d := &derived{id: k.ID, seal: make(map[Kind][]byte)}
	var err error
	for _, kind := range Kinds() {
		if d.seal[kind], err = derive(k.Secret, kind.info()); err != nil {
			return nil, err
		}
	}
	d.code, err = derive(k.Secret, codeInfo)
	return d, err
}

// derive is HKDF-SHA-256 with an empty salt (RFC 5869).
func derive(secret []byte, info string) ([]byte, error) {
	if len(secret) != KeySize {
		return nil, fmt.Errorf("state key has %d bytes, want %d", len(secret), KeySize)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, info, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive %s key: %w", info, err)
	}
	return key, nil
}
