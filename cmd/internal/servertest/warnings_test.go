package servertest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// warned is a world in which the user has a password and a validated address,
// both told of, and the number of mails so far.
func (w *world) warned() (servertest.Person, *servertest.Application, int) {
	w.t.Helper()
	w.setPassword()
	n := w.validated()
	return servertest.Person{ID: w.user, UserName: "dr.veil", Password: veilPassword}, w.Application(w.t, oidc.Client{Trusted: true}), n
}

// wantNotices checks what was announced after the first n mails, and that each
// names the network and who it was.
func (w *world) wantNotices(n int, by string, want ...string) {
	w.t.Helper()
	var lines []string
	for _, line := range want {
		lines = append(lines, address+": "+line)
	}
	got := w.notices(n, len(want))
	for i := range got { // the first line is wrapped
		got[i], _, _ = strings.Cut(got[i], " account")
	}
	if diff := cmp.Diff(lines, got); diff != "" {
		w.t.Errorf("notices (-want +got):\n%s", diff)
	}
	for _, m := range w.mail.await(w.t, n+len(want))[n:] {
		text := strings.ReplaceAll(m.text(), "\n", " ")
		for _, part := range []string{"127.0.0.1", by, "UTC", "Was it you"} {
			if !strings.Contains(text, part) {
				w.t.Errorf("no %q in %q", part, text)
			}
		}
		if strings.Contains(text, "://") {
			w.t.Errorf("a link in %q", text)
		}
	}
}

const aNewBrowser = "Somebody logged in to your"

// security.md section 6: the first login from a new device is announced: not the
// very first of the account, not again in a browser that is known, and again
// after a change of the password, which makes all browsers unknown.
func TestNoticeOfNewBrowser(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		who, app, n := w.warned()
		first := w.Browser(t)
		login := func(b *servertest.Browser) {
			t.Helper()
			password(b, b.Open(app.AuthURL("prompt", "login")), who).Code(t)
		}
		login(first)
		login(first)
		w.wantNotices(n, "")
		second := w.Browser(t)
		wantKind(t, password(second, second.Open(app.AuthURL()), servertest.Person{UserName: who.UserName, Password: "wrong"}), servertest.KindLogin)
		w.wantNotices(n, "")
		login(second)
		w.wantNotices(n, "somebody who was logged in as you", aNewBrowser)
		n++
		login(second)
		w.clock.advance(25 * time.Hour) // sessions end, marks stay
		login(first)
		login(second)
		w.wantNotices(n, "")
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"password","value":"`+nextOne+`"`))
		n += len(w.notices(n, 1))
		who.Password = nextOne
		login(first)
		w.wantNotices(n, "somebody who was logged in as you", aNewBrowser)
	}, announced, oneFactor)
}

// oneFactor lets the default ACR do with a password.
func oneFactor(c *config.Config) { c.DefaultACRs, c.UserFloor = []string{"Default"}, false }

// Two logins at once with a new account: one of them is the first.
func TestNoticeOfNewBrowserAtOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		who, app, n := w.warned()
		pages, browsers := make([]servertest.Page, 4), make([]*servertest.Browser, 4)
		for i := range browsers {
			browsers[i] = w.Browser(t)
			pages[i] = browsers[i].Open(app.AuthURL())
		}
		together(t, []*servertest.Server{w.Server}, len(browsers), func(i int, _ *servertest.Server) servertest.Reply {
			password(browsers[i], pages[i], who)
			return servertest.Reply{Status: http.StatusOK}
		})
		w.wantNotices(n, "somebody who was logged in as you", aNewBrowser, aNewBrowser, aNewBrowser)
	}, announced, oneFactor)
}

// security.md section 2.2: at the ceiling of wrong passwords the user is told
// once; a known browser still logs in.
func TestNoticeOfPausedPassword(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		who, app, n := w.warned()
		known := w.Browser(t)
		password(known, known.Open(app.AuthURL()), who).Code(t)
		stranger := w.Browser(t)
		wrong := func() {
			t.Helper()
			w.clock.advance(time.Minute)
			wantKind(t, password(stranger, stranger.Open(app.AuthURL()), servertest.Person{UserName: who.UserName, Password: "wrong"}), servertest.KindLogin)
		}
		for range 9 {
			wrong()
		}
		w.wantNotices(n, "")
		wrong()
		w.wantNotices(n, "somebody who tried to log in as you", "A wrong password was given for your")
		n++
		wrong()
		w.clock.advance(time.Minute)
		wantKind(t, password(stranger, stranger.Open(app.AuthURL()), who), servertest.KindLogin)
		w.wantNotices(n, "")
		w.clock.advance(time.Minute)
		password(known, known.Open(app.AuthURL("prompt", "login")), who).Code(t)
		w.wantNotices(n, "")
	}, announced, oneFactor, func(c *config.Config) { c.SecondFactors.Limits.PasswordCeiling = 10 })
}

// security.md sections 1 and 6: a second factor that is disabled after too many
// wrong codes is announced, once, whether the codes came to the pages or to the
// sub-resource.
func TestNoticeOfDisabledFactor(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		who, app, n := w.warned()
		w.enrolTOTP()
		n += len(w.notices(n, 1))
		w.SwitchSecondFactor(t, who, true)
		b := w.Browser(t)
		for i := range 12 {
			w.clock.advance(61 * time.Minute)
			p := password(b, b.Open(app.AuthURL("acr_values", "MFA", "prompt", "login")), who)
			if p.Kind() == servertest.KindFactor {
				p = pickTOTP(t, b, p)
			}
			if p.Kind() != servertest.KindCode {
				break
			}
			b.Submit(p, "code", "code", fmt.Sprintf("%06d", i))
		}
		w.wantNotices(n, "somebody who tried to log in as you", "A wrong code was given for your")
		if events := w.about(audit.FactorDisabled); len(events) != 1 {
			t.Errorf("%d events, want 1", len(events))
		}
	}, announced, oneFactor, func(c *config.Config) { c.SecondFactors.Limits.Ceiling = 10 })
}

// pickTOTP picks the authenticator app where several factors fit.
func pickTOTP(t *testing.T, b *servertest.Browser, p servertest.Page) servertest.Page {
	t.Helper()
	for value := range p.Buttons("factor", "factor") {
		if strings.HasPrefix(value, "totp") {
			return b.Submit(p, "factor", "factor", value)
		}
	}
	return p
}
