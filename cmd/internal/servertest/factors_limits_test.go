package servertest_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/validation/delivery/twiliofake"
)

const tooMany = "Too many codes were requested. Try again later."

// limited checks the answer of every send limit and returns its Retry-After.
func limited(t *testing.T, r servertest.Reply) time.Duration {
	t.Helper()
	refused(t, r, 429, "", tooMany)
	n, err := strconv.Atoi(r.Header.Get("Retry-After"))
	if err != nil || n < 1 {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	return time.Duration(n) * time.Second
}

// TestSendLimits is case 31, send_limits: resend waits, series, destination,
// user; headers and spellings reset nothing.
func TestSendLimits(t *testing.T) {
	t.Parallel()
	t.Run("resend waits and destination", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			post := func(value string) servertest.Reply {
				return w.do("POST", w.path("validatedEmailAddresses"), emailBody(value))
			}
			for i, seconds := range []int{30, 60, 120, 240} {
				wait := time.Duration(seconds) * time.Second
				if r := post(address); r.Status != http.StatusCreated {
					t.Fatalf("send %d: %d %s", i+1, r.Status, r.Body)
				}
				for _, spelling := range []string{address, "Dr.Veil@SainteAnne.com", "DR.VEIL@sainteanne.com"} {
					if got := limited(t, post(spelling)); got != wait {
						t.Errorf("wait after send %d to %s: %v, want %v", i+1, spelling, got, wait)
					}
				}
				w.clock.advance(wait - time.Second)
				limited(t, post(address))
				w.clock.advance(time.Second)
			}
			if r := post(address); r.Status != http.StatusCreated {
				t.Fatalf("send 5: %d %s", r.Status, r.Body)
			}
			w.clock.advance(45 * time.Minute) // the series and the hour are full
			limited(t, post(address))
			if n := w.mail.count(); n != 5 {
				t.Errorf("%d mails, want 5", n)
			}
			// Another user, another token: the destination counts for all.
			other := w.newUser("other")
			r := w.Do(t, "POST", "/scim/v2/Users/"+other+"/validatedEmailAddresses", w.Token(t, "compat"), emailBody(address))
			limited(t, r)
			w.clock.advance(time.Hour)
			if r := post(address); r.Status != http.StatusCreated {
				t.Errorf("after a quiet hour: %d %s", r.Status, r.Body)
			}
			if len(w.events(audit.ChallengeSendRefused)) == 0 {
				t.Error("no event challenge.send_refused")
			}
		})
	})
	t.Run("user", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			for i := range 10 {
				w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), emailBody(fmt.Sprintf("a%d@example.com", i)))
			}
			limited(t, w.do("POST", w.path("validatedEmailAddresses"), emailBody("another@example.com")))
			limited(t, w.do("POST", w.path("validatedPhoneNumbers"), `{"attributePath":"secondFactorPhoneNumber","attributeValue":"`+number+`"}`))
		})
	})
	t.Run("address of the user's own application", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			own := w.own()
			post := func(i int, header string) servertest.Reply {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.SCIM()+"/Me/validatedEmailAddresses", strings.NewReader(emailBody(fmt.Sprintf("b%d@example.com", i))))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+own)
				req.Header.Set("X-Forwarded-For", header)
				return servertest.Send(t, http.DefaultClient, req)
			}
			for i := range 3 {
				if r := post(i, fmt.Sprintf("192.0.2.%d", i)); r.Status != http.StatusCreated {
					t.Fatalf("send %d: %d %s", i+1, r.Status, r.Body)
				}
			}
			limited(t, post(9, "198.51.100.1"))
			w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), emailBody("c@example.com"))
		}, func(c *config.Config) { c.SecondFactors.Limits.IPHour = 3 })
	})
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			for i := range 2 {
				w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), emailBody(fmt.Sprintf("a%d@example.com", i)))
			}
			limited(t, w.do("POST", w.path("validatedEmailAddresses"), emailBody("b@example.com")))
			if r := w.Do(t, "POST", w.path("validatedEmailAddresses"), w.Token(t, "compat"), emailBody("b@example.com")); r.Status != http.StatusCreated {
				t.Errorf("another client: %d %s", r.Status, r.Body)
			}
		}, func(c *config.Config) { c.SecondFactors.Limits.ClientHour = 2 })
	})
	t.Run("country", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			post := func(n string) servertest.Reply {
				return w.do("POST", w.path("validatedPhoneNumbers"), `{"attributePath":"secondFactorPhoneNumber","attributeValue":"`+n+`"}`)
			}
			for _, n := range []string{"+15125550100", "+12125550101"} {
				if r := post(n); r.Status != http.StatusCreated {
					t.Fatalf("%s: %d %s", n, r.Status, r.Body)
				}
			}
			limited(t, post("+13035550102"))
			w.clock.advance(time.Minute)
			if r := post("+13035550102"); r.Status != http.StatusCreated {
				t.Errorf("a minute later: %d %s", r.Status, r.Body)
			}
		}, func(c *config.Config) { c.SecondFactors.Limits.PrefixMinute = 2 })
	})
}

