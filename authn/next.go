package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/session"
)

// Next says what to show for a transaction, kept or not. It changes nothing;
// Ready is only a promise, which Issue keeps or does not. Under prompt=none it
// still asks which of several accounts to use: whoever may show no page answers
// account_selection_required (OpenID Connect Core 1.0 section 3.1.2.6).
func (e *Engine) Next(ctx context.Context, v Visitor, t Txn) (Step, Grants, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return nil, Grants{}, err
	}
	return e.step(p), Grants{}, nil
}

// Issue runs fn in the transaction that answers, and that also spends t if it is
// kept, reads user, session, enrolments and ledger again, and decides again.
// ErrNotReady when the requirement is not met any more; ErrTxnSpent,
// ErrTxnExpired or ErrTxnUnknown when t gives no answer. An error of fn undoes
// all. fn may run again.
func (e *Engine) Issue(ctx context.Context, v Visitor, t Txn, fn func(ctx context.Context, r Ready) error) error {
	err := e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		p, err := e.position(ctx, v, t)
		if err != nil {
			return err
		}
		ready, ok := e.step(p).(Ready)
		if !ok {
			return ErrNotReady
		}
		// In the order in which every change locks: user, session, transaction.
		// The ledger changes under the lock of the user only.
		if s, err := e.lockedSession(ctx, p.held); err != nil || s == nil {
			return errors.Join(err, ErrNotReady)
		}
		if err := e.spend(ctx, t); err != nil {
			return err
		}
		if err := e.cfg.Sessions.ExtendSession(ctx, ready.Session.ID, e.now().Add(e.cfg.Life.Idle)); err != nil {
			return fmt.Errorf("extend session: %w", err)
		}
		if p.device != nil {
			if err := e.cfg.Devices.UseDevice(ctx, p.device.ID, e.now()); err != nil {
				return fmt.Errorf("record use of browser: %w", err)
			}
		}
		return fn(ctx, ready)
	})
	if err != nil {
		return fmt.Errorf("answer login: %w", err)
	}
	return nil
}

// spend marks a kept transaction as answered. One that was begun but never kept
// has no row; nobody can come back to it.
func (e *Engine) spend(ctx context.Context, t Txn) error {
	if err := t.Ended(e.now()); err != nil {
		return err
	}
	err := e.cfg.Txns.SpendTxn(ctx, t.ID, e.now())
	if errors.Is(err, ErrTxnUnknown) && !t.kept {
		return nil
	}
	return err
}

// update edits the progress of a kept transaction, provided that nobody else has
// taken it further meanwhile.
func (e *Engine) update(ctx context.Context, t Txn, edit func(p *Progress)) error {
	now := e.now()
	_, err := e.cfg.Txns.UpdateTxn(ctx, t.ID, now, func(row *Txn) error {
		was, is := t.Progress, row.Progress
		if was.UserID != is.UserID || was.SessionID != is.SessionID || was.Chosen != is.Chosen {
			return outOfStep()
		}
		edit(&row.Progress)
		row.Progress.Message = is.Message // numbers are never used again, whoever logs in
		row.IdleUntil = now.Add(TxnIdle)
		return nil
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal
	}
	if err != nil {
		return fmt.Errorf("take login further: %w", err)
	}
	return nil
}

func outOfStep() *Refusal { return &Refusal{Reason: OutOfStep} }

// Account takes one of the accounts of this browser for the transaction. What
// another person saw of it, and wanted to unlock, is forgotten.
func (e *Engine) Account(ctx context.Context, v Visitor, t Txn, sessionID string) (Grants, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return Grants{}, err
	}
	for _, h := range p.live {
		if h.ID != sessionID || p.req.Subject != "" && p.req.Subject != h.UserID {
			continue
		}
		err := e.update(ctx, t, func(g *Progress) {
			*g = Progress{UserID: h.UserID, SessionID: h.ID, Chosen: true}
		})
		return Grants{Sessions: secretsWith(h.secret, p.live, "")}, err
	}
	return Grants{}, outOfStep()
}

// Another lets the person log in as somebody else. The sessions of the browser
// stay, and what this person wanted to unlock is forgotten. A transaction that
// must be about one user refuses.
func (e *Engine) Another(ctx context.Context, v Visitor, t Txn) error {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return err
	}
	sent := t.Progress.Sent
	begun := t.Progress.Begun
	if p.req.Subject != "" && (sent == nil || !sent.First) && (begun == nil || !begun.First) {
		return outOfStep()
	}
	return e.update(ctx, t, func(g *Progress) { *g = Progress{Chosen: p.req.Subject == ""} })
}

// Bounds of what a person can want to unlock in one transaction.
const (
	mostVerify    = 20
	longestVerify = 256 // bytes of a name
)

// Verify says that the person wants to reach an ACR beyond what is required; the
// purpose makes it a floor.
func (e *Engine) Verify(ctx context.Context, v Visitor, t Txn, acrName string) error {
	if _, err := e.position(ctx, v, t); err != nil {
		return err
	}
	if acrName == "" {
		return &Refusal{Reason: Missing}
	}
	if len(acrName) > longestVerify || len(t.Progress.Verify) >= mostVerify {
		return outOfStep() // no page offers it
	}
	return e.update(ctx, t, func(g *Progress) {
		if !slices.Contains(g.Verify, acrName) {
			g.Verify = append(g.Verify, acrName)
		}
	})
}

// Skip gives up what Verify asked for.
func (e *Engine) Skip(ctx context.Context, v Visitor, t Txn) error {
	if _, err := e.position(ctx, v, t); err != nil {
		return err
	}
	return e.update(ctx, t, func(g *Progress) { g.Verify, g.Factor, g.Credential, g.Sent, g.Begun = nil, "", "", nil, nil })
}

// Accounts returns the live sessions of the browser, the one in use first.
func (e *Engine) Accounts(ctx context.Context, v Visitor) ([]Account, error) {
	live, err := e.browser(ctx, v)
	if err != nil {
		return nil, err
	}
	return accountsOf(live), nil
}

func accountsOf(live []held) []Account {
	out := make([]Account, 0, len(live))
	for _, h := range live {
		out = append(out, Account{SessionID: h.ID, User: h.user})
	}
	return out
}

// Logout ends a session of this browser, with the grants that hang on it, and
// queues the notices to clients. A session that has ended already, or is not of
// this browser, is no error: then only the cookie is cleaned.
func (e *Engine) Logout(ctx context.Context, v Visitor, sessionID string) (Grants, error) {
	live, err := e.browser(ctx, v)
	if err != nil {
		return Grants{}, err
	}
	rest := []string{}
	for _, h := range live {
		if h.ID != sessionID {
			rest = append(rest, h.secret)
			continue
		}
		err := e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
			ended, err := e.cfg.Ender.EndSession(ctx, h.UserID, h.ID, e.now())
			if err != nil || !ended {
				return err
			}
			return e.record(ctx, e.sessionEnded(v, h.Session))
		})
		if err != nil {
			return Grants{}, fmt.Errorf("log out: %w", err)
		}
	}
	return Grants{Sessions: rest}, nil
}

// lockedSession reads the session that takes a proof, in the transaction of ctx:
// nil if the browser does not hold it any more.
func (e *Engine) lockedSession(ctx context.Context, h *held) (*session.Session, error) {
	if h == nil {
		return nil, nil
	}
	s, err := e.cfg.Sessions.SessionByID(ctx, h.ID, e.now())
	if errors.Is(err, session.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if s.UserID != h.UserID || string(s.SecretHash) != string(session.Hash(h.secret)) {
		return nil, nil
	}
	return &s, nil
}
