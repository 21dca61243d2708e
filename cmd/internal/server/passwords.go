package server

import (
	"context"
	"errors"

	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/schema"
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
func (h hasher) Hash(ctx context.Context, text string, user schema.Object) (string, error) {
	hash, err := h.Hasher.Hash(ctx, password.Of(text), wordsOf(user))
	if faultsOf(err) != (validation.PasswordFaults{}) {
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

// Judge implements validation.PasswordHasher.
func (h hasher) Judge(text string, user schema.Object) (validation.PasswordFaults, error) {
	err := h.Check(password.Of(text), wordsOf(user))
	if faults := faultsOf(err); faults != (validation.PasswordFaults{}) {
		return faults, nil
	}
	return validation.PasswordFaults{}, err
}

// faultsOf are the rules that an error of package password speaks of; none for
// any other error.
func faultsOf(err error) validation.PasswordFaults {
	return validation.PasswordFaults{
		Length: errors.As(err, new(*password.LengthError)) || errors.As(err, new(*password.TextError)),
		Listed: errors.As(err, new(*password.BlockedError)),
	}
}

// wordsOf are the names and addresses in the document of a user, which are no
// passwords (NIST SP 800-63B-4 section 3.1.1.2: words of the context).
func wordsOf(user schema.Object) []string {
	var words []string
	add := func(o schema.Object, names ...string) {
		for _, name := range names {
			if text, ok := o[name].(string); ok && text != "" {
				words = append(words, text)
			}
		}
	}
	add(user, "userName", "displayName", "nickName")
	if name, ok := user["name"].(schema.Object); ok {
		add(name, "formatted", "givenName", "familyName")
		given, _ := name["givenName"].(string)
		family, _ := name["familyName"].(string)
		words = append(words, given+family, family+given)
	}
	emails, _ := user["emails"].([]any)
	for _, email := range emails {
		if o, ok := email.(schema.Object); ok {
			add(o, "value")
		}
	}
	if factors, ok := user[schema.SecondFactorURN].(schema.Object); ok {
		add(factors, "secondFactorEmail")
	}
	return words
}

// busy tells the client to try again when all slots were taken for too long.
func busy(err error) error {
	if e, ok := errors.AsType[*password.BusyError](err); ok {
		return scim.NewError(503, "", "Too many passwords are being computed at once; try again.").
			WithRetryAfter(e.RetryAfter).Because(err)
	}
	return err
}
