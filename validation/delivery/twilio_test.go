package delivery_test

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/delivery/twiliofake"
)

const (
	accountSID = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	authToken  = "token-of-the-account"
	sender     = "+15125550199"
	recipient  = "+15125550100"
)

// statuses is a StatusStore in memory.
type statuses struct {
	mu   sync.Mutex
	rows []delivery.Record
	down error
}

func (s *statuses) RecordSent(_ context.Context, r delivery.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = append(s.rows, r)
	return s.down
}

func (s *statuses) RecordStatus(_ context.Context, provider, id string, status delivery.Status) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rows {
		if s.rows[i].Provider == provider && s.rows[i].ProviderID == id {
			if s.rows[i].Status == delivery.Sent {
				s.rows[i].Status = status
			}
			return s.down
		}
	}
	return delivery.ErrUnknownMessage
}

func (s *statuses) FirstSend(_ context.Context, dest []byte) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rows {
		if string(r.DestHash) == string(dest) {
			return false, s.down
		}
	}
	return true, s.down
}

func (s *statuses) Statuses(context.Context, time.Time) (map[string]map[delivery.Status]int64, error) {
	return map[string]map[delivery.Status]int64{}, s.down
}

func (s *statuses) all() []delivery.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]delivery.Record(nil), s.rows...)
}

// telephone is a fake Twilio with providers on it.
type telephone struct {
	fake      *twiliofake.Server
	providers *delivery.Providers
	statuses  *statuses
}

func newTelephone(t *testing.T, edit func(*delivery.TwilioConfig, *delivery.Config)) *telephone {
	t.Helper()
	p := &telephone{fake: twiliofake.New(accountSID, authToken), statuses: &statuses{}}
	t.Cleanup(p.fake.Close)
	account := delivery.TwilioConfig{AccountSID: accountSID, AuthToken: authToken, From: sender, BaseURL: p.fake.URL}
	cfg := delivery.Config{Service: "Sainte Anne", Now: noon, Status: p.statuses}
	if edit != nil {
		edit(&account, &cfg)
	}
	cfg.Providers = []delivery.ProviderConfig{
		{Name: delivery.TwilioSMS, Channel: delivery.SMS, Twilio: &account},
		{Name: delivery.TwilioVoice, Channel: delivery.Voice, Twilio: &account},
	}
	var err error
	if p.providers, err = delivery.New(cfg); err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { _ = p.providers.Close() })
	return p
}

func (p *telephone) provider(t *testing.T, name string) *delivery.Provider {
	t.Helper()
	provider, err := p.providers.Provider(name)
	if err != nil {
		t.Fatalf("Provider(%q): %v", name, err)
	}
	return provider
}

func phoneMessage() delivery.Message {
	return delivery.Message{ID: "jti-1", To: recipient, Code: "047110", Language: "fr", Purpose: delivery.StepUp, Validity: 5 * time.Minute, DestHash: []byte("h")}
}

