package delivery_test

import (
	"errors"
	"testing"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Whoever has more to write about a message hands it over first and records it
// in its own transaction; Send does both, and a fault of the record is no fault
// of the send.
func TestHandThenRecord(t *testing.T) {
	t.Parallel()
	p := newTelephone(t, nil)
	provider := p.provider(t, delivery.TwilioSMS)
	m := phoneMessage()
	r, err := provider.Hand(t.Context(), m)
	if err != nil {
		t.Fatalf("Hand: %v", err)
	}
	if got := p.statuses.all(); len(got) != 0 {
		t.Fatalf("Hand recorded %+v", got)
	}
	if err := provider.Record(t.Context(), m, r); err != nil {
		t.Fatalf("Record: %v", err)
	}
	got := p.statuses.all()
	if len(got) != 1 || got[0].ID != "jti-1" || got[0].ProviderID != r.ProviderID || got[0].Country != "1" || got[0].Status != delivery.Sent {
		t.Fatalf("recorded %+v", got)
	}
	p.statuses.down = errors.New("the database is away")
	if err := provider.Record(t.Context(), m, r); !errors.Is(err, p.statuses.down) {
		t.Errorf("Record without a database: %v", err)
	}
	if _, err := provider.Send(t.Context(), m); err != nil {
		t.Errorf("Send without a database: %v, though the message is out", err)
	}
}

// What the development inbox keeps is no delivery.
func TestRecordWithoutStore(t *testing.T) {
	t.Parallel()
	p := newTelephone(t, func(_ *delivery.TwilioConfig, c *delivery.Config) { c.Status = nil })
	if err := p.provider(t, delivery.TwilioSMS).Record(t.Context(), phoneMessage(), delivery.Receipt{}); err != nil {
		t.Errorf("Record: %v", err)
	}
}
