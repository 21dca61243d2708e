package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
)

// issue writes the grant of a transaction with its code, in one transaction
// with the last decision. said is the answer of the consent page, nil without
// one. authn.ErrNotReady: something is missing again.
func (p *Provider) issue(ctx context.Context, v authn.Visitor, t authn.Txn, r request, said []string) (Reply, error) {
	code, hash := newSecret()
	err := p.cfg.Engine.Issue(ctx, v, t, func(ctx context.Context, ready authn.Ready) error {
		c, err := p.cfg.Clients.Client(ctx, r.ClientID)
		if err != nil {
			return fmt.Errorf("look up client: %w", err)
		}
		if c.Disabled {
			return &Error{Code: UnauthorizedClient, Description: "The client is disabled."}
		}
		granted, err := p.grantScopes(ctx, v, c, r, ready, said)
		if err != nil {
			return err
		}
		g, err := p.grantOf(ctx, c, r, ready, granted)
		if err != nil {
			return err
		}
		if r.DeviceHash != nil {
			return p.approveDevice(ctx, r, g)
		}
		g.CodeHash, g.CodeExpiresAt = hash, g.CreatedAt.Add(min(p.cfg.Lifetimes.Code, maxCodeLife))
		if r.PushedID != "" {
			if err := p.cfg.Pushed.ConsumePushed(ctx, r.PushedID, g.CreatedAt); err != nil {
				return fmt.Errorf("complete pushed request: %w", err)
			}
		}
		return p.cfg.Grants.InsertGrant(ctx, g)
	})
	if err != nil {
		return p.notIssued(ctx, t, r, err)
	}
	if r.DeviceHash != nil {
		return Done{Message: DoneApproved}, nil
	}
	return p.answer(r, url.Values{"code": {code}}), nil
}

// maxCodeLife is the longest life of a code (RFC 6749 section 4.1.2).
const maxCodeLife = 10 * time.Minute

// notIssued tells the client of what came between; authn's errors are the
// dispatcher's business.
func (p *Provider) notIssued(_ context.Context, _ authn.Txn, r request, err error) (Reply, error) {
	if errors.Is(err, ErrUsed) {
		e := &Error{Code: InvalidRequestURI, Description: "The request_uri was used."}
		if r.DeviceHash != nil {
			return nil, &PageError{Code: AccessDenied, Description: "The device was answered before."}
		}
		return p.refuse(r, e), nil
	}
	if e, ok := errors.AsType[*Error](err); ok && r.RedirectURI != "" {
		return p.refuse(r, e), nil
	}
	return nil, fmt.Errorf("issue code: %w", err)
}

// grantOf freezes what is known of the login.
func (p *Provider) grantOf(ctx context.Context, c Client, r request, ready authn.Ready, granted []string) (Grant, error) {
	id, err := newID()
	if err != nil {
		return Grant{}, err
	}
	scopes := slices.DeleteFunc(slices.Clone(granted), func(name string) bool { return !slices.Contains(r.Scopes, name) })
	claims, err := p.allowedClaims(r.Claims, granted)
	if err != nil {
		return Grant{}, err
	}
	now := p.now()
	g := Grant{
		ID: id, ClientID: c.ID, UserID: ready.User.ID, SessionID: ready.Session.ID,
		Scopes: scopes, Audience: r.Resources, ACR: ready.Issue.ACR, AMR: ready.Issue.AMR, AuthTime: ready.Issue.AuthTime,
		Claims: claims, Nonce: r.Nonce, KeyThumbprint: r.KeyThumbprint, Device: r.DeviceHash != nil,
		RedirectURI: r.RedirectURI, CodeChallenge: r.CodeChallenge, CreatedAt: now, ExpiresAt: ready.Session.ExpiresAt,
		Floors: p.floors(c),
	}
	if g.SID, err = p.cfg.Grants.SID(ctx, ready.Session.ID, c.ID, now); err != nil {
		return Grant{}, fmt.Errorf("name session: %w", err)
	}
	if c.DropElevation {
		g.FirstACR, g.FirstAMR = p.firstFactor(ready)
	}
	// OpenID Connect Core 1.0 section 11: without a refresh token there is
	// nothing that could outlive the session.
	if slices.Contains(scopes, ScopeOffline) && slices.Contains(c.GrantTypes, GrantRefresh) {
		g.Offline, g.SessionID = true, ""
		g.ExpiresAt = now.Add(p.cfg.Lifetimes.RefreshAbsolute)
	}
	return g, nil
}

// firstFactor describes the login as if only its first factor had been shown:
// the first of the default ACRs that one proof meets, from the last. Where none
// is met by one proof alone there is no name for it.
func (p *Provider) firstFactor(ready authn.Ready) (name string, amr []string) {
	counted := slices.DeleteFunc(ready.Session.Ledger(), func(proof acr.Proof) bool {
		return !slices.Contains(ready.Issue.Proofs, proof.ID)
	})
	slices.SortFunc(counted, func(a, b acr.Proof) int { return a.At.Compare(b.At) })
	defaults := p.named(p.cfg.Policy.DefaultACRs)
	slices.Reverse(defaults)
	for _, a := range defaults {
		if len(a.Needs) != 1 {
			continue
		}
		for _, proof := range counted {
			if slices.Contains(a.Begins(), proof.Factor) && len(a.Needs[0].Chain) == 0 {
				return a.Name, proof.AMR
			}
		}
	}
	for _, proof := range counted {
		if proof.Factor.First() {
			return "", proof.AMR
		}
	}
	return "", nil
}

// approveDevice gives a waiting device its grant (RFC 8628 section 3.3).
func (p *Provider) approveDevice(ctx context.Context, r request, g Grant) error {
	if err := p.cfg.Grants.InsertGrant(ctx, g); err != nil {
		return err
	}
	return p.cfg.Devices.SettleDevice(ctx, r.DeviceHash, DevicePending, DeviceApproved, g.ID)
}

// audit writes an event in the transaction of ctx.
func (p *Provider) audit(ctx context.Context, e audit.Event, detail map[string]any) error {
	if e.Outcome == "" {
		e.Outcome = audit.OK
	}
	if detail != nil {
		doc, err := json.Marshal(detail)
		if err != nil {
			return fmt.Errorf("encode audit event: %w", err)
		}
		e.Detail = doc
	}
	if err := p.cfg.Audit.Append(ctx, e); err != nil {
		return fmt.Errorf("audit %s: %w", e.Name, err)
	}
	return nil
}

// userParty is a user who acts through a client.
func userParty(userID, clientID string) audit.Party {
	return audit.Party{Type: "user", ID: userID, Client: clientID}
}