func TestSMS(t *testing.T) {
	t.Parallel()
	p := newTelephone(t, func(c *delivery.TwilioConfig, _ *delivery.Config) {
		c.CallbackURL = "https://id.example.com" + delivery.CallbackPath
	})
	r := mustSend(t, p.provider(t, delivery.TwilioSMS), phoneMessage())
	sent := p.fake.Messages()
	if len(sent) != 1 || sent[0].Call {
		t.Fatalf("Twilio got %+v, want one message", sent)
	}
	want := url.Values{
		"To": {recipient}, "From": {sender}, "Body": {"047110 est votre code pour Sainte Anne. Valable 5 min. Ne le transmettez pas."},
		"ValidityPeriod": {"300"}, "MaxPrice": {"0.50"}, "RiskCheck": {"enable"},
		"StatusCallback": {"https://id.example.com/delivery/twilio/status?provider=Twilio+SMS+Provider"},
	}
	if diff := cmp.Diff(want, sent[0].Form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	if r.ID != "jti-1" || r.ProviderID != sent[0].SID || r.Provider != delivery.TwilioSMS || r.Channel != delivery.SMS || !r.At.Equal(noon()) {
		t.Errorf("receipt = %+v", r)
	}
	wantRow := delivery.Record{
		ID: "jti-1", Provider: delivery.TwilioSMS, ProviderID: sent[0].SID, Channel: delivery.SMS, Country: "1",
		DestHash: []byte("h"), CreatedAt: noon(), Status: delivery.Sent,
	}
	if diff := cmp.Diff([]delivery.Record{wantRow}, p.statuses.all()); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestMessagingService(t *testing.T) {
	t.Parallel()
	service := "MG" + strings.Repeat("0", 32)
	fake := twiliofake.New(accountSID, authToken)
	defer fake.Close()
	account := &delivery.TwilioConfig{AccountSID: accountSID, AuthToken: authToken, From: service, BaseURL: fake.URL}
	p, err := delivery.New(delivery.Config{
		Service: "x", Countries: []string{"us"},
		Providers: []delivery.ProviderConfig{{Name: "Service", Channel: delivery.SMS, Twilio: account}},
	})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := p.DefaultPhone()
	if err != nil {
		t.Fatal(err)
	}
	mustSend(t, provider, phoneMessage())
	if form := fake.Messages()[0].Form; form.Get("MessagingServiceSid") != service || form.Has("From") || form.Has("StatusCallback") {
		t.Errorf("form = %v", form)
	}
}

// A call says every character by itself, twice, in the voice of its language.
func TestVoice(t *testing.T) {
	t.Parallel()
	p := newTelephone(t, nil)
	mustSend(t, p.provider(t, delivery.TwilioVoice), phoneMessage())
	call := p.fake.Messages()[0]
	if !call.Call || call.Form.Get("To") != recipient || call.Form.Get("From") != sender || call.Form.Get("Timeout") != "30" {
		t.Errorf("call = %+v", call)
	}
	if got, want := spoken(t, call.Form.Get("Twiml"), "fr-FR"), "Bonjour. Votre code pour Sainte Anne est :|0|4|7|1|1|0|Je répète :|0|4|7|1|1|0|Au revoir."; got != want {
		t.Errorf("spoken %q, want %q", got, want)
	}

	m := phoneMessage()
	m.Language, m.Text = "de", "Ihr <Code> & mehr: %code%"
	mustSend(t, p.provider(t, delivery.TwilioVoice), m)
	if got, want := spoken(t, p.fake.Messages()[1].Form.Get("Twiml"), "de-DE"), "Ihr <Code> & mehr:|0|4|7|1|1|0|Gesendet von Sainte Anne."; got != want {
		t.Errorf("caller's text: spoken %q, want %q", got, want)
	}
}

// spoken reads TwiML and joins what is said.
func spoken(t *testing.T, twiml, language string) string {
	t.Helper()
	var script struct {
		XMLName xml.Name `xml:"Response"`
		Say     []struct {
			Language string `xml:"language,attr"`
			Text     string `xml:",chardata"`
		} `xml:"Say"`
		Pause []struct{} `xml:"Pause"`
	}
	if err := xml.Unmarshal([]byte(twiml), &script); err != nil {
		t.Fatalf("TwiML %q: %v", twiml, err)
	}
	var parts []string
	for _, s := range script.Say {
		if s.Language != language {
			t.Errorf("%q is said in %s, want %s", s.Text, s.Language, language)
		}
		parts = append(parts, s.Text)
	}
	if len(script.Pause) < 6 {
		t.Errorf("%d pauses", len(script.Pause))
	}
	return strings.Join(parts, "|")
}

func TestSMSWithCallerText(t *testing.T) {
	t.Parallel()
	p := newTelephone(t, nil)
	m := phoneMessage()
	m.Text, m.Code = "Your code: %code%", "%code%"
	mustSend(t, p.provider(t, delivery.TwilioSMS), m)
	if got, want := p.fake.Messages()[0].Form.Get("Body"), "Your code: %code%\nEnvoyé par Sainte Anne."; got != want {
		t.Errorf("body = %q, want %q", got, want)
	}
}

// What Twilio answers decides what the person is told.
func TestTwilioAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		behaviour twiliofake.Behaviour
		want      error
	}{
		"429":                     {twiliofake.TooMany, delivery.ErrUnavailable},
		"500":                     {twiliofake.Down, delivery.ErrUnavailable},
		"502 of a proxy":          {twiliofake.BadGateway, delivery.ErrUnknown},
		"no answer":               {twiliofake.Hang, delivery.ErrUnknown},
		"connection ended":        {twiliofake.Drop, delivery.ErrUnknown},
		"answer that is no JSON":  {twiliofake.NoJSON, delivery.ErrUnknown},
		"21211 not a number":      {twiliofake.NotANumber, delivery.ErrRefused},
		"21408 country":           {twiliofake.NoPermit, delivery.ErrRefused},
		"21610 unsubscribed":      {twiliofake.Unsubscribed, delivery.ErrRefused},
		"21606 is about the user": {twiliofake.WrongSender, delivery.ErrUnavailable},
	} {
		for _, provider := range []string{delivery.TwilioSMS, delivery.TwilioVoice} {
			t.Run(name+", "+provider, func(t *testing.T) {
				t.Parallel()
				p := newTelephone(t, nil)
				p.fake.Set(recipient, twiliofake.Number{Behaviour: c.behaviour})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.behaviour == twiliofake.Hang {
					go cancelWhenAsked(ctx, cancel, p.fake)
				}
				_, err := p.provider(t, provider).Send(ctx, phoneMessage())
				if !errors.Is(err, c.want) {
					t.Fatalf("Send = %v, want %v", err, c.want)
				}
				if strings.Contains(err.Error(), recipient) || strings.Contains(err.Error(), "047110") || strings.Contains(err.Error(), authToken) {
					t.Errorf("the error shows a secret: %v", err)
				}
				if p.fake.Requests() != 1 || len(p.statuses.all()) != 0 {
					t.Errorf("%d requests, %d records, want 1 and 0: nothing is retried or recorded", p.fake.Requests(), len(p.statuses.all()))
				}
			})
		}
	}
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		closed := httptest.NewServer(http.NotFoundHandler())
		closed.Close()
		p := newTelephone(t, func(c *delivery.TwilioConfig, _ *delivery.Config) { c.BaseURL = closed.URL })
		if _, err := p.provider(t, delivery.TwilioSMS).Send(t.Context(), phoneMessage()); !errors.Is(err, delivery.ErrUnavailable) {
			t.Errorf("Send = %v, want ErrUnavailable", err)
		}
	})
	t.Run("wrong token", func(t *testing.T) {
		t.Parallel()
		p := newTelephone(t, func(c *delivery.TwilioConfig, _ *delivery.Config) { c.AuthToken = "wrong-token" })
		_, err := p.provider(t, delivery.TwilioSMS).Send(t.Context(), phoneMessage())
		if !errors.Is(err, delivery.ErrUnavailable) || strings.Contains(err.Error(), "wrong-token") {
			t.Errorf("Send = %v, want ErrUnavailable without the token", err)
		}
	})
	t.Run("a redirect is not followed", func(t *testing.T) {
		t.Parallel()
		stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
		defer stranger.Close()
		front := httptest.NewServer(http.RedirectHandler(stranger.URL, http.StatusTemporaryRedirect))
		defer front.Close()
		p := newTelephone(t, func(c *delivery.TwilioConfig, _ *delivery.Config) { c.BaseURL = front.URL })
		if _, err := p.provider(t, delivery.TwilioSMS).Send(t.Context(), phoneMessage()); !errors.Is(err, delivery.ErrUnavailable) {
			t.Errorf("Send = %v, want ErrUnavailable", err)
		}
	})
}

