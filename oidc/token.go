package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// tokenRequest is a request of an authenticated client at the token endpoint.
type tokenRequest struct {
	client Client
	form   params
	key    string // thumbprint of its DPoP proof; "": there is none
	origin audit.Event
}

// tokenAnswer is a successful answer (RFC 6749 section 5.1).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope"`
}

// redeemer turns what a grant type presents into tokens. Checks come first and
// burn nothing; what is used up is used up in one transaction with what takes
// its place.
type redeemer interface {
	redeem(ctx context.Context, r tokenRequest) (tokenAnswer, error)
}

// redeemer returns that of a grant type; nil: it is not supported.
func (p *Provider) redeemer(grantType string) redeemer {
	switch grantType {
	case GrantCode:
		return codeGrant{p}
	case GrantRefresh:
		return refreshGrant{p}
	case GrantClient:
		return clientGrant{p}
	case GrantDevice:
		return deviceGrant{p}
	default:
		return nil
	}
}

// handleToken is the token endpoint (RFC 6749 section 3.2).
func (p *Provider) handleToken(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	client, err := p.authenticateClient(c, form)
	if err != nil {
		return err
	}
	answer, err := p.token(c, client, form)
	if err != nil {
		return err
	}
	noStore(c)
	return c.JSON(http.StatusOK, answer)
}

func (p *Provider) token(c echo.Context, client Client, form params) (tokenAnswer, error) {
	ctx := c.Request().Context()
	if form["grant_type"] == "" {
		return tokenAnswer{}, &Error{Code: InvalidRequest, Description: "grant_type is missing."}
	}
	grant := p.redeemer(form["grant_type"])
	if grant == nil {
		return tokenAnswer{}, &Error{Code: UnsupportedGrantType, Description: "The grant type is not supported."}
	}
	if !slices.Contains(client.GrantTypes, form["grant_type"]) {
		return tokenAnswer{}, &Error{Code: UnauthorizedClient, Description: "The client may not use this grant type."}
	}
	key, err := p.verifyDPoP(ctx, p.proof(c, PathToken))
	if err != nil {
		return tokenAnswer{}, err
	}
	if key == "" && client.DPoPBound {
		// RFC 9449 section 5.2.
		return tokenAnswer{}, &Error{Code: InvalidDPoPProof, Description: "The client must send a DPoP proof."}
	}
	return grant.redeem(ctx, tokenRequest{
		client: client, form: form, key: key,
		origin: audit.Event{
			Actor:     audit.Party{Type: "client", ID: client.ID, Name: client.Name},
			RequestID: c.Response().Header().Get(echo.HeaderXRequestID), IP: c.RealIP(), UserAgent: c.Request().UserAgent(),
		},
	})
}

// invalidGrant refuses what a client presents: unknown, expired, used and
// foreign look alike.
func invalidGrant(detail string) *Error { return &Error{Code: InvalidGrant, Description: detail} }

// errGrant is the refusal of a code or refresh token as such.
func errGrant() *Error {
	return invalidGrant("The code or token is unknown, expired, used or not of this client.")
}

// liveGrant reads a grant again with its user, client and session.
func (p *Provider) liveGrant(ctx context.Context, id string) (Grant, error) {
	g, err := p.cfg.Grants.LiveGrant(ctx, id, p.now())
	if errors.Is(err, ErrNotFound) {
		return Grant{}, invalidGrant("The authorization is no longer valid.")
	}
	if err != nil {
		return Grant{}, fmt.Errorf("read grant: %w", err)
	}
	return g, nil
}

// checkKey holds a request to the DPoP key of its grant (RFC 9449 sections 5
// and 10).
func checkKey(g Grant, r tokenRequest) error {
	switch {
	case g.KeyThumbprint == "" || g.KeyThumbprint == r.key:
		return nil
	case r.key == "":
		return &Error{Code: InvalidDPoPProof, Description: "The authorization is bound to a key; send a DPoP proof."}
	default:
		return invalidGrant("The DPoP proof is not made with the key of the authorization.")
	}
}

