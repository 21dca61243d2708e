package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// PathIntrospect is the introspection endpoint, relative to the issuer.
const PathIntrospect = "/oauth/introspect"

// introspection is the answer about a token that is good for the caller (RFC
// 7662 section 2.2, with RFC 9470 section 6.2 and RFC 9449 section 6.2).
type introspection struct {
	Active    bool          `json:"active"`
	Scope     string        `json:"scope,omitempty"`
	ClientID  string        `json:"client_id"`
	TokenType string        `json:"token_type,omitempty"`
	Expires   int64         `json:"exp"`
	IssuedAt  int64         `json:"iat"`
	Subject   string        `json:"sub"`
	Audience  any           `json:"aud,omitempty"`
	Issuer    string        `json:"iss"`
	ID        string        `json:"jti,omitempty"`
	SID       string        `json:"sid,omitempty"`
	ACR       string        `json:"acr,omitempty"`
	AMR       []string      `json:"amr,omitempty"`
	AuthTime  int64         `json:"auth_time,omitempty"`
	Confirm   *confirmation `json:"cnf,omitempty"`
}

// inactive is the answer about every other token, and tells nothing else.
type inactive struct {
	Active bool `json:"active"`
}

// tokenReader is who asks about a token: a service, or a client.
type tokenReader struct {
	audience string // of the service; "" for a client
	clientID string
}

// serveIntrospect tells an authenticated service or client about a token that
// is meant for it (RFC 7662 section 2).
func (p *Provider) serveIntrospect(c echo.Context) error {
	noStore(c)
	form, err := readForm(c)
	if err != nil {
		return err
	}
	reader, err := p.authenticateReader(c, form)
	if err != nil {
		return err
	}
	if form["token"] == "" {
		return &Error{Code: InvalidRequest, Description: "The parameter token is missing."}
	}
	answer, err := p.introspect(c.Request().Context(), reader, form["token"])
	if err != nil {
		return err
	}
	if answer == nil {
		return c.JSON(http.StatusOK, inactive{})
	}
	return c.JSON(http.StatusOK, answer)
}

// authenticateReader finds out who asks: a service by its introspection
// credential, or a confidential client as at the token endpoint. A public
// client proves nothing and gets no answer.
func (p *Provider) authenticateReader(c echo.Context, form params) (tokenReader, error) {
	creds, err := p.credentials(c, form)
	if err != nil {
		return tokenReader{}, err
	}
	if creds.method == SecretBasic || creds.method == SecretPost {
		s, err := p.cfg.Services.Service(c.Request().Context(), creds.id)
		switch {
		case errors.Is(err, ErrNotFound): // a client, perhaps
		case err != nil:
			return tokenReader{}, err
		case len(s.SecretHash) > 0 && sameHash(s.SecretHash, hashOf(creds.secret)):
			return tokenReader{audience: s.Audience}, nil
		}
	}
	client, err := p.authenticateClient(c, form)
	if err != nil {
		return tokenReader{}, err
	}
	if client.Public() {
		return tokenReader{}, &Error{
			Code: InvalidClient, Status: http.StatusUnauthorized,
			Description: "Introspection needs the credential of a service or of a confidential client.",
		}
	}
	return tokenReader{clientID: client.ID}, nil
}

// introspect returns what the caller may know of a token, nil for nothing.
func (p *Provider) introspect(ctx context.Context, r tokenReader, token string) (*introspection, error) {
	t, err := p.readAccess(ctx, token)
	if errors.Is(err, errAccessToken) {
		if r.clientID == "" {
			return nil, nil
		}
		return p.introspectRefresh(ctx, r.clientID, token)
	}
	if err != nil {
		return nil, err
	}
	meant := r.clientID != "" && t.Grant.ClientID == r.clientID ||
		r.audience != "" && slices.Contains(t.Audience, r.audience)
	if !meant {
		return nil, nil
	}
	answer := p.describe(t.Grant, t.Scopes)
	answer.TokenType, answer.ID = schemeBearer, t.ID
	answer.Audience = audienceClaim(t.Audience)
	answer.Expires, answer.IssuedAt = t.ExpiresAt.Unix(), t.IssuedAt.Unix()
	answer.ACR, answer.AMR, answer.AuthTime = t.ACR, t.AMR, 0
	if !t.AuthTime.IsZero() {
		answer.AuthTime = t.AuthTime.Unix()
	}
	if t.Thumbprint != "" {
		answer.TokenType, answer.Confirm = schemeDPoP, &confirmation{Thumbprint: t.Thumbprint}
	}
	return answer, nil
}

// introspectRefresh tells a client about its own refresh token.
func (p *Provider) introspectRefresh(ctx context.Context, clientID, token string) (*introspection, error) {
	r, err := p.cfg.Grants.RefreshByHash(ctx, hashOf(token))
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !r.UsedAt.IsZero() || !p.now().Before(r.ExpiresAt) {
		return nil, nil
	}
	g, err := p.cfg.Grants.LiveGrant(ctx, r.GrantID, p.now())
	if errors.Is(err, ErrNotFound) || err == nil && g.ClientID != clientID {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	answer := p.describe(g, r.Scopes)
	answer.Expires, answer.IssuedAt = r.ExpiresAt.Unix(), r.CreatedAt.Unix()
	return answer, nil
}

// describe is what both kinds of token say of their grant.
func (p *Provider) describe(g Grant, scopes []string) *introspection {
	answer := &introspection{
		Active: true, Scope: strings.Join(scopes, " "), ClientID: g.ClientID, Subject: g.UserID,
		Issuer: p.cfg.Issuer, SID: g.SID, ACR: g.ACR, AMR: g.AMR,
	}
	if g.UserID == "" {
		answer.Subject = g.ClientID
	}
	if !g.AuthTime.IsZero() {
		answer.AuthTime = g.AuthTime.Unix()
	}
	return answer
}
