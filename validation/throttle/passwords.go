package throttle

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Names of the limits on passwords.
const (
	LimitPasswordDelay   = "password_delay"
	LimitPasswordCeiling = "password_ceiling"
)

// PasswordRule says what a failure does.
type PasswordRule struct {
	First   int           // failures in a bucket from which on the next try must wait
	Longest time.Duration // the delay: 1 s, doubling, at most this
	Ceiling int           // failures in a row per account
	Known   bool          // the browser is known: the ceiling does not hold
}

// Delay returns how long after failure n in a bucket the next try may follow.
func (r PasswordRule) Delay(n int) time.Duration {
	if n < r.First {
		return 0
	}
	delay := time.Second
	for range n - r.First {
		if delay = 2 * delay; delay >= r.Longest {
			return r.Longest
		}
	}
	return delay
}

// PasswordStore keeps the failures of passwords.
type PasswordStore interface {
	// CountPassword adds one failure to the bucket and to the account, or
	// nothing when one of them refuses. It has committed when the decision
	// allows the try. A ctx that carries a transaction is ErrInTransaction.
	CountPassword(ctx context.Context, account, bucket []byte, now time.Time, r PasswordRule) (Decision, error)
	// ClearPassword forgets both counters. Joins the transaction of ctx.
	ClearPassword(ctx context.Context, account, bucket []byte) error
}

// Passwords slows down guessing of passwords. It is safe for concurrent use.
type Passwords struct {
	store PasswordStore
	rule  PasswordRule
	hash  *Hasher
	now   func() time.Time
}

// PasswordsConfig is what NewPasswords needs; every field is required but
// Limits.
type PasswordsConfig struct {
	Store  PasswordStore
	Limits Limits
	Hash   *Hasher
	Now    func() time.Time
}

// NewPasswords checks the limits.
func NewPasswords(cfg PasswordsConfig) (*Passwords, error) {
	if cfg.Store == nil || cfg.Hash == nil || cfg.Now == nil {
		return nil, errors.New("limits of passwords: store, hasher and clock are required")
	}
	if err := cfg.Limits.Validate(""); err != nil {
		return nil, fmt.Errorf("limits of passwords: %w", err)
	}
	l := cfg.Limits.WithDefaults()
	return &Passwords{
		store: cfg.Store, hash: cfg.Hash, now: cfg.Now,
		rule: PasswordRule{First: l.PasswordFirst, Longest: PasswordDelayMax, Ceiling: l.PasswordCeiling},
	}, nil
}

// Try is one try of a password.
type Try struct {
	Account string     // user id; for an unknown login UnknownLogin(what was typed, case-folded)
	IP      netip.Addr // of the browser, or of the caller of the API
	Known   bool       // the browser has a cookie of an earlier success on this account
}

// UnknownLogin is the account of a login that names no user, so that it counts
// and answers like one that does.
func UnknownLogin(folded string) string { return "login:" + folded }

// Attempt counts a try as a failure, committed before it returns; only then may
// the password be compared, and a right one be followed by Succeeded.
func (p *Passwords) Attempt(ctx context.Context, t Try) (Decision, error) {
	rule := p.rule
	rule.Known = t.Known
	account, bucket := p.keys(t)
	d, err := p.store.CountPassword(ctx, account, bucket, p.now(), rule)
	if err != nil {
		return Decision{}, fmt.Errorf("count password: %w", err)
	}
	return d, nil
}

// Succeeded forgets the failures of the account and of its bucket, in the
// transaction of ctx. Buckets of other addresses keep theirs.
func (p *Passwords) Succeeded(ctx context.Context, t Try) error {
	account, bucket := p.keys(t)
	if err := p.store.ClearPassword(ctx, account, bucket); err != nil {
		return fmt.Errorf("clear passwords: %w", err)
	}
	return nil
}

func (p *Passwords) keys(t Try) (account, bucket []byte) {
	address := ""
	if t.IP.IsValid() {
		address = string(p.hash.address(t.IP))
	}
	return p.hash.of("account", t.Account), p.hash.of("bucket", t.Account, address)
}
