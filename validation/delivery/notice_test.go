package delivery_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/locale"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// TestNoticeTexts: every kind has a text of its own in every language, which
// says when and from where, without a code in the inbox.
func TestNoticeTexts(t *testing.T) {
	t.Parallel()
	p, b := inbox(t, nil)
	provider, err := p.Default(delivery.Email)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, lang := range locale.Languages() {
		for _, kind := range delivery.NoticeKinds() {
			n := delivery.Notice{To: "ann@example.com", Language: lang, Kind: kind, At: noon(), IP: "192.0.2.7", Own: true}
			if err := provider.Notify(t.Context(), n); err != nil {
				t.Fatalf("%s %s: %v", lang, kind, err)
			}
			rows := b.all()
			got := rows[len(rows)-1]
			what, rest, _ := strings.Cut(got.Text, "\n\n")
			if seen[what] || strings.Contains(got.Text, "notice.") || got.Language != lang {
				t.Errorf("%s %s: %+v", lang, kind, got)
			}
			seen[what] = true
			if got.Code != "" || strings.ContainsAny(got.Subject+got.Text, "{}") || strings.Contains(got.Text, "://") {
				t.Errorf("%s %s: code, gap or link in %+v", lang, kind, got)
			}
			for _, part := range []string{noon().UTC().Format("2006-01-02 15:04") + " UTC", "192.0.2.7", "Sainte Anne"} {
				if !strings.Contains(rest, part) {
					t.Errorf("%s %s: no %q in %q", lang, kind, part, rest)
				}
			}
		}
	}
	rec := get(t, page(t, p), "/dev/inbox.json", "application/json")
	if strings.Contains(rec.Body.String(), `"code"`) || !strings.Contains(rec.Body.String(), "192.0.2.7") {
		t.Errorf("inbox: %s", rec.Body)
	}
}

// TestNoticeWithoutNetwork: a command has no network address.
func TestNoticeWithoutNetwork(t *testing.T) {
	t.Parallel()
	p, b := inbox(t, nil)
	provider, err := p.Default(delivery.Email)
	if err != nil {
		t.Fatal(err)
	}
	if err := provider.Notify(t.Context(), delivery.Notice{To: "ann@example.com", Kind: delivery.NoticeTOTPRemoved, At: noon()}); err != nil {
		t.Fatal(err)
	}
	if text := b.all()[0].Text; !strings.Contains(text, "a command on the server") || !strings.Contains(text, "an administrator or an application") {
		t.Errorf("text %q", text)
	}
}

// TestNotifyRefuses: what is no mailbox, and what is no provider of mail.
func TestNotifyRefuses(t *testing.T) {
	t.Parallel()
	p, _ := inbox(t, nil)
	mail, err := p.Default(delivery.Email)
	if err != nil {
		t.Fatal(err)
	}
	if err := mail.Notify(t.Context(), delivery.Notice{To: "ann", Kind: delivery.NoticeTOTPAdded}); !errors.Is(err, delivery.ErrRefused) {
		t.Errorf("no mailbox: %v", err)
	}
	sms, err := p.Default(delivery.SMS)
	if err != nil {
		t.Fatal(err)
	}
	if err := sms.Notify(t.Context(), delivery.Notice{To: "ann@example.com"}); !errors.Is(err, delivery.ErrUnavailable) {
		t.Errorf("by SMS: %v", err)
	}
}