// TestProviderDown is case 30, provider_down.
func TestProviderDown(t *testing.T) {
	t.Parallel()
	const down = "The code could not be delivered. Try again later."
	t.Run("mail gateway", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			w.mail.stop()
			for range 12 { // more than any limit: every counter is given back
				r := w.do("POST", w.path("validatedEmailAddresses"), emailBody(address))
				refused(t, r, 503, "", down)
				if r.Header.Get("Retry-After") != "30" {
					t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
				}
			}
			if item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/secondfactoremail"), "").Body); item["codeSent"] != false {
				t.Errorf("a challenge is live: %v", item)
			}
			w.mail.listen(t, w.mail.addr)
			s := w.startEmail(address)
			if r := w.put(s, s.code); r.Status != http.StatusOK {
				t.Errorf("after its return: %d %s", r.Status, r.Body)
			}
		})
	})
	t.Run("mailbox rejected", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			w.mail.mu.Lock()
			w.mail.refuse = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
			w.mail.mu.Unlock()
			for range 12 {
				refused(t, w.do("POST", w.path("validatedEmailAddresses"), emailBody(address)), 400, "invalidValue", "attributeValue cannot receive a code.")
			}
		})
	})
	t.Run("Twilio", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			body := `{"attributePath":"secondFactorPhoneNumber","attributeValue":"` + number + `"}`
			post := func() servertest.Reply { return w.do("POST", w.path("validatedPhoneNumbers"), body) }
			for _, b := range []twiliofake.Behaviour{twiliofake.Down, twiliofake.TooMany} {
				w.twilio.Set(number, twiliofake.Number{Behaviour: b})
				refused(t, post(), 503, "", down)
			}
			w.twilio.Set(number, twiliofake.Number{Behaviour: twiliofake.NotANumber})
			refused(t, post(), 400, "invalidValue", "attributeValue cannot receive a code.")
			w.twilio.Set(number, twiliofake.Number{})
			if r := post(); r.Status != http.StatusCreated {
				t.Fatalf("after its return: %d %s", r.Status, r.Body)
			}
		})
	})
	t.Run("outcome unknown", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			body := `{"attributePath":"secondFactorPhoneNumber","attributeValue":"` + number + `"}`
			w.twilio.Set(number, twiliofake.Number{Behaviour: twiliofake.Drop})
			refused(t, w.do("POST", w.path("validatedPhoneNumbers"), body), 503, "", down)
			w.twilio.Set(number, twiliofake.Number{})
			limited(t, w.do("POST", w.path("validatedPhoneNumbers"), body))
			if item := object(t, w.must(http.StatusOK, "GET", w.path("validatedPhoneNumbers/secondfactorphonenumber"), "").Body); item["codeSent"] != false {
				t.Errorf("a challenge is live: %v", item)
			}
			found := false
			for _, e := range w.events(audit.ChallengeSent) {
				found = found || e.Outcome == audit.Failed && e.Reason == "delivery_unknown"
			}
			if !found {
				t.Error("no event of the unknown outcome")
			}
		})
	})
}
