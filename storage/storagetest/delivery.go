package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Deliveries is the conformance suite of [delivery.StatusStore].
func Deliveries(t *testing.T, o *Opener) {
	db := o.Open(t)
	now := o.Clock.Now()
	record := func(id, sid string, dest []byte) delivery.Record {
		return delivery.Record{
			ID: id, Provider: delivery.TwilioSMS, ProviderID: sid, Channel: delivery.SMS, Country: "49",
			DestHash: dest, CreatedAt: now, Status: delivery.Sent,
		}
	}
	send := func(t *testing.T, r delivery.Record) {
		t.Helper()
		if err := db.RecordSent(t.Context(), r); err != nil {
			t.Fatalf("RecordSent: %v", err)
		}
	}
	t.Run("a destination is new until it got a message", func(t *testing.T) {
		for _, want := range []bool{true, false} {
			if first, err := db.FirstSend(t.Context(), []byte("dest")); err != nil || first != want {
				t.Fatalf("FirstSend = %v, %v, want %v", first, err, want)
			}
			send(t, record("m1", "SM1", []byte("dest")))
		}
	})
	t.Run("a final status stays", func(t *testing.T) {
		send(t, record("m2", "SM2", nil))
		for _, s := range []delivery.Status{delivery.Sent, delivery.Delivered, delivery.Sent, delivery.Failed} {
			if err := db.RecordStatus(t.Context(), delivery.TwilioSMS, "SM2", s); err != nil {
				t.Fatalf("RecordStatus(%s): %v", s, err)
			}
		}
		got, err := db.Statuses(t.Context(), now)
		want := map[string]map[delivery.Status]int64{delivery.TwilioSMS: {delivery.Sent: 1, delivery.Delivered: 1}}
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("Statuses = %v, %v, want %v", got, err, want)
		}
		if got, err := db.Statuses(t.Context(), now.Add(time.Second)); err != nil || len(got) != 0 {
			t.Errorf("Statuses of later = %v, %v, want none", got, err)
		}
	})
	t.Run("a message of another provider is unknown", func(t *testing.T) {
		for _, c := range [][2]string{{delivery.TwilioSMS, "SM9"}, {delivery.TwilioVoice, "SM2"}} {
			err := db.RecordStatus(t.Context(), c[0], c[1], delivery.Delivered)
			if !errors.Is(err, delivery.ErrUnknownMessage) {
				t.Errorf("RecordStatus(%s, %s) = %v, want ErrUnknownMessage", c[0], c[1], err)
			}
		}
	})
	t.Run("the janitor removes what is old", func(t *testing.T) {
		o.Clock.Advance(31 * 24 * time.Hour)
		swept, err := db.Sweep(t.Context())
		if err != nil || swept.Deliveries != 2 {
			t.Errorf("Sweep = %+v, %v, want 2 deliveries", swept, err)
		}
	})
}

// Inbox is the conformance suite of [delivery.InboxStore].
func Inbox(t *testing.T, o *Opener) {
	db, other := o.Open(t), o.Open(t)
	now := o.Clock.Now()
	message := func(n int) delivery.InboxMessage {
		return delivery.InboxMessage{
			Channel: delivery.Email, Provider: delivery.SMTPGateway, To: fmt.Sprintf("ann%d@inbox.example", n),
			Subject: "Subject", Text: "Your code: 90817263", Code: "90817263", Language: "en",
			CreatedAt: now.Add(time.Duration(n) * time.Microsecond), ExpiresAt: now.Add(time.Minute + time.Duration(n)*time.Microsecond),
		}
	}
	add := func(t *testing.T, m delivery.InboxMessage) {
		t.Helper()
		if err := db.AddInboxMessage(t.Context(), m); err != nil {
			t.Fatalf("AddInboxMessage: %v", err)
		}
	}
	read := func(t *testing.T, db *storage.DB, at time.Time) []delivery.InboxMessage {
		t.Helper()
		got, err := db.InboxMessages(t.Context(), at)
		if err != nil {
			t.Fatalf("InboxMessages: %v", err)
		}
		for i := range got {
			if got[i].ID == "" {
				t.Errorf("message %d has no id", i)
			}
			got[i].ID, got[i].CreatedAt, got[i].ExpiresAt = "", got[i].CreatedAt.UTC(), got[i].ExpiresAt.UTC()
		}
		return got
	}
	t.Run("another process reads the newest first", func(t *testing.T) {
		add(t, message(1))
		add(t, message(2))
		want := []delivery.InboxMessage{message(2), message(1)}
		for i := range want {
			want[i].CreatedAt, want[i].ExpiresAt = want[i].CreatedAt.UTC(), want[i].ExpiresAt.UTC()
		}
		if diff := cmp.Diff(want, read(t, other, now)); diff != "" {
			t.Errorf("InboxMessages (-want +got):\n%s", diff)
		}
	})
	t.Run("no row shows address or code", func(t *testing.T) { inboxIsSealed(t, o) })
	t.Run("an expired message is not shown and goes", func(t *testing.T) {
		if got := read(t, db, now.Add(time.Minute+2*time.Microsecond)); len(got) != 0 {
			t.Errorf("%d messages after their end, want none", len(got))
		}
		o.Clock.Advance(2 * time.Minute)
		if swept, err := db.Sweep(t.Context()); err != nil || swept.Deliveries != 2 {
			t.Errorf("Sweep = %+v, %v, want 2 messages gone", swept, err)
		}
	})
	t.Run("the newest 200 are kept", func(t *testing.T) {
		for n := range 205 {
			add(t, message(n))
		}
		got := read(t, db, now)
		if len(got) != 200 || got[0].To != message(204).To || got[199].To != message(5).To {
			t.Errorf("%d messages, want the newest 200", len(got))
		}
	})
}

func inboxIsSealed(t *testing.T, o *Opener) {
	rows, err := o.Raw(t).QueryContext(t.Context(), "SELECT id, kid, sealed FROM inbox_messages")
	if err != nil {
		t.Fatalf("read rows: %v", err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var id, kid string
		var sealed []byte
		if err := rows.Scan(&id, &kid, &sealed); err != nil {
			t.Fatalf("read row: %v", err)
		}
		for _, secret := range []string{"90817263", "inbox.example", "Subject"} {
			if strings.Contains(id+kid, secret) || bytes.Contains(sealed, []byte(secret)) {
				t.Errorf("a row shows %q", secret)
			}
		}
	}
	if err := rows.Err(); err != nil || n != 2 {
		t.Errorf("%d rows, %v, want 2", n, err)
	}
}
