package throttle

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The conversion alarm: SMS and calls to a country prefix that are hardly ever
// answered with a code are most likely made for the sake of their price.
const (
	// OutcomeSample is how many sends are looked at.
	OutcomeSample = 50
	// OutcomeShare is the least share of them, in percent, that must be verified.
	OutcomeShare = 30
	// OutcomeSettled is the age at which a send without verification counts as
	// not verified: the longest life of a code.
	OutcomeSettled = 10 * time.Minute
	// PrefixPause is how long the prefix then gets nothing.
	PrefixPause = time.Hour
)

// OutcomeStore keeps what became of SMS and calls.
type OutcomeStore interface {
	// AddOutcome stores that a code was sent to a prefix, and judges the latest
	// sends to it that are settled: verified, or sent at least OutcomeSettled
	// before now. If fewer than OutcomeShare percent of OutcomeSample are
	// verified it pauses the prefix for PrefixPause, forgets the sample and
	// returns true.
	AddOutcome(ctx context.Context, jti, prefix string, now time.Time) (alarm bool, err error)
	// VerifyOutcome stores that the code was entered. Joins the transaction of
	// ctx; no error if the send is not known.
	VerifyOutcome(ctx context.Context, jti string) error
	// PrefixPaused returns until when a prefix is paused, the zero time if it
	// is not.
	PrefixPaused(ctx context.Context, prefix string, now time.Time) (time.Time, error)
	// ResumePrefix ends a pause and reports whether there was one.
	ResumePrefix(ctx context.Context, prefix string) (bool, error)
}

// Outcomes watches the conversion of country prefixes. It is safe for
// concurrent use.
type Outcomes struct {
	store OutcomeStore
	now   func() time.Time
}

// NewOutcomes wires the store and the clock.
func NewOutcomes(store OutcomeStore, now func() time.Time) (*Outcomes, error) {
	if store == nil || now == nil {
		return nil, errors.New("conversion alarm: store and clock are required")
	}
	return &Outcomes{store: store, now: now}, nil
}

// Check reports whether a prefix takes sends; ask before Sends.Take.
func (o *Outcomes) Check(ctx context.Context, prefix string) (Decision, error) {
	now := o.now()
	until, err := o.store.PrefixPaused(ctx, prefix, now)
	if err != nil {
		return Decision{}, fmt.Errorf("read paused prefixes: %w", err)
	}
	if wait := until.Sub(now); !until.IsZero() && wait > 0 {
		return refused(LimitPrefixPaused, wait), nil
	}
	return allowed(), nil
}

// Sent records a send that the provider accepted. alarm: the prefix is paused
// from now on, which is worth an audit event.
func (o *Outcomes) Sent(ctx context.Context, jti, prefix string) (alarm bool, err error) {
	if alarm, err = o.store.AddOutcome(ctx, jti, prefix, o.now()); err != nil {
		return false, fmt.Errorf("record send: %w", err)
	}
	return alarm, nil
}

// Verified records that the code of a send was entered, in the transaction of
// ctx.
func (o *Outcomes) Verified(ctx context.Context, jti string) error {
	if err := o.store.VerifyOutcome(ctx, jti); err != nil {
		return fmt.Errorf("record verification: %w", err)
	}
	return nil
}