// cancelWhenAsked ends a send that Twilio has and does not answer.
func cancelWhenAsked(ctx context.Context, cancel context.CancelFunc, fake *twiliofake.Server) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for fake.Requests() == 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	cancel()
}

// A message that is out and could not be written down is no failure.
func TestRecordFailureIsNoFailureOfTheSend(t *testing.T) {
	t.Parallel()
	p := newTelephone(t, nil)
	p.statuses.down = errors.New("no database")
	mustSend(t, p.provider(t, delivery.TwilioSMS), phoneMessage())
}

// Security rule 2.4: line type and risk before the first message to a number.
func TestLookup(t *testing.T) {
	t.Parallel()
	lookup := func(t *testing.T) *telephone {
		return newTelephone(t, func(c *delivery.TwilioConfig, _ *delivery.Config) { c.Lookup = true })
	}
	for name, c := range map[string]struct {
		line       twiliofake.Line
		sms, voice error
	}{
		"mobile":               {twiliofake.Line{}, nil, nil},
		"VoIP":                 {twiliofake.Line{Type: "nonFixedVoip"}, nil, nil},
		"landline":             {twiliofake.Line{Type: "landline"}, delivery.ErrRefused, nil},
		"premium":              {twiliofake.Line{Type: "premium"}, delivery.ErrRefused, delivery.ErrRefused},
		"shared cost":          {twiliofake.Line{Type: "sharedCost"}, delivery.ErrRefused, delivery.ErrRefused},
		"pager":                {twiliofake.Line{Type: "pager"}, delivery.ErrRefused, delivery.ErrRefused},
		"blocked":              {twiliofake.Line{Blocked: true}, delivery.ErrRefused, delivery.ErrRefused},
		"risk at the limit":    {twiliofake.Line{Risk: 74}, nil, nil},
		"risk above the limit": {twiliofake.Line{Risk: 75}, delivery.ErrRefused, delivery.ErrRefused},
		"not valid":            {twiliofake.Line{Invalid: true}, delivery.ErrRefused, delivery.ErrRefused},
		"unknown":              {twiliofake.Line{Unknown: true}, delivery.ErrRefused, delivery.ErrRefused},
		"look-up down":         {twiliofake.Line{Down: true}, delivery.ErrUnavailable, delivery.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for provider, want := range map[string]error{delivery.TwilioSMS: c.sms, delivery.TwilioVoice: c.voice} {
				p := lookup(t)
				p.fake.Set(recipient, twiliofake.Number{Line: c.line})
				_, err := p.provider(t, provider).Send(t.Context(), phoneMessage())
				if !errors.Is(err, want) {
					t.Errorf("%s: Send = %v, want %v", provider, err, want)
				}
				if sent := len(p.fake.Messages()); (want == nil) != (sent == 1) {
					t.Errorf("%s: %d messages", provider, sent)
				}
			}
		})
	}
	p := lookup(t)
	for range 3 {
		mustSend(t, p.provider(t, delivery.TwilioSMS), phoneMessage())
	}
	if got := p.fake.Lookups(); len(got) != 1 || got[0] != recipient {
		t.Errorf("looked up %v, want the number once", got)
	}
	off := newTelephone(t, nil)
	mustSend(t, off.provider(t, delivery.TwilioSMS), phoneMessage())
	if got := off.fake.Lookups(); len(got) != 0 {
		t.Errorf("looked up %v without being asked to", got)
	}
}

