package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
)

// shown is a right answer, about to be written down.
type shown struct {
	user       User // as it was when the answer was judged
	factor     acr.Factor
	credential string
	first      bool // it logs in; otherwise it comes on top of a first factor
	// at is when it was shown, if not now.
	at time.Time
	// more was shown with it, somewhere whose word counts for it.
	more []further
	// amr replaces the methods of the factor when not nil.
	amr []string
	// use consumes what must count once, and judges again what the answer was
	// judged by, in the transaction. A *Refusal undoes all.
	use func(ctx context.Context, u User) error
}

// further is a factor that was shown together with another one.
type further struct {
	factor     acr.Factor
	credential string
}

// prove appends one proof, in one transaction with all that belongs to it: what
// was shown is consumed, the session is started or gets another secret, the
// transaction of the login goes on, and the audit record says so.
func (e *Engine) prove(ctx context.Context, p *position, s shown) (Grants, error) {
	var grants Grants
	err := e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		u, err := e.cfg.Users.UserByID(ctx, s.user.ID)
		if err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		if !u.Active {
			return outOfStep()
		}
		if err := s.use(ctx, u); err != nil {
			return err
		}
		secret := NewSecret()
		now, taker, err := e.taker(ctx, p, s, secret)
		if err != nil {
			return err
		}
		var was Progress
		err = e.update(ctx, p.txn, func(g *Progress) {
			was = *g
			*g = Progress{
				UserID: u.ID, SessionID: now.ID, Chosen: true, Verify: g.Verify, Skipped: g.Skipped, ConsentAt: g.ConsentAt,
			}
		})
		if err != nil {
			return err
		}
		grants = Grants{Sessions: secretsWith(secret, p.others(taker), "")}
		if s.first {
			if err := e.meet(ctx, p, u, taker); err != nil {
				return err
			}
			grants.Known = e.marksWith(p.visitor, u)
		}
		if err := e.used(ctx, p, s, was.Remember, &grants); err != nil {
			return err
		}
		return e.recordProof(ctx, p, s, now, taker != nil)
	})
	if errors.Is(err, ErrNoUser) {
		return Grants{}, outOfStep()
	}
	if err != nil {
		return Grants{}, err
	}
	return grants, nil
}

// used notes when a further credential was used, and remembers the browser if
// that was asked for.
func (e *Engine) used(ctx context.Context, p *position, s shown, remember bool, grants *Grants) error {
	if s.factor == acr.Password {
		return nil // logins are listed elsewhere
	}
	if err := e.cfg.Settings.UseCredential(ctx, s.user.ID, s.credential, e.now()); err != nil {
		return fmt.Errorf("record use of credential: %w", err)
	}
	if s.first || !remember || !e.remembers(s.factor) {
		return nil
	}
	devices, err := e.remember(ctx, p, s.user)
	if err != nil {
		return err
	}
	grants.Devices = devices
	return nil
}

// taker writes the proof into the session that takes it: the one that the
// transaction is about, else that of the same user in this browser, else a new
// one. A proof never goes to the session of another user.
func (e *Engine) taker(ctx context.Context, p *position, s shown, secret string) (session.Session, *held, error) {
	h := p.held
	if h == nil && s.first {
		if i := slices.IndexFunc(p.live, func(h held) bool { return h.UserID == s.user.ID }); i >= 0 {
			h = &p.live[i]
		}
	}
	if h != nil && h.UserID != s.user.ID {
		return session.Session{}, nil, outOfStep()
	}
	old, err := e.lockedSession(ctx, h)
	switch {
	case err != nil:
		return session.Session{}, nil, err
	case old != nil:
		err := e.append(ctx, p, s, *old, secret)
		return *old, h, err
	case !s.first: // it has ended meanwhile
		return session.Session{}, nil, outOfStep()
	}
	fresh, err := e.start(ctx, p, s, secret)
	return fresh, nil, err
}

