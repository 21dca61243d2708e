package server

import (
	"context"
	"errors"

	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/scim"
)

// passwords hashes with argon2id and keeps the hashes in the database.
type passwords struct {
	hasher *password.Hasher
	scim.PasswordStore
}

// Hash implements scim.PasswordSetter.
func (p passwords) Hash(ctx context.Context, text string) (string, error) {
	hash, err := p.hasher.Hash(ctx, password.Of(text))
	var length *password.LengthError
	var form *password.TextError
	var busy *password.BusyError
	switch {
	case errors.As(err, &length), errors.As(err, &form):
		return "", scim.NewError(400, scim.TypeInvalidValue, "password: "+err.Error()+".")
	case errors.As(err, &busy):
		return "", scim.NewError(503, "", "Too many passwords are being set at once; try again.").
			WithRetryAfter(busy.RetryAfter).Because(err)
	}
	return hash, err
}
