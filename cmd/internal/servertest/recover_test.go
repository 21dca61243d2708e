package servertest_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

const newWords = "violet harbour tin 47"

// TestRecoveryByCode: the code typed where the recovery began; the login that it
// began at goes on.
func TestRecoveryByCode(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann", withMail("ann@example.org"))
		b := w.Browser(t)
		login := b.Open(app.AuthURL())
		if !strings.Contains(login.Text(), "Forgot your password?") {
			t.Fatalf("the login page has no way out:\n%s", login.Text())
		}
		p := b.Open("/recover?return=" + login.URL.Path[strings.LastIndexByte(login.URL.Path, '/')+1:])
		p = b.Submit(p, "recover", "login", "ANN@example.org")
		l := w.letter(t, "ann@example.org", 1)
		if wrong := b.Submit(p, "code", "code", "00000000"); wrong.Status != http.StatusUnprocessableEntity {
			t.Errorf("wrong code: %d", wrong.Status)
		}
		p = b.Submit(p, "code", "code", " "+l.Code+" ")
		if short := b.Submit(p, "password", "new_password", "short"); short.Status != http.StatusUnprocessableEntity || !strings.Contains(short.Text(), "8 to 256") {
			t.Errorf("short password: %d %s", short.Status, short.Text())
		}
		if named := b.Submit(p, "password", "new_password", "ann@example.org"); named.Status != http.StatusUnprocessableEntity {
			t.Errorf("own address as password: %d %s", named.Status, named.Text())
		}
		p = b.Submit(p, "password", "new_password", newWords)
		if !strings.Contains(p.Text(), "Your password was set") || !strings.Contains(p.Body, login.URL.Path) {
			t.Fatalf("last page:\n%s", p.Body)
		}
		sessionless(t, b)
		if w.logsIn(t, app, who) {
			t.Error("the old password still logs in")
		}
		who.Password = newWords
		b.LogIn(b.Open(login.URL.Path), who).Code(t)
		if n := len(w.events(t, audit.PasswordResetCompleted)); n != 1 {
			t.Errorf("%d events of a recovery", n)
		}
	})
}

// TestPeer_30: authentik issue 18639. Recovery neither logs in nor skips the
// second factor; it ends what the old password opened.
func TestPeer_30(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Scopes: []string{"openid", "offline_access"}})
		who := w.withTOTP(t, w.NewPerson(t, "ann", withMail("ann@example.org")))
		old := w.Browser(t)
		tokens := app.Redeem(t, old.LogIn(old.Open(app.AuthURL("acr_values", "MFA", "scope", "openid offline_access", "prompt", "consent")), who).Code(t))

		beganFlow(w.Browser(t), "/recover", "ann")
		phone := w.Browser(t) // the link is read on another device
		link := w.letter(t, "ann@example.org", 1).link(t)
		p := phone.Open(link)
		if strings.Contains(p.URL.String(), link[strings.LastIndexByte(link, '/')+1:]) {
			t.Errorf("the token stays in the address: %s", p.URL)
		}
		p = phone.Submit(p, "link")
		p = phone.Submit(p, "password", "new_password", newWords)
		if !strings.Contains(p.Text(), "Your password was set") {
			t.Fatalf("last page: %d %s", p.Status, p.Text())
		}
		sessionless(t, phone)
		wantSilent(t, phone, app, "login_required")
		wantSilent(t, old, app, "login_required")
		wantOAuthError(t, "refresh", app.TryRefresh(t, tokens.RefreshToken), 400, "invalid_grant")

		who.Password = newWords
		w.clock.advance(30 * time.Second)
		phone.Asked = nil
		phone.LogIn(phone.Open(app.AuthURL("acr_values", "MFA")), who).Code(t)
		if !slices.Contains(phone.Asked, servertest.KindCode) {
			t.Errorf("asked %v, want the second factor", phone.Asked)
		}
	})
}

// changing is what differs between two answers alike: ids, tokens of forms, and
// the seconds of a countdown.
var changing = regexp.MustCompile(`/continue/[0-9a-f-]{36}|name="csrf" value="[^"]*"|data-wait="\d+"|in \d+ seconds|[0-9a-f]{8}-[0-9a-f-]{27}`)

