package authn

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/validation"
)

// AskEnrol asks to enrol a second factor, which the requirement needs and the
// user lacks. The engine enrols nothing: the pages of the account do, and what
// was enrolled there must then be shown here. No answer is given before that,
// however often the request is begun again.
type AskEnrol struct {
	User    User
	Factors []acr.Factor // any of which would do
	MaySkip bool
	Reason  acr.StepReason
}

func (AskEnrol) step() {}

// mayEnrol asks whether the user may enrol on the way.
func (e *Engine) mayEnrol(ctx context.Context, p *position) error {
	if !p.req.MayEnrol || p.held == nil {
		return nil
	}
	if e.cfg.MayEnrol == nil {
		p.req.MayEnrol = false
		return nil
	}
	ok, err := e.cfg.MayEnrol(ctx, p.held.user)
	if err != nil {
		return fmt.Errorf("ask who may enrol: %w", err)
	}
	p.req.MayEnrol = ok
	return nil
}

// beforeEnrol puts before an enrolment what it needs: a proof of this
// transaction for the first factor, and a code to an address of the user where
// there is a verified one (specification of the provider, section 4). Else
// whoever knows a password, or sits at an open session, could bind a factor of
// their own.
func (e *Engine) beforeEnrol(p *position, ledger []acr.Proof, has []acr.Enrolment, x acr.Context) {
	step, ok := p.prompt()
	if !ok || !step.Enrol {
		return
	}
	anew := p.req
	anew.Login = true
	if d, ok := acr.Decide(anew, ledger, has, x).(acr.Prompt); ok && len(d.Steps) > 0 && d.Steps[0].First {
		p.decision = d
		return
	}
	e.mailFirst(p, ledger)
}

// mailFirst asks for a code that is sent to a verified address of the user, if
// there is one and none was shown in this transaction.
func (e *Engine) mailFirst(p *position, ledger []acr.Proof) bool {
	addressed := slices.ContainsFunc(p.factors.existing, func(c validation.Enrolled) bool { return c.Kind == validation.EnrolledEmail })
	mailed := slices.ContainsFunc(ledger, func(q acr.Proof) bool { return q.Factor == acr.EmailOTP && q.Txn == p.txn.ID })
	if !addressed || mailed {
		return false
	}
	mail := acr.Step{AnyOf: []acr.Factor{acr.EmailOTP}, Reason: acr.Missing}
	for _, m := range p.factors.means {
		if m.Factor == acr.EmailOTP && !m.closed {
			mail.Usable = append(mail.Usable, e.enrolmentsOf(m)...)
		}
	}
	// An address that is closed or cannot be reached lets nobody past it.
	if len(mail.Usable) == 0 {
		p.decision = acr.Fail{Reason: acr.Unreachable}
		return true
	}
	p.confirms, p.decision = true, acr.Prompt{Steps: []acr.Step{mail}}
	return true
}

// shown are the means that may be shown now: as second factors, or, with those
// switched off, to confirm an enrolment; or values that are to be confirmed.
func (p *position) shown() []means {
	if p.unproved != nil {
		return p.unproved
	}
	if !p.confirms {
		return p.factors.usable()
	}
	return slices.DeleteFunc(slices.Clone(p.factors.means), func(m means) bool { return m.closed })
}
