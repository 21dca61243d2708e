package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// Code takes a code. The try is counted and committed before the code is looked
// at, on the challenge and on the factor, so that no roll-back gives it back.
func (e *Engine) Code(ctx context.Context, v Visitor, t Txn, code string) (Grants, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return Grants{}, err
	}
	ask, ok := e.step(p).(AskCode)
	switch {
	case !ok:
		return Grants{}, outOfStep()
	case code == "" && !ask.Waits:
		return Grants{}, &Refusal{Reason: Missing}
	case ask.Waits:
		code = "" // to ask counts as no try, so nothing that could be a guess is passed on
	}
	step, _ := p.prompt()
	switch {
	case step.First && t.Progress.Begun != nil && t.Progress.Begun.First:
		return e.pluggedFirst(ctx, p, t.Progress.Begun, code)
	case isCode(ask.Choice.Factor) && t.Progress.Sent != nil && t.Progress.Sent.First:
		return e.firstCode(ctx, p, t.Progress.Sent, code)
	}
	m, ok := p.find(ask.Choice.Factor, ask.Choice.Credential)
	switch {
	case !ok:
		return Grants{}, outOfStep()
	case m.confirms:
		return Grants{}, e.confirm(ctx, p, m, code)
	case isCode(ask.Choice.Factor):
		return e.sentCode(ctx, p, m, code)
	case m.auth != nil:
		return e.pluggedCode(ctx, p, m, code)
	}
	return e.appCode(ctx, p, m, code)
}

// try is one attempt at a further factor.
type try struct {
	m     means
	jti   string
	tally throttle.Tally
}

// attempt counts an attempt on the factor; a refusal if it is closed.
func (e *Engine) attempt(ctx context.Context, p *position, t *try) error {
	d, tally, err := e.cfg.Factors.Attempt(ctx, p.held.UserID, t.m.Credential)
	if err != nil {
		return err
	}
	if !d.Allowed {
		return e.refuse(ctx, e.codeEvent(p, *t, audit.ChallengeExhausted, d.Limit), d.Limit,
			&Refusal{Reason: FactorLocked, RetryAfter: d.RetryAfter})
	}
	t.tally = tally
	return nil
}

// wrong records a wrong code, and the closure that it may have led to.
func (e *Engine) wrong(ctx context.Context, p *position, t try) error {
	answer := &Refusal{Reason: WrongCode}
	failed := e.codeEvent(p, t, audit.ChallengeFailed, "")
	failed.Outcome, failed.Reason = audit.Refused, string(WrongCode)
	if err := e.record(context.WithoutCancel(ctx), failed); err != nil {
		return err
	}
	switch {
	case t.tally.Disabled:
		if err := e.warn(ctx, p.visitor, p.held.user, delivery.NoticeFactorDisabled); err != nil {
			return err
		}
		return e.refuse(ctx, e.codeEvent(p, t, audit.FactorDisabled, throttle.LimitFactorDisabled), throttle.LimitFactorDisabled, answer)
	case t.tally.ClosedUntil.After(e.now()):
		answer.RetryAfter = t.tally.ClosedUntil.Sub(e.now())
		return e.refuse(ctx, e.codeEvent(p, t, audit.FactorPaused, throttle.LimitFactorPaused), throttle.LimitFactorPaused, answer)
	}
	return answer
}

// codeEvent is an event about a code of somebody who has shown a first factor.
func (e *Engine) codeEvent(p *position, t try, name audit.Name, limit string) audit.Event {
	return proved(p.visitor, name, p.txn.ClientID, p.held.UserID, p.held.ID, loginDetail{
		Factor: t.m.Factor, Credential: t.m.Credential, Txn: p.txn.ID, JTI: t.jti,
		Path: t.m.of.Text, Destination: t.m.Masked, Limit: limit,
	})
}

// appCode judges a code of an authenticator app. Each step of its clock counts
// once, wherever it is used first.
func (e *Engine) appCode(ctx context.Context, p *position, m means, code string) (Grants, error) {
	t := try{m: m}
	if err := e.attempt(ctx, p, &t); err != nil {
		return Grants{}, err
	}
	app, err := e.app(ctx, p.held.UserID, m)
	if errors.Is(err, totp.ErrNotEnrolled) {
		return Grants{}, outOfStep()
	}
	if err != nil {
		return Grants{}, fmt.Errorf("read authenticator app: %w", err)
	}
	if app.ID != m.of.AppID {
		return Grants{}, outOfStep()
	}
	step, ok := totp.Match(app.Secret, code, e.now(), app.Config(e.cfg.Skew))
	if !ok {
		return Grants{}, e.wrong(ctx, p, t)
	}
	grants, err := e.prove(ctx, p, e.shown(p, m, func(ctx context.Context, u User) error {
		if err := e.useStep(ctx, m, app, step); err != nil {
			return err
		}
		return e.succeed(ctx, p, t, u)
	}))
	switch {
	case errors.Is(err, totp.ErrStepUsed):
		return Grants{}, e.wrong(ctx, p, t)
	case errors.Is(err, totp.ErrNotEnrolled):
		return Grants{}, outOfStep()
	}
	return grants, err
}

