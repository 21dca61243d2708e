package server

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/oidc"
)

// mayEnrol reports whether a user may set up a second factor while logging in.
func (d *Directory) mayEnrol(ctx context.Context, u authn.User) (bool, error) {
	rule := d.cfg.InlineEnrolment
	if !rule.Enabled || len(rule.Groups) == 0 {
		return rule.Enabled, nil
	}
	groups, err := providerUsers{d.db}.Groups(ctx, u.ID)
	if err != nil {
		return false, fmt.Errorf("read groups: %w", err)
	}
	return slices.ContainsFunc(groups, func(g oidc.Group) bool { return slices.Contains(rule.Groups, g.Name) }), nil
}
