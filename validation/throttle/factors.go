package throttle

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Enrolment returns the name under which attempts to enrol a factor count, so
// that they never close the working one.
func Enrolment(factor string) string { return "enrol:" + factor }

// Names of the limits on failures.
const (
	LimitFactorPaused   = "factor_paused"
	LimitFactorDisabled = "factor_disabled"
)

// Tally is the counter of one user and factor. The zero value is a factor
// without failures.
type Tally struct {
	Failures    int       // attempts since the last success
	ClosedUntil time.Time // zero, past, or the end of a pause
	Disabled    bool      // closed until reopened
}

// FactorRule says what a failure does.
type FactorRule struct {
	InRow   int           // failures that close
	Pause   time.Duration // of the first closure; each further one is twice as long
	Longest time.Duration
	Ceiling int // failures that disable
}

// Closure returns for how long failure n in a row closes the factor, and
// whether it does so for good.
func (r FactorRule) Closure(n int) (pause time.Duration, disabled bool) {
	if n >= r.Ceiling {
		return 0, true
	}
	if n%r.InRow != 0 {
		return 0, false
	}
	pause = r.Pause
	for range n/r.InRow - 1 {
		if pause = 2 * pause; pause >= r.Longest {
			break
		}
	}
	return min(pause, r.Longest), false
}

// FactorStore keeps the failures of factors.
type FactorStore interface {
	// FactorTally returns the counter, the zero value if there is none.
	FactorTally(ctx context.Context, user, factor string) (Tally, error)
	// CountFactor adds one failure and closes the factor by the rule, committed
	// when it returns counted = true. If the factor is closed at that time it
	// counts nothing. A ctx that carries a transaction is ErrInTransaction.
	CountFactor(ctx context.Context, user, factor string, now time.Time, r FactorRule) (t Tally, counted bool, err error)
	// ClearFactor forgets the counter. Joins the transaction of ctx.
	ClearFactor(ctx context.Context, user, factor string) error
	// ClearFactors forgets all counters of a user and returns how many there
	// were. Joins the transaction of ctx.
	ClearFactors(ctx context.Context, user string) (int64, error)
}

// Factors closes a factor after too many wrong codes. It is safe for
// concurrent use.
type Factors struct {
	store FactorStore
	rule  FactorRule
	now   func() time.Time
}

// NewFactors checks the limits.
func NewFactors(store FactorStore, l Limits, now func() time.Time) (*Factors, error) {
	if store == nil || now == nil {
		return nil, errors.New("limits of factors: store and clock are required")
	}
	if err := l.Validate(""); err != nil {
		return nil, fmt.Errorf("limits of factors: %w", err)
	}
	l = l.WithDefaults()
	rule := FactorRule{InRow: FailuresInRow, Pause: l.Pause, Longest: l.PauseMax, Ceiling: l.Ceiling}
	return &Factors{store: store, rule: rule, now: now}, nil
}

// Check reports whether the factor is open, and counts nothing.
func (f *Factors) Check(ctx context.Context, user, factor string) (Decision, error) {
	t, err := f.store.FactorTally(ctx, user, factor)
	if err != nil {
		return Decision{}, fmt.Errorf("read failures: %w", err)
	}
	return f.decide(t), nil
}

// Attempt counts an attempt as a failure, committed before it returns; only
// then may the code be compared, and a right one be followed by Succeeded. So
// parallel guesses cannot pass a closure. If the decision allows the attempt,
// the tally says what it leads to should it fail.
func (f *Factors) Attempt(ctx context.Context, user, factor string) (Decision, Tally, error) {
	t, counted, err := f.store.CountFactor(ctx, user, factor, f.now(), f.rule)
	if err != nil {
		return Decision{}, Tally{}, fmt.Errorf("count failure: %w", err)
	}
	if counted {
		return allowed(), t, nil
	}
	return f.decide(t), t, nil
}

// Succeeded forgets the failures, in the transaction of ctx.
func (f *Factors) Succeeded(ctx context.Context, user, factor string) error {
	if err := f.store.ClearFactor(ctx, user, factor); err != nil {
		return fmt.Errorf("clear failures: %w", err)
	}
	return nil
}

// Reopen forgets the failures of every factor of a user, as an administrator or
// a recovery does, and reports whether there were any.
func (f *Factors) Reopen(ctx context.Context, user string) (bool, error) {
	n, err := f.store.ClearFactors(ctx, user)
	if err != nil {
		return false, fmt.Errorf("reopen factors: %w", err)
	}
	return n > 0, nil
}

func (f *Factors) decide(t Tally) Decision {
	switch wait := t.ClosedUntil.Sub(f.now()); {
	case t.Disabled:
		return refused(LimitFactorDisabled, f.rule.Longest)
	case wait > 0:
		return refused(LimitFactorPaused, wait)
	default:
		return allowed()
	}
}
