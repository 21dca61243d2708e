package authn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// checkAuthenticators refuses factors that are built in, or there twice.
func checkAuthenticators(all []Authenticator) error {
	var errs []error
	seen := map[acr.Factor]bool{}
	for _, a := range all {
		f := a.Factor()
		switch f {
		case "", acr.Password, acr.Passkey, acr.Federated, acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP, acr.Device, acr.Command:
			errs = append(errs, fmt.Errorf("login engine: an authenticator cannot be of factor %q", f))
		default:
			if seen[f] {
				errs = append(errs, fmt.Errorf("login engine: there are two authenticators of factor %q", f))
			}
		}
		if k := a.Kind(); k.Waits && !k.Starts {
			errs = append(errs, fmt.Errorf("login engine: the authenticator of factor %q must start what it waits for", f))
		}
		seen[f] = true
	}
	return errors.Join(errs...)
}

func byFactor(all []Authenticator) map[acr.Factor]Authenticator {
	out := make(map[acr.Factor]Authenticator, len(all))
	for _, a := range all {
		out[a.Factor()] = a
	}
	return out
}

// isFor reports whether the attempt is one at these means, and not over.
func (b *Begun) isFor(m means, now time.Time) bool {
	return !b.First && b.Factor == m.Factor && b.Credential == m.Credential && !b.over(now)
}

func (b *Begun) over(now time.Time) bool { return !b.Expires.IsZero() && !now.Before(b.Expires) }

// attemptAt describes an attempt for its authenticator.
func (p *position) attemptAt(u User, credential string, begun *Begun) Attempt {
	a := Attempt{
		User: u, Credential: credential, Txn: p.txn.ID, ClientID: p.txn.ClientID,
		IP: p.visitor.IP, UserAgent: cut(p.visitor.UserAgent), Languages: cmpOr(p.txn.Languages, u.Languages()),
	}
	if begun != nil {
		a.First, a.Data = begun.First, begun.Data
	}
	return a
}

// startPlugged begins an attempt at a plugged-in factor that is no first one.
func (e *Engine) startPlugged(ctx context.Context, p *position, m means) error {
	t := try{m: m}
	if m.auth.Kind().Waits {
		if err := e.attempt(ctx, p, &t); err != nil {
			return err
		}
	} else if err := e.limitStart(ctx, p, t); err != nil {
		return err
	}
	begun := &Begun{Factor: m.Factor, Credential: m.Credential}
	ev := e.codeEvent(p, t, audit.ChallengeSent, "")
	if err := e.begun(ctx, m.auth, p.attemptAt(p.held.user, m.Credential, begun), begun, ev); err != nil {
		return err
	}
	return e.update(ctx, p.txn, func(g *Progress) {
		g.Factor, g.Credential, g.Sent, g.Begun = m.Factor, m.Credential, nil, begun
	})
}

// limitStart counts a start like the send of a code, for it sends something; a
// refusal if that is too much.
func (e *Engine) limitStart(ctx context.Context, p *position, t try) error {
	d, err := e.takeStart(ctx, p, p.held.UserID, t.m.Credential)
	if err != nil || d.Allowed {
		return err
	}
	return e.refuse(ctx, e.codeEvent(p, t, audit.ChallengeSendRefused, d.Limit), d.Limit,
		&Refusal{Reason: SendLimited, RetryAfter: d.RetryAfter})
}

func (e *Engine) takeStart(ctx context.Context, p *position, account, credential string) (throttle.Decision, error) {
	_, d, err := e.cfg.Sends.Take(ctx, throttle.Send{User: account, Destination: credential, IP: p.visitor.IP, Cost: 1})
	return d, err
}

// endStarts ends the series of starts of a right answer.
func (e *Engine) endStarts(ctx context.Context, a Authenticator, account, credential string) error {
	if !a.Kind().Starts {
		return nil
	}
	return e.cfg.Sends.Succeeded(ctx, account, credential)
}

