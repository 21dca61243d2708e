package server

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/authn/recovery"
	"github.com/sallyport-id/sallyport/scim"
)

// deriver gives recovery codes the slow hash of passwords, whose slots they
// share. busy says how to name that all are taken.
type deriver struct {
	*password.Hasher
	busy func(error) error
}

// Derive implements recovery.Deriver.
func (d deriver) Derive(ctx context.Context, salt, text string) ([]byte, error) {
	hash, err := d.Hasher.Derive(ctx, salt, text)
	if _, is := errors.AsType[*password.BusyError](err); is {
		err = d.busy(err)
	}
	return hash, err
}

// recoveryCodes makes and judges recovery codes.
func (d *Directory) recoveryCodes(busy func(error) error) *recovery.Codes {
	return &recovery.Codes{Store: d.db, Deriver: deriver{d.hasher.Hasher, busy}, Rand: rand.Reader, Now: d.now}
}

// authenticators are the factors that are not built into the engine.
func (d *Directory) authenticators() ([]authn.Authenticator, error) {
	others, err := d.remoteAuthenticators()
	return append([]authn.Authenticator{
		authn.SecondPasswords{Store: d.db, Hasher: loginHasher{d.hasher}},
		authn.RecoveryCodes{Codes: d.recoveryCodes(busyLogin), Audit: d.db, Used: d.recoveryCodeUsed},
	}, others...), err
}

// recoveryCodeUsed tells a user that somebody has logged in with a recovery
// code.
func (d *Directory) recoveryCodeUsed(ctx context.Context, u authn.User, ip string, left int) error {
	return d.follower.RecoveryCodeUsed(ctx, scim.Caller{ActorType: "user", UserID: u.ID, IP: ip}, u.ID, u.Object, left <= recovery.Few)
}

// forgetSecret removes the proofs of a second password or of recovery codes that
// are gone from every session of a user; false if the factor is another one.
func (d *Directory) forgetSecret(ctx context.Context, userID, factor string) (bool, error) {
	f := acr.Factor(factor)
	if f != acr.SecondPassword && f != acr.RecoveryCode {
		return false, nil
	}
	_, err := d.db.ForgetProofs(ctx, userID, f, "")
	return true, err
}
