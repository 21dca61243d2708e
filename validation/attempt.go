package validation

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// open opens a state and checks that it belongs to the user of the path and to
// the caller. No attempt is counted.
func (s *Service) open(ctx context.Context, t Target, kind state.Kind, text string) (state.Claims, error) {
	claims, err := s.cfg.States.Open(ctx, kind, text)
	switch {
	case errors.Is(err, state.ErrInvalid):
		return state.Claims{}, stateInvalid()
	case err != nil:
		return state.Claims{}, err
	case claims.Subject != t.User.ID || claims.Actor != actor(t.Caller):
		return state.Claims{}, stateInvalid()
	}
	return claims, nil
}

// judge says whether a state is still good for an attempt: its time, then its
// row, then the epochs. The epochs are read first, so that a change in between
// is seen.
func (s *Service) judge(ctx context.Context, t Target, c state.Claims) error {
	if c.Expired(s.now()) {
		return stateExpired()
	}
	credential, factor, err := s.cfg.Records.Epochs(ctx, t.User.ID, c.Path)
	if err != nil {
		return err
	}
	row, err := s.cfg.Challenges.Challenge(ctx, c.JTI)
	if e := fromChallenge(err); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	switch {
	case row.Subject != c.Subject || row.Kind != string(c.Kind) || row.Path != c.Path:
		return stateInvalid()
	case !row.UsedAt.IsZero():
		return stateUsed().Because(challenge.ErrUsed)
	case !row.SupersededAt.IsZero():
		return stateSuperseded()
	case credential != c.CredentialEpoch || factor != c.FactorEpoch:
		return accountChanged()
	}
	return nil
}

// closed reports for how long enrolment of a factor takes no attempts.
func (s *Service) closed(ctx context.Context, userID, factor string) (time.Duration, bool, error) {
	d, err := s.cfg.Factors.Check(ctx, userID, throttle.Enrolment(factor))
	return d.RetryAfter, err == nil && !d.Allowed, err
}

// proof is one PUT with a code.
type proof struct {
	claims state.Claims
	member string // that holds the code
	code   string
	detail factorDetail
	// matches compares in constant time.
	matches func() bool
	// nextSend is how long until a new code may be requested.
	nextSend func(ctx context.Context) (time.Duration, error)
}

// attempt makes one attempt: it is nil for the right code only. The attempt is
// counted and committed before anything is compared (section 5, step 2), so a
// later failure does not give it back.
func (s *Service) attempt(ctx context.Context, t Target, p proof) error {
	if err := s.judge(ctx, t, p.claims); err != nil {
		return s.replayed(ctx, t, p, err)
	}
	if p.code == "" {
		return required(p.member)
	}
	wait, closed, err := s.closed(ctx, t.User.ID, p.claims.Path)
	if err != nil {
		return err
	}
	if closed {
		return s.exhausted(ctx, t, p, wait)
	}
	if err := s.count(ctx, t, p); err != nil {
		return err
	}
	decision, tally, err := s.cfg.Factors.Attempt(ctx, t.User.ID, throttle.Enrolment(p.claims.Path))
	if err != nil {
		return err
	}
	if !decision.Allowed {
		return s.exhausted(ctx, t, p, decision.RetryAfter)
	}
	if p.matches() {
		return nil
	}
	return s.wrong(ctx, t, p, tally)
}

// count counts the attempt on the challenge.
func (s *Service) count(ctx context.Context, t Target, p proof) error {
	err := s.cfg.Challenges.CountAttempt(ctx, p.claims.JTI, s.now())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, challenge.ErrExhausted):
		wait, _, err := s.closed(ctx, t.User.ID, p.claims.Path)
		if err != nil {
			return err
		}
		return s.exhausted(ctx, t, p, wait)
	}
	if e := fromChallenge(err); e != nil {
		return s.replayed(ctx, t, p, e.Because(err))
	}
	return err
}

// replayed records that a used state came back, and returns the answer.
func (s *Service) replayed(ctx context.Context, t Target, p proof, answer error) error {
	if !errors.Is(answer, challenge.ErrUsed) {
		return answer
	}
	return s.refuse(ctx, t, audit.ChallengeReplayed, p.detail, answer)
}

// exhausted answers that there are no tries left. Retry-After is the longer of
// the closure and the wait for the next code.
func (s *Service) exhausted(ctx context.Context, t Target, p proof, wait time.Duration) error {
	if p.nextSend != nil {
		next, err := p.nextSend(ctx)
		if err != nil {
			return err
		}
		wait = max(wait, next)
	}
	return s.refuse(ctx, t, audit.ChallengeExhausted, p.detail, tooManyAttempts(wait))
}

// wrong records a wrong code, and the closure that it may have led to.
func (s *Service) wrong(ctx context.Context, t Target, p proof, tally throttle.Tally) error {
	if err := s.refuse(ctx, t, audit.ChallengeFailed, p.detail, nil); err != nil {
		return err
	}
	switch {
	case tally.Disabled:
		err := s.cfg.Follower.announce(context.WithoutCancel(ctx), t.Caller, t.User.ID, t.User.Object, delivery.NoticeFactorDisabled)
		if err != nil {
			return err
		}
		return s.refuse(ctx, t, audit.FactorDisabled, p.detail.limit(throttle.LimitFactorDisabled), wrongCode())
	case tally.ClosedUntil.After(s.now()):
		return s.refuse(ctx, t, audit.FactorPaused, p.detail.limit(throttle.LimitFactorPaused), wrongCode())
	}
	return wrongCode()
}

// redeem consumes the challenge and runs write in one transaction, in which the
// user is locked, read again and judged again.
func (s *Service) redeem(ctx context.Context, t Target, p proof, write func(ctx context.Context, user *scim.User) error) error {
	err := s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := s.cfg.Directory.User(ctx, t.Caller, t.User.ID)
		if errors.Is(err, scim.ErrNotFound) {
			return notFound()
		}
		if err != nil {
			return err
		}
		if err := s.cfg.Challenges.Consume(ctx, p.claims.JTI, s.now()); err != nil {
			if e := fromChallenge(err); e != nil {
				return e.Because(err)
			}
			return err
		}
		if !user.Active() {
			return inactive()
		}
		credential, factor, err := s.cfg.Records.Epochs(ctx, user.ID, p.claims.Path)
		if err != nil {
			return err
		}
		if credential != p.claims.CredentialEpoch || factor != p.claims.FactorEpoch {
			return accountChanged()
		}
		if err := write(ctx, user); err != nil {
			return err
		}
		if err := s.cfg.Factors.Succeeded(ctx, user.ID, throttle.Enrolment(p.claims.Path)); err != nil {
			return err
		}
		return s.audit(ctx, t, audit.ChallengeVerified, p.detail)
	})
	return s.replayed(ctx, t, p, err)
}
