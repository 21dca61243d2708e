package authn_test

import (
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// deadGateway is an engine whose mail goes to a port on which nothing listens.
func (w *world) deadGateway() *authn.Engine {
	w.Helper()
	gateway := must(delivery.ParseSMTPURL("smtp://127.0.0.1:1?tls=off"))(w)
	gateway.From = "id@sallyport.example"
	dead := must(delivery.New(delivery.Config{Service: "Test", Now: w.o.Clock.Now, Providers: []delivery.ProviderConfig{
		{Name: delivery.SMTPGateway, Channel: delivery.Email, SMTP: &gateway},
	}}))(w)
	w.Cleanup(func() { _ = dead.Close() })
	return w.node(w.db, func(c *authn.Config) { c.Delivery = dead })
}

// TestSendFails: whoever has shown a first factor is told; nothing was used up,
// so another try may follow at once, and no code is left to be guessed.
func TestSendFails(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		w.second(w.ann, true)
		b := w.browser()
		id := b.begin(mfa)
		b.mustLogin(id, "ann", annPassword)
		b.e = w.deadGateway()
		for range 7 { // more than a series has sends
			refused(w, b.choose(id, "", acr.EmailOTP, ""), authn.SendFailed)
			stepIs[authn.AskFactor](w, b.next(id))
		}
		refused(w, b.code(id, "00000000"), authn.OutOfStep)
		all := w.events(audit.ChallengeSent)
		if len(all) != 7 || all[0].Outcome != audit.Failed || all[0].Reason != "provider_unavailable" {
			t.Errorf("record %+v", all)
		}
		b.e = w.engine
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		b.mustCode(id, w.lastCode())
		b.mustIssue(id)
	})
}

// TestQueuedSendFails: a queued code is tried again while its challenge lives,
// and the page tells nobody.
func TestQueuedSendFails(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolAddress(w.ann, "secondFactorEmail", annEmail)
		b := w.browser()
		id := b.begin(mail)
		w.check(b.choose(id, "ann", acr.EmailOTP, ""))
		if n, err := w.deadGateway().SendQueued(w.Context()); n != 0 || err != nil {
			t.Fatalf("SendQueued = %d, %v", n, err)
		}
		stepIs[authn.AskCode](w, b.next(id))
		if n, err := b.e.SendQueued(w.Context()); n != 0 || err != nil {
			t.Errorf("while it is claimed SendQueued = %d, %v", n, err)
		}
		w.o.Clock.Advance(3 * time.Minute)
		if n, err := b.e.SendQueued(w.Context()); n != 1 || err != nil {
			t.Fatalf("SendQueued later = %d, %v", n, err)
		}
		b.mustCode(id, w.lastCode())
		b.mustIssue(id)

		// One that was superseded, or whose time is over, is sent to nobody.
		id = b.begin(want{ACRs: []string{"Mail"}, Login: true})
		w.check(b.choose(id, "", acr.EmailOTP, ""))
		before := w.messages()
		w.o.Clock.Advance(31 * time.Second)
		w.check(b.e.Send(w.Context(), b.v, b.load(id)))
		if n, err := b.e.SendQueued(w.Context()); n != 1 || err != nil || w.messages() != before+1 {
			t.Errorf("of two codes SendQueued sent %d, %v", n, err)
		}
	})
}

// TestEngineNeedsItsParts: every required member is named when it is missing.
func TestEngineNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := authn.New(authn.Config{}); err == nil {
		t.Fatal("an empty configuration was taken")
	}
	eachWorld(t, func(t *testing.T, w *world) {
		for name, edit := range map[string]func(*authn.Config){
			"users":    func(c *authn.Config) { c.Users = nil },
			"key":      func(c *authn.Config) { c.KnownKey = c.KnownKey[:31] },
			"skew":     func(c *authn.Config) { c.Skew = 2 },
			"tries":    func(c *authn.Config) { c.Tries = 11 },
			"idle":     func(c *authn.Config) { c.Life.Idle = time.Minute },
			"absolute": func(c *authn.Config) { c.Life.Absolute = 31 * 24 * time.Hour },
		} {
			cfg := w.cfg
			edit(&cfg)
			if _, err := authn.New(cfg); err == nil {
				t.Errorf("%s: a bad configuration was taken", name)
			}
		}
	})
}
