package servertest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// TestDayOfLogins lives a day of one session through HTTP: the password counts
// for 12 hours, the authenticator app for 6, each asked again only when it is
// due. Every request goes to the other of two nodes; on SQLite there is one.
func TestDayOfLogins(t *testing.T) {
	t.Parallel()
	for kind, count := range map[string]int{"sqlite": 1, "postgres": 2} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			cfg := servertest.Settings(t)
			servertest.WithIssuer(t, opIssuer)(&cfg)
			if kind == "postgres" {
				cfg.DatabaseURL = config.Secret(storagetest.Postgres(t).Config.URL)
				cfg.MasterKey = config.Secret(server.NewMasterKey())
			}
			var nodes []*servertest.Server
			for range count {
				nodes = append(nodes, servertest.StartAt(t, c.Now, cfg))
			}
			dayOfLogins(t, nodes, c)
		})
	}
}

func dayOfLogins(t *testing.T, nodes []*servertest.Server, c *clock) {
	t.Helper()
	w := town{nodes[0], c}
	who := w.withTOTP(t, w.NewPerson(t, "dr.veil"))
	app := w.Application(t, oidc.Client{Name: "My App", Trusted: true})
	b := w.Browser(t)
	start, password, code := c.Now(), time.Duration(0), time.Duration(0)
	var sid any
	for i, at := range []struct {
		after  time.Duration
		asked  []string
		silent string // error of prompt=none before anything is asked; "": none
	}{
		{0, []string{"login", "code"}, "login_required"},
		{time.Second, nil, ""},
		{3 * time.Hour, nil, ""},
		{6*time.Hour - time.Second, nil, ""},
		{6 * time.Hour, nil, ""},
		{6*time.Hour + time.Second, []string{"code"}, "interaction_required"},
		{11 * time.Hour, nil, ""},
		{12 * time.Hour, nil, ""},
		{12*time.Hour + time.Second, []string{"login"}, "login_required"},
		{12*time.Hour + 2*time.Second, []string{"code"}, "interaction_required"},
		{18*time.Hour + 2*time.Second, nil, ""},
		{18*time.Hour + 3*time.Second, []string{"code"}, "interaction_required"},
		{24*time.Hour - time.Second, nil, ""},
	} {
		c.advance(start.Add(at.after).Sub(c.Now()))
		b.Through(nodes[i%len(nodes)])
		if got := b.Open(app.AuthURL("prompt", "none")).Answer(t).Get("error"); got != at.silent {
			t.Errorf("after %s prompt=none answers %q, want %q", at.after, got, at.silent)
		}
		b.Asked = nil
		p := b.Open(app.AuthURL("acr_values", "MFA"))
		b.Through(nodes[(i+1)%len(nodes)]) // the forms of one node are taken by the other
		p = b.LogIn(p, who)
		app.Through(nodes[i%len(nodes)])
		tokens := app.Redeem(t, p.Code(t))
		if !slices.Equal(b.Asked, at.asked) {
			t.Errorf("after %s asked %v, want %v", at.after, b.Asked, at.asked)
		}
		if slices.Contains(at.asked, "login") {
			password = at.after
		}
		if slices.Contains(at.asked, "code") {
			code = at.after
		}
		// The oldest proof that counts.
		if want := start.Add(min(password, code)).Unix(); tokens.AuthTime() != want || tokens.ACR() != "MFA" {
			t.Errorf("after %s: ID token %v, want MFA and auth_time %d", at.after, tokens.Claims, want)
		}
		if i == 0 {
			sid = tokens.Claims["sid"]
		}
		if tokens.Claims["sid"] != sid || sid == nil {
			t.Errorf("after %s: sid %v, want %v: one session", at.after, tokens.Claims["sid"], sid)
		}
	}
	// The session is a day old and over, whatever was proved last.
	c.advance(2 * time.Second)
	b.Asked = nil
	tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("acr_values", "MFA")), who).Code(t))
	if want := []string{"login", "code"}; !slices.Equal(b.Asked, want) || tokens.Claims["sid"] == sid {
		t.Errorf("a day later asked %v under sid %v, want %v under another", b.Asked, tokens.Claims["sid"], want)
	}
}
