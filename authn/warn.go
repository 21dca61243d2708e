package authn

import (
	"context"
	"fmt"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

// warn tells a user of what may be somebody else's doing (security.md section
// 6). Nothing is sent before the answer: notices wait as rows.
func (e *Engine) warn(ctx context.Context, v Visitor, u User, kind delivery.NoticeKind) error {
	if e.cfg.Warn == nil || u.ID == "" {
		return nil
	}
	if err := e.cfg.Warn(context.WithoutCancel(ctx), v, u, kind); err != nil {
		return fmt.Errorf("warn user: %w", err)
	}
	return nil
}

// meet warns of a login that begins in a browser without a mark of an earlier
// one. Whoever is logged in there already is no stranger to it.
func (e *Engine) meet(ctx context.Context, p *position, u User, taker *held) error {
	if taker != nil || e.known(p.visitor, u) {
		return nil
	}
	return e.warn(ctx, p.visitor, u, delivery.NoticeNewBrowser)
}