// begun runs Start and keeps what it says. ev tells that it was started.
func (e *Engine) begun(ctx context.Context, a Authenticator, at Attempt, begun *Begun, ev audit.Event) error {
	started, err := a.Start(ctx, at)
	if err == nil && len(started.Data) > mostData {
		err = fmt.Errorf("it wants to keep %d bytes, %d are the most", len(started.Data), mostData)
	}
	if err != nil {
		return e.unavailable(ctx, a, ev, "start", err)
	}
	begun.Data, begun.Prompt, begun.Expires = started.Data, started.Prompt, started.Expires
	return e.record(ctx, ev)
}

// unavailable answers a person whose authenticator cannot judge now; errors of
// other kinds pass.
func (e *Engine) unavailable(ctx context.Context, a Authenticator, ev audit.Event, doing string, err error) error {
	switch {
	case errors.Is(err, ErrBusy):
		return &Refusal{Reason: Busy, RetryAfter: busyWait}
	case !errors.Is(err, ErrUnavailable):
		return fmt.Errorf("%s %s: %w", doing, a.Factor(), err)
	}
	e.cfg.Logger.WarnContext(ctx, "authenticator is not available", "factor", string(a.Factor()), "error", err)
	ev.Outcome, ev.Reason = audit.Failed, "provider_unavailable"
	if err := e.record(context.WithoutCancel(ctx), ev); err != nil {
		return err
	}
	return &Refusal{Reason: Unavailable}
}

// pluggedCode judges an answer to a plugged-in factor that is no first one.
func (e *Engine) pluggedCode(ctx context.Context, p *position, m means, answer string) (Grants, error) {
	begun := p.txn.Progress.Begun
	if begun != nil && !begun.isFor(m, e.now()) {
		begun = nil
	}
	if begun == nil && m.starts() {
		return Grants{}, &Refusal{Reason: CodeExpired}
	}
	t := try{m: m}
	// To ask whether something has happened is no guess; its start was counted.
	if waits := m.auth.Kind().Waits; !waits {
		if err := e.attempt(ctx, p, &t); err != nil {
			return Grants{}, err
		}
	}
	at := p.attemptAt(p.held.user, m.Credential, begun)
	v, err := m.auth.Check(ctx, at, answer)
	switch {
	case err != nil:
		return Grants{}, e.unavailable(ctx, m.auth, e.codeEvent(p, t, audit.ChallengeFailed, ""), "ask", err)
	case v.Pending && m.auth.Kind().Waits:
		return Grants{}, &Refusal{Reason: Waiting}
	case !v.Right:
		return Grants{}, e.wrongPlugged(ctx, p, t)
	}
	s := e.shown(p, m, func(ctx context.Context, u User) error {
		at := at
		at.User = u
		f, err := e.holdings(ctx, u)
		if err != nil {
			return err
		}
		if !f.has(m.Factor, m.Credential) || f.held.Setting(m.Credential).Off {
			return outOfStep()
		}
		if err := m.auth.Consume(ctx, at, v); err != nil {
			return err
		}
		if err := e.endStarts(ctx, m.auth, u.ID, m.Credential); err != nil {
			return err
		}
		return e.succeed(ctx, p, t, u)
	})
	s.amr = v.AMR
	grants, err := e.prove(ctx, p, s)
	if errors.Is(err, ErrAnswerUsed) {
		return Grants{}, e.wrongPlugged(ctx, p, t)
	}
	return grants, err
}

// wrongPlugged records a wrong answer. What waited is over with it: the person
// may choose again.
func (e *Engine) wrongPlugged(ctx context.Context, p *position, t try) error {
	if t.m.auth.Kind().Waits {
		if err := e.update(ctx, p.txn, func(g *Progress) { g.Begun = nil }); err != nil {
			return err
		}
	}
	return e.wrong(ctx, p, t)
}
