package password

import (
	"context"
	"fmt"
	"io"
)

// NewSalt returns parameters, pepper and a fresh salt for [Hasher.Derive], as a
// PHC string without a tag. It is no secret.
func (h *Hasher) NewSalt() (string, error) {
	e := encoded{params: h.cfg.Params, kid: h.kid(), salt: make([]byte, saltSize)}
	if _, err := io.ReadFull(h.cfg.Rand, e.salt); err != nil {
		return "", fmt.Errorf("read salt: %w", err)
	}
	return e.prefix(), nil
}

// Derive runs argon2id over a text under what NewSalt has returned, in a slot
// like every computation of the Hasher, and returns 32 bytes. One salt can serve
// a whole set of secrets that are random themselves: then one computation is
// compared with all of them. ErrFormat for what NewSalt never returned,
// *BusyError asks to try again, and the error of ctx ends the wait.
func (h *Hasher) Derive(ctx context.Context, salt, text string) ([]byte, error) {
	e, err := parsePrefix(salt)
	if err != nil {
		return nil, fmt.Errorf("read salt: %w", err)
	}
	return h.compute(ctx, e, []byte(text), tagSize)
}
