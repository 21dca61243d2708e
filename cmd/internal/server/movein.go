package server

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/cmd/internal/transfer"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

// moveIn takes over the credentials of imported users.
type moveIn struct {
	credentials *validation.Credentials
	confirmedBy string
}

var _ transfer.CredentialSink = moveIn{}

// MoveIn returns what takes over the credentials of imported users; confirmedBy
// is who answers for them.
func (d *Directory) MoveIn(confirmedBy string) (transfer.CredentialSink, error) {
	credentials, err := d.Credentials()
	return moveIn{credentials, confirmedBy}, err
}

// TakeOver implements transfer.CredentialSink.
func (m moveIn) TakeOver(ctx context.Context, caller scim.Caller, userID string, c transfer.Credentials) error {
	moved := validation.Moved{Validated: c.Validated, ConfirmedBy: m.confirmedBy}
	if c.PasswordHash != "" {
		hash, err := password.Foreign(c.PasswordHash)
		if err != nil {
			return invalid("passwordHash: " + err.Error())
		}
		moved.PasswordHash = hash
	}
	if c.TOTPSecret != "" {
		moved.App = &validation.MovedApp{
			Secret: c.TOTPSecret, Algorithm: c.TOTPAlgorithm, Digits: c.TOTPDigits, Period: time.Duration(c.TOTPPeriod) * time.Second,
		}
	}
	return m.credentials.MoveIn(ctx, caller, userID, moved)
}

// invalid is a fault of the row, which does not end the import.
func invalid(detail string) error { return scim.NewError(400, scim.TypeInvalidValue, detail+".") }

// Passwords are the hashes of users.
func (d *Directory) Passwords() validation.PasswordStore { return d.db }
