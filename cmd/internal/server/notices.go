package server

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// noticesEvery is how often notices that wait are looked for, by every node.
const noticesEvery = 5 * time.Second

// announces says whether users are told of changes: not without mail.
func (d *Directory) announces() bool {
	_, err := d.Delivery.Default(delivery.Email)
	return d.cfg.SecondFactors.Notices && err == nil
}

func (d *Directory) noticeSender() *validation.NoticeSender {
	return &validation.NoticeSender{Store: d.db, Tx: d.db, Delivery: d.Delivery, Audit: d.db, Logger: d.logger, Now: d.now}
}

// SendNotices sends the notices that are due, as every node does again and
// again, and returns how many went out.
func (d *Directory) SendNotices(ctx context.Context) (int, error) { return d.noticeSender().Send(ctx) }

// warn leaves a notice of what may be somebody else's doing. The first browser of
// an account is no news.
func (d *Directory) warn(ctx context.Context, v authn.Visitor, u authn.User, kind delivery.NoticeKind) error {
	caller := scim.Caller{}
	if v.IP.IsValid() {
		caller.IP = v.IP.String()
	}
	if kind == delivery.NoticeNewBrowser {
		caller.UserID = u.ID
		if first, err := d.db.FirstLogin(ctx, u.ID, d.now()); err != nil || first {
			return err
		}
	}
	return d.follower.Warn(ctx, caller, u.ID, u.Object, kind)
}
