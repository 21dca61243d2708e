package oidc

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// clientGrant is the grant type client_credentials (RFC 6749 section 4.4): the
// client itself is who acts. There is no refresh token.
type clientGrant struct{ *Provider }

func (p clientGrant) redeem(ctx context.Context, r tokenRequest) (tokenAnswer, error) {
	if r.client.Public() {
		return tokenAnswer{}, &Error{Code: UnauthorizedClient, Description: "A public client cannot act for itself."}
	}
	scopes, err := p.scopes(ctx, r)
	if err != nil {
		return tokenAnswer{}, err
	}
	id, err := newID()
	if err != nil {
		return tokenAnswer{}, err
	}
	now := p.now()
	g := Grant{
		ID: id, ClientID: r.client.ID, Scopes: scopes, Audience: r.form.resources(), KeyThumbprint: r.key,
		CreatedAt: now, ExpiresAt: now.Add(p.cfg.Lifetimes.AccessToken),
	}
	return p.issueTokens(ctx, r, issuing{
		grant: g, scopes: scopes, event: audit.TokenIssued,
		consume: func(ctx context.Context, _ []byte) error { return p.cfg.Grants.InsertGrant(ctx, g) },
	})
}

// scopes are those asked for, all that the client may have when it asks for
// none. One that it may not have is refused: a machine reads no answer.
func (p clientGrant) scopes(ctx context.Context, r tokenRequest) ([]string, error) {
	asked := r.form.list("scope")
	explicit := len(asked) > 0
	if !explicit {
		asked = slices.DeleteFunc(slices.Clone(r.client.Scopes), needsUser)
	}
	known, err := p.catalogue(ctx, asked)
	if err != nil {
		return nil, err
	}
	allowed := slices.DeleteFunc(allowedScopes(r.client, asked, known), func(name string) bool {
		return needsUser(name) || known[name].RequiredACR != ""
	})
	if explicit && len(allowed) < len(asked) {
		return nil, &Error{Code: InvalidScope, Description: "The client may not have every requested scope for itself."}
	}
	resources := r.form.resources()
	if err := checkResources(resources, allowed, known); err != nil {
		return nil, err
	}
	return withinAudience(allowed, known, resources), nil
}

// needsUser reports scopes that make sense only for a user.
func needsUser(name string) bool {
	return slices.Contains(StandardScopes(), name) ||
		(strings.HasPrefix(name, ownScope) && !strings.HasPrefix(name, adminScope))
}
