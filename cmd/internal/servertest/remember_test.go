package servertest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// rememberACR adds an ACR for which a remembered browser does in place of a
// second factor, for ten days.
func rememberACR(c *config.Config) {
	c.ACRs = append(c.ACRs, config.ACR{Name: "Known", Distinct: true, Needs: []config.Need{
		{AnyOf: []string{"password"}, MaxAge: new(12 * time.Hour)},
		{AnyOf: []string{"device", "totp", "email_otp"}, MaxAge: new(10 * 24 * time.Hour)},
	}})
	c.DefaultACRs, c.UserFloor = []string{"Default"}, false
}

// cookie is the value of a cookie of a browser, "" if it has none.
func cookie(b *servertest.Browser, name string) string {
	for _, c := range b.Cookies() {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// rememberedBrowser has logged in, ticked the box and logged out again.
func rememberedBrowser(t *testing.T, w town, app *servertest.Application, who servertest.Person) *servertest.Browser {
	t.Helper()
	b := w.Browser(t)
	p := password(b, b.Open(app.AuthURL("acr_values", "Known")), who)
	wantKind(t, p, servertest.KindCode)
	if _, ok := p.Value("code", "remember"); !ok {
		t.Fatalf("no box to remember this browser:\n%s", p.Text())
	}
	// A wrong code leaves the box as it is.
	p = b.Submit(p, "code", "code", "000000", "remember", "on")
	if on, _ := p.Value("code", "remember"); on != "on" {
		t.Error("a wrong code unticked the box")
	}
	tokens := app.Redeem(t, b.Submit(p, "code", "code", who.Code(t)).Code(t))
	if got := tokens.Claims["amr"]; !cmp.Equal(got, []any{"mfa", "otp", "pwd"}) {
		t.Errorf("amr = %v", got)
	}
	if value := cookie(b, "sp_device"); !strings.Contains(value, ".") {
		t.Fatalf("cookie sp_device = %q", value)
	}
	w.clock.advance(13 * time.Hour) // the session is over
	return b
}

// A remembered browser spares its user the second factor where an ACR says so,
// proves nothing, and nothing else.
func TestRememberedBrowser(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := rememberedBrowser(t, w, app, who)
		tokens := app.Redeem(t, password(b, b.Open(app.AuthURL("acr_values", "Known")), who).Code(t))
		if got := tokens.Claims["amr"]; !cmp.Equal(got, []any{"pwd"}) || tokens.ACR() != "Known" {
			t.Errorf("amr %v, acr %s", got, tokens.ACR())
		}
		for _, pairs := range [][]string{
			{"acr_values", "MFA"}, {"acr_values", "Known", "prompt", "login"}, {"acr_values", "Known", "max_age", "0"},
		} {
			p := b.Open(app.AuthURL(pairs...))
			if p.Kind() == servertest.KindLogin {
				p = password(b, p, who)
			}
			wantKind(t, p, servertest.KindCode)
		}
		if n := len(w.events(t, audit.DeviceRemembered)); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	}, rememberACR)
}

// Its user takes it off the list of the account; another password ends all.
func TestRememberedBrowserIsForgotten(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		first, second := rememberedBrowser(t, w, app, who), rememberedBrowser(t, w, app, who)
		p := second.LogIn(second.Open("/account/sessions"), who)
		if n := strings.Count(p.Body, `name="device"`); n != 2 {
			t.Fatalf("%d browsers are listed, want 2:\n%s", n, p.Text())
		}
		id, _, _ := strings.Cut(cookie(first, "sp_device"), ".")
		second.Submit(p, "forget", "device", id)
		wantKind(t, password(first, first.Open(app.AuthURL("acr_values", "Known")), who), servertest.KindCode)
		w.clock.advance(13 * time.Hour)
		password(second, second.Open(app.AuthURL("acr_values", "Known")), who).Code(t)
		// Another password ends the other one too.
		w.PatchPerson(t, who, `{"op":"replace","path":"password","value":"`+who.Password+` anew"}`)
		who.Password += " anew"
		wantKind(t, password(second, second.Open(app.AuthURL("acr_values", "Known")), who), servertest.KindCode)
	}, rememberACR)
}

// An administrator sees the browsers of a user, and ends one or all of them, on
// record.
func TestAdministratorForgetsBrowsers(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who, other := w.withTOTP(t, w.NewPerson(t, "ann")), w.NewPerson(t, "bob")
		first, second := rememberedBrowser(t, w, app, who), rememberedBrowser(t, w, app, who)
		id, _, _ := strings.Cut(cookie(first, "sp_device"), ".")
		by := audit.Party{Type: "command", Name: "user devices forget by root"}
		if _, err := w.Directory().ForgetDevices(t.Context(), by, other.ID, id); !errors.Is(err, authn.ErrNoDevice) {
			t.Errorf("the browser of another user: %v", err)
		}
		gone, err := w.Directory().ForgetDevices(t.Context(), by, who.ID, id)
		if err != nil || len(gone) != 1 || gone[0].ID != id {
			t.Fatalf("ForgetDevices = %+v, %v", gone, err)
		}
		wantKind(t, password(first, first.Open(app.AuthURL("acr_values", "Known")), who), servertest.KindCode)
		password(second, second.Open(app.AuthURL("acr_values", "Known")), who).Code(t)
		w.clock.advance(13 * time.Hour)
		if gone, err = w.Directory().ForgetDevices(t.Context(), by, who.ID, ""); err != nil || len(gone) != 1 {
			t.Fatalf("ForgetDevices of all = %+v, %v", gone, err)
		}
		wantKind(t, password(second, second.Open(app.AuthURL("acr_values", "Known")), who), servertest.KindCode)
		if left, err := w.Directory().Devices(t.Context(), who.ID); err != nil || len(left) != 0 {
			t.Errorf("left: %+v, %v", left, err)
		}
		events := w.events(t, audit.DeviceForgotten)
		if len(events) != 2 || events[0].Actor != by || events[0].Target.ID != who.ID {
			t.Errorf("events: %+v", events)
		}
	}, rememberACR)
}

// TestDeviceCookieOfAnother: the cookie of one user spares another nothing, and
// a tampered one nobody.
func TestDeviceCookieOfAnother(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", rememberACR)
	app := w.Application(t, oidc.Client{Trusted: true})
	ann := w.withTOTP(t, w.NewPerson(t, "ann"))
	bob := w.withTOTP(t, w.NewPerson(t, "bob"))
	b := rememberedBrowser(t, w, app, ann)
	wantKind(t, password(b, b.Open(app.AuthURL("acr_values", "Known")), bob), servertest.KindCode)
}
