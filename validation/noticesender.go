package validation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

const (
	// noticeClaim is how long a node may take for the notices of one turn: more
	// than noticeBatch sends of 10 s, with room for clocks that differ.
	noticeClaim = 5 * time.Minute
	noticeBatch = 10
	// The pause after a send that failed doubles from noticeWait to noticeWaitMax.
	noticeWait    = 30 * time.Second
	noticeWaitMax = time.Hour
	// noticeLife is how long a notice is news.
	noticeLife = 24 * time.Hour
)

// NoticeSender mails the notices that wait. Every node has one.
type NoticeSender struct {
	Store    NoticeStore
	Tx       Tx
	Delivery *delivery.Providers
	Audit    audit.Log
	Logger   *slog.Logger
	Now      func() time.Time
}

// Run sends what is due, once every interval, until ctx ends.
func (s *NoticeSender) Run(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, err := s.Send(ctx); err != nil && ctx.Err() == nil {
			s.Logger.WarnContext(ctx, "send notices", "error", err)
		}
	}
}

// Send sends the notices that are due and returns how many went out. A notice
// that could not be sent waits for its next try, which is no error.
func (s *NoticeSender) Send(ctx context.Context) (int, error) {
	sent := 0
	for {
		now := s.Now()
		claimed, err := s.Store.ClaimNotices(ctx, now, now.Add(noticeClaim), noticeBatch)
		if err != nil {
			return sent, err
		}
		for _, n := range claimed {
			ok, err := s.send(ctx, n)
			if err != nil {
				return sent, fmt.Errorf("notice %s: %w", n.ID, err)
			}
			if ok {
				sent++
			}
		}
		if len(claimed) < noticeBatch {
			return sent, nil
		}
	}
}

func (s *NoticeSender) send(ctx context.Context, n Notice) (bool, error) {
	cause := s.mail(ctx, n)
	// What has happened is written down although the server stops.
	ctx = context.WithoutCancel(ctx)
	if cause == nil {
		return true, s.Store.RemoveNotice(ctx, n.ID)
	}
	now := s.Now()
	if errors.Is(cause, delivery.ErrRefused) || now.Sub(n.At) >= noticeLife {
		return false, s.drop(ctx, n, cause)
	}
	s.Logger.InfoContext(ctx, "notice not sent yet", "notice", n.ID, "kind", n.Kind, "attempts", n.Attempts, "error", cause)
	return false, s.Store.PostponeNotice(ctx, n.ID, now.Add(noticePause(n.Attempts)))
}

func (s *NoticeSender) mail(ctx context.Context, n Notice) error {
	provider, err := s.Delivery.Default(delivery.Email)
	if err != nil {
		return err
	}
	return provider.Notify(ctx, delivery.Notice{To: n.To, Language: n.Language, Kind: n.Kind, At: n.At, IP: n.IP, Own: n.Own})
}

// noticePause is the pause after so many attempts.
func noticePause(attempts int) time.Duration {
	pause := noticeWait
	for range attempts - 1 {
		if pause *= 2; pause >= noticeWaitMax {
			return noticeWaitMax
		}
	}
	return pause
}

// drop gives a notice up, and says so.
func (s *NoticeSender) drop(ctx context.Context, n Notice, cause error) error {
	event := audit.Event{
		Name: audit.NoticeDropped, Outcome: audit.Failed, Reason: "provider_unavailable",
		Actor: audit.Party{Type: "server"}, Target: audit.Party{Type: "User", ID: n.UserID},
	}
	if errors.Is(cause, delivery.ErrRefused) {
		event.Reason = "destination_refused"
	}
	detail, err := json.Marshal(factorDetail{Kind: string(n.Kind), Destination: delivery.Mask(delivery.Email, n.To)})
	if err != nil {
		return fmt.Errorf("encode audit event: %w", err)
	}
	event.Detail = detail
	return s.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.Store.RemoveNotice(ctx, n.ID); err != nil {
			return err
		}
		return s.Audit.Append(ctx, event)
	})
}
