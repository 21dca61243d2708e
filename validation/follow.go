package validation

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/state"
)

// Follower keeps validations in step with the values that they are about. Its
// methods are called in the transaction of the change.
type Follower struct {
	Paths      *Paths
	Records    Records
	Challenges challenge.Store
	Audit      audit.Log
	// Lost, if set, is told that a factor of a user was removed or replaced: the
	// user's other sessions end.
	Lost func(ctx context.Context, caller scim.Caller, userID, factor string) error
	// Held, if set, knows the addresses beside the attributes: they are told of
	// changes too.
	Held HoldingStore
	// Extras, if set with Held, keeps the addresses beside the attributes: one that
	// becomes the value of an attribute is removed there.
	Extras ExtraStore
	// Notices, if set, keeps what users are told of changes, and Now is the
	// clock for it.
	Notices NoticeStore
	Now     func() time.Time
}

// UserChanged is for scim.Config.OnUserChange: a value that is gone takes its
// validation with it, and whatever was sealed under it. Case of a mail domain
// makes no other value. A new user has nothing yet, a deleted one nothing more.
func (f *Follower) UserChanged(ctx context.Context, caller scim.Caller, userID string, before, after schema.Object) error {
	if before == nil || after == nil {
		return nil
	}
	// Whoever had proved an address before the change is told, so that neither
	// the replaced one nor one that stays is left out.
	var known []string
	asked := false
	for _, p := range f.Paths.All() {
		old, now := p.Get(before), p.Get(after)
		// Most changes are of something else: normalise only what differs.
		if old == now || p.comparable(old) == p.comparable(now) {
			continue
		}
		if !asked {
			var err error
			if known, err = f.addresses(ctx, userID, before); err != nil {
				return fmt.Errorf("look for validated addresses: %w", err)
			}
			asked = true
		}
		if err := f.changed(ctx, caller, userID, p, old != "", now != ""); err != nil {
			return fmt.Errorf("follow change of %s: %w", p.canonical, err)
		}
		if old == "" {
			continue // announced when the new value is proved
		}
		if err := f.announceTo(ctx, known, caller, userID, before, p.changedKind(now != "")); err != nil {
			return fmt.Errorf("announce change of %s: %w", p.canonical, err)
		}
	}
	return nil
}

func (f *Follower) changed(ctx context.Context, caller scim.Caller, userID string, p *Path, had, has bool) error {
	if _, err := f.Records.ClearValidated(ctx, userID, p.canonical); err != nil {
		return err
	}
	if err := f.end(ctx, userID, p.stateKind(), p.canonical); err != nil {
		return err
	}
	if !had {
		return nil
	}
	name := audit.FactorReplaced
	if !has {
		name = audit.FactorRemoved
	}
	return f.lost(ctx, caller, userID, p.canonical, name, factorDetail{Kind: string(p.stateKind()), Path: p.Text})
}

// end kills what is pending for a factor and whatever was sealed under its
// present value.
func (f *Follower) end(ctx context.Context, userID string, kind state.Kind, factor string) error {
	if err := f.Records.BumpFactorEpoch(ctx, userID, factor); err != nil {
		return err
	}
	return f.Challenges.VoidPath(ctx, userID, string(kind), factor)
}

// lost records that a factor is gone and tells the floors above.
func (f *Follower) lost(ctx context.Context, caller scim.Caller, userID, factor string, name audit.Name, detail factorDetail) error {
	event, err := scim.UserEvent(caller, name, userID, detail)
	if err != nil {
		return err
	}
	if err := f.Audit.Append(ctx, event); err != nil {
		return err
	}
	if f.Lost == nil {
		return nil
	}
	return f.Lost(ctx, caller, userID, factor)
}

// Deactivated is for scim.Config.OnDeactivate: every state of the user dies,
// and stays dead if the user is activated again.
func (f *Follower) Deactivated(ctx context.Context, userID string) error {
	if err := f.Records.BumpCredentialEpoch(ctx, userID); err != nil {
		return fmt.Errorf("end pending codes: %w", err)
	}
	if _, err := f.Challenges.VoidAll(ctx, userID); err != nil {
		return fmt.Errorf("end pending codes: %w", err)
	}
	return nil
}

func (p *Path) stateKind() state.Kind {
	if p.channel.Telephone() {
		return state.KindPhone
	}
	return state.KindEmail
}
