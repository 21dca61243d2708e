package servertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/validation"
)

const confirmText = "An administrator has chosen where your codes are sent."

// set gives a person a value as `sallyport user factors set` does.
func (w town) set(t *testing.T, who servertest.Person, kind validation.EnrolledKind, value string) {
	t.Helper()
	all, err := w.Directory().Credentials()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := all.SetValue(t.Context(), command("user factors set"), who.ID, kind, value); err != nil {
		t.Fatal(err)
	}
}

// validated reports whether the address of the person counts as proved.
func (w town) validated(t *testing.T, who servertest.Person) bool {
	t.Helper()
	r := w.Do(t, http.MethodGet, "/scim/v2/Users/"+who.ID+"/validatedEmailAddresses", w.Token(t, "rfc"), "")
	return r.Status == http.StatusOK && strings.Contains(r.Body, `"validated":true`)
}

// wantConfirm wants the page that sends a code to the value of an administrator.
func wantConfirm(t *testing.T, p servertest.Page) servertest.Page {
	t.Helper()
	if p.Away != nil || p.Kind() != servertest.KindFactor || !strings.Contains(p.Text(), confirmText) {
		t.Fatalf("at %s (%d), away %v, want the page that asks to confirm:\n%s", p.URL, p.Status, p.Away, p.Text())
	}
	return p
}

// sendCode presses the only button of a page that sends codes.
func sendCode(t *testing.T, b *servertest.Browser, p servertest.Page) servertest.Page {
	t.Helper()
	buttons := p.Buttons("factor", "factor")
	for value := range buttons {
		if len(buttons) == 1 {
			p = b.Submit(p, "factor", "factor", value)
			wantKind(t, p, servertest.KindCode)
			return p
		}
	}
	t.Fatalf("buttons %v, want one:\n%s", buttons, p.Text())
	return p
}

// Issue 5, point 10: the value that an administrator sets counts as validated
// through a code at the next login, which a separate login code follows
// (specification of the provider, section 4: enrolment is not authentication).
func TestValueOfAdminIsConfirmedAtLogin(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		const at = "ann.home@example.org"
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann")
		w.set(t, who, validation.EnrolledEmail, at)
		b := w.Browser(t)
		p := sendCode(t, b, wantConfirm(t, password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)))
		if strings.Contains(p.Body, at) || !strings.Contains(p.Text(), "another code to log in with") {
			t.Errorf("the page tells the whole address, or not what comes next:\n%s", p.Text())
		}
		enrolment := w.MailedCode(t, at)
		if p = b.Submit(p, "code", "code", wrong(enrolment)); p.Status != http.StatusUnprocessableEntity || w.validated(t, who) {
			t.Fatalf("a wrong code: %d, validated %v", p.Status, w.validated(t, who))
		}
		p = b.Submit(p, "code", "code", enrolment)
		if !w.validated(t, who) || p.Away != nil {
			t.Fatalf("validated %v, away %v:\n%s", w.validated(t, who), p.Away, p.Text())
		}
		if strings.Contains(p.Text(), confirmText) {
			t.Fatalf("asked to confirm again:\n%s", p.Text())
		}
		// The code of the enrolment is no proof, nor does it become one.
		if q := b.Post(p.URL.Path+"/code", url.Values{"code": {enrolment}}); q.Away != nil {
			t.Fatalf("the code of the enrolment led to %v", q.Away)
		}
		w.clock.advance(time.Minute)
		p = sendCode(t, b, b.Open(p.URL.Path))
		if p = b.Submit(p, "code", "code", enrolment); p.Away != nil || p.Status != http.StatusUnprocessableEntity {
			t.Fatalf("the code of the enrolment as code of the login: %d, away %v", p.Status, p.Away)
		}
		login := w.MailedCode(t, at)
		if login == enrolment {
			t.Fatal("the code of the login is that of the enrolment")
		}
		tokens := app.Redeem(t, b.Submit(p, "code", "code", login).Code(t))
		if tokens.ACR() != "MFA" {
			t.Errorf("acr %s", tokens.ACR())
		}
		events := w.events(t, audit.AddressValidated)
		if len(events) != 1 || events[0].Target.ID != who.ID || events[0].Actor.Type != "user" || strings.Contains(string(events[0].Detail), at) {
			t.Errorf("events: %+v", events)
		}
		// The next login only asks for a code.
		b = w.Browser(t)
		w.clock.advance(time.Minute)
		who.Factor, who.Code = "email_otp", func(tb testing.TB) string { tb.Helper(); return w.MailedCode(tb, at) }
		b.LogIn(b.Open(app.AuthURL("acr_values", "MFA")), who).Code(t)
	})
}

