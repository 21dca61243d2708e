package authn

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// defaultWait is the countdown where the true one would tell too much.
const defaultWait = 30 * time.Second

// chooseFirst sends a code in place of a password. Whoever asks has proved
// nothing, so what is seen is the same whether the name is somebody's or not:
// the code is queued, or there is none; a refusal by a limit looks like a send;
// the destination is not shown (security.md 2.3 and 5).
func (e *Engine) chooseFirst(ctx context.Context, p *position, ask AskLogin, login string, f acr.Factor) error {
	if !isCode(f) && e.plugged[f] == nil || !slices.Contains(ask.Factors, f) {
		return outOfStep()
	}
	if login == "" && ask.User == nil {
		return &Refusal{Reason: Missing}
	}
	user, _, err := e.claimed(ctx, p, ask.User, login)
	if err != nil {
		return err
	}
	if e.plugged[f] != nil {
		return e.startFirst(ctx, p, user, accountOfCode(login), f)
	}
	return e.sendFirst(ctx, p, user, accountOfCode(login), f)
}

// accountOfCode is the account of a name that is nobody's. It has a bounded
// length, for it is sealed into the state.
func accountOfCode(login string) string {
	sum := sha256.Sum256([]byte(folded(login)))
	return throttle.UnknownLogin(hex.EncodeToString(sum[:16]))
}

// sendFirstAgain sends another code to whoever got the last one.
func (e *Engine) sendFirstAgain(ctx context.Context, p *position, sent *Sent) error {
	claims, ok, err := e.open(ctx, p, sent)
	if err != nil {
		return err
	}
	if !ok {
		return &Refusal{Reason: CodeExpired}
	}
	if isNobody(claims.Subject) {
		return e.sendFirst(ctx, p, User{}, claims.Subject, sent.Factor)
	}
	user, err := e.cfg.Users.UserByID(ctx, claims.Subject)
	if err != nil && !errors.Is(err, ErrNoUser) {
		return fmt.Errorf("read user: %w", err)
	}
	return e.sendFirst(ctx, p, user, accountOfCode(claims.Subject), sent.Factor)
}

// sendFirst sends a code to the user if the user can have one. account stands
// for the user otherwise.
func (e *Engine) sendFirst(ctx context.Context, p *position, user User, account string, f acr.Factor) error {
	out := &sending{first: true, account: account, means: nobodysMeans(f)}
	m, ok, err := e.meansFor(ctx, user, f)
	if err != nil {
		return err
	}
	if ok {
		out.user, out.account, out.means = user, user.ID, m
	}
	out.means.Masked = ""
	if err := e.seal(ctx, p, out); err != nil {
		return err
	}
	d, err := e.begin(ctx, p, out)
	if err != nil || d.Allowed {
		return err
	}
	ev := e.sendEvent(p, out, audit.ChallengeSendRefused, d.Limit)
	ev.Outcome, ev.Reason = audit.Refused, d.Limit
	if err := e.record(context.WithoutCancel(ctx), ev); err != nil {
		return err
	}
	return e.pretend(ctx, p, out, d)
}

// nobodysMeans are those of a code that nobody gets.
func nobodysMeans(f acr.Factor) means {
	return means{Choice: Choice{Factor: f}, of: validation.Enrolled{Factor: "none", Value: "none"}}
}

// meansFor returns how to send a user a code in place of a password, whatever is
// switched on as a second factor.
func (e *Engine) meansFor(ctx context.Context, user User, factor acr.Factor) (means, bool, error) {
	if user.ID == "" || !user.Active {
		return means{}, false, nil
	}
	f, err := e.holdings(ctx, user)
	if err != nil {
		return means{}, false, err
	}
	all, err := e.meansOf(ctx, user, f)
	if err != nil {
		return means{}, false, err
	}
	var first means
	found := false
	for _, m := range all {
		// Of several addresses the preferred one, else the first.
		if m.Factor == factor && !m.closed && (!found || m.preferred() && !first.preferred()) {
			first, found = m, true
		}
	}
	return first, found, nil
}

// pretend answers a send that a limit has refused like one that went out. The
// last code, if there is one, stays good; else tries are counted on a challenge
// whose code nobody has, or the first wrong one would tell that none was sent.
func (e *Engine) pretend(ctx context.Context, p *position, out *sending, d throttle.Decision) error {
	wait := defaultWait
	if d.Limit == throttle.LimitSeries || d.Limit == throttle.LimitIPHour {
		wait = d.RetryAfter // these are the same for everybody
	}
	at := e.now().Add(wait)
	return e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		fresh := false
		err := e.update(ctx, p.txn, func(g *Progress) {
			s := g.Sent
			if fresh = s == nil || !s.First || s.Factor != out.means.Factor || !e.now().Before(s.Expires); fresh {
				out.note(g, at)
				return
			}
			s.ResendAt = at
		})
		if err != nil || !fresh {
			return err
		}
		if err := e.cfg.Challenges.Start(ctx, e.challengeOf(p, out)); err != nil {
			return fmt.Errorf("start challenge: %w", err)
		}
		return nil
	})
}
