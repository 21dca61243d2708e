package flow

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// followUp says where to go on: at another flow, or at the end of the login.
func (r *request) followUp() error {
	said := r.place.Decision
	if said != nil && r.place.Number != r.txn.Progress.Message {
		return outOfDate() // another decision was made since
	}
	step, err := r.next()
	if err != nil {
		return err
	}
	name, k := "flow_uri", kindOf(r.txn, step)
	if k == "" {
		if k, err = r.afterLogin(step); err != nil {
			return err
		}
	}
	if k == kindContinue {
		name = "continue_redirect_uri"
	}
	uri, err := r.uri(k, func(p *place) {
		if k == kindContinue {
			p.Decision = said
		}
	})
	if err != nil {
		return err
	}
	return answer(r.echo, map[string]any{name: uri})
}

// afterLogin is where a login goes on that asks for no proof.
func (r *request) afterLogin(step authn.Step) (kind, error) {
	ready, ok := step.(authn.Ready)
	if !ok || r.place.Decision != nil {
		return kindContinue, nil
	}
	view, err := r.flows.cfg.Provider.Ask(r.ctx(), r.v, r.txn, ready)
	if err != nil || view == nil {
		return kindContinue, err
	}
	return kindApprove, nil
}

// finish gives the answer of the login to the application. The browser opens it
// itself, so it has no CORS.
func (f *Flows) finish(c echo.Context) error {
	r := &request{flows: f, echo: c, kind: kindContinue}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	reply, err := r.finish()
	if err != nil && r.place.Key != nil {
		return f.fail(c, err)
	}
	return f.browsers.Finish(c, reply, pageError(err))
}

// pageError is an error as a page can show it.
func pageError(err error) error {
	if e, ok := errors.AsType[*scim.Error](err); ok {
		return &oidc.PageError{Code: oidc.UnauthorizedClient, Description: e.Detail}
	}
	if refusal, ok := errors.AsType[*authn.Refusal](err); errors.Is(err, errNoPlace) || ok && refusal.Reason == authn.OutOfStep {
		return fmt.Errorf("%w: %w", authn.ErrTxnUnknown, err)
	}
	return err
}

func (r *request) finish() (oidc.Reply, error) {
	if err := r.find(); err != nil {
		return nil, err
	}
	if err := r.load(); err != nil {
		return nil, err
	}
	step, err := r.next()
	if err != nil {
		return nil, err
	}
	p := r.flows.cfg.Provider
	switch s := step.(type) {
	case authn.Failed:
		return p.Fail(r.ctx(), r.v, r.txn, s.Reason)
	case authn.Ready:
		return r.conclude(s)
	}
	return r.back(step)
}

// conclude answers a login that is ready, with what was said about consent.
func (r *request) conclude(ready authn.Ready) (oidc.Reply, error) {
	p := r.flows.cfg.Provider
	said := r.place.Decision
	switch {
	case said != nil && r.place.Number != r.txn.Progress.Message:
		return nil, outOfDate()
	case said != nil && said.Approved:
		return p.Consent(r.ctx(), r.v, r.txn, said.Scopes)
	case said != nil:
		return p.Deny(r.ctx(), r.v, r.txn)
	}
	reply, view, err := p.Continue(r.ctx(), r.v, r.txn, ready)
	if err != nil || view == nil {
		return reply, err
	}
	return r.back(nil)
}

// back sends a browser that came too early to the flow that is still to be
// gone through. What no flow asks for, such as to set up a factor first, is done
// on the pages of this server; an app without a browser cannot.
func (r *request) back(step authn.Step) (oidc.Reply, error) {
	own := step != nil && kindOf(r.txn, step) == ""
	switch {
	case own && r.place.Key != nil:
		return r.flows.cfg.Provider.Fail(r.ctx(), r.v, r.txn, acr.Unreachable)
	case r.place.Key != nil:
		return nil, authn.ErrNotReady
	}
	entry, err := r.flows.entry(r.txn, r.client, step)
	if err != nil {
		return nil, err
	}
	if entry == "" {
		return oidc.Interact{Txn: r.txn.ID}, nil
	}
	return oidc.Redirect{URL: entry}, nil
}

// Entry is where the login of a transaction goes on when its application has
// pages of its own: login_uri with the URI of the flow; "": on our pages. The
// step is nil for consent.
func (f *Flows) Entry(ctx context.Context, t authn.Txn, step authn.Step) (string, error) {
	if t.Purpose != oidc.PurposeAuthorize {
		return "", nil
	}
	c, err := f.cfg.Provider.ClientOf(ctx, t)
	if err != nil {
		return "", fmt.Errorf("find application: %w", err)
	}
	return f.entry(t, c, step)
}

func (f *Flows) entry(t authn.Txn, c oidc.Client, step authn.Step) (string, error) {
	if !c.OwnPages() {
		return "", nil
	}
	k := kindApprove
	if step != nil {
		k = kindOf(t, step)
	}
	if k == "" {
		return "", nil
	}
	uri, err := f.uri(k, place{Txn: t.ID, Client: c.ID, Number: t.Progress.Message})
	if err != nil {
		return "", err
	}
	to, err := url.Parse(c.LoginURI)
	if err != nil {
		return "", fmt.Errorf("login_uri of %s: %w", c.ID, err)
	}
	q := to.Query()
	q.Set("flow", uri)
	to.RawQuery = q.Encode()
	return to.String(), nil
}
