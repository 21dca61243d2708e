package servertest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/validation"
)

// inboxOf returns the newest code for a recipient in the development inbox, and
// the channel by which it went.
func inboxOf(t *testing.T, s *servertest.Server, to string) (code, channel string) {
	t.Helper()
	var inbox struct {
		Recipients []struct {
			To       string `json:"to"`
			Messages []struct {
				Code    string `json:"code"`
				Channel string `json:"channel"`
			} `json:"messages"`
		} `json:"recipients"`
	}
	r := s.Do(t, http.MethodGet, "/dev/inbox.json", "", "")
	if err := json.Unmarshal([]byte(r.Body), &inbox); err != nil {
		t.Fatalf("%v in %s", err, r.Body)
	}
	for _, recipient := range inbox.Recipients {
		if recipient.To == to && len(recipient.Messages) > 0 {
			return recipient.Messages[0].Code, recipient.Messages[0].Channel
		}
	}
	t.Fatalf("nothing for %s in %s", to, r.Body)
	return "", ""
}

// A number is set up on its page by SMS and by a call; a wrong code is refused,
// and the right one counts once.
func TestAccountPhone(t *testing.T) {
	t.Parallel()
	for channel, number := range map[string]string{"sms": "+15125550100", "voice": "+15125550101"} {
		t.Run(channel, func(t *testing.T) {
			t.Parallel()
			w := newAccountWorld(t, func(c *config.Config) { c.Delivery.Twilio = config.Default().Delivery.Twilio })
			p := w.open("/account/security/phone")
			p = w.b.Submit(p, "phone", "value", number, "channel", channel)
			code, by := inboxOf(t, w.Server, number)
			if by != channel {
				t.Errorf("the code went by %q, want %q", by, channel)
			}
			if p = w.b.Submit(p, "code", "code", wrong(code)); p.Status != http.StatusUnprocessableEntity {
				t.Fatalf("a wrong code: %d\n%s", p.Status, p.Text())
			}
			again := p
			// The first second factor brings recovery codes.
			w.said(w.b.Submit(p, "code", "code", code, "name", "Work line"), "/account/security/phone/code", "Your recovery codes were made")
			if p = w.b.Submit(again, "code", "code", code, "name", "Twice"); strings.Contains(p.Text(), "recovery codes were made") {
				t.Errorf("the same code again: %d\n%s", p.Status, p.Text())
			}
			all, err := w.Directory().Credentials()
			if err != nil {
				t.Fatal(err)
			}
			has, err := all.ListOf(t.Context(), command("list"), w.who.ID)
			if err != nil || !has.Has(validation.CredentialPhone) || len(has.Credentials) != 2 || !has.Enabled {
				t.Errorf("has %+v, %v", has, err)
			}
		})
	}
}
