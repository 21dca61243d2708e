package validation

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/schema"
)

// Asks tells what Check asks of a user who changes the own record: a second
// factor at most that old, or, of a user who has none, a login.
func (s *StepUp) Asks(ctx context.Context, userID string, user schema.Object) (factor bool, age time.Duration, err error) {
	enrolled, err := s.enrolled(ctx, userID, user)
	switch {
	case err != nil:
		return false, 0, fmt.Errorf("step-up: %w", err)
	case enrolled:
		return true, s.cfg.Age, nil
	}
	return false, s.cfg.LoginAge, nil
}
