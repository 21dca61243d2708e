package server

import (
	"context"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/password"
)

// passwordReused reports whether a text is the present password of a user or one
// of the earlier ones that are kept. It computes up to one hash of each.
func (d *Directory) passwordReused(ctx context.Context, userID, text string) (bool, error) {
	present, err := d.db.Password(ctx, userID)
	if err != nil {
		return false, fmt.Errorf("read password: %w", err)
	}
	earlier, err := d.db.EarlierPasswords(ctx, userID, d.cfg.Password.History)
	if err != nil {
		return false, fmt.Errorf("read earlier passwords: %w", err)
	}
	for _, hash := range append([]string{present.Hash}, earlier...) {
		if hash == "" {
			continue
		}
		same, err := d.hasher.Hasher.Verify(ctx, hash, password.Of(text))
		if err != nil {
			return false, fmt.Errorf("compare with an earlier password: %w", err)
		}
		if same {
			return true, nil
		}
	}
	return false, nil
}

// loginReused is passwordReused for logins; nil without a history.
func (d *Directory) loginReused() func(ctx context.Context, userID, text string) (bool, error) {
	if d.cfg.Password.History == 0 {
		return nil
	}
	return func(ctx context.Context, userID, text string) (bool, error) {
		again, err := d.passwordReused(ctx, userID, text)
		return again, busyLogin(err)
	}
}

// ownReused is passwordReused for users who change their passwords by API.
func (d *Directory) ownReused(ctx context.Context, userID, text string) (bool, error) {
	again, err := d.passwordReused(ctx, userID, text)
	return again, busy(err)
}

// passwordCompromised tells whether a password in use is in the list of breached
// ones; nil without a list.
func (d *Directory) passwordCompromised() func(text string) (bool, error) {
	if d.breached == nil {
		return nil
	}
	return func(text string) (bool, error) { return d.hasher.Breached(password.Of(text)) }
}