// reused answers a second use: everything that came of the first is revoked, in
// a transaction of its own that stands although the request fails (RFC 9700
// section 4.14.2, RFC 6749 section 4.1.2).
func (p *Provider) reused(ctx context.Context, r tokenRequest, g Grant, what string) error {
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if _, err := p.cfg.Grants.RevokeGrant(ctx, g.ID, p.now()); err != nil {
			return err
		}
		e := r.event(audit.TokenReuseDetected, g)
		e.Outcome, e.Reason = audit.Refused, what
		return p.audit(ctx, e, nil)
	})
	if err != nil {
		return fmt.Errorf("revoke after reuse: %w", err)
	}
	return errGrant()
}

// event is an event about a grant.
func (r tokenRequest) event(name audit.Name, g Grant) audit.Event {
	e := r.origin
	e.Name, e.Session = name, g.SessionID
	e.Target = audit.Party{Type: "grant", ID: g.ID, Client: g.ClientID}
	if g.UserID != "" {
		e.Subject = audit.Party{Type: "User", ID: g.UserID}
	}
	return e
}

// issuing is a set of tokens on its way.
type issuing struct {
	grant   Grant
	scopes  []string // of the access token
	refresh bool     // whether a refresh token belongs to it
	kept    []string // scopes that the refresh token keeps
	event   audit.Name
	// consume uses up what was presented; next is the hash of the refresh token
	// that takes its place, nil without one.
	consume func(ctx context.Context, next []byte) error
}

// issueTokens consumes and writes in one transaction and then signs: a JWT
// needs no row, and signing is slow.
func (p *Provider) issueTokens(ctx context.Context, r tokenRequest, i issuing) (tokenAnswer, error) {
	var answer tokenAnswer
	var hash []byte
	if i.refresh {
		answer.RefreshToken, hash = newSecret()
	}
	var access issuedToken
	mint := func(ctx context.Context) (err error) {
		access, err = p.mintAccessToken(ctx, r.client, i.grant, i.scopes)
		return err
	}
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := p.write(ctx, r, i, hash); err != nil {
			return err
		}
		if r.client.OpaqueAccessToken {
			return mint(ctx)
		}
		return nil
	})
	if err == nil && !r.client.OpaqueAccessToken {
		err = mint(ctx)
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	answer.AccessToken, answer.TokenType = access.Value, access.Type
	answer.ExpiresIn = int64(access.ExpiresIn / time.Second)
	answer.Scope = strings.Join(access.Scopes, " ")
	if slices.Contains(i.scopes, ScopeOpenID) && i.grant.UserID != "" {
		if answer.IDToken, err = p.mintIDToken(ctx, r.client, i.grant, access.Value); err != nil {
			return tokenAnswer{}, err
		}
	}
	return answer, nil
}

// write is what changes in the database when tokens are issued.
func (p *Provider) write(ctx context.Context, r tokenRequest, i issuing, hash []byte) error {
	if err := i.consume(ctx, hash); err != nil {
		return err
	}
	if hash != nil {
		now := p.now()
		expires := now.Add(p.cfg.Lifetimes.RefreshIdle)
		if i.grant.ExpiresAt.Before(expires) {
			expires = i.grant.ExpiresAt
		}
		err := p.cfg.Grants.InsertRefresh(ctx, Refresh{
			Hash: hash, GrantID: i.grant.ID, Scopes: i.kept, CreatedAt: now, ExpiresAt: expires,
		})
		if err != nil {
			return fmt.Errorf("store refresh token: %w", err)
		}
	}
	return p.audit(ctx, r.event(i.event, i.grant), map[string]any{
		"grant_type": r.form["grant_type"], "scopes": i.scopes, "acr": i.grant.ACR, "amr": i.grant.AMR,
	})
}