// TestRecoveryTellsNothing: known, unknown, inactive, without an address, and
// throttled: the same status, headers, cookies, redirects and pages, at the
// start and at a wrong code (security.md 5).
func TestRecoveryTellsNothing(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.NewPerson(t, "ann", withMail("ann@example.org"))
		w.NewPerson(t, "bob", withMail("bob@example.org"))
		w.NewPerson(t, "eve")
		w.PatchPerson(t, w.NewPerson(t, "dan", withMail("dan@example.org")), `{"op":"replace","path":"active","value":false}`)
		for range 6 { // until the limits of bob's address are used up
			beganFlow(w.Browser(t), "/recover", "bob")
			w.clock.advance(10 * time.Minute)
		}
		for _, path := range []string{"/recover", "/verify", "/recover/username"} {
			var first []string
			for _, login := range []string{"ann", "nobody", "dan", "eve", "bob"} {
				if path == "/recover/username" {
					login += "@example.org"
				}
				w.clock.advance(2 * time.Hour)
				b := w.Browser(t)
				got := []string{}
				note := func(p servertest.Page) servertest.Page {
					head := p.Header.Clone()
					for _, name := range []string{"Date", "X-Request-Id", "Content-Length"} {
						head.Del(name)
					}
					names := []string{}
					for _, c := range b.Cookies() {
						names = append(names, c.Name)
					}
					got = append(got, http.StatusText(p.Status), changing.ReplaceAllString(p.URL.Path+p.Body, "…"), strings.Join(names, ","))
					for _, name := range []string{"Content-Type", "Cache-Control", "Content-Security-Policy", "Set-Cookie", "Retry-After"} {
						got = append(got, changing.ReplaceAllString(strings.Join(head.Values(name), ","), "…"))
					}
					return p
				}
				p := note(beganFlow(b, path, login))
				if path != "/recover/username" {
					for range 6 { // past the last try
						note(b.Submit(p, "code", "code", "12345678"))
					}
				}
				if first == nil {
					first = got
				}
				if diff := cmp.Diff(first, got); diff != "" {
					t.Errorf("%s for %s differs from that for ann (-ann +%s):\n%s", path, login, login, diff)
				}
			}
		}
	})
}

// TestRecoveryOfNobodySendsNothing: unknown, inactive, without an address.
func TestRecoveryOfNobodySendsNothing(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.NewPerson(t, "eve")
		w.PatchPerson(t, w.NewPerson(t, "dan", withMail("dan@example.org")), `{"op":"replace","path":"active","value":false}`)
		for i, want := range []struct{ login, reason string }{{"nobody", "no_user"}, {"dan", "inactive"}, {"eve", "no_address"}} {
			beganFlow(w.Browser(t), "/recover", want.login)
			if got := w.unsent(t, i+1); got != want.reason {
				t.Errorf("%s: %s, want %s", want.login, got, want.reason)
			}
		}
		if n := len(w.letters(t, "dan@example.org")); n != 0 {
			t.Errorf("%d messages to an inactive user", n)
		}
	})
}

// TestRecoveryNeedsProvedAddress: with unvalidated addresses off, a message goes
// to a proved one alone; where one is proved it goes there in any case.
func TestRecoveryNeedsProvedAddress(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.NewPerson(t, "ann", withMail("ann@example.org"))
		beganFlow(w.Browser(t), "/recover", "ann")
		if got := w.unsent(t, 1); got != "no_address" {
			t.Errorf("unproved address: %s", got)
		}
		bob := w.WithEmail(t, w.NewPerson(t, "bob", withMail("old@example.org")), "bob@example.org")
		beganFlow(w.Browser(t), "/recover", "bob")
		w.letter(t, bob.Address, 2) // the first was its code
		if n := len(w.letters(t, "old@example.org")); n != 0 {
			t.Errorf("%d messages to an unproved address", n)
		}
	}, func(c *config.Config) { c.Recovery.UnvalidatedAddresses = false })
}

// TestRecoveryBySMS: to validated numbers only, and by code only.
func TestRecoveryBySMS(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		const number = "+4915112345678"
		who := w.NewPerson(t, "ann", withMail("ann@example.org"))
		w.PatchPerson(t, who, `{"op":"replace","path":"urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User:secondFactorPhoneNumber","value":"`+number+`"}`)
		b := w.Browser(t)
		b.Submit(b.Open("/recover"), "recover", "login", "ann", "channel", "sms")
		if got := w.unsent(t, 1); got != "no_address" {
			t.Fatalf("unvalidated number: %s", got)
		}
		w.validateNumber(t, who, number)
		w.clock.advance(time.Hour)
		known := len(w.letters(t, number))
		p := b.Submit(b.Open("/recover"), "recover", "login", "ann", "channel", "sms")
		l := w.letter(t, number, known+1)
		if strings.Contains(l.Text, "http") || len(l.Code) != 6 {
			t.Errorf("text message %q", l.Text)
		}
		p = b.Submit(p, "code", "code", l.Code)
		if p = b.Submit(p, "password", "new_password", newWords); !strings.Contains(p.Text(), "Your password was set") {
			t.Errorf("last page: %s", p.Text())
		}
	})
}

