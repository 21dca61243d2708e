package server

import (
	"context"
	"errors"

	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

// passwords hashes with argon2id and keeps the hashes in the database.
type passwords struct {
	hasher
	scim.PasswordStore
}

// hasher gives the packages of the directory and of second factors the hashing
// of package password, with errors that clients may be told.
type hasher struct{ *password.Hasher }

var (
	_ scim.PasswordSetter       = passwords{}
	_ validation.PasswordHasher = hasher{}
)

// Hash implements scim.PasswordSetter and validation.PasswordHasher.
func (h hasher) Hash(ctx context.Context, text string) (string, error) {
	hash, err := h.Hasher.Hash(ctx, password.Of(text))
	if errors.As(err, new(*password.LengthError)) || errors.As(err, new(*password.TextError)) {
		return "", scim.NewError(400, scim.TypeInvalidValue, "password: "+err.Error()+".")
	}
	return hash, busy(err)
}

// Verify implements validation.PasswordHasher.
func (h hasher) Verify(ctx context.Context, hash, text string) (bool, error) {
	if hash == "" {
		return false, busy(h.VerifyUnknown(ctx, password.Of(text)))
	}
	ok, err := h.Hasher.Verify(ctx, hash, password.Of(text))
	return ok, busy(err)
}

// Rules implements validation.PasswordHasher.
func (h hasher) Rules() validation.PasswordRules {
	least, most := h.Lengths()
	return validation.PasswordRules{MinLength: least, MaxLength: most}
}

// Acceptable implements validation.PasswordHasher.
func (h hasher) Acceptable(text string) bool { return h.Check(password.Of(text)) == nil }

// busy tells the client to try again when all slots were taken for too long.
func busy(err error) error {
	if e, ok := errors.AsType[*password.BusyError](err); ok {
		return scim.NewError(503, "", "Too many passwords are being computed at once; try again.").
			WithRetryAfter(e.RetryAfter).Because(err)
	}
	return err
}
