package servertest_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// posting returns a function that sends the form of a page with this answer, as
// this browser, to any node; it does not follow where that leads and may be
// called from several goroutines.
func posting(t *testing.T, b *servertest.Browser, p servertest.Page, action, answer string) func(node *servertest.Server) servertest.Reply {
	t.Helper()
	csrf, ok := p.Value(action, "csrf")
	if !ok {
		t.Fatalf("no form %q:\n%s", action, p.Text())
	}
	body, cookies := url.Values{"csrf": {csrf}, "answer": {answer}}.Encode(), b.Cookies()
	target := *p.URL
	target.Path, target.RawQuery = target.Path+"/"+action, ""
	return func(node *servertest.Server) servertest.Reply {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target.String(), strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return servertest.Reply{}
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			req.AddCookie(c)
		}
		return servertest.Send(t, node.HTTP(), req)
	}
}

// security.md 2.1 for passkeys: 200 answers at once to one challenge, on two
// nodes, are one proof and one session.
func TestPasskeyChallengeAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newKeyWorldOn(t, kind)
			w.register()
			nodes := []*servertest.Server{w.Server}
			if kind == "postgres" {
				nodes = append(nodes, town{w.Server, w.clock}.neighbour(t))
			}
			b := w.Browser(t)
			p := b.Open(w.app.AuthURL())
			send := posting(t, b, p, "passkey", w.assertion(w.challenge(b, p)))
			before := len(w.proofsBy("passkey"))
			got := together(t, nodes, 200, func(_ int, node *servertest.Server) servertest.Reply {
				r := send(node)
				if r.Status == http.StatusUnprocessableEntity && strings.Contains(r.Body, "took too long") {
					return servertest.Reply{Status: http.StatusCreated}
				}
				return servertest.Reply{Status: r.Status, Body: `{"detail":"` + r.Header.Get("Location") + `"}`}
			})
			right := 0
			for answer, n := range got {
				if strings.HasPrefix(answer, http.StatusText(http.StatusSeeOther)) && strings.Contains(answer, p.URL.Path) {
					right += n
				}
			}
			if right+got[http.StatusText(http.StatusCreated)] != 200 {
				t.Errorf("answers: %v", got)
			}
			if n := len(w.proofsBy("passkey")) - before; n != 1 {
				t.Errorf("%d proofs of one challenge, want 1 (answers: %v)", n, got)
			}
		})
	}
}

// proofsBy are the events of logins with a factor.
func (w *keyWorld) proofsBy(factor string) []audit.Event {
	w.t.Helper()
	all, err := w.Directory().History.Events(w.t.Context(), audit.Filter{Target: w.who.ID})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []audit.Event
	for _, e := range all {
		if e.Name == audit.LoginSucceeded && strings.Contains(string(e.Detail), `"factor":"`+factor+`"`) {
			out = append(out, e)
		}
	}
	return out
}

// TestPasskeySwitchedOff: what its user has switched off for logins logs nobody
// in, as first factor and on top of a password, and works again when switched
// on.
func TestPasskeySwitchedOff(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	w.register()
	begun := w.Browser(t)
	p := begun.Open(w.app.AuthURL())
	answer := w.assertion(w.challenge(begun, p))

	page := w.b.Open("/account/security")
	if page.Kind() == servertest.KindFactor {
		page = w.b.Submit(page, "factor", "factor", "passkey")
	}
	if strings.HasPrefix(page.URL.Path, "/login/") {
		page = w.show(w.b, page)
	}
	_, row, _ := strings.Cut(page.Body, ">Key ring<")
	page = w.b.Open(html.UnescapeString(between(t, row, `href="`, `"`)))
	if strings.HasPrefix(page.URL.Path, "/login/") {
		page = w.show(w.b, page)
	}
	page = w.b.Submit(page, "off")
	if page.Status != http.StatusOK {
		t.Fatalf("switch off: %d\n%s", page.Status, page.Text())
	}
	w.refused(begun.Submit(p, "passkey", "answer", answer), "switched off after the options")
	w.refused(w.show(begun, p), "switched off")
	second := w.Browser(t)
	q := password(second, second.Open(w.app.AuthURL("acr_values", "Both")), w.who)
	if _, asked := q.Value("passkey", "csrf"); asked {
		t.Errorf("a passkey that is off is asked for on top of a password:\n%s", q.Text())
	}
	w.recorded(audit.LoginRefused, "switched_off")
	page = w.b.Open("/account/security")
	for id := range page.Buttons("on", "credential") {
		page = w.b.Submit(page, "on", "credential", id)
		break
	}
	if page.Status != http.StatusOK || strings.Contains(page.Body, "/account/security/on") {
		t.Fatalf("switch on: %d\n%s", page.Status, page.Text())
	}
	if p = w.show(begun, p); p.Away == nil {
		t.Errorf("switched on again, it logs nobody in:\n%s", p.Text())
	}
}

// TestPasskeyOrigins: answers of pages at public_urls below the relying party's
// id count, however the settings write them; those of any other page do not.
func TestPasskeyOrigins(t *testing.T) {
	t.Parallel()
	w := newKeyWorldOn(t, "sqlite", func(c *config.Config) {
		c.PublicURLs = []string{"https://Login.localhost:443", "https://other.example", "https://notlocalhost"}
	})
	w.register()
	for origin, want := range map[string]bool{
		w.URL(): true, "https://login.localhost": true,
		"https://other.example": false, "https://notlocalhost": false, "https://evil.localhost": false,
		"https://login.localhost:8443": false, "http://login.localhost": false, "https://login.localhost.evil.example": false,
	} {
		w.rp.Origin = origin
		b := w.Browser(t)
		p := w.show(b, b.Open(w.app.AuthURL()))
		if want && p.Away == nil {
			t.Errorf("origin %s: refused: %s", origin, p.Text())
		}
		if !want {
			w.refused(p, "origin "+origin)
		}
	}
}
