package server

import (
	"context"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation"
)

// Credentials manage what users log in with, for commands of administrators.
func (d *Directory) Credentials() (*validation.Credentials, error) {
	return validation.NewCredentials(validation.CredentialsConfig{
		Service: d.Validation, Holdings: d.db, Settings: d.db, Extras: d.db, Forget: d.forgetCredential,
	})
}

// Devices returns the browsers that are remembered for a user, newest first.
func (d *Directory) Devices(ctx context.Context, userID string) ([]authn.Device, error) {
	return d.engine.Devices(ctx, userID)
}

// ForgetDevices ends one remembered browser of a user, or with id "" all of
// them, and returns those that are gone.
func (d *Directory) ForgetDevices(ctx context.Context, by audit.Party, userID, id string) ([]authn.Device, error) {
	return d.engine.ForgetDevicesOf(ctx, by, userID, id)
}

// LinkedAccounts returns the accounts at providers elsewhere by which a user
// logs in, with providers that are configured and linked.
func (d *Directory) LinkedAccounts(ctx context.Context, userID string) ([]authn.LinkedAccount, error) {
	return d.engine.LinkedAccounts(ctx, userID)
}
