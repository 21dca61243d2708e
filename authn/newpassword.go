package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/validation"
)

// NewPassword takes a password in place of one that must be changed. With it end
// the other sessions of the user, every pending code, and what other browsers
// are known by; this session goes on with another secret. The change is no
// proof.
func (e *Engine) NewPassword(ctx context.Context, v Visitor, t Txn, password string) (Grants, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return Grants{}, err
	}
	if _, ok := e.step(p).(AskNewPassword); !ok {
		return Grants{}, outOfStep()
	}
	if password == "" {
		return Grants{}, &Refusal{Reason: Missing}
	}
	was := p.factors.password.Hash
	hash, err := e.hashNew(ctx, p.held.user, was, password)
	if err != nil {
		return Grants{}, err
	}
	var grants Grants
	err = e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		u, err := e.cfg.Users.UserByID(ctx, p.held.UserID)
		if err != nil || !u.Active {
			return errors.Join(err, outOfStep())
		}
		present, err := e.cfg.Passwords.Password(ctx, u.ID)
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		if present.Hash != was || !present.MustChange {
			return outOfStep()
		}
		secret := NewSecret()
		if err := e.changePassword(ctx, p, u, hash, secret); err != nil {
			return err
		}
		if u, err = e.cfg.Users.UserByID(ctx, u.ID); err != nil { // with its new epoch
			return fmt.Errorf("read user: %w", err)
		}
		grants = Grants{Sessions: secretsWith(secret, p.others(p.held), ""), Known: e.marksWith(v, u)}
		return nil
	})
	if errors.Is(err, ErrNoUser) {
		err = outOfStep()
	}
	if err != nil {
		return Grants{}, err
	}
	return grants, nil
}

// hashNew judges a new password and hashes it, outside any transaction.
func (e *Engine) hashNew(ctx context.Context, u User, was, text string) (string, error) {
	faults, err := e.cfg.Hasher.Judge(text, u.Object)
	if err != nil {
		return "", fmt.Errorf("judge password: %w", err)
	}
	if faults != (validation.PasswordFaults{}) {
		return "", &Refusal{Reason: PasswordRules}
	}
	same, err := e.reused(ctx, u, was, text)
	if err == nil && same {
		return "", &Refusal{Reason: PasswordRules}
	}
	hash := ""
	if err == nil {
		hash, err = e.cfg.Hasher.Hash(ctx, text, u.Object)
	}
	if errors.Is(err, ErrBusy) {
		return "", &Refusal{Reason: Busy, RetryAfter: busyWait}
	}
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// reused reports whether a text is the present password or an earlier one that
// is kept.
func (e *Engine) reused(ctx context.Context, u User, was, text string) (bool, error) {
	same, err := e.cfg.Hasher.Verify(ctx, was, text)
	if err != nil || same || e.cfg.Reused == nil {
		return same, err
	}
	return e.cfg.Reused(ctx, u.ID, text)
}

func (e *Engine) changePassword(ctx context.Context, p *position, u User, hash, secret string) error {
	now := e.now()
	err := e.cfg.Sessions.RotateSession(ctx, p.held.ID, session.Hash(p.held.secret), session.Hash(secret), now.Add(e.cfg.Life.Idle), now)
	if errors.Is(err, session.ErrNotFound) {
		return outOfStep()
	}
	if err != nil {
		return fmt.Errorf("rotate session: %w", err)
	}
	if err := e.cfg.Passwords.SetPassword(ctx, u.ID, hash, now); err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	if err := e.cfg.Passwords.SetMustChange(ctx, u.ID, false); err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	ended, err := e.cfg.Ender.EndSessions(ctx, u.ID, p.held.ID, now)
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	if _, err := e.cfg.Challenges.VoidAll(ctx, u.ID); err != nil {
		return fmt.Errorf("end pending codes: %w", err)
	}
	if err := e.update(ctx, p.txn, func(*Progress) {}); err != nil {
		return err
	}
	err = e.record(ctx,
		proved(p.visitor, audit.PasswordChanged, p.txn.ClientID, u.ID, p.held.ID, loginDetail{Txn: p.txn.ID, Ended: ended}),
		proved(p.visitor, audit.SessionRotated, p.txn.ClientID, u.ID, p.held.ID, loginDetail{Txn: p.txn.ID}))
	if err != nil || e.cfg.PasswordChanged == nil {
		return err
	}
	ip := ""
	if p.visitor.IP.IsValid() {
		ip = p.visitor.IP.String()
	}
	return e.cfg.PasswordChanged(ctx, u, ip)
}
