package authn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

const (
	// codeClaim is how long a node may take for the codes of one turn: more than
	// codeBatch sends of 10 s, with room for clocks that differ. Within it a code
	// that could not be sent is not tried again.
	codeClaim = 2 * time.Minute
	codeBatch = 8
)

// queue leaves a code to be sent after the answer, in the transaction of its
// challenge.
func (e *Engine) queue(ctx context.Context, p *position, out *sending, destHash []byte) error {
	err := e.cfg.Outbox.QueueCode(ctx, QueuedCode{
		ID: out.claims.JTI, UserID: out.user.ID, Channel: out.means.channel, To: out.means.of.Value, Code: out.code,
		Language: out.language, Expires: out.claims.ExpiresAt, DestHash: destHash, Prefix: out.prefix,
		Path: out.means.of.Text, Client: p.txn.ClientID,
	})
	if err != nil {
		return fmt.Errorf("queue code: %w", err)
	}
	return nil
}

// RunOutbox sends what is queued, once every interval, until ctx ends. Every
// node runs it.
func (e *Engine) RunOutbox(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, err := e.SendQueued(ctx); err != nil && ctx.Err() == nil {
			e.cfg.Logger.WarnContext(ctx, "send queued codes", "error", err)
		}
	}
}

// SendQueued sends the codes that wait and returns how many went out. One that
// could not be sent is tried again while it lives.
func (e *Engine) SendQueued(ctx context.Context) (int, error) {
	sent := 0
	for {
		now := e.now()
		claimed, err := e.cfg.Outbox.ClaimCodes(ctx, now, now.Add(codeClaim), codeBatch)
		if err != nil {
			return sent, fmt.Errorf("claim queued codes: %w", err)
		}
		for _, c := range claimed {
			ok, err := e.sendQueued(ctx, c)
			if err != nil {
				return sent, fmt.Errorf("queued code %s: %w", c.ID, err)
			}
			if ok {
				sent++
			}
		}
		if len(claimed) < codeBatch {
			return sent, nil
		}
	}
}

func (e *Engine) sendQueued(ctx context.Context, c QueuedCode) (bool, error) {
	now := e.now()
	row, err := e.cfg.Challenges.Challenge(ctx, c.ID)
	if err != nil || row.Judge(now) != nil {
		// Used, superseded or void: nobody needs it.
		return false, e.cfg.Outbox.RemoveCode(context.WithoutCancel(ctx), c.ID)
	}
	m := delivery.Message{
		ID: c.ID, Channel: c.Channel, To: c.To, Code: c.Code, Language: c.Language,
		Purpose: delivery.Login, Validity: c.Expires.Sub(now), DestHash: c.DestHash,
	}
	provider, err := e.cfg.Delivery.Default(c.Channel)
	var receipt delivery.Receipt
	if err == nil {
		receipt, err = provider.Hand(ctx, m)
	}
	// What has happened is written down although the server stops.
	ctx = context.WithoutCancel(ctx)
	ev := event(Visitor{}, audit.ChallengeSent, c.Client, c.UserID, loginDetail{
		Factor: factorOf(c.Channel), JTI: c.ID, Path: c.Path, Destination: delivery.Mask(c.Channel, c.To),
	})
	ev.Actor = audit.Party{Type: "server"}
	if err != nil {
		return false, e.notSent(ctx, c, ev, err)
	}
	return true, e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := e.cfg.Outbox.RemoveCode(ctx, c.ID); err != nil {
			return fmt.Errorf("forget queued code: %w", err)
		}
		if err := provider.Record(ctx, m, receipt); err != nil {
			return fmt.Errorf("record send: %w", err)
		}
		if err := e.record(ctx, ev); err != nil {
			return err
		}
		return e.watch(ctx, c.ID, c.Prefix, provider.Inbox)
	})
}

// notSent gives a code up that can never arrive or may have arrived; any other
// stays claimed for a while and is tried again.
func (e *Engine) notSent(ctx context.Context, c QueuedCode, ev audit.Event, cause error) error {
	ev.Outcome, ev.Reason = audit.Failed, "provider_unavailable"
	final := true
	switch {
	case errors.Is(cause, delivery.ErrRefused):
		ev.Reason = "destination_refused"
	case errors.Is(cause, delivery.ErrUnknown):
		ev.Reason = "delivery_unknown"
	default:
		final = false
		e.cfg.Logger.Log(ctx, slog.LevelInfo, "code not sent yet", "challenge", c.ID, "error", cause)
	}
	return e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if final {
			if err := e.cfg.Outbox.RemoveCode(ctx, c.ID); err != nil {
				return fmt.Errorf("forget queued code: %w", err)
			}
		}
		return e.record(ctx, ev)
	})
}