// append adds the proof to a session and gives it another secret, so that what
// an earlier cookie knew is worth nothing.
func (e *Engine) append(ctx context.Context, p *position, s shown, to session.Session, secret string) error {
	proofs, err := e.proofs(p, s, to)
	if err != nil {
		return err
	}
	now := e.now()
	err = e.cfg.Sessions.RotateSession(ctx, to.ID, to.SecretHash, session.Hash(secret), now.Add(e.cfg.Life.Idle), now)
	for _, proof := range proofs {
		if err == nil {
			err = e.cfg.Sessions.AddProof(ctx, proof, now)
		}
	}
	if errors.Is(err, session.ErrNotFound) {
		return outOfStep()
	}
	if err != nil {
		return fmt.Errorf("append proof: %w", err)
	}
	return nil
}

func (e *Engine) start(ctx context.Context, p *position, s shown, secret string) (session.Session, error) {
	id, err := newID()
	if err != nil {
		return session.Session{}, err
	}
	now := e.now()
	out := session.Session{
		ID: id, UserID: s.user.ID, SecretHash: session.Hash(secret), CreatedAt: now,
		ExpiresAt: now.Add(e.cfg.Life.Absolute), IdleUntil: now.Add(e.cfg.Life.Idle), UserAgent: cut(p.visitor.UserAgent),
	}
	if p.visitor.IP.IsValid() {
		out.IP = p.visitor.IP.String()
	}
	if out.Proofs, err = e.proofs(p, s, out); err != nil {
		return session.Session{}, err
	}
	if err := e.cfg.Sessions.StartSession(ctx, out); err != nil {
		return session.Session{}, fmt.Errorf("start session: %w", err)
	}
	return out, nil
}

// proofs are the rows of the ledger: one, and one for everything that was shown
// with it.
func (e *Engine) proofs(p *position, s shown, of session.Session) ([]session.Proof, error) {
	first, err := e.proof(p, s, of)
	if err != nil {
		return nil, err
	}
	out := []session.Proof{first}
	for _, m := range s.more {
		more, err := e.proof(p, shown{user: s.user, factor: m.factor, credential: m.credential, first: s.first, at: s.at}, of)
		if err != nil {
			return nil, err
		}
		more.Second = true
		out = append(out, more)
	}
	return out, nil
}

// proof is one row of the ledger.
func (e *Engine) proof(p *position, s shown, of session.Session) (session.Proof, error) {
	id, err := newID()
	if err != nil {
		return session.Proof{}, err
	}
	amr := s.amr
	if amr == nil {
		amr = e.amrOf(s.factor)
	}
	at := s.at
	if at.IsZero() {
		at = e.now()
	}
	return session.Proof{
		Proof: acr.Proof{
			ID: id, Session: of.ID, User: s.user.ID, Credential: s.credential, Txn: p.txn.ID,
			Factor: s.factor, AMR: amr, At: at,
		},
		// A passkey that verified its user covers two categories by itself.
		Second: s.factor == acr.Passkey && slices.Contains(amr, "user") ||
			!s.first && slices.ContainsFunc(of.Proofs, func(q session.Proof) bool { return q.Credential != s.credential }),
	}, nil
}

// others are the live sessions of the browser but the one that was rotated.
func (p *position) others(rotated *held) []held {
	return slices.DeleteFunc(slices.Clone(p.live), func(h held) bool { return rotated != nil && h.ID == rotated.ID })
}

func (e *Engine) recordProof(ctx context.Context, p *position, s shown, in session.Session, rotated bool) error {
	name, life := audit.LoginSucceeded, audit.SessionStarted
	if !s.first {
		name = audit.LoginStepUp
	}
	if rotated {
		life = audit.SessionRotated
	}
	detail := loginDetail{Factor: s.factor, Credential: s.credential, Txn: p.txn.ID, Purpose: p.txn.Purpose}
	client := p.txn.ClientID
	return e.record(ctx,
		proved(p.visitor, name, client, s.user.ID, in.ID, detail),
		proved(p.visitor, life, client, s.user.ID, in.ID, loginDetail{Txn: p.txn.ID}))
}
