package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

// version is the first byte of every sealed value.
const version = 1

// Place is where a sealed value lives. It is authenticated with the value.
type Place struct {
	Table  string
	Column string
	Row    string // id of the row
}

// aeadKey names one derived key of a ring.
type aeadKey struct{ kid, table string }

// Seal encrypts plain for its place under the first key and returns the id of
// that key, to be stored beside the value.
func (r *Ring) Seal(at Place, plain []byte) (kid string, sealed []byte, err error) {
	kid = r.First()
	if kid == "" {
		return "", nil, ErrNoKey
	}
	sealed, err = r.SealWith(kid, at, plain)
	return kid, sealed, err
}

// SealWith is Seal under a chosen key of the ring.
func (r *Ring) SealWith(kid string, at Place, plain []byte) ([]byte, error) {
	aead, err := r.aead(kid, at.Table)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 1, 1+aead.Overhead()+len(plain))
	out[0] = version
	return aead.Seal(out, nil, plain, at.bytes()), nil //nolint:gosec // the AEAD draws its nonce itself
}

// Open decrypts a value of that place. ErrUnknownKid if the ring lacks the
// key, ErrOpen if anything else is wrong.
func (r *Ring) Open(at Place, kid string, sealed []byte) ([]byte, error) {
	aead, err := r.aead(kid, at.Table)
	if err != nil {
		return nil, err
	}
	if len(sealed) < 1+aead.Overhead() || sealed[0] != version {
		return nil, ErrOpen
	}
	plain, err := aead.Open(nil, nil, sealed[1:], at.bytes())
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// aead returns the cipher of one key and table. The nonce is random, 96 bits:
// far fewer than 2^32 values are ever sealed under one of these keys.
func (r *Ring) aead(kid, table string) (cipher.AEAD, error) {
	name := aeadKey{kid, table}
	if r != nil {
		if known, ok := r.derived.Load(name); ok {
			return known.(cipher.AEAD), nil //nolint:forcetypeassert // the map holds nothing else
		}
	}
	key, err := r.Derive(kid, PurposeSeal+table)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	r.derived.Store(name, aead)
	return aead, nil
}

// bytes is the associated data: each part with its length before it, so that
// no two places give the same bytes.
func (p Place) bytes() []byte {
	out := make([]byte, 0, 12+len(p.Table)+len(p.Column)+len(p.Row))
	for _, part := range []string{p.Table, p.Column, p.Row} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part))) //nolint:gosec // names and ids are short
		out = append(out, part...)
	}
	return out
}
