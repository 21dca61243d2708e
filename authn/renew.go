package authn

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
)

// Renew gives a session of this browser another secret, after a change of what
// protects the account: what knew the earlier one is worth nothing any more
// (security.md section 4). A session that is gone, or was renewed by somebody
// else, is ErrNotReady.
func (e *Engine) Renew(ctx context.Context, v Visitor, sessionID string) (Grants, error) {
	live, err := e.browser(ctx, v)
	if err != nil {
		return Grants{}, err
	}
	for _, h := range live {
		if h.ID != sessionID {
			continue
		}
		secret, now := NewSecret(), e.now()
		err := e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
			err := e.cfg.Sessions.RotateSession(ctx, h.ID, h.SecretHash, session.Hash(secret), now.Add(e.cfg.Life.Idle), now)
			if errors.Is(err, session.ErrNotFound) {
				return ErrNotReady
			}
			if err != nil {
				return err
			}
			return e.record(ctx, proved(v, audit.SessionRotated, "", h.UserID, h.ID, loginDetail{}))
		})
		if err != nil {
			return Grants{}, fmt.Errorf("renew session: %w", err)
		}
		return Grants{Sessions: secretsWith(secret, live, h.secret)}, nil
	}
	return Grants{}, ErrNotReady
}
