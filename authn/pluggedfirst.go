package authn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// askBegun asks for the answer to a plugged-in factor that begins a login.
func (e *Engine) askBegun(p *position, begun *Begun, step acr.Step) AskCode {
	kind := e.plugged[begun.Factor].Kind()
	ask := AskCode{
		Choice: Choice{Factor: begun.Factor}, Digits: kind.Digits, Prompt: begun.Prompt, Waits: kind.Waits, Reason: step.Reason,
	}
	if p.held != nil {
		ask.User = p.held.user
	}
	return ask
}

// startFirst begins a login with a plugged-in factor. Whoever asks has proved
// nothing: it looks alike for names that are nobody's.
func (e *Engine) startFirst(ctx context.Context, p *position, user User, account string, f acr.Factor) error {
	a := e.plugged[f]
	credential, err := e.firstCredential(ctx, a, user)
	if err != nil {
		return err
	}
	if credential == "" {
		user = User{}
	}
	begun := &Begun{Factor: f, Credential: credential, First: true, Account: account, UserID: user.ID}
	if user.ID != "" {
		begun.Account = user.ID
	}
	if a.Kind().Starts {
		if begun, err = e.beginFirst(ctx, p, a, user, begun); err != nil {
			return err
		}
	}
	return e.update(ctx, p.txn, func(g *Progress) {
		g.Factor, g.Credential, g.Sent, g.Begun = f, "", nil, begun
	})
}

// beginFirst starts an attempt of somebody who has proved nothing, unless there
// were too many: then nothing happens, and it looks as if it had. The attempt
// before stays good, if there is one; one that was never started is wrong
// whatever is answered.
func (e *Engine) beginFirst(ctx context.Context, p *position, a Authenticator, user User, begun *Begun) (*Begun, error) {
	ev := event(p.visitor, audit.ChallengeSent, p.txn.ClientID, user.ID, loginDetail{Factor: begun.Factor, Txn: p.txn.ID})
	// What bothers a user is counted before anybody has proved anything.
	if a.Kind().Waits {
		if err := e.countFirst(ctx, p, begun, user); err != nil {
			return nil, err
		}
	}
	d, err := e.takeStart(ctx, p, begun.Account, cmp.Or(begun.Credential, begun.Account))
	if err != nil {
		return nil, err
	}
	if d.Allowed {
		return begun, e.begun(ctx, a, p.attemptAt(user, begun.Credential, begun), begun, ev)
	}
	ev.Name, ev.Outcome, ev.Reason = audit.ChallengeSendRefused, audit.Refused, d.Limit
	if err := e.record(context.WithoutCancel(ctx), ev); err != nil {
		return nil, err
	}
	if was := p.txn.Progress.Begun; was != nil && was.First && was.Factor == begun.Factor && was.Account == begun.Account && !was.over(e.now()) {
		return was, nil
	}
	begun.Unsent = true
	return begun, nil
}

// startFirstAgain begins another attempt for whom the last one was for.
func (e *Engine) startFirstAgain(ctx context.Context, p *position, begun *Begun) error {
	user, err := e.userOf(ctx, begun)
	if err != nil {
		return err
	}
	return e.startFirst(ctx, p, user, begun.Account, begun.Factor)
}

// userOf is whom an attempt at a first factor is for; the zero User is nobody.
func (e *Engine) userOf(ctx context.Context, begun *Begun) (User, error) {
	if begun.UserID == "" {
		return User{}, nil
	}
	u, err := e.cfg.Users.UserByID(ctx, begun.UserID)
	if errors.Is(err, ErrNoUser) || err == nil && !u.Active {
		return User{}, nil
	}
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	return u, nil
}

// firstCredential is the credential of a user for a plugged-in first factor: the
// preferred one, else the first; "" if there is none.
func (e *Engine) firstCredential(ctx context.Context, a Authenticator, user User) (string, error) {
	if user.ID == "" || !user.Active {
		return "", nil
	}
	f, err := e.holdings(ctx, user)
	if err != nil {
		return "", err
	}
	out := ""
	for _, c := range f.plugged {
		s := f.held.Setting(c.Name)
		if c.Factor() == a.Factor() && !s.Off && (out == "" || s.Preferred != "") {
			out = c.Name
		}
	}
	return out, nil
}

