package web

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/locale"
)

// Bounds of forms, in bytes.
const (
	maxForm = 64 << 10
	// maxHeldForm is for requests of applications, which may carry a request
	// object.
	maxHeldForm = 256 << 10
)

// request is one request of a browser.
type request struct {
	web  *Web
	echo echo.Context
	v    authn.Visitor
	// stranger tells that the browser came without its cookie.
	stranger bool
	lang     string
}

// handle wraps a route that reads cookies: the host must be ours, and no other
// site may have sent the form (security.md section 4).
func (w *Web) handle(do func(*request) error) echo.HandlerFunc {
	return w.handleForeign(func(r *request) error {
		if err := w.cross.Check(r.http()); err != nil {
			return refuse(http.StatusForbidden, "error.form", err)
		}
		w.jar.read(r.http(), &r.v)
		if r.v.Browser == "" {
			r.stranger, r.v.Browser = true, newBrowser()
		}
		return do(r)
	})
}

// handleForeign wraps a route that other sites may post to. It reads no cookie.
func (w *Web) handleForeign(do func(*request) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := w.newRequest(c)
		r.headers("")
		if !w.hosts.has(c.Request().Host) {
			return r.fail(refuse(http.StatusMisdirectedRequest, "error.host", nil))
		}
		if err := do(r); err != nil {
			return r.fail(err)
		}
		return nil
	}
}

func (w *Web) newRequest(c echo.Context) *request {
	h := c.Request().Header
	ip, _ := netip.ParseAddr(c.RealIP()) // the zero Addr: not known
	r := &request{web: w, echo: c, v: authn.Visitor{
		IP: ip.Unmap(), UserAgent: h.Get("User-Agent"), RequestID: c.Response().Header().Get(echo.HeaderXRequestID),
		Header: w.cfg.Headers(c.Request()), Languages: h.Get("Accept-Language"),
	}}
	r.speak("", "")
	return r
}

func (r *request) http() *http.Request  { return r.echo.Request() }
func (r *request) ctx() context.Context { return r.echo.Request().Context() }

// speak picks the language: that of the request, else of the user, else of the
// browser.
func (r *request) speak(asked, user string) {
	if asked == "" {
		asked = localeList(r.echo.QueryParam("ui_locales"))
	}
	r.lang = locale.Choose("", asked, user, r.v.Languages)
}

// grant hands out what a step gives to the browser. The rest of the request
// goes on with it, since secrets are replaced at every proof.
func (r *request) grant(g authn.Grants) {
	r.web.jar.grant(r.echo.Response(), g)
	if g.Sessions != nil {
		r.v.Sessions = g.Sessions
	}
	if g.Known != nil {
		r.v.Known = g.Known
	}
}

// keepBrowser gives the browser its cookie when it has none.
func (r *request) keepBrowser() {
	if r.stranger {
		r.web.jar.set(r.echo.Response(), browserCookie, r.v.Browser, 0)
		r.stranger = false
	}
}

// form reads the form of the body; parameters of the URL do not count.
func (r *request) form(limit int64) (url.Values, error) {
	req := r.http()
	req.Body = http.MaxBytesReader(r.echo.Response(), req.Body, limit)
	if err := req.ParseForm(); err != nil {
		return nil, refuse(http.StatusBadRequest, "error.form", err)
	}
	return req.PostForm, nil
}

// to sends the browser to a page of ours. 303 makes it a GET whatever it was
// (RFC 9700 section 4.12).
func (r *request) to(path string) error { return r.echo.Redirect(http.StatusSeeOther, path) }

// localeList turns ui_locales, a list with spaces (OpenID Connect Core 1.0
// section 3.1.2.1), into one with commas.
func localeList(tags string) string { return strings.Join(strings.Fields(tags), ",") }
