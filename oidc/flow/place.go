package flow

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

// keyBytes is the length of Config.Key.
const keyBytes = 32

// longestPlace bounds a sealed place in a URI, in bytes.
const longestPlace = 6 << 10

// errNoPlace says that a URI holds no place of ours.
var errNoPlace = errors.New("not a place of a flow")

// place is where a flow stands, as its URIs say. Nobody but this server can
// read or make one.
type place struct {
	Txn    string `json:"t"`
	Client string `json:"c"`
	// Number is that of the message that is expected next.
	Number int64 `json:"n"`
	// Login is the name that an account lookup gave.
	Login string `json:"l,omitempty"`
	// Decision is what was said to the consent flow; nil: nothing.
	Decision *decision `json:"d,omitempty"`
	// Account is the id of an account flow; "" before it has begun.
	Account string `json:"a,omitempty"`
	// Key is set for an app with a flow key.
	Key *keyed `json:"k,omitempty"`
}

// decision is an answer to the consent flow.
type decision struct {
	Approved bool     `json:"y,omitempty"`
	Scopes   []string `json:"s,omitempty"`
}

// keyed is what stands in the cookies of a browser, for an app without.
type keyed struct {
	Hash     []byte   `json:"h"` // SHA-256 of the flow key
	Sessions []string `json:"s,omitempty"`
	Known    []string `json:"m,omitempty"`
	Devices  []string `json:"d,omitempty"`
}

// sealer seals places with AES-256-GCM; the kind of the flow is authenticated
// along, so that a place is good at the URIs of its kind only.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (sealer, error) {
	if len(key) != keyBytes {
		return sealer{}, fmt.Errorf("the key must have %d bytes, not %d", keyBytes, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

func (s sealer) seal(k kind, p place) (string, error) {
	doc, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode place: %w", err)
	}
	sealed := s.aead.Seal(nil, nil, doc, []byte(k)) //nolint:gosec // this AEAD makes its nonces itself and takes none
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// open returns errNoPlace for everything that was not sealed for the kind.
func (s sealer) open(k kind, text string) (place, error) {
	if len(text) > longestPlace {
		return place{}, errNoPlace
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return place{}, errNoPlace
	}
	doc, err := s.aead.Open(nil, nil, sealed, []byte(k))
	if err != nil {
		return place{}, errNoPlace
	}
	var p place
	if err := json.Unmarshal(doc, &p); err != nil {
		return place{}, fmt.Errorf("decode place: %w", err)
	}
	return p, nil
}

// NewKey makes a flow key, as an app without cookies does.
func NewKey() string {
	var b [keyBytes]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}
