package web

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"

	"github.com/sallyport-id/sallyport/oidc"
)

// authorize takes an authorization request (OpenID Connect Core 1.0 section
// 3.1.2.1).
func (w *Web) authorize(r *request) error { return w.begin(r, r.echo.QueryParams()) }

// authorizeHeld takes one that was posted.
func (w *Web) authorizeHeld(r *request) error {
	params, err := w.cfg.Provider.Held(r.ctx(), r.echo.Param("handle"))
	if err != nil {
		return fmt.Errorf("read posted request: %w", err)
	}
	return w.begin(r, params)
}

func (w *Web) begin(r *request, params url.Values) error {
	reply, grants, err := w.cfg.Provider.Authorize(r.ctx(), r.v, params)
	r.grant(grants)
	if err != nil {
		return fmt.Errorf("authorize: %w", err)
	}
	return w.reply(r, view{}, reply)
}

// holdTo stores what another site has posted and goes on at a GET of ours.
func (w *Web) holdTo(path string) func(*request) error {
	return func(r *request) error {
		form, err := r.form(maxHeldForm)
		if err != nil {
			return err
		}
		handle, err := w.cfg.Provider.Hold(r.ctx(), form)
		if err != nil {
			return fmt.Errorf("hold posted request: %w", err)
		}
		return r.to(w.at(path + url.PathEscape(handle)))
	}
}

// reply sends an answer to the browser. The view is of the transaction, if
// there is one.
func (w *Web) reply(r *request, v view, reply oidc.Reply) error {
	switch a := reply.(type) {
	case oidc.Redirect:
		r.noReferrer()
		return r.echo.Redirect(http.StatusSeeOther, a.URL)
	case oidc.FormPost:
		r.headers(sourceOf(a.URI))
		r.noReferrer()
		v.Title, v.Body = "formpost.title", formPostBody{URI: formTarget(a.URI), Params: sorted(a.Params)}
		if v.App.Name == "" {
			v.App.Name = hostOf(a.URI)
		}
		return r.render(http.StatusOK, pageFormPost, v)
	case oidc.Interact:
		r.keepBrowser()
		return r.to(w.loginPath(a.Txn))
	case oidc.Done:
		v.Title, v.Body = "done."+a.Message+"_title", doneBody{Message: a.Message}
		return r.render(http.StatusOK, pageDone, v)
	default:
		return fmt.Errorf("answer of type %T is not known", reply)
	}
}

// formPostBody is an answer that the browser posts (OAuth 2.0 Form Post
// Response Mode).
type formPostBody struct {
	URI    template.URL
	Params []param
}

// formTarget is a registered redirect URI as the action of a form: any scheme
// but those that run something (RFC 8252 section 7.1 has private ones).
func formTarget(uri string) template.URL {
	u, err := url.Parse(uri)
	if err != nil || slices.Contains([]string{"", "javascript", "data", "vbscript"}, u.Scheme) {
		return ""
	}
	return template.URL(uri) //nolint:gosec // its scheme is checked above, and the URI is registered
}

type param struct{ Name, Value string }

// doneBody is the end of a transaction on a page of ours.
type doneBody struct{ Message string }
