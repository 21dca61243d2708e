package oidc

import (
	"context"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// PlainRequirement returns what a client asks for with a request that names
// these ACRs, this max_age in seconds (nil: none) and every scope that the client
// may have. It explains logins to operators; nothing is issued on it.
func (p *Provider) PlainRequirement(ctx context.Context, c Client, acrValues []string, maxAge *int64) (acr.Requirement, error) {
	r := request{ClientID: c.ID, ACRValues: acrValues, MaxAge: maxAge, Scopes: c.Scopes}
	scopes, err := p.lockedScopes(ctx, r, time.Time{})
	if err != nil {
		return acr.Requirement{}, err
	}
	q := p.requirement(c, r)
	q.Scopes = scopes
	return q, nil
}
