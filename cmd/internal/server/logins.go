package server

import (
	"context"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

// newStepUp makes the rule that asks for a recent second factor before factors
// change, by whatever route.
func (d *Directory) newStepUp() (*validation.StepUp, error) {
	c := d.cfg.SecondFactors.StepUp
	others, err := d.remoteAuthenticators()
	if err != nil {
		return nil, err
	}
	return validation.NewStepUp(validation.StepUpConfig{
		Sessions: d.db, Records: d.db, Held: d.db, Paths: d.follower.Paths, Now: d.now, Plugged: heldBy(others),
		Age: c.Age, LoginAge: c.LoginAge, ACR: c.ACR, LoginACR: c.LoginACR,
	})
}

// heldBy reports whether a user has a factor that one of the authenticators
// judges.
func heldBy(all []authn.Authenticator) func(context.Context, string, schema.Object) (bool, error) {
	if len(all) == 0 {
		return nil
	}
	return func(ctx context.Context, userID string, user schema.Object) (bool, error) {
		for _, a := range all {
			found, err := a.Credentials(ctx, authn.User{ID: userID, Object: user}, validation.Holdings{})
			if err != nil || len(found) > 0 {
				return len(found) > 0, err
			}
		}
		return false, nil
	}
}

// endLogins ends all that a user is logged in to, in the transaction of what
// makes it necessary.
func (d *Directory) endLogins(ctx context.Context, userID string) error {
	return d.follower.EndLogins(ctx, d.db, userID, d.now())
}

// passwordSet follows a password that was set or removed through SCIM.
func (d *Directory) passwordSet(ctx context.Context, caller scim.Caller, userID string, before schema.Object) error {
	if err := d.endLogins(ctx, userID); err != nil {
		return err
	}
	return d.follower.PasswordSet(ctx, caller, userID, before)
}

// lostFactor ends the other sessions of a user who has lost or replaced a
// factor; that of a user who did it stays, without what was proved by that
// factor.
func (d *Directory) lostFactor(ctx context.Context, caller scim.Caller, userID, factor string) error {
	if err := d.forgetFactor(ctx, userID, factor); err != nil {
		return err
	}
	keep := ""
	if caller.UserID == userID {
		keep = caller.SessionID
	}
	_, err := d.db.EndSessions(ctx, userID, keep, d.now())
	return err
}