// TestForgottenUserName: the mail tells the names, the page nothing.
func TestForgottenUserName(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.NewPerson(t, "ann", withMail("shared@example.org"))
		w.NewPerson(t, "ben", withMail("shared@example.org"))
		p := beganFlow(w.Browser(t), "/recover/username", "Shared@Example.org")
		if strings.Contains(p.Body, "ann") || strings.Contains(p.Body, `name="code"`) {
			t.Errorf("the page says %s", p.Text())
		}
		l := w.letter(t, "shared@example.org", 1)
		if !strings.Contains(l.Text, "ann\nben") || strings.Contains(l.Text, "http") {
			t.Errorf("message %q", l.Text)
		}
		beganFlow(w.Browser(t), "/recover/username", "other@example.org")
		if got := w.unsent(t, 1); got != "no_user" {
			t.Errorf("other address: %s", got)
		}
	})
}

// TestVerifyAccount: the address of an account is proved once, and
// accountVerified says so.
func TestVerifyAccount(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann", withMail("ann@example.org"))
		b := w.Browser(t)
		p := beganFlow(b, "/verify", "ann")
		p = b.Submit(p, "code", "code", w.letter(t, "ann@example.org", 1).Code)
		if !strings.Contains(p.Text(), "Your address is confirmed") {
			t.Fatalf("last page: %d %s", p.Status, p.Text())
		}
		if r := w.Do(t, http.MethodGet, "/scim/v2/Users/"+who.ID, w.Token(t, "rfc"), ""); !strings.Contains(r.Body, `"accountVerified":true`) {
			t.Errorf("user %s", r.Body)
		}
		sessionless(t, b)
	})
}

// TestSignUp: off by default; a new account is made when its address is proved,
// and not before; a known address gets another message, and the page is the same.
func TestSignUp(t *testing.T) {
	t.Parallel()
	on := func(c *config.Config) { c.SignUp.Enabled = true; c.SignUp.Domains = []string{"example.org"} }
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		w.NewPerson(t, "bob", withMail("bob@example.org"))
		fill := func(b *servertest.Browser, address string) servertest.Page {
			return b.Submit(b.Open("/signup"), "signup", "login", address, "givenName", "Ann", "familyName", "Veil")
		}
		b := w.Browser(t)
		if p := fill(b, "ann@elsewhere.example"); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("other domain: %d", p.Status)
		}
		p := fill(b, "ann@example.org")
		known := fill(w.Browser(t), "bob@example.org")
		if diff := cmp.Diff(changing.ReplaceAllString(p.Body, "…"), changing.ReplaceAllString(known.Body, "…")); diff != "" {
			t.Errorf("a known address shows (-new +known):\n%s", diff)
		}
		if l := w.letter(t, "bob@example.org", 1); l.Code != "" || strings.Contains(l.Text, "/continue/") || !strings.Contains(l.Subject, "already have") {
			t.Errorf("message to a known address: %q %q", l.Subject, l.Text)
		}
		l := w.letter(t, "ann@example.org", 1)
		if r := w.Do(t, http.MethodGet, `/scim/v2/Users?filter=userName%20eq%20%22ann@example.org%22`, w.Token(t, "rfc"), ""); !strings.Contains(r.Body, `"totalResults":0`) {
			t.Errorf("there is an account before its address is proved: %s", r.Body)
		}
		p = b.Submit(p, "code", "code", l.Code)
		p = b.Submit(p, "password", "new_password", newWords)
		if !strings.Contains(p.Text(), "Your account is ready") {
			t.Fatalf("last page: %d %s", p.Status, p.Text())
		}
		sessionless(t, b)
		ann := servertest.Person{UserName: "ann@example.org", Password: newWords}
		b.LogIn(b.Open(app.AuthURL()), ann).Code(t)
		r := w.Do(t, http.MethodGet, `/scim/v2/Users?filter=userName%20eq%20%22ann@example.org%22`, w.Token(t, "rfc"), "")
		for _, want := range []string{`"accountVerified":true`, `"givenName":"Ann"`, `"value":"ann@example.org"`} {
			if !strings.Contains(r.Body, want) {
				t.Errorf("no %s in %s", want, r.Body)
			}
		}
		if n := len(w.events(t, audit.AccountRegistered)); n != 1 {
			t.Errorf("%d events of registration", n)
		}
	}, on)
	off := newTown(t, "sqlite")
	if p := off.Browser(t).Open("/signup"); p.Status != http.StatusNotFound {
		t.Errorf("sign-up by default: %d", p.Status)
	}
}

