package delivery_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

// box is an InboxStore in memory, newest last.
type box struct {
	mu   sync.Mutex
	rows []delivery.InboxMessage
	down error
}

func (b *box) AddInboxMessage(_ context.Context, m delivery.InboxMessage) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down == nil {
		b.rows = append(b.rows, m)
	}
	return b.down
}

func (b *box) InboxMessages(_ context.Context, now time.Time) ([]delivery.InboxMessage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []delivery.InboxMessage
	for _, m := range slices.Backward(b.rows) {
		if m.ExpiresAt.After(now) {
			out = append(out, m)
		}
	}
	return out, b.down
}

func (b *box) all() []delivery.InboxMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]delivery.InboxMessage(nil), b.rows...)
}

// inbox makes providers that all go to a box.
func inbox(t *testing.T, edit func(*delivery.Config)) (*delivery.Providers, *box) {
	t.Helper()
	b := &box{}
	c := delivery.Config{Service: "Sainte Anne", Inbox: b, Now: noon}
	if edit != nil {
		edit(&c)
	}
	p, err := delivery.New(c)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p, b
}

func page(t *testing.T, p *delivery.Providers) *echo.Echo {
	t.Helper()
	inboxPage, err := delivery.NewInboxPage(p)
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	inboxPage.Register(e)
	return e
}

func get(t *testing.T, e *echo.Echo, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8080"+path, nil)
	req.Header.Set("Accept", accept)
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, req)
	return rec
}