// Which destinations a provider takes at all.
func TestCheck(t *testing.T) {
	t.Parallel()
	p := newTelephone(t, nil) // the sending number is in the USA
	wide := newTelephone(t, func(_ *delivery.TwilioConfig, c *delivery.Config) { c.Countries = []string{"DE", "gb"} })
	for _, c := range []struct {
		rule     string
		on       *telephone
		provider string
		to       string
		ok       bool
	}{
		{"country of the sending number", p, delivery.TwilioSMS, recipient, true},
		{"another country", p, delivery.TwilioSMS, "+4915112345678", false},
		{"another country of the same code", p, delivery.TwilioSMS, "+18765551234", false},
		{"listed country", wide, delivery.TwilioSMS, "+4915112345678", true},
		{"the list replaces the sender's country", wide, delivery.TwilioSMS, recipient, false},
		{"fixed line by SMS", wide, delivery.TwilioSMS, "+4930123456", false},
		{"fixed line by voice", wide, delivery.TwilioVoice, "+4930123456", true},
		{"premium rate by voice", wide, delivery.TwilioVoice, "+19002345678", false},
		{"shared cost", wide, delivery.TwilioVoice, "+448456400000", false},
		{"satellite", wide, delivery.TwilioVoice, "+881631234567", false},
		{"no number", wide, delivery.TwilioVoice, "4930123456", false},
	} {
		err := c.on.provider(t, c.provider).Check(c.to)
		if c.ok != (err == nil) || err != nil && !errors.Is(err, delivery.ErrRefused) {
			t.Errorf("%s: Check(%s) = %v, want ok %v", c.rule, c.to, err, c.ok)
		}
		m := phoneMessage()
		m.To = c.to
		if _, err := c.on.provider(t, c.provider).Send(t.Context(), m); c.ok != (err == nil) {
			t.Errorf("%s: Send to %s = %v, want ok %v", c.rule, c.to, err, c.ok)
		}
	}
	if diff := cmp.Diff([]string{"US"}, p.providers.Countries()); diff != "" {
		t.Errorf("Countries (-want +got):\n%s", diff)
	}
}