// app reads the authenticator app of these means, with its secret.
func (e *Engine) app(ctx context.Context, userID string, m means) (totp.Enrolment, error) {
	if m.of.Extra {
		return e.cfg.Extras.ExtraApp(ctx, userID, m.of.AppID)
	}
	return e.cfg.Secrets.TOTP(ctx, userID)
}

func (e *Engine) useStep(ctx context.Context, m means, app totp.Enrolment, step int64) error {
	if m.of.Extra {
		return e.cfg.Extras.UseExtraAppStep(ctx, app, step)
	}
	return e.cfg.Secrets.UseTOTPStep(ctx, app, step)
}

func (e *Engine) shown(p *position, m means, use func(context.Context, User) error) shown {
	return shown{user: p.held.user, factor: m.Factor, credential: m.Credential, use: use}
}

// succeed belongs to every right code.
func (e *Engine) succeed(ctx context.Context, p *position, t try, u User) error {
	if err := e.cfg.Factors.Succeeded(ctx, u.ID, t.m.Credential); err != nil {
		return err
	}
	return e.record(ctx, e.codeEvent(p, t, audit.ChallengeVerified, ""))
}

// open opens the state of a code on its way; false if it cannot be that of this
// transaction.
func (e *Engine) open(ctx context.Context, p *position, sent *Sent) (state.Claims, bool, error) {
	claims, err := e.cfg.States.Open(ctx, state.KindLogin, sent.State)
	if errors.Is(err, state.ErrInvalid) {
		return state.Claims{}, false, nil
	}
	if err != nil {
		return state.Claims{}, false, fmt.Errorf("open state: %w", err)
	}
	return claims, claims.JTI == sent.JTI && claims.Actor.Session == p.txn.ID, nil
}

// sentCode judges a code that was sent on top of a first factor.
func (e *Engine) sentCode(ctx context.Context, p *position, m means, code string) (Grants, error) {
	sent := p.txn.Progress.Sent
	if sent == nil || !sent.isFor(m) {
		return Grants{}, &Refusal{Reason: CodeExpired}
	}
	t, claims, err := e.judge(ctx, p, m, sent, code)
	if err != nil {
		return Grants{}, err
	}
	grants, err := e.prove(ctx, p, e.shown(p, m, func(ctx context.Context, u User) error {
		if err := e.consume(ctx, claims, m, u); err != nil {
			return err
		}
		return e.succeed(ctx, p, t, u)
	}))
	return grants, dead(err)
}

// judge counts an attempt at a code that was sent and compares it: no error for
// the right one only.
func (e *Engine) judge(ctx context.Context, p *position, m means, sent *Sent, code string) (try, state.Claims, error) {
	t := try{m: m, jti: sent.JTI}
	claims, ok, err := e.open(ctx, p, sent)
	if err != nil {
		return t, claims, err
	}
	if !ok || claims.Subject != p.held.UserID || claims.Expired(e.now()) {
		return t, claims, &Refusal{Reason: CodeExpired}
	}
	if m.LockedFor > 0 {
		return t, claims, e.refuse(ctx, e.codeEvent(p, t, audit.ChallengeExhausted, throttle.LimitFactorPaused),
			throttle.LimitFactorPaused, &Refusal{Reason: FactorLocked, RetryAfter: m.LockedFor})
	}
	if err := e.count(ctx, claims.JTI, e.codeEvent(p, t, audit.ChallengeExhausted, "")); err != nil {
		return t, claims, err
	}
	if err := e.attempt(ctx, p, &t); err != nil {
		return t, claims, err
	}
	if !claims.CodeMatches(code) {
		return t, claims, e.wrong(ctx, p, t)
	}
	return t, claims, nil
}

// dead turns the ways in which a challenge can be over into the one answer.
func dead(err error) error {
	for _, over := range []error{
		challenge.ErrUsed, challenge.ErrSuperseded, challenge.ErrExpired, challenge.ErrExhausted, challenge.ErrUnknown,
	} {
		if errors.Is(err, over) {
			return &Refusal{Reason: CodeExpired}
		}
	}
	return err
}

// count counts an attempt on a challenge, committed when it returns nil.
func (e *Engine) count(ctx context.Context, jti string, ev audit.Event) error {
	err := e.cfg.Challenges.CountAttempt(ctx, jti, e.now())
	if err == nil {
		return nil
	}
	answer := dead(err)
	refusal, ok := errors.AsType[*Refusal](answer)
	if !ok {
		return fmt.Errorf("count attempt: %w", err)
	}
	if errors.Is(err, challenge.ErrUsed) {
		ev.Name = audit.ChallengeReplayed
	}
	return e.refuse(ctx, ev, string(CodeExpired), refusal)
}

