package validation

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// AddressProved records that a user was reached at a normalised e-mail address,
// by an invitation that an administrator sent there: the values at the
// configured paths that are this address count as validated from now on. It is
// called in the transaction of what proves it.
func (f *Follower) AddressProved(ctx context.Context, caller scim.Caller, userID string, user schema.Object, address string, at time.Time) error {
	for _, p := range f.Paths.email {
		if p.comparable(p.Get(user)) != address {
			continue
		}
		_, known, err := f.Records.Validated(ctx, userID, p.canonical, address)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if err := f.Records.SetValidated(ctx, userID, p.canonical, address, at); err != nil {
			return err
		}
		if err := f.end(ctx, userID, p.stateKind(), p.canonical); err != nil {
			return err
		}
		event, err := scim.UserEvent(caller, audit.AddressValidated, userID, factorDetail{
			Kind: string(p.stateKind()), Path: p.Text, Destination: delivery.Mask(delivery.Email, address),
		})
		if err != nil {
			return err
		}
		if err := f.Audit.Append(ctx, event); err != nil {
			return err
		}
		if err := f.announce(ctx, caller, userID, user, p.addedKind()); err != nil {
			return err
		}
	}
	return nil
}

// PasswordRecovered announces that the password of a user was set by whoever
// read a message to the user.
func (f *Follower) PasswordRecovered(ctx context.Context, caller scim.Caller, userID string, user schema.Object) error {
	return f.announce(ctx, caller, userID, user, delivery.NoticePasswordRecovered)
}
