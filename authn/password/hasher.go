package password

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"golang.org/x/crypto/argon2"
)

// Sizes of new hashes, in bytes.
const (
	saltSize = 16
	tagSize  = 32
)

// Pepper is a secret key outside the database that every hash is bound to.
type Pepper struct {
	KID string // 1 to 64 bytes; written into the hashes made with it
	Key []byte // 32 bytes or more
}

// Config sets up a Hasher. Zero fields take the default in the comment.
type Config struct {
	Params    Params        // m = 19456 KiB, t = 2, p = 1
	MinLength int           // 8 characters; 8 to 64
	MaxLength int           // 256 characters; 64 to 1024
	Peppers   []Pepper      // none; the first is used for new hashes, all for checks
	Slots     int           // computations at once: GOMAXPROCS
	Wait      time.Duration // for a slot: 2 s
	Rand      io.Reader     // crypto/rand.Reader
	// Service are the names of the product and of the service, which are no
	// passwords; Breached is a list of further ones, or nil.
	Service  []string
	Breached *HashFile
}

func (c Config) withDefaults() Config {
	if c.Params == (Params{}) {
		c.Params = Params{Memory: 19456, Time: 2, Threads: 1}
	}
	if c.MinLength == 0 {
		c.MinLength = 8
	}
	if c.MaxLength == 0 {
		c.MaxLength = 256
	}
	if c.Slots <= 0 {
		c.Slots = runtime.GOMAXPROCS(0)
	}
	if c.Wait <= 0 {
		c.Wait = 2 * time.Second
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c
}

// check reports every value outside its bounds at once.
func (c Config) check() error {
	var errs []error
	p := c.Params
	strong := p.Time >= 2 && p.Memory >= 19456 || p.Time == 1 && p.Memory >= 47104
	if !strong || p.Memory > maxMemory || p.Time > maxTime || p.Threads < 1 || p.Threads > maxThreads {
		errs = append(errs, fmt.Errorf("password parameters m=%d t=%d p=%d: need t >= 2 with m >= 19456, or t = 1 with m >= 47104, and at most m = %d, t = %d, p = %d",
			p.Memory, p.Time, p.Threads, maxMemory, maxTime, maxThreads))
	}
	if c.MinLength < 8 || c.MinLength > 64 {
		errs = append(errs, fmt.Errorf("password minimum length %d: 8 to 64", c.MinLength))
	}
	if c.MaxLength < 64 || c.MaxLength > 1024 {
		errs = append(errs, fmt.Errorf("password maximum length %d: 64 to 1024", c.MaxLength))
	}
	seen := make(map[string]bool)
	for _, pepper := range c.Peppers {
		if pepper.KID == "" || len(pepper.KID) > maxBytes || len(pepper.Key) < 32 || seen[pepper.KID] {
			errs = append(errs, fmt.Errorf("password pepper %q: needs a kid of its own of 1 to %d bytes and a key of at least 32", pepper.KID, maxBytes))
		}
		seen[pepper.KID] = true
	}
	return errors.Join(errs...)
}

// Hasher hashes and checks passwords. At most Config.Slots computations run at
// once, so the memory it takes is Slots times Params.Memory. Safe for
// concurrent use.
type Hasher struct {
	cfg     Config
	blocked *Blocklist
	slots   chan struct{}
	left    garbage
	dummy   encoded
}

// New returns a Hasher; the error names every value outside its bounds.
func New(cfg Config) (*Hasher, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.Peppers = slices.Clone(cfg.Peppers)
	h := &Hasher{cfg: cfg, blocked: NewBlocklist(slices.Clone(cfg.Service), cfg.Breached), slots: make(chan struct{}, cfg.Slots)}
	h.dummy = encoded{params: cfg.Params, kid: h.kid(), salt: make([]byte, saltSize), tag: make([]byte, tagSize)}
	return h, nil
}

// kid is that of the pepper for new hashes, or "".
func (h *Hasher) kid() string {
	if len(h.cfg.Peppers) == 0 {
		return ""
	}
	return h.cfg.Peppers[0].KID
}

// BusyError means that no slot became free in time; try again after
// RetryAfter. It is answered with 503.
type BusyError struct{ RetryAfter time.Duration }

// Error implements error.
func (*BusyError) Error() string { return "too many password computations at once" }

// Hash returns the PHC string to store of a new password. words are those about
// its user, see [Blocklist.Check]. *LengthError, *TextError and *BlockedError
// refuse the password, *BusyError asks to try again, and the error of ctx ends
// the wait.
func (h *Hasher) Hash(ctx context.Context, p Password, words []string) (string, error) {
	if err := h.Check(p, words); err != nil {
		return "", err
	}
	return h.Rehash(ctx, p)
}

// Rehash is Hash for a password that is in use already: the rules for new ones
// do not count.
func (h *Hasher) Rehash(ctx context.Context, p Password) (string, error) {
	text, err := p.prepare(1, maxLengthEver)
	if err != nil {
		return "", err
	}
	e := encoded{params: h.cfg.Params, kid: h.kid(), salt: make([]byte, saltSize)}
	if _, err := io.ReadFull(h.cfg.Rand, e.salt); err != nil {
		return "", fmt.Errorf("read salt: %w", err)
	}
	if e.tag, err = h.compute(ctx, e, text, tagSize); err != nil {
		return "", err
	}
	return e.String(), nil
}

// Verify reports whether p is the password of a stored hash, one of our own or
// one that [Foreign] takes, compared in constant time. A password outside the length limits is wrong, after the same
// work. An error means that nothing was compared: a string that is no hash
// (ErrFormat), an unknown pepper, *BusyError, or the end of ctx.
func (h *Hasher) Verify(ctx context.Context, phc string, p Password) (bool, error) {
	e, err := parse(phc)
	if err == nil {
		return h.verify(ctx, e, p)
	}
	f, foreignErr := parseForeign(phc)
	if foreignErr != nil {
		return false, fmt.Errorf("read stored password: %w", errors.Join(err, foreignErr))
	}
	return h.verifyForeign(ctx, f, p)
}

// VerifyUnknown does the work of Verify for a user who does not exist or has no
// password, so that the time tells nothing. It never succeeds.
func (h *Hasher) VerifyUnknown(ctx context.Context, p Password) error {
	_, err := h.verify(ctx, h.dummy, p)
	return err
}

func (h *Hasher) verify(ctx context.Context, e encoded, p Password) (bool, error) {
	// A hash made under other limits stays good: only what no setting would
	// have accepted is refused here.
	text, bad := p.prepare(1, maxLengthEver)
	tag, err := h.compute(ctx, e, text, uint32(len(e.tag))) //nolint:gosec // parse bounds it
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(tag, e.tag) == 1 && bad == nil, nil
}

// maxLengthEver is the largest MaxLength that can be configured.
const maxLengthEver = 1024

// NeedsRehash reports whether a stored hash was made with other parameters or
// another pepper than new ones are, so that the next login should replace it.
func (h *Hasher) NeedsRehash(phc string) bool {
	e, err := parse(phc)
	return err != nil || e.params != h.cfg.Params || e.kid != h.kid() ||
		len(e.salt) != saltSize || len(e.tag) != tagSize
}

// compute runs argon2id in a slot.
func (h *Hasher) compute(ctx context.Context, e encoded, text []byte, size uint32) ([]byte, error) {
	input, err := h.pepper(e.kid, text)
	if err != nil {
		return nil, err
	}
	if err := h.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() { <-h.slots }()
	defer h.left.add(int64(e.params.Memory), int64(cap(h.slots)))
	return argon2.IDKey(input, e.salt, e.params.Time, e.params.Memory, e.params.Threads, size), nil
}

// pepper binds the text to the pepper with that kid; "" binds to none.
func (h *Hasher) pepper(kid string, text []byte) ([]byte, error) {
	if kid == "" {
		return text, nil
	}
	for _, p := range h.cfg.Peppers {
		if p.KID == kid {
			mac := hmac.New(sha256.New, p.Key)
			mac.Write(text)
			return mac.Sum(nil), nil
		}
	}
	return nil, fmt.Errorf("password pepper %q is not configured", kid)
}

// acquire waits for a slot.
func (h *Hasher) acquire(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(h.cfg.Wait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-timer.C:
		return &BusyError{RetryAfter: h.cfg.Wait}
	case <-ctx.Done():
		return fmt.Errorf("wait for a password computation: %w", ctx.Err())
	}
}
