package validation

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Notice is one message that tells a user of a change of their security
// (specification of second factors, section 6.2).
type Notice struct {
	ID       string // set by the store
	UserID   string
	Kind     delivery.NoticeKind
	To       string // a mailbox
	Language string // as in Accept-Language
	At       time.Time
	IP       string // of who made the change; empty: a command
	Own      bool   // the change was made as the user
	Attempts int    // to send it, this one included
}

// NoticeStore keeps notices from the change until they are sent. Every method
// joins the transaction of ctx.
type NoticeStore interface {
	// AddNotices keeps notices, due at once.
	AddNotices(ctx context.Context, notices ...Notice) error
	// ClaimNotices takes up to limit notices that are due at now. Until the time
	// until, nobody else gets them.
	ClaimNotices(ctx context.Context, now, until time.Time, limit int) ([]Notice, error)
	// PostponeNotice gives a claimed notice back, due at next.
	PostponeNotice(ctx context.Context, id string, next time.Time) error
	RemoveNotice(ctx context.Context, id string) error
}

// announce leaves a notice of a change at every validated address that the user
// has, in the transaction of the change: one that is rolled back announces
// nothing. user is the record with those addresses.
func (f *Follower) announce(ctx context.Context, caller scim.Caller, userID string, user schema.Object, kind delivery.NoticeKind) error {
	if f.Notices == nil {
		return nil
	}
	addresses, err := f.addresses(ctx, userID, user)
	if err != nil {
		return err
	}
	return f.announceTo(ctx, addresses, caller, userID, user, kind)
}

func (f *Follower) announceTo(ctx context.Context, addresses []string, caller scim.Caller, userID string, user schema.Object, kind delivery.NoticeKind) error {
	if len(addresses) == 0 {
		return nil
	}
	notices := make([]Notice, 0, len(addresses))
	for _, to := range addresses {
		notices = append(notices, Notice{
			UserID: userID, Kind: kind, To: to, Language: languages(&scim.User{Object: user}, ""),
			At: f.Now().UTC().Truncate(time.Microsecond), IP: caller.IP, Own: caller.UserID == userID,
		})
	}
	return f.Notices.AddNotices(ctx, notices...)
}

// addresses are the validated e-mail addresses of a user, each once; none when
// nothing is announced.
func (f *Follower) addresses(ctx context.Context, userID string, user schema.Object) ([]string, error) {
	if f.Notices == nil {
		return nil, nil
	}
	var out []string
	for _, p := range f.Paths.email {
		to, err := p.normal(p.Get(user))
		if err != nil || slices.Contains(out, to) {
			continue // no value, or one that was never proved
		}
		_, ok, err := f.Records.Validated(ctx, userID, p.canonical, to)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, to)
		}
	}
	if f.Held == nil {
		return out, nil
	}
	has, err := f.Held.Holdings(ctx, userID)
	if err != nil {
		return nil, err
	}
	for _, a := range has.Addresses {
		if a.Kind == EnrolledEmail && !slices.Contains(out, a.Value) {
			out = append(out, a.Value)
		}
	}
	return out, nil
}

// PasswordSet announces that the password of a user was changed by the user, or
// set, generated or removed by somebody else.
func (f *Follower) PasswordSet(ctx context.Context, caller scim.Caller, userID string, user schema.Object) error {
	kind := delivery.NoticePasswordReset
	if caller.UserID == userID {
		kind = delivery.NoticePasswordChanged
	}
	return f.announce(ctx, caller, userID, user, kind)
}

// Warn announces what may be somebody else's doing: there is no change to it.
func (f *Follower) Warn(ctx context.Context, caller scim.Caller, userID string, user schema.Object, kind delivery.NoticeKind) error {
	return f.announce(ctx, caller, userID, user, kind)
}

// changedKind names what became of a value of the path.
func (p *Path) changedKind(has bool) delivery.NoticeKind {
	switch {
	case p.channel.Telephone() && has:
		return delivery.NoticePhoneReplaced
	case p.channel.Telephone():
		return delivery.NoticePhoneRemoved
	case has:
		return delivery.NoticeEmailReplaced
	}
	return delivery.NoticeEmailRemoved
}

// addedKind names that a value of the path was proved.
func (p *Path) addedKind() delivery.NoticeKind {
	if p.channel.Telephone() {
		return delivery.NoticePhoneAdded
	}
	return delivery.NoticeEmailAdded
}
