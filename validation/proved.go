package validation

import (
	"context"
	"errors"
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
		if err := f.proved(ctx, caller, userID, user, p, Proved{Value: address, At: at}); err != nil {
			return err
		}
	}
	return nil
}

// Proved is a value of an attribute whose user has read what was sent there.
type Proved struct {
	Factor string // canonical attribute path
	Value  string // normalised
	// JTI is the challenge of the code, "" for a link, and Provider who sent it.
	JTI, Provider string
	At            time.Time
}

// ErrNotAssigned says that a value is not, or no longer, one that an
// administrator set and its user has not proved.
var ErrNotAssigned = errors.New("the value was not set by an administrator")

// AssignedProved records that a user has proved the value that an administrator
// set: it counts as validated from now on. It is called in the transaction that
// consumes the code; user is the document as of then.
func (f *Follower) AssignedProved(ctx context.Context, caller scim.Caller, userID string, user schema.Object, v Proved) error {
	p, ok := byCanonical(f.Paths.All(), v.Factor)
	if !ok || p.comparable(p.Get(user)) != v.Value {
		return ErrNotAssigned
	}
	assigned, err := f.Records.Assigned(ctx, userID, p.canonical, v.Value)
	if err != nil {
		return err
	}
	if !assigned {
		return ErrNotAssigned
	}
	return f.proved(ctx, caller, userID, user, p, v)
}

// proved makes a value count as validated.
func (f *Follower) proved(ctx context.Context, caller scim.Caller, userID string, user schema.Object, p *Path, v Proved) error {
	if err := f.Records.SetValidated(ctx, userID, p.canonical, v.Value, v.At); err != nil {
		return err
	}
	if err := f.end(ctx, userID, p.stateKind(), p.canonical); err != nil {
		return err
	}
	if err := dropSame(ctx, f.Held, f.Extras, userID, p, v.Value); err != nil {
		return err
	}
	event, err := scim.UserEvent(caller, audit.AddressValidated, userID, factorDetail{
		Kind: string(p.stateKind()), Path: p.Text, JTI: v.JTI, Provider: v.Provider, Destination: delivery.Mask(p.channel, v.Value),
	})
	if err != nil {
		return err
	}
	if err := f.Audit.Append(ctx, event); err != nil {
		return err
	}
	return f.announce(ctx, caller, userID, user, p.addedKind())
}

// PasswordRecovered announces that the password of a user was set by whoever
// read a message to the user.
func (f *Follower) PasswordRecovered(ctx context.Context, caller scim.Caller, userID string, user schema.Object) error {
	return f.announce(ctx, caller, userID, user, delivery.NoticePasswordRecovered)
}
