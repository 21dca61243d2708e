package delivery_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/delivery/twiliofake"
)

// callbacks mounts the handler on a server of its own.
func callbacks(t *testing.T) (*telephone, *httptest.Server) {
	t.Helper()
	e := echo.New()
	front := httptest.NewServer(e)
	t.Cleanup(front.Close)
	p := newTelephone(t, func(c *delivery.TwilioConfig, _ *delivery.Config) { c.CallbackURL = front.URL + delivery.CallbackPath })
	delivery.NewStatusHandler(p.providers).Register(e)
	return p, front
}

// Twilio says what became of a message; the record shows it.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		number   twiliofake.Number
		provider string
		want     delivery.Status
	}{
		"delivered":   {twiliofake.Number{}, delivery.TwilioSMS, delivery.Delivered},
		"undelivered": {twiliofake.Number{Behaviour: twiliofake.Undeliver}, delivery.TwilioSMS, delivery.Undelivered},
		"failed":      {twiliofake.Number{Behaviour: twiliofake.Fail}, delivery.TwilioSMS, delivery.Failed},
		"pumping":     {twiliofake.Number{Behaviour: twiliofake.Pumping}, delivery.TwilioSMS, delivery.Undelivered},
		"too dear":    {twiliofake.Number{Price: 0.51}, delivery.TwilioSMS, delivery.Failed},
		"call taken":  {twiliofake.Number{}, delivery.TwilioVoice, delivery.Delivered},
		"no answer":   {twiliofake.Number{Behaviour: twiliofake.Undeliver}, delivery.TwilioVoice, delivery.Undelivered},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := callbacks(t)
			p.fake.Set(recipient, c.number)
			r := mustSend(t, p.provider(t, c.provider), phoneMessage())
			if status, err := p.fake.Settle(t.Context(), r.ProviderID); err != nil || status != http.StatusNoContent {
				t.Fatalf("call-back = %d, %v", status, err)
			}
			if got := p.statuses.all()[0].Status; got != c.want {
				t.Errorf("status = %s, want %s", got, c.want)
			}
		})
	}
}

// Only what Twilio signed, for the URL that Twilio was given, is read.
func TestCallbackSignature(t *testing.T) {
	t.Parallel()
	p, front := callbacks(t)
	r := mustSend(t, p.provider(t, delivery.TwilioSMS), phoneMessage())
	target := front.URL + delivery.CallbackPath + "?provider=Twilio+SMS+Provider"
	form := url.Values{"MessageSid": {r.ProviderID}, "MessageStatus": {"failed"}, "To": {recipient}}
	good := p.fake.Sign(target, form)
	post := func(t *testing.T, to, signature, contentType string, form url.Values) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		if signature != "" {
			req.Header.Set("X-Twilio-Signature", signature)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode
	}
	const formType = "application/x-www-form-urlencoded"
	changed := url.Values{"MessageSid": {r.ProviderID}, "MessageStatus": {"delivered"}, "To": {recipient}}
	added := url.Values{"MessageSid": {r.ProviderID}, "MessageStatus": {"failed"}, "To": {recipient}, "X": {"1"}}
	stranger := twiliofake.New(accountSID, "another token")
	defer stranger.Close()
	for name, c := range map[string]struct {
		to, signature, contentType string
		form                       url.Values
		want                       int
	}{
		"no signature":           {target, "", formType, form, 403},
		"not base64":             {target, "%%%", formType, form, 403},
		"empty MAC":              {target, base64.StdEncoding.EncodeToString(nil), formType, form, 403},
		"cut signature":          {target, good[:len(good)-8] + "=", formType, form, 403},
		"another token":          {target, stranger.Sign(target, form), formType, form, 403},
		"changed value":          {target, good, formType, changed, 403},
		"added parameter":        {target, good, formType, added, 403},
		"signed for another URL": {target, p.fake.Sign("https://evil.example/", form), formType, form, 403},
		"another provider":       {front.URL + delivery.CallbackPath + "?provider=Twilio+Voice+Provider", good, formType, form, 403},
		"unknown provider":       {front.URL + delivery.CallbackPath + "?provider=x", good, formType, form, 403},
		"no provider":            {front.URL + delivery.CallbackPath, good, formType, form, 403},
		"JSON":                   {target, good, "application/json", form, 415},
		"no content type":        {target, good, "", form, 415},
		"too large":              {target, good, formType, url.Values{"x": {strings.Repeat("a", 65<<10)}}, 413},
	} {
		if got := post(t, c.to, c.signature, c.contentType, c.form); got != c.want {
			t.Errorf("%s = %d, want %d", name, got, c.want)
		}
	}
	if got := p.statuses.all()[0].Status; got != delivery.Sent {
		t.Fatalf("status = %s after refused call-backs, want sent", got)
	}
	if got := post(t, target, good, formType, form); got != http.StatusNoContent || p.statuses.all()[0].Status != delivery.Failed {
		t.Errorf("the signed call-back = %d, status %s", got, p.statuses.all()[0].Status)
	}
	// A status on the way, and a message that is not ours, change nothing.
	for _, form := range []url.Values{
		{"MessageSid": {r.ProviderID}, "MessageStatus": {"sending"}}, {"MessageSid": {"SM0"}, "MessageStatus": {"delivered"}}, {},
	} {
		if got := post(t, target, p.fake.Sign(target, form), formType, form); got != http.StatusNoContent {
			t.Errorf("call-back %v = %d, want 204", form, got)
		}
	}
	p.statuses.down = errors.New("no database")
	if got := post(t, target, good, formType, form); got != http.StatusInternalServerError {
		t.Errorf("call-back without database = %d, want 500, so that Twilio says it again", got)
	}
	if got := post(t, strings.Replace(target, "status", "other", 1), good, formType, form); got != http.StatusNotFound {
		t.Errorf("another path = %d", got)
	}
}

func TestNoCallbackNoRoute(t *testing.T) {
	t.Parallel()
	p := newTelephone(t, nil)
	e := echo.New()
	delivery.NewStatusHandler(p.providers).Register(e)
	if n := len(e.Routes()); n != 0 {
		t.Errorf("%d routes without a provider that calls back", n)
	}
}
