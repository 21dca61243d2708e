package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// busyWait is when to try again if too many passwords are being computed.
const busyWait = 2 * time.Second

// Login takes a password as first factor. On re-authentication the name is not
// read. Unknown, inactive and throttled users, and users without a password, are
// refused like wrong passwords and after the same work.
func (e *Engine) Login(ctx context.Context, v Visitor, t Txn, login, password string) (Grants, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return Grants{}, err
	}
	ask, ok := e.step(p).(AskLogin)
	if !ok || !slices.Contains(ask.Factors, acr.Password) {
		return Grants{}, outOfStep()
	}
	if password == "" || login == "" && ask.User == nil {
		return Grants{}, &Refusal{Reason: Missing}
	}
	user, reason, err := e.claimed(ctx, p, ask.User, login)
	if err != nil {
		return Grants{}, err
	}
	return e.password(ctx, p, user, throttle.Try{
		Account: accountOf(user, login), IP: v.IP, Known: e.known(v, user),
	}, password, reason)
}

// claimed finds who the person says to be: the zero User, and why, if it is
// nobody who may log in here.
func (e *Engine) claimed(ctx context.Context, p *position, known *User, login string) (User, string, error) {
	if known != nil {
		return *known, "", nil
	}
	u, err := e.cfg.Users.UserByLogin(ctx, login)
	switch {
	case errors.Is(err, ErrNoUser):
		return User{}, "no_user", nil
	case err != nil:
		return User{}, "", fmt.Errorf("find user: %w", err)
	case p.req.Subject != "" && p.req.Subject != u.ID:
		return User{}, "wrong_user", nil
	}
	return u, "", nil
}

// accountOf is the account of a counter: the user, else the name as typed but
// for its case, so that a name that is nobody's counts like one that is.
func accountOf(u User, login string) string {
	if u.ID != "" {
		return u.ID
	}
	return throttle.UnknownLogin(folded(login))
}

// folded is a name as counters know it.
func folded(login string) string { return schema.Fold(login) }

// password judges one try, which is counted and committed before anything is
// compared.
func (e *Engine) password(ctx context.Context, p *position, user User, try throttle.Try, text, reason string) (Grants, error) {
	detail := loginDetail{Factor: acr.Password, Txn: p.txn.ID, Purpose: p.txn.Purpose}
	refused := func(name audit.Name, why string, wait time.Duration) error {
		return e.refuse(ctx, event(p.visitor, name, p.txn.ClientID, user.ID, detail), why,
			&Refusal{Reason: BadCredentials, RetryAfter: wait})
	}
	d, err := e.cfg.PasswordTries.Attempt(ctx, try)
	if err != nil {
		return Grants{}, err
	}
	if !d.Allowed {
		detail.Limit = d.Limit
		return Grants{}, refused(audit.LoginThrottled, d.Limit, d.RetryAfter)
	}
	hash := ""
	if user.ID != "" {
		present, err := e.cfg.Passwords.Password(ctx, user.ID)
		if err != nil {
			return Grants{}, fmt.Errorf("read password: %w", err)
		}
		hash = present.Hash
	}
	right, err := e.cfg.Hasher.Verify(ctx, hash, text)
	switch {
	case errors.Is(err, ErrBusy):
		return Grants{}, &Refusal{Reason: Busy, RetryAfter: busyWait}
	case err != nil:
		return Grants{}, fmt.Errorf("compare password: %w", err)
	case reason == "" && right && !user.Active:
		reason = "inactive"
	case reason == "" && !right:
		reason = string(BadCredentials)
	}
	if reason != "" {
		if d.Last { // told once, when the ceiling is reached
			if err := e.warn(ctx, p.visitor, user, delivery.NoticePasswordPaused); err != nil {
				return Grants{}, err
			}
		}
		return Grants{}, refused(audit.LoginRefused, reason, 0)
	}
	return e.passwordRight(ctx, p, user, try, hash, text)
}

func (e *Engine) passwordRight(ctx context.Context, p *position, user User, try throttle.Try, hash, text string) (Grants, error) {
	newer, compromised := e.rehash(ctx, hash, text), e.compromised(ctx, text)
	return e.prove(ctx, p, shown{
		user: user, factor: acr.Password, credential: passwordCredential, first: true,
		use: func(ctx context.Context, u User) error {
			present, err := e.cfg.Passwords.Password(ctx, u.ID)
			if err != nil {
				return fmt.Errorf("read password: %w", err)
			}
			if present.Hash != hash { // changed while it was compared
				return &Refusal{Reason: BadCredentials}
			}
			if newer != "" {
				if err := e.cfg.Passwords.ReplaceHash(ctx, u.ID, hash, newer); err != nil {
					return fmt.Errorf("store newer hash: %w", err)
				}
			}
			if compromised && !present.MustChange {
				if err := e.demandChange(ctx, p, u); err != nil {
					return err
				}
			}
			return e.cfg.PasswordTries.Succeeded(ctx, try)
		},
	})
}

// compromised reports whether a password that was right stands in the list of
// breached ones. A list that cannot be read keeps nobody out.
func (e *Engine) compromised(ctx context.Context, text string) bool {
	if e.cfg.Compromised == nil {
		return false
	}
	found, err := e.cfg.Compromised(text)
	if err != nil {
		e.cfg.Logger.WarnContext(ctx, "look for the password among breached ones", "error", err)
	}
	return found && err == nil
}

// demandChange makes a compromised password one that must be changed before
// anything else.
func (e *Engine) demandChange(ctx context.Context, p *position, u User) error {
	if err := e.cfg.Passwords.MustChangeFor(ctx, u.ID, validation.MustCompromised); err != nil {
		return fmt.Errorf("demand another password: %w", err)
	}
	ev := event(p.visitor, audit.AccountChanged, p.txn.ClientID, u.ID, loginDetail{Factor: acr.Password, Txn: p.txn.ID})
	ev.Reason = validation.MustCompromised
	return e.record(ctx, ev)
}

// rehash returns a hash by the present parameters in place of an older one, ""
// if none is needed or can be had now: then the next login tries again.
func (e *Engine) rehash(ctx context.Context, hash, text string) string {
	if !e.cfg.Hasher.NeedsRehash(hash) {
		return ""
	}
	newer, err := e.cfg.Hasher.Rehash(ctx, text)
	if err != nil {
		return ""
	}
	return newer
}
