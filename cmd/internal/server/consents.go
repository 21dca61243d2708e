package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation"
)

// userConsents shows the consents of the provider as sub-resources of users.
type userConsents struct{ d *Directory }

var _ validation.ConsentStore = userConsents{}

// UserConsents implements [validation.ConsentStore].
func (u userConsents) UserConsents(ctx context.Context, userID string) ([]validation.Consent, error) {
	found, err := u.d.db.Consents(ctx, userID)
	if err != nil {
		return nil, err
	}
	return u.shown(ctx, found)
}

// UserConsentHistory implements [validation.ConsentStore].
func (u userConsents) UserConsentHistory(ctx context.Context, userID string) ([]validation.Consent, error) {
	found, err := u.d.db.ConsentHistory(ctx, userID)
	if err != nil {
		return nil, err
	}
	return u.shown(ctx, found)
}

// shown adds what the operator says of applications and scopes.
func (u userConsents) shown(ctx context.Context, consents []oidc.Consent) ([]validation.Consent, error) {
	out := make([]validation.Consent, 0, len(consents))
	for _, c := range consents {
		client, err := u.d.db.Client(ctx, c.ClientID)
		if err != nil && !errors.Is(err, oidc.ErrNotFound) {
			return nil, err
		}
		one := validation.Consent{ID: c.ClientID, At: c.UpdatedAt, Client: consentClient(c.ClientID, client)}
		names := slices.Sorted(maps.Keys(c.Scopes))
		texts, err := u.d.Provider.ScopeTexts(ctx, names)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			one.Scopes = append(one.Scopes, validation.ConsentScope{
				Name: name, Description: texts[name].Description, Prompt: texts[name].ConsentPrompt, Consent: string(c.Scopes[name]),
			})
		}
		out = append(out, one)
	}
	return out, nil
}

func consentClient(id string, c oidc.Client) validation.ConsentClient {
	out := validation.ConsentClient{Name: c.Name, URL: c.URI, IconURL: c.LogoURI}
	if out.Name == "" {
		out.Name = id
	}
	if len(c.Contacts) > 0 {
		out.EmailAddress = c.Contacts[0]
	}
	return out
}

// ChangeConsent implements [validation.ConsentStore]. Tokens carry the scopes of
// their grant, so all of them end when one scope is taken away.
func (u userConsents) ChangeConsent(ctx context.Context, userID, id string, said map[string]string, now time.Time) error {
	return u.d.db.InTx(ctx, func(ctx context.Context) error {
		c, err := u.d.db.Consent(ctx, userID, id)
		if err != nil {
			return err
		}
		if c.UpdatedAt.IsZero() {
			return scim.ErrNotFound
		}
		c.Scopes, c.UpdatedAt = maps.Clone(c.Scopes), now
		lost := false
		for name, state := range said {
			lost = lost || (c.Scopes[name] == oidc.Granted && state != string(oidc.Granted))
			c.Scopes[name] = oidc.ConsentState(state)
		}
		if err := u.d.db.SaveConsent(ctx, c); err != nil || !lost {
			return err
		}
		_, err = u.d.db.RevokeGrants(ctx, userID, id, now)
		return err
	})
}

// WithdrawConsent implements [validation.ConsentStore].
func (u userConsents) WithdrawConsent(ctx context.Context, userID, id string, now time.Time) (was bool, err error) {
	err = u.d.db.InTx(ctx, func(ctx context.Context) error {
		if was, err = u.d.db.DeleteConsent(ctx, userID, id, now); err != nil || !was {
			return err
		}
		_, err = u.d.db.RevokeGrants(ctx, userID, id, now)
		return err
	})
	return was, err
}
