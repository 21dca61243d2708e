package oidc

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of the key set of a client.
const (
	maxClientJWKS = 32 << 10
	maxClientKeys = 20
	minRSABits    = 2048 // RFC 7518 section 3.3
	maxRSABits    = 8192
)

// CheckJWKS reports what is wrong with the key set of a client (RFC 7517
// section 5): it holds public keys only, RSA of 2048 to 8192 bits, EC on
// P-256, or Ed25519, with key ids that differ.
func CheckJWKS(raw json.RawMessage) error {
	set, err := parseJWKS(raw)
	if err != nil {
		return err
	}
	var ids []string
	for _, k := range set {
		if slices.Contains(ids, k.KeyID) {
			return fmt.Errorf("jwks has two keys with the kid %q", k.KeyID)
		}
		ids = append(ids, k.KeyID)
	}
	return nil
}

// parseJWKS reads a key set key by key, so that none is passed over silently.
func parseJWKS(raw json.RawMessage) ([]jose.JSONWebKey, error) {
	if len(raw) > maxClientJWKS {
		return nil, fmt.Errorf("jwks is longer than %d bytes", maxClientJWKS)
	}
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, errors.New(`jwks is not an object with the member "keys"`)
	}
	if len(doc.Keys) == 0 || len(doc.Keys) > maxClientKeys {
		return nil, fmt.Errorf("jwks must have 1 to %d keys", maxClientKeys)
	}
	out := make([]jose.JSONWebKey, 0, len(doc.Keys))
	for i, text := range doc.Keys {
		k, err := parseJWK(text)
		if err != nil {
			return nil, fmt.Errorf("key %d of jwks: %w", i+1, err)
		}
		out = append(out, k)
	}
	return out, nil
}

// privateMembers are parameters that only private and symmetric keys have
// (RFC 7518 section 6).
func privateMembers() []string { return []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} }

func parseJWK(text json.RawMessage) (jose.JSONWebKey, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return jose.JSONWebKey{}, errors.New("it is not an object")
	}
	for _, name := range privateMembers() {
		if _, has := members[name]; has {
			return jose.JSONWebKey{}, fmt.Errorf("it has the private member %q; send public keys only", name)
		}
	}
	var k jose.JSONWebKey
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&k); err != nil || !k.Valid() {
		return jose.JSONWebKey{}, errors.New("it is not a valid RSA, EC or OKP key")
	}
	return k, checkPublicKey(k)
}

// checkPublicKey refuses keys that are too weak or of no use here.
func checkPublicKey(k jose.JSONWebKey) error {
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSABits || n > maxRSABits {
			return fmt.Errorf("an RSA key must have %d to %d bits", minRSABits, maxRSABits)
		}
		if key.E < 3 || key.E%2 == 0 {
			return errors.New("its RSA exponent is not a proper one")
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return errors.New("an EC key must be on P-256")
		}
	case ed25519.PublicKey:
		if len(key) != ed25519.PublicKeySize {
			return errors.New("an OKP key must be an Ed25519 key")
		}
	default:
		return errors.New("it is not a public RSA, EC or OKP key")
	}
	return nil
}
