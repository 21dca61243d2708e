package totp

import (
	"errors"
	"fmt"
	"time"

	"github.com/pquerna/otp"
)

// Algorithm is the hash of the HMAC (RFC 6238 section 1.2), as the key URI
// names it.
type Algorithm string

// The algorithms.
const (
	SHA1   Algorithm = "SHA1"
	SHA256 Algorithm = "SHA256"
	SHA512 Algorithm = "SHA512"
)

// Config is how codes are made. Start from Default.
type Config struct {
	Algorithm   Algorithm
	Digits      int           // 6 or 8
	Period      time.Duration // of one step; whole seconds, 15 s to 2 min
	Skew        int           // steps accepted before and after the present one, 0 or 1
	SecretBytes int           // of a new secret, 16 to 64
}

// Default is what every authenticator app understands.
func Default() Config {
	return Config{Algorithm: SHA1, Digits: 6, Period: 30 * time.Second, Skew: 1, SecretBytes: 20}
}

// Bounds of Config.
const (
	leastPeriod      = 15 * time.Second
	mostPeriod       = 2 * time.Minute
	leastSecretBytes = 16 // RFC 4226 section 4, requirement 6
	mostSecretBytes  = 64
)

// Validate reports every value out of bounds, each by its key under prefix.
func (c Config) Validate(prefix string) error {
	var errs []error
	fault := func(key, must string, got any) {
		errs = append(errs, fmt.Errorf("%s%s must be %s, not %v", prefix, key, must, got))
	}
	if _, ok := c.Algorithm.known(); !ok {
		fault("algorithm", "SHA1, SHA256 or SHA512", fmt.Sprintf("%q", string(c.Algorithm)))
	}
	if c.Digits != 6 && c.Digits != 8 {
		fault("digits", "6 or 8", c.Digits)
	}
	if c.Period < leastPeriod || c.Period > mostPeriod || c.Period%time.Second != 0 {
		fault("period", "whole seconds from 15s to 2m", c.Period)
	}
	if c.Skew < 0 || c.Skew > 1 {
		fault("skew", "0 or 1", c.Skew)
	}
	if c.SecretBytes < leastSecretBytes || c.SecretBytes > mostSecretBytes {
		fault("secret_bytes", "16 to 64", c.SecretBytes)
	}
	return errors.Join(errs...)
}

// SecretBounds returns how long a secret may be, in bytes.
func SecretBounds() (least, most int) { return leastSecretBytes, mostSecretBytes }

func (a Algorithm) known() (otp.Algorithm, bool) {
	switch a {
	case SHA1:
		return otp.AlgorithmSHA1, true
	case SHA256:
		return otp.AlgorithmSHA256, true
	case SHA512:
		return otp.AlgorithmSHA512, true
	default:
		return 0, false
	}
}