// TestInvitation: the link sets a password and, mailed to the address of a
// second factor, validates it; a printed link validates nothing.
func TestInvitation(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		const factor = "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User:secondFactorEmail"
		who := w.NewPerson(t, "ann")
		w.PatchPerson(t, who, `{"op":"replace","path":"`+factor+`","value":"ann@example.org"}`)
		app := w.Application(t, oidc.Client{Trusted: true})
		if _, err := w.Directory().Invite(t.Context(), account.Invitation{UserID: who.ID, To: "eve@example.org", By: byCommand()}); err == nil {
			t.Error("invited at an address that is not the user's")
		}
		printed, err := w.Directory().Invite(t.Context(), account.Invitation{UserID: who.ID, Print: true, By: byCommand()})
		if err != nil || !strings.HasPrefix(printed.Link, w.Issuer()+"/continue/link/") {
			t.Fatalf("printed %q: %v", printed.Link, err)
		}
		b := w.Browser(t)
		b.Submit(b.Open(printed.Link), "link")
		validated := func() bool {
			r := w.Do(t, http.MethodGet, "/scim/v2/Users/"+who.ID+"/validatedEmailAddresses", w.Token(t, "rfc"), "")
			return strings.Contains(r.Body, `"validated":true`)
		}
		if validated() {
			t.Error("a printed link has validated an address")
		}
		if _, err := w.Directory().Invite(t.Context(), account.Invitation{UserID: who.ID, By: byCommand()}); err != nil {
			t.Fatal(err)
		}
		p := b.Submit(b.Open(w.letter(t, "ann@example.org", 1).link(t)), "link")
		if !validated() {
			t.Error("the mailed link has not validated its address")
		}
		b.Submit(p, "password", "new_password", newWords)
		who.Password = newWords
		if !w.logsIn(t, app, who) {
			t.Error("the new password does not log in")
		}
	})
}

// TestInvitationReplacesEarlier: of several invitations the newest is good, so
// that one that went to a wrong place can be taken back.
func TestInvitationReplacesEarlier(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann")
		invite := func() string {
			in, err := w.Directory().Invite(t.Context(), account.Invitation{UserID: who.ID, Print: true, By: byCommand()})
			if err != nil {
				t.Fatal(err)
			}
			return in.Link
		}
		first := invite()
		waiting := w.Browser(t)
		p := waiting.Submit(waiting.Open(first), "link")
		second := invite()
		wantRefused(t, "the earlier link", w.Browser(t).Open(first), http.StatusGone)
		wantRefused(t, "a page of the earlier link", waiting.Submit(p, "password", "new_password", newWords), http.StatusGone)
		b := w.Browser(t)
		if p := b.Submit(b.Submit(b.Open(second), "link"), "password", "new_password", newWords); !strings.Contains(p.Text(), "Your password was set") {
			t.Errorf("the newest link: %d %s", p.Status, p.Text())
		}
	})
}

// TestRecoveryReopens: factors that wrong tries have closed are open again, and
// the password works in spite of its ceiling (security.md 1, 2.2).
func TestRecoveryReopens(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann", withMail("ann@example.org")))
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		for range 5 {
			p = b.Submit(p, "code", "code", "000000")
		}
		b = w.Browser(t)
		w.clock.advance(30 * time.Second)
		p = password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		if p = b.Submit(p, "code", "code", who.Code(t)); p.Status != http.StatusTooManyRequests {
			t.Fatalf("the factor is not closed: %d\n%s", p.Status, p.Text())
		}
		b = w.Browser(t)
		p = b.Submit(beganFlow(b, "/recover", "ann"), "code", "code", w.letter(t, "ann@example.org", 1).Code)
		b.Submit(p, "password", "new_password", newWords)
		who.Password = newWords
		w.clock.advance(30 * time.Second)
		b.LogIn(b.Open(app.AuthURL("acr_values", "MFA")), who).Code(t)
	})
}

// TestPasswordHistory: neither the present password nor one of the last three,
// by recovery; an older one is taken again.
func TestPasswordHistory(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann", withMail("ann@example.org"))
		set := func(n int, text string) servertest.Page {
			w.clock.advance(25 * time.Hour)
			b := w.Browser(t)
			p := b.Submit(beganFlow(b, "/recover", "ann"), "code", "code", w.letter(t, "ann@example.org", n).Code)
			return b.Submit(p, "password", "new_password", text)
		}
		for i, text := range []string{newWords + "a", newWords + "b", newWords + "c"} {
			if p := set(1, text); p.Status != http.StatusOK {
				t.Fatalf("password %d: %d %s", i, p.Status, p.Text())
			}
		}
		for _, text := range []string{newWords + "c", newWords + "b", newWords + "a"} {
			if p := set(1, text); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Text(), "used this password before") {
				t.Errorf("%s again: %d %s", text, p.Status, p.Text())
			}
		}
		if p := set(1, newWords+"d"); p.Status != http.StatusOK {
			t.Fatalf("another: %d %s", p.Status, p.Text())
		}
		if p := set(1, who.Password); p.Status != http.StatusOK {
			t.Errorf("one of long ago: %d %s", p.Status, p.Text())
		}
	}, func(c *config.Config) { c.Password.History = 3 })
}
