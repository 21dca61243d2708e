package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Confirmation is a value of an administrator that its user has proved.
type Confirmation struct {
	Factor string // canonical attribute path
	Value  string // normalised
	// JTI is the challenge whose code came back, and Provider who sent it.
	JTI, Provider string
}

// awaits asks to confirm an address or number that an administrator has set,
// where second factors are switched on and the user has no other way to show
// one. It is an enrolment: the code that is sent there makes no proof, and
// another one is asked for afterwards (specification of the provider, section 4).
func (e *Engine) awaits(ctx context.Context, p *position, ledger []acr.Proof, has []acr.Enrolment, x acr.Context) error {
	if e.cfg.Confirmed == nil || !p.factors.enabled || !lacks(p.decision) && len(p.factors.usable()) > 0 {
		return nil
	}
	found, err := e.assigned(ctx, p.held.user)
	if err != nil || len(found) == 0 {
		return err
	}
	with := slices.Clone(has)
	for _, m := range found {
		with = append(with, e.enrolmentsOf(m)...)
	}
	req := p.req
	req.MayEnrol = false
	d := acr.Decide(req, ledger, with, x)
	step, asks := firstOf(d)
	fail, failed := d.(acr.Fail)
	switch {
	case failed && fail.Reason == acr.Unreachable, !asks && !failed:
		return nil // the value makes no difference
	case failed, step.First, slices.ContainsFunc(step.Usable, func(u acr.Enrolment) bool { return !oneOf(found, u) && !p.factors.wornOut(u) }):
		p.decision = without(d, found, p.decision)
		return nil
	}
	// Whoever sits at an open session binds nothing.
	req.Login = true
	if again := acr.Decide(req, ledger, with, x); asksFirst(again) {
		p.decision = without(again, found, p.decision)
		return nil
	}
	if e.mailFirst(p, ledger) {
		return nil
	}
	p.decision = d
	p.unproved = slices.DeleteFunc(found, func(m means) bool { return m.closed || !slices.ContainsFunc(step.Usable, m.is) })
	// Wrong codes close the way, they do not spare it.
	if len(p.unproved) == 0 {
		p.decision = acr.Fail{Reason: acr.Unreachable}
	}
	return nil
}

// lacks reports whether a decision says that the user has not what is required.
func lacks(d acr.Decision) bool {
	if fail, ok := d.(acr.Fail); ok {
		return fail.Reason == acr.Unreachable
	}
	step, ok := firstOf(d)
	return ok && step.Enrol
}

func firstOf(d acr.Decision) (acr.Step, bool) {
	if prompt, ok := d.(acr.Prompt); ok && len(prompt.Steps) > 0 {
		return prompt.Steps[0], true
	}
	return acr.Step{}, false
}

func oneOf(all []means, u acr.Enrolment) bool {
	return slices.ContainsFunc(all, func(m means) bool { return m.is(u) })
}

// wornOut reports whether wrong codes have closed a credential for good.
func (f factors) wornOut(u acr.Enrolment) bool {
	return slices.ContainsFunc(f.means, func(m means) bool { return m.closed && m.is(u) })
}

// without is a decision that asks for nothing but what the user has; otherwise
// the one that was made without the values.
func without(d acr.Decision, values []means, otherwise acr.Decision) acr.Decision {
	step, asks := firstOf(d)
	if !asks {
		return d
	}
	step.Usable = slices.DeleteFunc(slices.Clone(step.Usable), func(u acr.Enrolment) bool { return oneOf(values, u) })
	if len(step.Usable) == 0 {
		return otherwise
	}
	step.AnyOf = slices.DeleteFunc(slices.Clone(step.AnyOf), func(f acr.Factor) bool {
		return !slices.ContainsFunc(step.Usable, func(u acr.Enrolment) bool { return u.Factor == f })
	})
	return acr.Prompt{Steps: []acr.Step{step}}
}

// assigned are the values that an administrator has set, as far as a code can be
// sent there.
func (e *Engine) assigned(ctx context.Context, u User) ([]means, error) {
	r := validation.EnrolledReader{Paths: e.cfg.Paths, Records: e.cfg.Records}
	values, err := r.Assigned(ctx, u.ID, u.Object)
	if err != nil {
		return nil, err
	}
	var out []means
	for _, c := range values {
		for _, factor := range factorsOf(c.Kind) {
			m := means{
				Choice: Choice{Factor: factor, Credential: c.Credential, Masked: c.Masked},
				of:     c, channel: channelOf(factor), confirms: true,
			}
			provider, err := e.cfg.Delivery.Default(m.channel)
			if err != nil || provider.Check(c.Value) != nil {
				continue
			}
			m.provider = provider
			out = append(out, m)
		}
	}
	return out, e.closures(ctx, u, out)
}

// confirm judges the code that was sent to a value of an administrator. Nothing
// is appended to the ledger: what is confirmed must then be shown.
func (e *Engine) confirm(ctx context.Context, p *position, m means, code string) error {
	sent := p.txn.Progress.Sent
	if sent == nil || !sent.isFor(m) {
		return &Refusal{Reason: CodeExpired}
	}
	t, claims, err := e.judge(ctx, p, m, sent, code)
	if err != nil {
		return err
	}
	err = e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		u, err := e.confirming(ctx, p)
		if err != nil {
			return err
		}
		if err := e.cfg.Challenges.Consume(ctx, claims.JTI, e.now()); err != nil {
			return err
		}
		if err := e.sameEpochs(ctx, claims, u); err != nil {
			return err
		}
		confirmed := Confirmation{Factor: claims.Path, Value: claims.Value, JTI: claims.JTI, Provider: m.provider.Name}
		if err := e.cfg.Confirmed(ctx, p.visitor, u, confirmed); err != nil {
			return err
		}
		if err := e.arrived(ctx, claims, m, u); err != nil {
			return err
		}
		if err := e.succeed(ctx, p, t, u); err != nil {
			return err
		}
		return e.update(ctx, p.txn, func(g *Progress) { g.Factor, g.Credential, g.Sent, g.Remember = "", "", nil, false })
	})
	switch {
	case errors.Is(err, validation.ErrNotAssigned): // changed meanwhile
		return &Refusal{Reason: CodeExpired}
	case errors.Is(err, ErrNoUser):
		return outOfStep()
	}
	return dead(err)
}

// confirming reads the user who confirms, in the transaction that does, whose
// session must be that of this browser still.
func (e *Engine) confirming(ctx context.Context, p *position) (User, error) {
	u, err := e.cfg.Users.UserByID(ctx, p.held.UserID)
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	s, err := e.lockedSession(ctx, p.held)
	if err != nil {
		return User{}, err
	}
	if s == nil || !u.Active || !proves(s, p.txn.ID) {
		return User{}, outOfStep()
	}
	return u, nil
}

// proves reports whether something was shown in a transaction.
func proves(s *session.Session, txn string) bool {
	return slices.ContainsFunc(s.Proofs, func(q session.Proof) bool { return q.Txn == txn })
}

// purpose is why a code is sent.
func (m means) purpose() delivery.Purpose {
	if m.confirms {
		return delivery.Enrolment
	}
	return delivery.Login
}