// consume makes a challenge count once, and judges again what its code was sent
// for: the epochs, and that this very destination is still validated.
func (e *Engine) consume(ctx context.Context, c state.Claims, m means, u User) error {
	if err := e.cfg.Challenges.Consume(ctx, c.JTI, e.now()); err != nil {
		return err
	}
	if err := e.sameEpochs(ctx, c, u); err != nil {
		return err
	}
	f, err := e.holdings(ctx, u)
	if err != nil {
		return err
	}
	if !f.has(m.Factor, m.Credential) || f.held.Setting(m.Credential).Off {
		return &Refusal{Reason: CodeExpired}
	}
	return e.arrived(ctx, c, m, u)
}

// sameEpochs refuses a code that was sealed before the factor, or what the user
// logs in with, was changed.
func (e *Engine) sameEpochs(ctx context.Context, c state.Claims, u User) error {
	credential, factor, err := e.cfg.Records.Epochs(ctx, u.ID, c.Path)
	if err != nil {
		return fmt.Errorf("read epochs: %w", err)
	}
	if credential != c.CredentialEpoch || factor != c.FactorEpoch {
		return &Refusal{Reason: CodeExpired}
	}
	return nil
}

// arrived tells the limits that a code has come back.
func (e *Engine) arrived(ctx context.Context, c state.Claims, m means, u User) error {
	if err := e.cfg.Sends.Succeeded(ctx, u.ID, delivery.Key(m.channel, c.Value)); err != nil {
		return err
	}
	if m.channel.Telephone() {
		return e.cfg.Outcomes.Verified(ctx, c.JTI)
	}
	return nil
}

// firstCode judges a code in place of a password. It follows the rule of
// passwords, not the pause of second factors, or strangers could close a
// victim's factor (security.md 2.2). A code that nobody got is judged alike.
func (e *Engine) firstCode(ctx context.Context, p *position, sent *Sent, code string) (Grants, error) {
	claims, ok, err := e.open(ctx, p, sent)
	if err != nil {
		return Grants{}, err
	}
	if !ok || claims.Expired(e.now()) {
		return Grants{}, &Refusal{Reason: CodeExpired}
	}
	user, err := e.subject(ctx, claims)
	if err != nil {
		return Grants{}, err
	}
	detail := loginDetail{Factor: sent.Factor, Txn: p.txn.ID, Purpose: p.txn.Purpose, JTI: claims.JTI}
	ev := event(p.visitor, audit.LoginRefused, p.txn.ClientID, user.ID, detail)
	counter := throttle.Try{Account: "code:" + claims.Subject, IP: p.visitor.IP, Known: e.known(p.visitor, user)}
	d, err := e.cfg.PasswordTries.Attempt(ctx, counter)
	if err != nil {
		return Grants{}, err
	}
	if !d.Allowed {
		ev.Name = audit.LoginThrottled
		return Grants{}, e.refuse(ctx, ev, d.Limit, &Refusal{Reason: WrongCode, RetryAfter: d.RetryAfter})
	}
	exhausted := ev
	exhausted.Name = audit.ChallengeExhausted
	if err := e.count(ctx, claims.JTI, exhausted); err != nil {
		return Grants{}, err
	}
	m := means{
		Choice: Choice{Factor: sent.Factor, Credential: sent.Credential}, channel: channelOf(sent.Factor),
		of: validation.Enrolled{Factor: claims.Path, Value: claims.Value},
	}
	if right := claims.CodeMatches(code); !right || !user.Active {
		return Grants{}, e.refuse(ctx, ev, string(WrongCode), &Refusal{Reason: WrongCode})
	}
	grants, err := e.prove(ctx, p, shown{
		user: user, factor: sent.Factor, credential: sent.Credential, first: true,
		use: func(ctx context.Context, u User) error {
			if err := e.consume(ctx, claims, m, u); err != nil {
				return err
			}
			verified := ev
			verified.Name = audit.ChallengeVerified
			return errors.Join(e.cfg.PasswordTries.Succeeded(ctx, counter), e.record(ctx, verified))
		},
	})
	return grants, dead(err)
}

// subject reads the user of a state; the zero User for nobody's.
func (e *Engine) subject(ctx context.Context, c state.Claims) (User, error) {
	if isNobody(c.Subject) {
		return User{}, nil
	}
	u, err := e.cfg.Users.UserByID(ctx, c.Subject)
	if errors.Is(err, ErrNoUser) {
		return User{}, nil
	}
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	return u, nil
}
