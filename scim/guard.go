package scim

import (
	"context"

	"github.com/sallyport-id/sallyport/schema"
)

// Change is one PUT or PATCH of a user that changes something.
type Change struct {
	ID string
	// Before and After are the canonical documents; neither may be modified.
	Before, After schema.Object
	// Password is true when the password is set or taken away.
	Password bool
}

// Guard may refuse changes of users: the login floors ask for a fresh second
// factor through it.
type Guard interface {
	// Allow is called in the transaction of the change, before anything of it
	// is written. An *Error refuses and rolls back. It may run twice.
	Allow(ctx context.Context, caller Caller, c Change) error
}

// guard asks the rules of self-service and the configured Guard about a change
// of a user. A change that package validation has proved by a code was asked
// about when the code was requested.
func (s *Service) guard(ctx context.Context, c *change) error {
	if !s.types[c.rt].user || c.proved {
		return nil
	}
	if c.caller.restricted() {
		if err := s.checkSelf(c); err != nil {
			return err
		}
	}
	if s.cfg.Guard == nil {
		return nil
	}
	return s.cfg.Guard.Allow(ctx, c.caller, c.public())
}

func (c *change) public() Change {
	return Change{ID: c.old.ID, Before: c.before, After: c.after, Password: c.hash != nil}
}
