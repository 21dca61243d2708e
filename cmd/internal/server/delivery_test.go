package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/delivery/twiliofake"
)

// send sends a code by a provider of a server.
func send(t *testing.T, s *servertest.Server, provider, to string) (delivery.Receipt, error) {
	t.Helper()
	p, err := s.Directory().Delivery.Provider(provider)
	if err != nil {
		t.Fatalf("Provider(%q): %v", provider, err)
	}
	return p.Send(t.Context(), delivery.Message{To: to, Code: "90817263", Purpose: delivery.Enrolment, Validity: 10 * time.Minute})
}

// Two nodes over one database show one inbox; the page passes the strict
// content policy of every answer.
func TestDevelopmentInbox(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		if _, err := send(t, s, delivery.SMTPGateway, "ann@example.com"); err != nil {
			t.Fatalf("Send: %v", err)
		}
		other := servertest.Start(t, s.Config)
		got := other.Do(t, "GET", "/dev/inbox.json", "", "")
		var inbox struct {
			Recipients []struct {
				To       string `json:"to"`
				Messages []struct {
					Code string `json:"code"`
				} `json:"messages"`
			} `json:"recipients"`
		}
		if err := json.Unmarshal([]byte(got.Body), &inbox); err != nil || got.Status != 200 {
			t.Fatalf("/dev/inbox.json = %d %s", got.Status, got.Body)
		}
		if len(inbox.Recipients) != 1 || inbox.Recipients[0].To != "ann@example.com" || inbox.Recipients[0].Messages[0].Code != "90817263" {
			t.Errorf("the other node shows %+v", inbox)
		}
		page := s.Do(t, "GET", "/dev/inbox", "", "")
		if page.Status != 200 || !strings.Contains(page.Body, "90817263") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "style-src 'self'") ||
			page.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("/dev/inbox = %d %v", page.Status, page.Header)
		}
		if strings.Contains(s.Log.String()+other.Log.String(), "90817263") {
			t.Error("the code is in the log")
		}
	})
}

// With an issuer that others can reach, or with a provider for every channel,
// there is no inbox: no route, and nothing is kept.
func TestNoInbox(t *testing.T) {
	t.Parallel()
	fake := twiliofake.New("AC1", "token")
	t.Cleanup(fake.Close)
	providers := func(c *config.Config) {
		c.Delivery.SMTP = config.SMTP{URL: "smtp://127.0.0.1:1?tls=off", From: "codes@example.com"}
		c.Delivery.Twilio.AccountSID, c.Delivery.Twilio.AuthToken = "AC1", "token"
		c.Delivery.Twilio.From, c.Delivery.Twilio.BaseURL = "+15125550199", fake.URL
	}
	for name, s := range map[string]*servertest.Server{
		"public issuer": servertest.SQLite(t, func(c *config.Config) { c.Issuer = "https://id.example.org" }),
		"public URL": servertest.SQLite(t, func(c *config.Config) {
			c.PublicURLs = []string{"http://127.0.0.1:1", "https://id.example.org"}
		}),
		"providers for every channel":  servertest.SQLite(t, providers),
		"public issuer with providers": servertest.SQLite(t, providers, func(c *config.Config) { c.Issuer = "https://id.example.org" }),
	} {
		for _, path := range []string{"/dev/inbox", "/dev/inbox.json", "/dev/inbox.css", "/dev/inbox/", "/DEV/inbox"} {
			rec := httptest.NewRecorder()
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+path, nil)
			s.Handler().ServeHTTP(rec, req)
			if rec.Code != http.StatusNotFound {
				t.Errorf("%s: %s = %d, want 404", name, path, rec.Code)
			}
		}
		for _, p := range s.Directory().Delivery.List() {
			if p.Inbox {
				t.Errorf("%s: %s goes to the inbox", name, p.Name)
			}
		}
	}
	s := servertest.SQLite(t, providers)
	if _, err := send(t, s, delivery.SMTPGateway, "ann@example.com"); err == nil {
		t.Error("a mail to a gateway that is down was accepted")
	}
	if _, err := send(t, s, delivery.TwilioSMS, "+15125550100"); err != nil {
		t.Errorf("SMS: %v", err)
	}
}

// Twilio's call-back reaches the record over the server's own route.
func TestStatusCallback(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		fake := twiliofake.New("AC1", "token")
		t.Cleanup(fake.Close)
		node := servertest.Start(t, s.Config, func(c *config.Config) {
			c.Delivery.Twilio.AccountSID, c.Delivery.Twilio.AuthToken = "AC1", "token"
			c.Delivery.Twilio.From, c.Delivery.Twilio.BaseURL = "+15125550199", fake.URL
		})
		for _, provider := range []string{delivery.TwilioSMS, delivery.TwilioVoice} {
			r, err := send(t, node, provider, "+15125550100")
			if err != nil {
				t.Fatalf("Send: %v", err)
			}
			if status, err := fake.Settle(t.Context(), r.ProviderID); err != nil || status != http.StatusNoContent {
				t.Errorf("call-back = %d, %v", status, err)
			}
			counts, err := node.Directory().Deliveries(t.Context(), time.Now().Add(-time.Hour))
			if err != nil || counts[provider][delivery.Delivered] != 1 {
				t.Errorf("Deliveries = %v, %v, want one delivered by %s", counts, err, provider)
			}
		}
		if got := node.Do(t, "POST", delivery.CallbackPath+"?provider=Twilio+SMS+Provider", "", ""); got.Status != http.StatusUnsupportedMediaType && got.Status != http.StatusForbidden {
			t.Errorf("unsigned call-back = %d, want a refusal", got.Status)
		}
	})
}

// Faults of the settings name their key and never show a secret.
func TestDeliveryFaultsStopTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*config.Delivery)
		want string
	}{
		"short code": {func(d *config.Delivery) { d.Email.Format = "numeric:5" }, "delivery.email.code_format"},
		"gateway URL": {func(d *config.Delivery) {
			d.SMTP.URL, d.SMTP.From = "smtp://u:secret-pw@mail.example.com?tls=off", "a@example.com"
		}, "SALLYPORT_SMTP_URL"},
		"template folder":  {func(d *config.Delivery) { d.Templates = "/nowhere" }, "delivery.templates"},
		"country":          {func(d *config.Delivery) { d.Countries = []string{"Germany"} }, `"Germany"`},
		"named provider":   {func(d *config.Delivery) { d.Providers = []config.Provider{{Name: "x", Channel: "email", URL: "x"}} }, "delivery.providers, entry 1: url"},
		"missing DKIM key": {func(d *config.Delivery) { dkim(d) }, "DKIM key"},
	} {
		cfg := servertest.Settings(t)
		c.edit(&cfg.Delivery)
		d, err := server.Open(t.Context(), cfg, server.Options{})
		if err == nil {
			_ = d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-pw") {
			t.Errorf("%s: Open = %v, want a fault of %s", name, err, c.want)
		}
	}
}

func dkim(d *config.Delivery) {
	d.SMTP = config.SMTP{
		URL: "smtp://127.0.0.1?tls=off", From: "a@example.com", DKIMDomain: "example.com", DKIMSelector: "s", DKIMKey: "/nowhere",
	}
}