// firstTry is how tries of a plugged-in first factor are counted: by the rule of
// passwords, or strangers could close a victim's factor (security.md 2.2).
func (e *Engine) firstTry(p *position, begun *Begun, user User) throttle.Try {
	return throttle.Try{
		Account: string(begun.Factor) + ":" + begun.Account, IP: p.visitor.IP, Known: e.known(p.visitor, user),
	}
}

// countFirst counts one try; a refusal if it comes too early.
func (e *Engine) countFirst(ctx context.Context, p *position, begun *Begun, user User) error {
	d, err := e.cfg.PasswordTries.Attempt(ctx, e.firstTry(p, begun, user))
	if err != nil || d.Allowed {
		return err
	}
	ev := event(p.visitor, audit.LoginThrottled, p.txn.ClientID, user.ID,
		loginDetail{Factor: begun.Factor, Txn: p.txn.ID, Purpose: p.txn.Purpose, Limit: d.Limit})
	return e.refuse(ctx, ev, d.Limit, &Refusal{Reason: WrongCode, RetryAfter: d.RetryAfter})
}

// pluggedFirst judges an answer to a plugged-in factor that begins a login.
func (e *Engine) pluggedFirst(ctx context.Context, p *position, begun *Begun, answer string) (Grants, error) {
	a := e.plugged[begun.Factor]
	if a == nil || begun.over(e.now()) {
		return Grants{}, &Refusal{Reason: CodeExpired}
	}
	user, err := e.userOf(ctx, begun)
	if err != nil {
		return Grants{}, err
	}
	if !a.Kind().Waits {
		if err := e.countFirst(ctx, p, begun, user); err != nil {
			return Grants{}, err
		}
	}
	at := p.attemptAt(user, begun.Credential, begun)
	ev := event(p.visitor, audit.LoginRefused, p.txn.ClientID, user.ID,
		loginDetail{Factor: begun.Factor, Credential: begun.Credential, Txn: p.txn.ID, Purpose: p.txn.Purpose})
	wrong := func() error { return e.refuse(ctx, ev, string(WrongCode), &Refusal{Reason: WrongCode}) }
	v, err := a.Check(ctx, at, answer)
	switch {
	case err != nil:
		return Grants{}, e.unavailable(ctx, a, ev, "ask", err)
	case v.Pending && a.Kind().Waits:
		return Grants{}, &Refusal{Reason: Waiting}
	case !v.Right || begun.Unsent || user.ID == "" || p.req.Subject != "" && p.req.Subject != user.ID:
		return Grants{}, wrong()
	}
	grants, err := e.prove(ctx, p, shown{
		user: user, factor: begun.Factor, credential: begun.Credential, first: true, amr: v.AMR,
		use: func(ctx context.Context, u User) error { return e.consumeFirst(ctx, p, a, begun, u, v) },
	})
	if errors.Is(err, ErrAnswerUsed) {
		return Grants{}, wrong()
	}
	return grants, err
}

func (e *Engine) consumeFirst(ctx context.Context, p *position, a Authenticator, begun *Begun, u User, v Verdict) error {
	f, err := e.holdings(ctx, u)
	if err != nil {
		return err
	}
	held := slices.ContainsFunc(f.plugged, func(c pluggedIn) bool {
		return c.Factor() == begun.Factor && c.Name == begun.Credential && !f.held.Setting(c.Name).Off
	})
	if !held {
		return outOfStep()
	}
	if err := a.Consume(ctx, p.attemptAt(u, begun.Credential, begun), v); err != nil {
		return err
	}
	if err := e.endStarts(ctx, a, begun.Account, begun.Credential); err != nil {
		return err
	}
	return e.cfg.PasswordTries.Succeeded(ctx, e.firstTry(p, begun, u))
}
