package oidc

import (
	"context"
	"fmt"
	"net/url"
)

// heldForm is the parameter under which a held form stands in the store.
const heldForm = "form"

// Hold stores the parameters of a form that another site has posted, for a
// short time, and returns their handle. A cross-site POST brings no cookie
// along (SameSite=Lax), so that pages read the form in a GET of their own. The
// handle is no request_uri: no client owns it.
func (p *Provider) Hold(ctx context.Context, params url.Values) (string, error) {
	id, _ := newSecret()
	err := p.cfg.Pushed.InsertPushed(ctx, Pushed{
		ID: id, Params: map[string]string{heldForm: params.Encode()}, ExpiresAt: p.now().Add(p.cfg.Lifetimes.Pushed),
	})
	if err != nil {
		return "", fmt.Errorf("hold form: %w", err)
	}
	return id, nil
}

// Held returns what Hold has stored, as often as it is asked for while it
// lives; ErrNotFound after that.
func (p *Provider) Held(ctx context.Context, handle string) (url.Values, error) {
	held, err := p.cfg.Pushed.Pushed(ctx, handle)
	if err != nil {
		return nil, fmt.Errorf("read held form: %w", err)
	}
	form, ok := held.Params[heldForm]
	if held.ClientID != "" || !ok || !p.now().Before(held.ExpiresAt) {
		return nil, fmt.Errorf("read held form: %w", ErrNotFound)
	}
	params, err := url.ParseQuery(form)
	if err != nil {
		return nil, fmt.Errorf("read held form: %w", err)
	}
	return params, nil
}
