package validation

import (
	"context"
	"errors"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// heldChange is what became of a secret of a user: a second password, or the
// recovery codes.
type heldChange struct {
	factor string // in epochs
	event  audit.Name
	notice delivery.NoticeKind
	// lost ends the user's other sessions and what was proved by the former one.
	lost  bool
	count int // of recovery codes made; 0: it is about something else
}

// changeHeld runs a change in a transaction in which the user, who must still be
// active, stays as they are.
func (s *Service) changeHeld(ctx context.Context, t Target, change func(ctx context.Context, user *scim.User) error) error {
	return s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := s.cfg.Directory.User(ctx, t.Caller, t.User.ID)
		switch {
		case errors.Is(err, scim.ErrNotFound):
			return notFound()
		case err != nil:
			return err
		case !user.Active():
			return inactive()
		}
		return change(ctx, user)
	})
}

// settleHeld does all that belongs to a change, in its transaction: whatever was
// begun under the former secret ends, the audit record says so, and the user is
// told.
func (s *Service) settleHeld(ctx context.Context, t Target, user *scim.User, c heldChange) error {
	if err := s.cfg.Records.BumpFactorEpoch(ctx, user.ID, c.factor); err != nil {
		return err
	}
	detail := factorDetail{Kind: c.factor, Count: c.count}
	if err := s.recordHeld(ctx, t, user.ID, c, detail); err != nil {
		return err
	}
	return s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, c.notice)
}

func (s *Service) recordHeld(ctx context.Context, t Target, userID string, c heldChange, detail factorDetail) error {
	if c.lost {
		return s.cfg.Follower.lost(ctx, t.Caller, userID, c.factor, c.event, detail)
	}
	return s.audit(ctx, t, c.event, detail)
}
