package server

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"slices"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

// identities are the accounts elsewhere as sub-resources of users; nil without
// providers.
func (d *Directory) identities() validation.Identities {
	if len(d.cfg.IdentityProviders) == 0 {
		return nil
	}
	return userIdentities{d}
}

// userIdentities links accounts elsewhere through the login engine.
type userIdentities struct{ d *Directory }

var _ validation.Identities = userIdentities{}

// Providers implements [validation.Identities].
func (u userIdentities) Providers(ctx context.Context, userID string) ([]validation.ExternalProvider, error) {
	accounts, err := u.d.engine.LinkedAccounts(ctx, userID)
	if err != nil {
		return nil, err
	}
	out := make([]validation.ExternalProvider, 0, len(accounts))
	for _, a := range accounts {
		p := validation.ExternalProvider{ID: a.Provider.ID, Name: a.Provider.Name, Type: string(a.Provider.Kind)}
		if i := slices.IndexFunc(u.d.cfg.IdentityProviders, func(c config.IdentityProvider) bool { return c.ID == p.ID }); i >= 0 {
			p.Description, p.IconURL = u.d.cfg.IdentityProviders[i].Description, u.d.cfg.IdentityProviders[i].IconURL
		}
		if a.Link != nil {
			p.Subject, p.LinkedAt = a.Link.Subject, a.Link.LinkedAt
		}
		out = append(out, p)
	}
	return out, nil
}

// BeginLink implements [validation.Identities]. The address must be one of the
// application that the token belongs to, or of the settings.
func (u userIdentities) BeginLink(ctx context.Context, caller scim.Caller, userID, provider, callback string) (to, request string, err error) {
	if err := u.registered(ctx, caller, provider, callback); err != nil {
		return "", "", err
	}
	by := linker(caller, userID)
	by.Callback = callback
	away, pending, err := u.d.engine.BeginLink(ctx, by, provider)
	if err != nil {
		return "", "", identityError(err)
	}
	return away.URL, pending.ID, nil
}

func (u userIdentities) registered(ctx context.Context, caller scim.Caller, provider, callback string) error {
	p, ok := federated.Find(u.d.providers, provider)
	if !ok {
		return validation.ErrIdentityUnknown
	}
	if p.Kind == federated.SAML { // it posts to one address, which is ours
		return validation.ErrIdentityPage
	}
	if slices.Contains(p.Callbacks, callback) {
		return nil
	}
	if caller.ClientID == "" {
		return validation.ErrIdentityCallback
	}
	client, err := u.d.db.Client(ctx, caller.ClientID)
	if err != nil && !errors.Is(err, oidc.ErrNotFound) {
		return err
	}
	if err != nil || !slices.Contains(client.RedirectURIs, callback) {
		return validation.ErrIdentityCallback
	}
	return nil
}

// FinishLink implements [validation.Identities].
func (u userIdentities) FinishLink(ctx context.Context, caller scim.Caller, userID, request string, answer url.Values) error {
	state := answer.Get("state")
	if state == "" {
		state = answer.Get("RelayState")
	}
	_, err := u.d.engine.FinishLink(ctx, linker(caller, userID), request, federated.Answer{State: state, Params: answer})
	return identityError(err)
}

// Unlink implements [validation.Identities].
func (u userIdentities) Unlink(ctx context.Context, caller scim.Caller, userID, provider string) error {
	return identityError(u.d.engine.Unlink(ctx, linker(caller, userID), provider))
}

// linker is the caller of a token.
func linker(caller scim.Caller, userID string) authn.Linker {
	by := authn.Linker{
		UserID: userID,
		Actor:  audit.Party{Type: caller.ActorType, ID: caller.UserID, Name: caller.Name, Client: caller.ClientID},
		Visitor: authn.Visitor{
			UserAgent: caller.UserAgent, RequestID: caller.RequestID,
		},
	}
	if caller.UserID == "" {
		by.Actor.ID = caller.TokenID
	}
	if caller.UserID == userID {
		by.SessionID = caller.SessionID
	}
	if ip, err := netip.ParseAddr(caller.IP); err == nil {
		by.Visitor.IP = ip
	}
	return by
}

func identityError(err error) error {
	switch refusal, ok := errors.AsType[*authn.Refusal](err); {
	case err == nil:
		return nil
	case errors.Is(err, authn.ErrLinkTaken):
		return validation.ErrIdentityTaken
	case errors.Is(err, authn.ErrLinkOver):
		return validation.ErrIdentityOver
	case errors.Is(err, authn.ErrNoProvider), errors.Is(err, authn.ErrNotLinked):
		return validation.ErrIdentityUnknown
	case ok:
		return &validation.IdentityRefusedError{Reason: string(refusal.Reason)}
	}
	return err
}
