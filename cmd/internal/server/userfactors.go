package server

import (
	"github.com/sallyport-id/sallyport/validation"
)

// Credentials manage what users log in with, for commands of administrators.
func (d *Directory) Credentials() (*validation.Credentials, error) {
	return validation.NewCredentials(validation.CredentialsConfig{
		Service: d.Validation, Holdings: d.db, Settings: d.db, Extras: d.db, Forget: d.forgetCredential,
	})
}
