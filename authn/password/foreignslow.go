package password

import (
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // what other systems have stored; replaced at the first login
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Bounds of what a hash of another system may cost at a login: about a second
// and 128 MiB.
const (
	mostBcryptCost   = 14
	mostPBKDF2Rounds = 2_000_000
	leastPBKDF2      = 1000
	mostScryptLogN   = 17
	mostScryptR      = 32
	mostScryptP      = 16
	mostScryptMemory = 128 << 20 // bytes: 128 N r
	mostScryptWork   = 1 << 22   // N r p
)

// bcryptHash is a hash as crypt(3) prints it.
type bcryptHash string

func readBcrypt(text string) (foreign, error) {
	cost, err := bcrypt.Cost([]byte(text))
	if err != nil || len(text) != 60 {
		return nil, fmt.Errorf("%w: it is no bcrypt hash", ErrForeign)
	}
	if cost > mostBcryptCost {
		return nil, fmt.Errorf("%w: bcrypt of cost %d; at most %d", ErrForeign, cost, mostBcryptCost)
	}
	return bcryptHash(text), nil
}

func (bcryptHash) kib() int64 { return 0 }

// matches implements foreign. bcrypt reads 72 bytes of a password, wherever it
// runs.
func (b bcryptHash) matches(text []byte) (bool, error) {
	err := bcrypt.CompareHashAndPassword([]byte(b), text)
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare with bcrypt: %w", err)
	}
	return true, nil
}

// argon2Hash is argon2id or argon2i.
type argon2Hash struct {
	encoded
	independent bool // argon2i
}

// readArgon2 takes what parse does, and argon2i beside argon2id.
func readArgon2(text string) (foreign, error) {
	rest, independent := strings.CutPrefix(text, "$argon2i$")
	if independent {
		text = "$argon2id$" + rest
	}
	e, err := parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: it is no argon2id or argon2i hash of version 19 within the bounds m=%d, t=%d, p=%d", ErrForeign, maxMemory, maxTime, maxThreads)
	case e.kid != "":
		return nil, fmt.Errorf("%w: it was made with a secret key", ErrForeign)
	}
	return argon2Hash{e, independent}, nil
}

func (a argon2Hash) kib() int64 { return int64(a.params.Memory) }

func (a argon2Hash) matches(text []byte) (bool, error) {
	key := argon2.IDKey
	if a.independent {
		key = argon2.Key
	}
	tag := key(text, a.salt, a.params.Time, a.params.Memory, a.params.Threads, uint32(len(a.tag))) //nolint:gosec // parse bounds it
	return subtle.ConstantTimeCompare(tag, a.tag) == 1, nil
}

// scryptHash is scrypt (RFC 7914).
type scryptHash struct {
	n, r, p    int
	salt, hash []byte
}

// readScrypt reads $scrypt$ln=16,r=8,p=1$salt$hash.
func readScrypt(text string) (foreign, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, fmt.Errorf("%w: it is no scrypt hash in PHC form", ErrForeign)
	}
	params := strings.Split(parts[2], ",")
	if len(params) != 3 {
		return nil, fmt.Errorf("%w: scrypt needs ln, r and p", ErrForeign)
	}
	logN, errN := foreignNumber("ln", strings.TrimPrefix(params[0], "ln="), 1, mostScryptLogN)
	r, errR := foreignNumber("r", strings.TrimPrefix(params[1], "r="), 1, mostScryptR)
	p, errP := foreignNumber("p", strings.TrimPrefix(params[2], "p="), 1, mostScryptP)
	salt, errS := foreignBytes("salt", parts[3], 1, maxBytes)
	sum, errH := foreignBytes("hash", parts[4], minTag, maxBytes)
	if err := errors.Join(errN, errR, errP, errS, errH); err != nil {
		return nil, err
	}
	return newScrypt(1<<logN, r, p, salt, sum)
}

// readScryptDjango reads scrypt$salt$16384$8$1$hash, whose salt is text.
func readScryptDjango(text string) (foreign, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || len(parts[1]) == 0 || len(parts[1]) > maxBytes {
		return nil, fmt.Errorf("%w: it is no scrypt hash of Django", ErrForeign)
	}
	n, errN := foreignNumber("N", parts[2], 2, 1<<mostScryptLogN)
	r, errR := foreignNumber("r", parts[3], 1, mostScryptR)
	p, errP := foreignNumber("p", parts[4], 1, mostScryptP)
	sum, errH := foreignBytes("hash", parts[5], minTag, maxBytes)
	if err := errors.Join(errN, errR, errP, errH); err != nil {
		return nil, err
	}
	return newScrypt(n, r, p, []byte(parts[1]), sum)
}

