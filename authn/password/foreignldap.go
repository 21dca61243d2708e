package password

import (
	"crypto/sha1" //nolint:gosec // what other systems have stored; replaced at the first login
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
)

// saltedScheme is a scheme of LDAP directories: the hash of password and salt,
// followed by the salt.
type saltedScheme struct {
	name string
	new  func() hash.Hash
}

func salted() []saltedScheme {
	return []saltedScheme{
		{"SSHA", sha1.New},
		{"SSHA1", sha1.New},
		{"SSHA256", sha256.New},
		{"SSHA384", sha512.New384},
		{"SSHA512", sha512.New},
	}
}

// saltedHash is a hash of a saltedScheme.
type saltedHash struct {
	saltedScheme
	sum, salt []byte
}

func readSalted(s saltedScheme, text string) (foreign, error) {
	raw, err := foreignBytes("hash", text[len(s.name)+2:], s.new().Size()+1, s.new().Size()+maxBytes)
	if err != nil {
		return nil, err
	}
	size := s.new().Size()
	if len(raw) < size+4 {
		return nil, fmt.Errorf("%w: %s needs a salt of 4 bytes or more", ErrForeign, s.name)
	}
	return saltedHash{s, raw[:size], raw[size:]}, nil
}

func (saltedHash) kib() int64 { return 0 }

func (s saltedHash) matches(text []byte) (bool, error) {
	h := s.new()
	h.Write(text)
	h.Write(s.salt)
	return subtle.ConstantTimeCompare(h.Sum(nil), s.sum) == 1, nil
}
