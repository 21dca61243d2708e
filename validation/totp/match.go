package totp

import (
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// Match returns the step (RFC 6238 section 4.2) whose code this is, the latest
// one if several share it. It compares every step of the window, whichever
// matches, and takes nothing but exactly Digits ASCII digits. The caller must
// let each step count once: see [Store.UseTOTPStep].
func Match(s Secret, code string, now time.Time, cfg Config) (step int64, ok bool) {
	algorithm, known := cfg.Algorithm.known()
	if !known || cfg.Period < time.Second || len(s) == 0 {
		return 0, false
	}
	shaped := isCode(code, cfg.Digits)
	if !shaped {
		code = strings.Repeat("0", cfg.Digits) // the same work, and refused below
	}
	opts := hotp.ValidateOpts{Digits: otp.Digits(cfg.Digits), Algorithm: algorithm}
	text := s.Base32()
	present := Step(now, cfg)
	for candidate := present - int64(cfg.Skew); candidate <= present+int64(cfg.Skew); candidate++ {
		if candidate < 0 {
			continue
		}
		same, err := hotp.ValidateCustom(code, uint64(candidate), text, opts)
		if err == nil && same && shaped {
			step, ok = candidate, true
		}
	}
	return step, ok
}

// Step returns the number of the step at that time, counted from 1970.
func Step(now time.Time, cfg Config) int64 {
	return now.Unix() / int64(cfg.Period/time.Second)
}

// isCode wants exactly that many ASCII digits.
func isCode(code string, digits int) bool {
	if len(code) != digits {
		return false
	}
	for i := range len(code) {
		if code[i] < '0' || code[i] > '9' {
			return false
		}
	}
	return true
}