func newScrypt(n, r, p int, salt, sum []byte) (foreign, error) {
	switch {
	case n&(n-1) != 0:
		return nil, fmt.Errorf("%w: N of scrypt is no power of 2", ErrForeign)
	case 128*n*r > mostScryptMemory || n*r*p > mostScryptWork:
		return nil, fmt.Errorf("%w: scrypt with N=%d, r=%d, p=%d takes too much; at most 128 MiB and N r p = %d", ErrForeign, n, r, p, mostScryptWork)
	}
	return scryptHash{n, r, p, salt, sum}, nil
}

func (s scryptHash) kib() int64 { return int64(s.n) * int64(s.r) / 8 }

func (s scryptHash) matches(text []byte) (bool, error) {
	sum, err := scrypt.Key(text, s.salt, s.n, s.r, s.p, len(s.hash))
	if err != nil {
		return false, fmt.Errorf("compute scrypt: %w", err)
	}
	return subtle.ConstantTimeCompare(sum, s.hash) == 1, nil
}

// pbkdf2Hash is PBKDF2 (RFC 8018 section 5.2) with an HMAC.
type pbkdf2Hash struct {
	new        func() hash.Hash
	rounds     int
	salt, hash []byte
}

// pbkdf2Digest finds the hash function by its name in a scheme, "" for SHA-1.
func pbkdf2Digest(name string) (func() hash.Hash, error) {
	switch strings.ToLower(name) {
	case "", "sha1":
		return sha1.New, nil
	case "sha256":
		return sha256.New, nil
	case "sha512":
		return sha512.New, nil
	}
	return nil, fmt.Errorf("%w: PBKDF2 with another hash function than sha1, sha256, sha512", ErrForeign)
}

// readPBKDF2 reads $pbkdf2-sha256$i=29000,l=32$salt$hash and, as passlib prints
// it, $pbkdf2-sha256$29000$salt$hash.
func readPBKDF2(text string) (foreign, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 5 {
		return nil, fmt.Errorf("%w: it is no PBKDF2 hash in PHC form", ErrForeign)
	}
	name := strings.TrimPrefix(strings.TrimPrefix(parts[1], "pbkdf2"), "-")
	rounds, _, _ := strings.Cut(strings.TrimPrefix(parts[2], "i="), ",")
	salt, err := foreignBytes("salt", parts[3], 1, maxBytes)
	if err != nil {
		return nil, err
	}
	return newPBKDF2(name, rounds, salt, parts[4])
}

// readPBKDF2LDAP reads {PBKDF2-SHA256}29000$salt$hash.
func readPBKDF2LDAP(text string) (foreign, error) {
	scheme, rest, _ := strings.Cut(text, "}")
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%w: it is no PBKDF2 hash of an LDAP directory", ErrForeign)
	}
	salt, err := foreignBytes("salt", parts[1], 1, maxBytes)
	if err != nil {
		return nil, err
	}
	return newPBKDF2(strings.TrimPrefix(scheme[len("{PBKDF2"):], "-"), parts[0], salt, parts[2])
}

// readPBKDF2Django reads pbkdf2_sha256$29000$salt$hash, whose salt is text.
func readPBKDF2Django(text string) (foreign, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 4 || len(parts[2]) == 0 || len(parts[2]) > maxBytes {
		return nil, fmt.Errorf("%w: it is no PBKDF2 hash of Django", ErrForeign)
	}
	return newPBKDF2(strings.TrimPrefix(parts[0], "pbkdf2_"), parts[1], []byte(parts[2]), parts[3])
}

func newPBKDF2(name, rounds string, salt []byte, sum string) (foreign, error) {
	digest, errD := pbkdf2Digest(name)
	n, errN := foreignNumber("the number of rounds of PBKDF2", rounds, leastPBKDF2, mostPBKDF2Rounds)
	want, errH := foreignBytes("hash", sum, minTag, maxBytes)
	if err := errors.Join(errD, errN, errH); err != nil {
		return nil, err
	}
	return pbkdf2Hash{digest, n, salt, want}, nil
}

func (pbkdf2Hash) kib() int64 { return 0 }

func (b pbkdf2Hash) matches(text []byte) (bool, error) {
	sum, err := pbkdf2.Key(b.new, string(text), b.salt, b.rounds, len(b.hash))
	if err != nil {
		return false, fmt.Errorf("compute PBKDF2: %w", err)
	}
	return subtle.ConstantTimeCompare(sum, b.hash) == 1, nil
}

// foreignNumber reads a number within bounds.
func foreignNumber(name, text string, least, most int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n < uint64(least) || n > uint64(most) { //nolint:gosec // bounds are small and positive
		return 0, fmt.Errorf("%w: %s is not a number from %d to %d", ErrForeign, name, least, most)
	}
	return int(n), nil
}

// foreignBytes reads base64 as other systems print it: with padding or without,
// and with '.' in place of '+'.
func foreignBytes(what, text string, least, most int) ([]byte, error) {
	text = strings.ReplaceAll(strings.TrimRight(text, "="), ".", "+")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(raw) < least || len(raw) > most {
		return nil, fmt.Errorf("%w: %s is not base64 of %d to %d bytes", ErrForeign, what, least, most)
	}
	return raw, nil
}