// Whoever knows the password but not the mailbox gets nothing: not with a weaker
// level in the URL, not by beginning anew, not by an open session.
func TestValueOfAdminKeepsPasswordOut(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		b.LogIn(b.Open(app.AuthURL()), who).Code(t) // before there is a second factor
		w.set(t, who, validation.EnrolledEmail, "ann.home@example.org")
		wantSilent(t, b, app, "interaction_required")
		for _, pairs := range [][]string{{}, {"acr_values", "Default"}, {"acr_values", "MFA"}, {"prompt", "login"}, {"max_age", "0"}} {
			p := b.Open(app.AuthURL(pairs...))
			wantKind(t, p, servertest.KindLogin) // an open session alone confirms nothing
			p = wantConfirm(t, password(b, p, who))
			for action, form := range map[string]url.Values{
				"code": {"code": {"12345678"}}, "skip": {}, "skipstep": {}, "consent": {"decision": {"allow"}}, "password": {"new_password": {newWords}},
			} {
				if q := b.Post(p.URL.Path+"/"+action, form); q.Away != nil {
					t.Errorf("%v: POST %s: sent to %v", pairs, action, q.Away)
				}
			}
			wantConfirm(t, b.Open(p.URL.Path))
		}
		if p := b.Open("/account/security"); p.Kind() != servertest.KindLogin && p.Kind() != servertest.KindFactor {
			t.Errorf("the pages of the account are open: %s\n%s", p.Kind(), p.Text())
		}
		if w.validated(t, who) {
			t.Error("the value is validated")
		}
	})
}

// Wrong codes close the way for a while, then for good; they never spare it.
func TestValueOfAdminIsNotGuessed(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	app := w.Application(t, oidc.Client{Trusted: true})
	who := w.NewPerson(t, "ann")
	w.set(t, who, validation.EnrolledEmail, "ann.home@example.org")
	b := w.Browser(t)
	p := sendCode(t, b, wantConfirm(t, password(b, b.Open(app.AuthURL()), who)))
	code := w.MailedCode(t, "ann.home@example.org")
	for range 5 {
		p = b.Submit(p, "code", "code", wrong(code))
	}
	if p = b.Submit(p, "code", "code", code); p.Away != nil || w.validated(t, who) {
		t.Errorf("the right code after too many wrong ones: away %v, validated %v", p.Away, w.validated(t, who))
	}
}

// A value that the user or a provisioning system wrote is none of an
// administrator's: nothing is sent there, and where a second factor is demanded
// the switch alone lets nobody past.
func TestOnlyValuesOfAdminsAreConfirmed(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		const factor = "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User:secondFactorEmail"
		app := w.Application(t, oidc.Client{Trusted: true})
		refused := func(name string, who servertest.Person) {
			t.Helper()
			b := w.Browser(t)
			if got := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who).Answer(t); got.Get("error") != "interaction_required" {
				t.Errorf("%s: %v", name, got)
			}
		}
		flag := w.NewPerson(t, "flag")
		w.SwitchSecondFactor(t, flag, true)
		refused("the switch alone", flag)
		written := w.NewPerson(t, "written")
		w.SwitchSecondFactor(t, written, true)
		w.PatchPerson(t, written, `{"op":"replace","path":"`+factor+`","value":"written@example.org"}`)
		refused("written by provisioning", written)
		// Set by an administrator, then overwritten, then set back by others.
		moved := w.NewPerson(t, "moved")
		w.set(t, moved, validation.EnrolledEmail, "moved@example.org")
		w.PatchPerson(t, moved, `{"op":"replace","path":"`+factor+`","value":"thief@example.org"}`)
		refused("overwritten", moved)
		w.PatchPerson(t, moved, `{"op":"replace","path":"`+factor+`","value":"moved@example.org"}`)
		refused("set back", moved)
		w.set(t, moved, validation.EnrolledEmail, "moved@example.org")
		b := w.Browser(t)
		wantConfirm(t, password(b, b.Open(app.AuthURL("acr_values", "MFA")), moved))
		// Switched off again, it is not asked for.
		w.SwitchSecondFactor(t, moved, false)
		refused("switched off", moved)
	})
}