func TestTwilioConfigIsChecked(t *testing.T) {
	t.Parallel()
	for rule, edit := range map[string]func(*delivery.TwilioConfig){
		"no SID": func(c *delivery.TwilioConfig) { c.AccountSID = "" }, "no token": func(c *delivery.TwilioConfig) { c.AuthToken = "" },
		"SID that leaves its path": func(c *delivery.TwilioConfig) { c.AccountSID = "AC/../x" }, "no sender": func(c *delivery.TwilioConfig) { c.From = "" },
		"price of nothing": func(c *delivery.TwilioConfig) { c.MaxPrice = "0" }, "price a word": func(c *delivery.TwilioConfig) { c.MaxPrice = "cheap" },
		"risk too high": func(c *delivery.TwilioConfig) { c.MaxRisk = 101 }, "token in clear": func(c *delivery.TwilioConfig) { c.BaseURL = "http://api.example.com" },
		"base URL with query": func(c *delivery.TwilioConfig) { c.BaseURL = "https://api.example.com?x=1" }, "base URL with user": func(c *delivery.TwilioConfig) { c.BaseURL = "https://u:p@api.example.com" },
		"look-up in clear": func(c *delivery.TwilioConfig) { c.LookupURL = "http://lookups.example.com" },
	} {
		c := delivery.TwilioConfig{AccountSID: accountSID, AuthToken: authToken, From: sender}
		edit(&c)
		_, err := delivery.New(delivery.Config{Service: "x", Providers: []delivery.ProviderConfig{{Name: "T", Channel: delivery.SMS, Twilio: &c}}})
		if err == nil || !strings.Contains(err.Error(), `provider "T"`) {
			t.Errorf("%s: New = %v, want a fault of the provider", rule, err)
		}
	}
	c := delivery.TwilioConfig{AccountSID: accountSID, AuthToken: authToken, From: "ACME"}
	_, err := delivery.New(delivery.Config{Service: "x", Providers: []delivery.ProviderConfig{{Name: "T", Channel: delivery.Voice, Twilio: &c}}})
	if err == nil || !strings.Contains(err.Error(), "E.164") {
		t.Errorf("calls from a name: New = %v", err)
	}
}
