package validation

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/schema"
)

// Need is what a change of the own record asks for.
type Need struct {
	// Factor asks for a second factor, else a login will do.
	Factor bool
	// Any tells that the user has no better one than a second password, or what
	// services of others judge, so that these do.
	Any bool
	Age time.Duration // how old it may be
}

// Asks tells what Check asks of a user who changes the own record.
func (s *StepUp) Asks(ctx context.Context, userID string, user schema.Object) (Need, error) {
	better, other, err := s.enrolled(ctx, userID, user)
	switch {
	case err != nil:
		return Need{}, fmt.Errorf("step-up: %w", err)
	case better || other:
		return Need{Factor: true, Any: !better, Age: s.cfg.Age}, nil
	}
	return Need{Age: s.cfg.LoginAge}, nil
}
