package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Params are the cost parameters of argon2id (RFC 9106 section 3.1).
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8  // lanes
}

// Bounds of what is accepted in a stored string. A hash may come from an
// import, so its parameters must not be able to exhaust the machine.
const (
	maxMemory  = 256 << 10 // KiB
	maxTime    = 16
	maxThreads = 16
	minSalt    = 8
	minTag     = 16
	maxBytes   = 64 // salt, tag, and kid
	maxPHC     = 512
)

// ErrFormat is wrapped by the errors for a stored string that is no argon2id
// hash in PHC form within the bounds.
var ErrFormat = errors.New("not an argon2id hash in PHC form")

// encoded is a stored hash taken apart.
type encoded struct {
	params Params
	kid    string // of the pepper; "" for none
	salt   []byte
	tag    []byte
}

// b64 is the encoding of PHC strings: no padding, and nothing but the one
// spelling of a value.
func b64() *base64.Encoding { return base64.RawStdEncoding.Strict() }

// String prints the PHC string:
//
//	$argon2id$v=19$m=19456,t=2,p=1[,keyid=<kid>]$<salt>$<tag>
func (e encoded) String() string { return e.prefix() + "$" + b64().EncodeToString(e.tag) }

// prefix is String without the tag.
func (e encoded) prefix() string {
	var keyid string
	if e.kid != "" {
		keyid = ",keyid=" + b64().EncodeToString([]byte(e.kid))
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d%s$%s", argon2.Version,
		e.params.Memory, e.params.Time, e.params.Threads, keyid, b64().EncodeToString(e.salt))
}

// parse takes a PHC string apart. It accepts exactly what String prints.
func parse(phc string) (encoded, error) {
	if len(phc) > maxPHC {
		return encoded{}, fmt.Errorf("%w: too long", ErrFormat)
	}
	cut := strings.LastIndexByte(phc, '$')
	if cut < 0 {
		return encoded{}, ErrFormat
	}
	e, err := parsePrefix(phc[:cut])
	if err != nil {
		return encoded{}, err
	}
	if e.tag, err = parseBytes("tag", phc[cut+1:], minTag); err != nil {
		return encoded{}, err
	}
	return e, nil
}

// parsePrefix takes apart what prefix prints.
func parsePrefix(text string) (encoded, error) {
	var e encoded
	parts := strings.Split(text, "$")
	if len(text) > maxPHC || len(parts) != 5 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return e, ErrFormat
	}
	var err error
	if e.params, e.kid, err = parseParams(parts[3]); err != nil {
		return encoded{}, err
	}
	if e.salt, err = parseBytes("salt", parts[4], minSalt); err != nil {
		return encoded{}, err
	}
	return e, nil
}

func parseParams(text string) (p Params, kid string, err error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 && len(fields) != 4 {
		return p, "", fmt.Errorf("%w: parameters", ErrFormat)
	}
	memory, errM := parseNumber(fields[0], "m=", maxMemory)
	passes, errT := parseNumber(fields[1], "t=", maxTime)
	threads, errP := parseNumber(fields[2], "p=", maxThreads)
	if err := errors.Join(errM, errT, errP); err != nil {
		return p, "", err
	}
	p = Params{Memory: memory, Time: passes, Threads: uint8(threads)} //nolint:gosec // at most maxThreads
	// RFC 9106 section 3.1: at least eight blocks a lane.
	if p.Memory < 8*uint32(p.Threads) {
		return p, "", fmt.Errorf("%w: m is less than 8 p", ErrFormat)
	}
	if len(fields) == 3 {
		return p, "", nil
	}
	keyid, ok := strings.CutPrefix(fields[3], "keyid=")
	if !ok {
		return p, "", fmt.Errorf("%w: parameters", ErrFormat)
	}
	raw, err := parseBytes("keyid", keyid, 1)
	return p, string(raw), err
}

// parseNumber reads a decimal number from 1 to most in its one spelling.
func parseNumber(field, name string, most uint32) (uint32, error) {
	text, ok := strings.CutPrefix(field, name)
	if !ok {
		return 0, fmt.Errorf("%w: parameters", ErrFormat)
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n < 1 || n > uint64(most) || strconv.FormatUint(n, 10) != text {
		return 0, fmt.Errorf("%w: %s is not a number from 1 to %d", ErrFormat, strings.TrimSuffix(name, "="), most)
	}
	return uint32(n), nil
}

func parseBytes(what, text string, least int) ([]byte, error) {
	raw, err := b64().DecodeString(text)
	// The decoder skips line breaks; the one spelling has none.
	if err != nil || strings.ContainsAny(text, "\r\n") || len(raw) < least || len(raw) > maxBytes {
		return nil, fmt.Errorf("%w: %s is not base64 of %d to %d bytes", ErrFormat, what, least, maxBytes)
	}
	return raw, nil
}
