package delivery

import (
	"context"
	"fmt"
	"time"
)

// inboxGateway keeps messages for the page of the development inbox instead of
// sending them.
type inboxGateway struct {
	store InboxStore
	name  string
	now   func() time.Time
}

func (g *inboxGateway) deliver(ctx context.Context, m Message, c content) (Receipt, error) {
	now := g.now()
	err := g.store.AddInboxMessage(ctx, InboxMessage{
		Channel: m.Channel, Provider: g.name, To: m.To, Subject: c.subject, Text: c.readable(), Code: m.Code.Reveal(),
		Language: c.language, CreatedAt: now, ExpiresAt: now.Add(m.Validity),
	})
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: keep message for the inbox: %w", ErrUnavailable, err)
	}
	return Receipt{ProviderID: "inbox", Reply: "kept in the development inbox"}, nil
}

func (g *inboxGateway) close() error { return nil }
