package web

import (
	"context"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/oidc"
)

// Flows are the logins on pages of applications; *flow.Flows is one.
type Flows interface {
	// Entry is where the login of a transaction goes on when its application has
	// pages of its own; "": here. The step is nil for consent.
	Entry(ctx context.Context, t authn.Txn, step authn.Step) (string, error)
}

// toApplication sends the browser to the login page of the application, if it
// has one.
func (w *Web) toApplication(r *request, t authn.Txn, step authn.Step) (bool, error) {
	if w.cfg.Flows == nil {
		return false, nil
	}
	entry, err := w.cfg.Flows.Entry(r.ctx(), t, step)
	if err != nil || entry == "" {
		return false, err
	}
	r.noReferrer()
	if err := r.echo.Redirect(http.StatusSeeOther, entry); err != nil {
		return false, fmt.Errorf("redirect to application: %w", err)
	}
	return true, nil
}

// Visitor is who makes a request, with what the cookies hold: for endpoints
// beside the pages. An *echo.HTTPError if it came to a host that is not ours.
func (w *Web) Visitor(c echo.Context) (authn.Visitor, error) {
	if !w.hosts.has(c.Request().Host) {
		return authn.Visitor{}, echo.NewHTTPError(http.StatusMisdirectedRequest)
	}
	r := w.newRequest(c)
	w.jar.read(c.Request(), &r.v)
	return r.v, nil
}

// Grant writes cookies for endpoints beside the pages.
func (w *Web) Grant(c echo.Context, g authn.Grants) { w.jar.grant(c.Response(), g) }

// Finish sends the browser on with the answer of a login, or shows the page of
// what is wrong: for endpoints beside the pages.
func (w *Web) Finish(c echo.Context, reply oidc.Reply, err error) error {
	r := w.newRequest(c)
	w.jar.read(c.Request(), &r.v)
	r.headers("")
	r.noReferrer()
	if err == nil {
		err = w.reply(r, view{}, reply)
	}
	if err != nil {
		return r.fail(err)
	}
	return nil
}
