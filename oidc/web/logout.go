package web

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/sallyport-id/sallyport/oidc"
)

// logoutBody is the page that asks whether to log out.
type logoutBody struct {
	Ticket string
	// Asked tells that an application asks, not the person alone.
	Asked bool
}

// logout takes a logout request (OpenID Connect RP-Initiated Logout 1.0 section
// 2).
func (w *Web) logout(r *request) error { return w.beginLogout(r, r.echo.QueryParams()) }

// logoutHeld takes one that was posted.
func (w *Web) logoutHeld(r *request) error {
	params, err := w.cfg.Provider.Held(r.ctx(), r.echo.Param("handle"))
	if err != nil {
		return fmt.Errorf("read posted request: %w", err)
	}
	return w.beginLogout(r, params)
}

func (w *Web) beginLogout(r *request, params url.Values) error {
	r.speak(firstLocales(params), "")
	l, grants, err := w.cfg.Provider.Logout(r.ctx(), r.v, params)
	r.grant(grants)
	if err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	return w.loggedOut(r, l)
}

// loggedOut shows what a logout has come to.
func (w *Web) loggedOut(r *request, l oidc.LogoutView) error {
	v := view{App: app{Name: l.ClientName, Monogram: monogram(l.ClientName)}}
	if l.User != nil {
		v.User = newPerson(*l.User)
	}
	switch {
	case l.Done && l.Redirect != "":
		r.noReferrer()
		return r.echo.Redirect(http.StatusSeeOther, l.Redirect)
	case l.Done:
		v.User, v.Title = nil, "loggedout.title"
		return r.render(http.StatusOK, pageLoggedOut, v)
	}
	r.keepBrowser()
	// The answer to the form may redirect to where the ticket says.
	if l.FormAction != "" {
		r.headers(l.FormAction)
	}
	v.Title, v.Body = "logout.title", logoutBody{Ticket: l.Ticket, Asked: l.ClientName != ""}
	v.CSRF = w.key.token(txnLogout, pageLogout, r.v.Browser)
	return r.render(http.StatusOK, pageLogout, v)
}

// confirmLogout takes the form of the confirmation page.
func (w *Web) confirmLogout(r *request) error {
	form, err := r.form(maxForm)
	if err != nil {
		return err
	}
	if !w.key.valid(form.Get(csrfField), txnLogout, r.v.Browser, pageLogout) {
		return &refusal{status: http.StatusForbidden, text: "error.form", again: w.at("/oauth/logout")}
	}
	l, grants, err := w.cfg.Provider.ConfirmLogout(r.ctx(), r.v, form.Get("ticket"))
	r.grant(grants)
	if err != nil {
		return fmt.Errorf("confirm logout: %w", err)
	}
	return w.loggedOut(r, l)
}

// firstLocales is ui_locales of a request as a list with commas.
func firstLocales(params url.Values) string { return localeList(params.Get("ui_locales")) }
