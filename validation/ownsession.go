package validation

import (
	"context"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
)

// ChangePassword changes the owner's password by the present one. The other
// sessions end.
func (c *Credentials) ChangePassword(ctx context.Context, o Owner, current, next string) error {
	t, err := c.fresh(ctx, o)
	if err != nil {
		return err
	}
	if current == "" {
		return required(memberCurrent)
	}
	if next == "" { // an absent one would ask for a generated password
		return badPassword()
	}
	_, err = c.s.putPassword(ctx, t, passwordRequest{current: current, next: next})
	return err
}

// Sessions returns the live sessions of the owner, oldest first.
func (c *Credentials) Sessions(ctx context.Context, o Owner) ([]Session, error) {
	t, err := c.target(ctx, o)
	if err != nil {
		return nil, err
	}
	all, err := c.s.cfg.Sessions.LiveSessions(ctx, t.User.ID, c.s.now())
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return all, nil
}

// EndSession ends one session of the owner. One that has ended is no error.
func (c *Credentials) EndSession(ctx context.Context, o Owner, id string) error {
	t, err := c.target(ctx, o)
	if err != nil {
		return err
	}
	t.Key = id
	_, err = c.s.endSession(ctx, t, none{})
	if e := scim.AsError(err); err != nil && e.Status == notFound().Status {
		return nil
	}
	return err
}

// EndOtherSessions ends all sessions of the owner but the one that asks, with
// their tokens, and returns how many there were.
func (c *Credentials) EndOtherSessions(ctx context.Context, o Owner) (int64, error) {
	t, err := c.target(ctx, o)
	if err != nil {
		return 0, err
	}
	var n int64
	err = c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if n, err = c.s.cfg.Sessions.EndSessions(ctx, t.User.ID, o.SessionID, c.s.now()); err != nil || n == 0 {
			return err
		}
		event, err := scim.UserEvent(t.Caller, audit.SessionEnded, t.User.ID, map[string]int64{"sessions_ended": n})
		if err != nil {
			return err
		}
		return c.s.cfg.Audit.Append(ctx, event)
	})
	if err != nil {
		return 0, fmt.Errorf("end other sessions: %w", err)
	}
	return n, nil
}
