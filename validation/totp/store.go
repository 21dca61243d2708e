package totp

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotEnrolled reports that the user has no authenticator app, or no longer
	// the one that was read.
	ErrNotEnrolled = errors.New("no authenticator app is enrolled")
	// ErrStepUsed reports that a code of this step or of a later one was accepted
	// before.
	ErrStepUsed = errors.New("the code was used before")
)

// Enrolment is the authenticator app of one user. Algorithm, digits and period
// are those of its enrolment, whatever the configuration says since.
type Enrolment struct {
	ID        string // set by PutTOTP: another one for every secret
	UserID    string
	Secret    Secret
	Algorithm Algorithm
	Digits    int
	Period    time.Duration
	LastStep  int64 // the latest step that counted
	CreatedAt time.Time
}

// Config returns what Match needs, with the skew of the configuration.
func (e Enrolment) Config(skew int) Config {
	return Config{
		Algorithm: e.Algorithm, Digits: e.Digits, Period: e.Period,
		Skew: skew, SecretBytes: len(e.Secret),
	}
}

// Store keeps enrolments, with sealed secrets. Every method joins the
// transaction of ctx if there is one.
type Store interface {
	// TOTP returns the enrolment of a user, or ErrNotEnrolled.
	TOTP(ctx context.Context, userID string) (Enrolment, error)
	// HasTOTP reports whether the user has one, without opening the secret.
	HasTOTP(ctx context.Context, userID string) (bool, error)
	// PutTOTP stores an enrolment in place of an earlier one. LastStep must be
	// the step of the enrolling code, which so does not count again.
	PutTOTP(ctx context.Context, e Enrolment) error
	// UseTOTPStep makes a step of this very enrolment count, once: it must be
	// later than every step that counted before, else ErrStepUsed. If the
	// enrolment was replaced or removed meanwhile it is ErrNotEnrolled.
	UseTOTPStep(ctx context.Context, e Enrolment, step int64) error
	// DeleteTOTP removes the enrolment and reports whether there was one.
	DeleteTOTP(ctx context.Context, userID string) (bool, error)
}