func TestInboxTakesWhatHasNoProvider(t *testing.T) {
	t.Parallel()
	p, b := inbox(t, nil)
	for name, to := range map[string]string{
		delivery.SMTPGateway: "ann@example.com", delivery.TwilioSMS: "+4915112345678", delivery.TwilioVoice: "+819012345678",
	} {
		provider, err := p.Provider(name)
		if err != nil || !provider.Inbox {
			t.Fatalf("Provider(%s) = %+v, %v", name, provider, err)
		}
		m := delivery.Message{To: to, Code: "471108", Purpose: delivery.Enrolment, Validity: 5 * time.Minute}
		r := mustSend(t, provider, m)
		got := b.all()[len(b.all())-1]
		if got.To != to || got.Provider != name || got.Channel != provider.Channel || !got.ExpiresAt.Equal(noon().Add(5*time.Minute)) || r.Provider != name {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// Every country is allowed, a number that costs money is not.
	sms, err := p.DefaultPhone()
	if err != nil {
		t.Fatal(err)
	}
	if err := sms.Check("+19002345678"); !errors.Is(err, delivery.ErrRefused) {
		t.Errorf("Check of a premium number = %v, want ErrRefused", err)
	}
	b.down = errors.New("no database")
	if _, err := sms.Send(t.Context(), phoneMessage()); !errors.Is(err, delivery.ErrUnavailable) {
		t.Errorf("Send without database = %v, want ErrUnavailable", err)
	}
}

// A channel with a provider never goes to the inbox; with all three set up
// there is no inbox, no route and nothing kept.
func TestInboxOnlyWithoutProvider(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.NoTLS, nil)
	mail := delivery.ProviderConfig{Name: delivery.SMTPGateway, Channel: delivery.Email, SMTP: smtpTo(s, delivery.NoTLS)}
	account := &delivery.TwilioConfig{AccountSID: accountSID, AuthToken: authToken, From: sender}
	p, b := inbox(t, func(c *delivery.Config) { c.Providers = []delivery.ProviderConfig{mail} })
	provider, err := p.Default(delivery.Email)
	if err != nil || provider.Inbox {
		t.Fatalf("Default(email) = %+v, %v", provider, err)
	}
	mustSend(t, provider, mailMessage())
	if len(b.all()) != 0 || len(s.all()) != 1 {
		t.Errorf("the inbox kept %d mails, the gateway took %d; want 0 and 1", len(b.all()), len(s.all()))
	}
	if sms, err := p.Default(delivery.SMS); err != nil || !sms.Inbox || !p.HasInbox() {
		t.Errorf("Default(sms) = %+v, %v, want the inbox", sms, err)
	}
	all, _ := inbox(t, func(c *delivery.Config) {
		c.Providers = []delivery.ProviderConfig{
			mail,
			{Name: delivery.TwilioSMS, Channel: delivery.SMS, Twilio: account},
			{Name: delivery.TwilioVoice, Channel: delivery.Voice, Twilio: account},
		}
	})
	off, err := delivery.New(delivery.Config{Service: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*delivery.Providers{"all set up": all, "not allowed": off} {
		e := page(t, p)
		for _, path := range []string{"/dev/inbox", "/dev/inbox.json", "/dev/inbox.css", "/dev/inbox/"} {
			if rec := get(t, e, path, "text/html"); rec.Code != http.StatusNotFound || p.HasInbox() {
				t.Errorf("%s: %s = %d, want 404", name, path, rec.Code)
			}
		}
	}
}

func TestInboxAllowed(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string]bool{
		"http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true, "https://localhost": true, "http://127.8.9.1": true,
		"http://[::ffff:127.0.0.1]": true, "https://id.example.com": false, "http://10.0.0.1:8080": false, "http://localhost.example.com": false,
		"http://127.0.0.1.example.com": false, "https://localhost@evil.example": false, "http://0.0.0.0": false, "": false, "localhost": false, "::": false,
	} {
		if got := delivery.InboxAllowed(issuer); got != want {
			t.Errorf("InboxAllowed(%q) = %v, want %v", issuer, got, want)
		}
	}
}

func TestInboxPage(t *testing.T) {
	t.Parallel()
	p, b := inbox(t, nil)
	e := page(t, p)
	if rec := get(t, e, "/dev/inbox", "text/html"); rec.Code != 200 || !strings.Contains(rec.Body.String(), "Nothing was sent yet.") {
		t.Errorf("empty inbox = %d %s", rec.Code, rec.Body)
	}
	for i, to := range []string{"ann@example.com", "bob@example.com", "ann@example.com"} {
		b.rows = append(b.rows, delivery.InboxMessage{
			ID: string(rune('a' + i)), Channel: delivery.Email, Provider: delivery.SMTPGateway, To: to, Subject: "<b>Subject</b>", Code: "47110" + string(rune('0'+i)),
			Text: "Your code: 47110" + string(rune('0'+i)) + "<script>", Language: "en", CreatedAt: noon(), ExpiresAt: noon().Add(time.Minute),
		})
	}
	b.rows = append(b.rows, delivery.InboxMessage{To: "old@example.com", Text: "expired", ExpiresAt: noon()})
	rec := get(t, e, "/dev/inbox", "text/html,application/xhtml+xml")
	html := rec.Body.String()
	if rec.Code != 200 || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") {
		t.Fatalf("page = %d %s", rec.Code, rec.Header())
	}
	for _, wrong := range []string{"<script", "<style", " style=", " onload", "<b>", "expired"} {
		if strings.Contains(html, wrong) {
			t.Errorf("the page has %q:\n%s", wrong, html)
		}
	}
	if a, c, bob := strings.Index(html, "471102"), strings.Index(html, "471100"), strings.Index(html, "471101"); a < 0 || a > c || c > bob {
		t.Errorf("the order is not: newest recipient first, newest message first (%d, %d, %d)", a, c, bob)
	}
	if css := get(t, e, "/dev/inbox.css", "*/*"); css.Code != 200 || !strings.HasPrefix(css.Header().Get("Content-Type"), "text/css") {
		t.Errorf("style sheet = %d %s", css.Code, css.Header())
	}
	for path, accept := range map[string]string{"/dev/inbox.json": "*/*", "/dev/inbox": "application/json"} {
		var got struct {
			Recipients []struct {
				To       string `json:"to"`
				Messages []struct {
					Code string `json:"code"`
				} `json:"messages"`
			} `json:"recipients"`
		}
		rec := get(t, e, path, accept)
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != 200 {
			t.Fatalf("%s = %d %s", path, rec.Code, rec.Body)
		}
		if len(got.Recipients) != 2 || got.Recipients[0].To != "ann@example.com" || len(got.Recipients[0].Messages) != 2 || got.Recipients[0].Messages[0].Code != "471102" {
			t.Errorf("%s = %+v", path, got)
		}
	}
	b.down = errors.New("no database")
	if rec := get(t, e, "/dev/inbox.json", "*/*"); rec.Code != http.StatusInternalServerError || strings.Contains(rec.Body.String(), "database") {
		t.Errorf("without database = %d %s", rec.Code, rec.Body)
	}
}

// A page of a stranger whose name points at this machine reads nothing.
func TestInboxHidesFromOtherNames(t *testing.T) {
	t.Parallel()
	p, _ := inbox(t, nil)
	e := page(t, p)
	for host, want := range map[string]int{
		"127.0.0.1:8080": 200, "localhost:8080": 200, "[::1]:8080": 200, "localhost": 200,
		"evil.example": 404, "evil.example:8080": 404, "127.0.0.1.evil.example": 404, "": 404, "10.0.0.1:8080": 404,
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/dev/inbox.json", nil)
		req.Host = host
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req)
		if rec.Code != want {
			t.Errorf("Host %q = %d, want %d", host, rec.Code, want)
		}
	}
}
