package validation

import (
	"context"
	"fmt"
)

// SetSecondPassword stores a second password in place of the former one.
func (c *Credentials) SetSecondPassword(ctx context.Context, o Owner, text string) error {
	t, err := c.fresh(ctx, o)
	if err != nil {
		return err
	}
	return c.s.setSecondPassword(ctx, t, text)
}

// NewRecoveryCodes makes recovery codes in place of those there are, and returns
// them to be shown once.
func (c *Credentials) NewRecoveryCodes(ctx context.Context, o Owner) ([]string, error) {
	t, err := c.fresh(ctx, o)
	if err != nil {
		return nil, err
	}
	return c.s.newRecoveryCodes(ctx, t)
}

// AfterFirst does what belongs to the first second factor of a user: second
// factors are switched on, and recovery codes are made, which are returned to be
// shown once; none if there are some already. It asks for no recent proof, for
// the one that let the factor be enrolled covers it: only who has just enrolled
// it here, and had none before, calls it.
func (c *Credentials) AfterFirst(ctx context.Context, o Owner) ([]string, error) {
	t, err := c.target(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.enable(ctx, t, "on"); err != nil {
		return nil, fmt.Errorf("switch second factors on: %w", err)
	}
	has, err := c.cfg.Holdings.Holdings(ctx, t.User.ID)
	if err != nil || has.RecoverySet != "" {
		return nil, err
	}
	return c.s.newRecoveryCodes(ctx, t)
}
