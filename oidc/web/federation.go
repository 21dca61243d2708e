package web

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/federated"
)

// pageAway leads to a provider elsewhere. It stands between, since browsers hold
// redirects after a POST against the policy for forms, and nobody knows where a
// provider redirects to.
const pageAway page = "away"

// Federation logs people in at providers elsewhere.
type Federation interface {
	// Federate begins a login at a provider and says where the browser goes.
	Federate(ctx context.Context, v authn.Visitor, t authn.Txn, upstream string) (federated.Redirect, error)
	// Returned takes what the browser brought back.
	Returned(ctx context.Context, v authn.Visitor, a federated.Answer) (authn.Return, authn.Grants, error)
	// HoldAnswer keeps what a provider has posted; HeldAnswer returns it once.
	HoldAnswer(ctx context.Context, v authn.Visitor, a federated.Answer) (string, error)
	HeldAnswer(ctx context.Context, handle string) (federated.Answer, error)
}

// registerFederation adds the routes at which answers of providers arrive.
func (w *Web) registerFederation(e *echo.Echo) {
	e.GET("/federation/:provider/callback", w.handle(w.federationAnswer))
	// A provider that posts does so from its own site, without our cookies.
	e.POST("/federation/:provider/callback", w.handleForeign(w.federationPosted))
}

func callbackPath(provider string) string {
	return "/federation/" + url.PathEscape(provider) + "/callback"
}

// answerField is the parameter of the call-back that names an answer which was
// posted.
const answerField = "answer"

// federationPosted keeps an answer that was posted (OAuth 2.0 Form Post Response
// Mode) and goes on at a GET of ours, where the cookies arrive.
func (w *Web) federationPosted(r *request) error {
	form, err := r.form(maxHeldForm)
	if err != nil {
		return err
	}
	return w.holdAnswer(r, federated.Answer{State: form.Get("state"), Params: form})
}

// holdAnswer keeps an answer and goes on at the call-back.
func (w *Web) holdAnswer(r *request, a federated.Answer) error {
	a.Provider, a.Posted, a.URL = r.echo.Param("provider"), true, w.cfg.Issuer+r.http().URL.Path
	handle, err := w.cfg.Engine.HoldAnswer(r.ctx(), r.v, a)
	if _, ok := errors.AsType[*authn.Refusal](err); ok {
		return refuse(http.StatusBadRequest, "error.federation", err)
	}
	if err != nil {
		return fmt.Errorf("hold answer of provider: %w", err)
	}
	r.noReferrer()
	return r.to(w.at(callbackPath(a.Provider)) + "?" + url.Values{answerField: {handle}}.Encode())
}

// federationAnswer takes an answer to the login that asked for it.
func (w *Web) federationAnswer(r *request) error {
	a, err := w.answerOf(r)
	if err != nil {
		return err
	}
	back, grants, err := w.cfg.Engine.Returned(r.ctx(), r.v, a)
	r.grant(grants)
	refusal, ok := errors.AsType[*authn.Refusal](err)
	switch {
	case ok && back.Txn.ID == "":
		return refuse(http.StatusBadRequest, "error.federation", err)
	case errors.Is(err, authn.ErrLinkOver):
		return refuse(http.StatusBadRequest, "error.federation", err)
	case ok && refusal.Reason != authn.OutOfStep:
		return w.federationRefused(r, back.Txn, refusal)
	case err != nil && !stepOver(err):
		return fmt.Errorf("answer of provider: %w", err)
	case back.Linked != nil:
		return r.to(w.at("/account/security") + "?" + url.Values{"linked": {back.Linked.Provider}}.Encode())
	}
	r.keepBrowser()
	return r.to(w.loginPath(back.Txn.ID))
}

// federationRefused shows the login again, with what other ways there are.
func (w *Web) federationRefused(r *request, t authn.Txn, why *authn.Refusal) error {
	t, err := w.cfg.Engine.Load(r.ctx(), r.v, t.ID)
	if err != nil {
		return fmt.Errorf("load transaction: %w", err)
	}
	return w.present(r, t, &refused{action: "federate", why: why})
}

// answerOf reads an answer from the query, or the one that was posted before.
func (w *Web) answerOf(r *request) (federated.Answer, error) {
	params := r.echo.QueryParams()
	a := federated.Answer{
		Provider: r.echo.Param("provider"), State: params.Get("state"), Params: params, URL: w.cfg.Issuer + r.http().URL.Path,
	}
	handle := params.Get(answerField)
	if handle == "" {
		return a, nil
	}
	held, err := w.cfg.Engine.HeldAnswer(r.ctx(), handle)
	if err != nil {
		return a, fmt.Errorf("read posted answer: %w", err)
	}
	if held.Provider != a.Provider {
		return a, authn.ErrTxnUnknown
	}
	return held, nil
}

// doFederate begins a login at the provider of the button.
func doFederate(ctx context.Context, s *submission) error {
	id := s.field("upstream")
	if id == "" {
		return missing()
	}
	to, err := s.web.cfg.Engine.Federate(ctx, s.v, s.txn, id)
	if err == nil {
		s.away = &to
	}
	return err
}

// awayBody is the page that leads to a provider.
type awayBody struct {
	Host string
	// URI is where a link leads, or a form if Params are given.
	URI    template.URL
	Params []param
}

// away leads the browser to a provider.
func (w *Web) away(r *request, v view, to federated.Redirect) error {
	u, err := url.Parse(to.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("a provider is not at a web address: %w", err)
	}
	b := awayBody{Host: u.Host, URI: template.URL(to.URL)} //nolint:gosec // a web address, checked above
	v.Title = "away.title"
	if to.Form == nil {
		v.Refresh = to.URL
	} else {
		// A provider may redirect what is posted to it to wherever its people log in.
		r.headers(u.Scheme + ":")
		for name, values := range to.Form {
			for _, value := range values {
				b.Params = append(b.Params, param{name, value})
			}
		}
	}
	r.noReferrer()
	v.Body = b
	return r.render(http.StatusOK, pageAway, v)
}
