package password

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrForeign is wrapped by the errors for a hash of another system that is not
// taken over.
var ErrForeign = errors.New("not a hash that can be taken over")

// foreign is a hash of another system, taken apart.
type foreign interface {
	// matches reports whether the text is its password, compared in constant time.
	matches(text []byte) (bool, error)
	// kib is the memory that this takes, in KiB; 0: next to none.
	kib() int64
}

// foreignReaders take hashes apart by how they begin.
func foreignReaders() []struct {
	prefix string
	read   func(text string) (foreign, error)
} {
	type reader = struct {
		prefix string
		read   func(text string) (foreign, error)
	}
	out := []reader{
		{"$2a$", readBcrypt},
		{"$2b$", readBcrypt},
		{"$2y$", readBcrypt},
		{"$argon2", readArgon2},
		{"$scrypt$", readScrypt},
		{"scrypt$", readScryptDjango},
		{"$pbkdf2", readPBKDF2},
		{"{PBKDF2", readPBKDF2LDAP},
		{"pbkdf2_", readPBKDF2Django},
	}
	for _, s := range salted() {
		out = append(out, reader{"{" + s.name + "}", func(text string) (foreign, error) { return readSalted(s, text) }})
	}
	return out
}

// Foreign checks a hash of another system and returns it as it is stored: Verify
// takes it, and NeedsRehash asks to replace it at the first login. The forms are
//
//	$2a$ $2b$ $2y$                        bcrypt, cost 4 to 14
//	$argon2id$ $argon2i$                  version 19, m to 262144 KiB, t to 16, p to 16
//	$scrypt$ln=,r=,p=$salt$hash           PHC; scrypt$salt$N$r$p$hash of Django
//	$pbkdf2-sha256$i=N$salt$hash          PHC; $pbkdf2-sha256$N$salt$hash of passlib;
//	                                      pbkdf2_sha256$N$salt$hash of Django; sha1, sha512 too
//	{SSHA} {SSHA256} {SSHA384} {SSHA512}  LDAP, salted
//	{PBKDF2-SHA256}N$salt$hash            LDAP; sha1, sha512 too
//
// and the first three rows also after {CRYPT}, {BCRYPT}, {ARGON2}, {SCRYPT}, or
// after bcrypt$ or argon2 of Django.
// Parameters beyond the bounds are refused, for a hash comes from outside and
// must not exhaust the machine at a login. The error wraps ErrForeign, can be
// shown, and has nothing of the hash in it.
func Foreign(text string) (string, error) {
	if _, err := parse(text); err == nil {
		return text, nil
	}
	if _, err := parseForeign(text); err != nil {
		return "", err
	}
	return text, nil
}

func parseForeign(text string) (foreign, error) {
	if len(text) > maxPHC {
		return nil, fmt.Errorf("%w: longer than %d characters", ErrForeign, maxPHC)
	}
	text = plainForm(text)
	for _, r := range foreignReaders() {
		if len(text) >= len(r.prefix) && strings.EqualFold(text[:len(r.prefix)], r.prefix) {
			return r.read(text)
		}
	}
	return nil, fmt.Errorf("%w: its form is not known, or one that is refused: invite the user instead", ErrForeign)
}

// plainForm takes away the name that an LDAP directory or Django puts before a
// hash in the form of crypt(3) or PHC.
func plainForm(text string) string {
	for _, scheme := range []string{"{CRYPT}", "{BCRYPT}", "{ARGON2}", "{SCRYPT}", "bcrypt$", "argon2"} {
		if len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) && text[len(scheme)] == '$' {
			return text[len(scheme):]
		}
	}
	return text
}

// verifyForeign compares a password with a hash of another system. The work of a
// hash of our own comes on top, so that a cheap one does not tell by its time
// that its user has never logged in here.
func (h *Hasher) verifyForeign(ctx context.Context, f foreign, p Password) (bool, error) {
	text, bad := p.prepare(1, maxLengthEver)
	right, err := h.inSlot(ctx, func() (bool, error) {
		if size := f.kib(); size > 0 {
			defer h.left.add(size, int64(cap(h.slots)))
		}
		return matchesEither(f, text, p.text)
	})
	if err != nil {
		return false, err
	}
	if _, err := h.compute(ctx, h.dummy, text, tagSize); err != nil {
		return false, err
	}
	return right && bad == nil, nil
}

// matchesEither tries the text in form NFC, and as it was typed where that is
// something else: another system may not have normalised.
func matchesEither(f foreign, normal []byte, typed string) (bool, error) {
	right, err := f.matches(normal)
	if right || err != nil || string(normal) == typed || len(normal) == 0 {
		return right, err
	}
	return f.matches([]byte(typed))
}

// inSlot runs a computation in a slot.
func (h *Hasher) inSlot(ctx context.Context, fn func() (bool, error)) (bool, error) {
	if err := h.acquire(ctx); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	return fn()
}
