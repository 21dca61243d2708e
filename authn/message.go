package authn

import (
	"context"
	"errors"
	"fmt"
)

// Advance takes a message of an application with login pages of its own: the one
// with the number that is expected, once, whatever becomes of it. The
// transaction that it returns expects the next. A *Refusal with OutOfStep for
// every other number, so that no message that was sent before counts again.
func (e *Engine) Advance(ctx context.Context, v Visitor, t Txn, number int64) (Txn, error) {
	if !t.of(v) {
		return Txn{}, ErrTxnUnknown
	}
	now := e.now()
	out, err := e.cfg.Txns.UpdateTxn(ctx, t.ID, now, func(row *Txn) error {
		if row.Progress.Message != number {
			return outOfStep()
		}
		row.Progress.Message++
		row.IdleUntil = now.Add(TxnIdle)
		return nil
	})
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return Txn{}, refusal
	}
	if err != nil {
		return Txn{}, fmt.Errorf("take message: %w", err)
	}
	out.kept = true
	return out, nil
}