// The value may change while its code is on the way: that code confirms nothing.
func TestValueOfAdminChangesMeanwhile(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann")
		w.set(t, who, validation.EnrolledEmail, "old@example.org")
		b := w.Browser(t)
		p := sendCode(t, b, wantConfirm(t, password(b, b.Open(app.AuthURL()), who)))
		code := w.MailedCode(t, "old@example.org")
		w.set(t, who, validation.EnrolledEmail, "new@example.org")
		if p = b.Submit(p, "code", "code", code); p.Away != nil || w.validated(t, who) {
			t.Errorf("away %v, validated %v:\n%s", p.Away, w.validated(t, who), p.Text())
		}
	})
}

// Whoever has another way to show a second factor is not asked to confirm.
func TestValueOfAdminBesideAnotherFactor(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	app := w.Application(t, oidc.Client{Trusted: true})
	who := w.withTOTP(t, w.NewPerson(t, "ann"))
	w.set(t, who, validation.EnrolledEmail, "ann.home@example.org")
	b := w.Browser(t)
	b.LogIn(b.Open(app.AuthURL("acr_values", "MFA")), who).Code(t)
	if w.validated(t, who) {
		t.Error("the value is validated")
	}
}

// Where a level takes telephones only, a user with a verified address shows that
// first, and then confirms the number of the administrator, by any channel.
func TestNumberOfAdminIsConfirmed(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", func(c *config.Config) { c.RequiredACR = "MFA-Admin" })
	app := w.Application(t, oidc.Client{Trusted: true})
	who := w.WithEmail(t, w.NewPerson(t, "ann"), "ann@example.org")
	w.clock.advance(time.Minute)
	w.set(t, who, validation.EnrolledPhone, "+15125550100")
	b := w.Browser(t)
	p := password(b, b.Open(app.AuthURL("acr_values", "MFA-Admin")), who)
	if strings.Contains(p.Text(), confirmText) {
		t.Fatalf("the verified address was not asked for first:\n%s", p.Text())
	}
	p = sendCode(t, b, p)
	p = wantConfirm(t, b.Submit(p, "code", "code", w.MailedCode(t, "ann@example.org")))
	var sms string
	for value := range p.Buttons("factor", "factor") {
		if strings.HasPrefix(value, "sms_otp:") {
			sms = value
		}
	}
	p = b.Submit(p, "factor", "factor", sms)
	p = b.Submit(p, "code", "code", w.MailedCode(t, "+15125550100"))
	if p.Away != nil || p.Kind() != servertest.KindFactor {
		t.Fatalf("away %v:\n%s", p.Away, p.Text())
	}
	who.Factor, who.Code = "sms_otp", func(tb testing.TB) string { tb.Helper(); return w.MailedCode(tb, "+15125550100") }
	w.clock.advance(time.Minute)
	tokens := app.Redeem(t, b.LogIn(b.Open(p.URL.Path), who).Code(t))
	if tokens.ACR() != "MFA-Admin" {
		t.Errorf("acr %s", tokens.ACR())
	}
}

// An invitation validates the value of an administrator only when it was mailed
// to that very address.
func TestInvitationValidatesItsAddress(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann", withMail("ann@work.example"))
		w.set(t, who, validation.EnrolledEmail, "ann@home.example")
		use := func(to string) {
			t.Helper()
			if _, err := w.Directory().Invite(t.Context(), account.Invitation{UserID: who.ID, To: to, By: byCommand()}); err != nil {
				t.Fatal(err)
			}
			b := w.Browser(t)
			b.Submit(b.Open(w.letter(t, to, 1).link(t)), "link")
		}
		use("ann@work.example")
		if w.validated(t, who) {
			t.Error("a link to another address has validated the value")
		}
		use("ann@home.example")
		if !w.validated(t, who) {
			t.Error("the link has not validated the address that it was mailed to")
		}
		// A link that was mailed before the value changed validates no other one.
		other := w.NewPerson(t, "bob")
		w.set(t, other, validation.EnrolledEmail, "bob@old.example")
		if _, err := w.Directory().Invite(t.Context(), account.Invitation{UserID: other.ID, By: byCommand()}); err != nil {
			t.Fatal(err)
		}
		link := w.letter(t, "bob@old.example", 1).link(t)
		w.set(t, other, validation.EnrolledEmail, "bob@new.example")
		b := w.Browser(t)
		b.Submit(b.Open(link), "link")
		if w.validated(t, other) {
			t.Error("a link to the earlier address has validated the later one")
		}
	})
}
