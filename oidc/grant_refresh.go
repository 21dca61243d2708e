package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// maxRefreshGrace bounds how long a used refresh token still answers.
const maxRefreshGrace = 30 * time.Second

// refreshGrant is the grant type refresh_token (RFC 6749 section 6) with
// rotation: each token is good once (RFC 9700 section 4.14.2).
type refreshGrant struct{ *Provider }

func (p refreshGrant) redeem(ctx context.Context, r tokenRequest) (tokenAnswer, error) {
	if r.form["refresh_token"] == "" {
		return tokenAnswer{}, &Error{Code: InvalidRequest, Description: "refresh_token is missing."}
	}
	old, g, err := p.find(ctx, r)
	if err != nil {
		return tokenAnswer{}, err
	}
	again := !old.UsedAt.IsZero()
	if again && !p.graceful(old, g, r) {
		return tokenAnswer{}, p.reused(ctx, r, g, "refresh_token")
	}
	i, err := p.prepare(ctx, r, old, g)
	if err != nil {
		return tokenAnswer{}, err
	}
	i.consume = func(ctx context.Context, next []byte) error {
		if err := p.bindKey(ctx, g, r.key); err != nil || again {
			return err
		}
		return p.cfg.Grants.ConsumeRefresh(ctx, old.Hash, next, p.now())
	}
	answer, err := p.issueTokens(ctx, r, i)
	switch {
	case errors.Is(err, ErrUsed):
		return p.lost(ctx, r, g)
	case errors.Is(err, ErrNotFound):
		return tokenAnswer{}, errGrant()
	}
	return answer, err
}

// lost is the answer to whoever came second of two at once: within the grace
// the same as a moment later.
func (p refreshGrant) lost(ctx context.Context, r tokenRequest, g Grant) (tokenAnswer, error) {
	if r.client.RefreshGrace > 0 {
		return p.redeem(ctx, r)
	}
	return tokenAnswer{}, p.reused(ctx, r, g, "refresh_token")
}

// find returns the token and its grant. A token of another client is unknown,
// and stays as it is.
func (p refreshGrant) find(ctx context.Context, r tokenRequest) (Refresh, Grant, error) {
	old, err := p.cfg.Grants.RefreshByHash(ctx, hashOf(r.form["refresh_token"]))
	if errors.Is(err, ErrNotFound) {
		return Refresh{}, Grant{}, errGrant()
	}
	if err != nil {
		return Refresh{}, Grant{}, fmt.Errorf("look up refresh token: %w", err)
	}
	g, err := p.cfg.Grants.Grant(ctx, old.GrantID)
	if errors.Is(err, ErrNotFound) || (err == nil && g.ClientID != r.client.ID) {
		return Refresh{}, Grant{}, errGrant()
	}
	if err != nil {
		return Refresh{}, Grant{}, fmt.Errorf("look up grant: %w", err)
	}
	return old, g, nil
}

// graceful reports whether a used token still answers, for an answer that was
// lost on its way: to the same client with the same key, for a moment.
func (p refreshGrant) graceful(old Refresh, g Grant, r tokenRequest) bool {
	grace := min(r.client.RefreshGrace, maxRefreshGrace)
	return grace > 0 && g.KeyThumbprint == r.key && p.now().Before(old.UsedAt.Add(grace))
}

// prepare makes every check that burns nothing.
func (p refreshGrant) prepare(ctx context.Context, r tokenRequest, old Refresh, g Grant) (issuing, error) {
	if !p.now().Before(old.ExpiresAt) {
		return issuing{}, errGrant()
	}
	if err := checkKey(g, r); err != nil {
		return issuing{}, err
	}
	g, err := p.liveGrant(ctx, g.ID)
	if err != nil {
		return issuing{}, err
	}
	if err := p.checkFloors(r.client, g); err != nil {
		return issuing{}, err
	}
	scopes, err := p.scopes(ctx, r, old, g)
	if err != nil {
		return issuing{}, err
	}
	if scopes, err = p.narrow(ctx, r, &g, scopes); err != nil {
		return issuing{}, err
	}
	// OpenID Connect Core 1.0 section 12.2: what was said of the login stays, and
	// a refreshed ID token has no nonce.
	g.Nonce = ""
	g.KeyThumbprint = r.key
	if r.client.DropElevation {
		g.ACR, g.AMR = g.FirstACR, g.FirstAMR
	}
	return issuing{grant: g, scopes: scopes, kept: old.Scopes, refresh: true, event: audit.TokenRefreshed}, nil
}

// checkFloors holds a refresh to what server and client insist on now: a login
// from before they did ends with the access token that is out.
func (p refreshGrant) checkFloors(c Client, g Grant) error {
	for _, name := range p.floors(c) {
		if name != g.ACR && !slices.Contains(g.Floors, name) {
			return invalidGrant("A login that meets the present policy is required.")
		}
	}
	return nil
}

// scopes are those that the token had and the client may still have, cut to
// what is asked for; more than that is refused (RFC 6749 section 6).
func (p refreshGrant) scopes(ctx context.Context, r tokenRequest, old Refresh, g Grant) ([]string, error) {
	asked := r.form.list("scope")
	if len(asked) == 0 {
		asked = old.Scopes
	}
	for _, name := range asked {
		if !slices.Contains(old.Scopes, name) {
			return nil, &Error{Code: InvalidScope, Description: "A scope was not granted before."}
		}
	}
	known, err := p.catalogue(ctx, asked)
	if err != nil {
		return nil, err
	}
	scopes := userScopes(r.client, asked, known)
	if !r.client.DropElevation {
		return scopes, nil
	}
	// What a further factor has unlocked goes with it.
	return slices.DeleteFunc(scopes, func(name string) bool {
		lock := known[name].RequiredACR
		return lock != "" && lock != g.FirstACR
	}), nil
}

// bindKey binds a grant that has no DPoP key yet to the key of the request.
func (p *Provider) bindKey(ctx context.Context, g Grant, key string) error {
	if key == "" || g.KeyThumbprint != "" {
		return nil
	}
	return p.cfg.Grants.BindGrant(ctx, g.ID, key)
}
