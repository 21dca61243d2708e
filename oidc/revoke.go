package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc/keys"
)

// PathRevoke is the revocation endpoint, relative to the issuer.
const PathRevoke = "/oauth/revoke"

// serveRevoke ends the grant of a token (RFC 7009 section 2): a refresh token
// takes its access tokens along, and the other way round, since all hang on one
// grant. Unknown tokens, and those of other clients, are answered alike: 200.
func (p *Provider) serveRevoke(c echo.Context) error {
	noStore(c)
	form, err := readForm(c)
	if err != nil {
		return err
	}
	client, err := p.authenticateClient(c, form)
	if err != nil {
		return err
	}
	if form["token"] == "" {
		return &Error{Code: InvalidRequest, Description: "The parameter token is missing."}
	}
	// token_type_hint is only a hint (section 2.1): both kinds are looked up.
	grantID, err := p.grantOfToken(c.Request().Context(), form["token"])
	if err != nil {
		return err
	}
	if grantID != "" {
		if err := p.revokeFor(c.Request().Context(), client, grantID, c.RealIP()); err != nil {
			return err
		}
	}
	return c.NoContent(http.StatusOK)
}

// grantOfToken returns the grant of an access or refresh token, whatever its
// state, or "".
func (p *Provider) grantOfToken(ctx context.Context, token string) (string, error) {
	read := p.readOpaque
	if strings.Contains(token, ".") {
		read = p.readSigned
	}
	_, grantID, err := read(ctx, token)
	if err == nil || !errors.Is(err, errAccessToken) {
		return grantID, err
	}
	r, err := p.cfg.Grants.RefreshByHash(ctx, hashOf(token))
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return r.GrantID, err
}

// revokeFor ends a grant if it is one of the client.
func (p *Provider) revokeFor(ctx context.Context, c Client, grantID, ip string) error {
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		g, err := p.cfg.Grants.Grant(ctx, grantID)
		if errors.Is(err, ErrNotFound) || err == nil && g.ClientID != c.ID {
			return nil
		}
		if err != nil {
			return err
		}
		live, err := p.cfg.Grants.RevokeGrant(ctx, grantID, p.now())
		if err != nil || !live {
			return err
		}
		event := audit.Event{
			Name: audit.TokenRevoked, Outcome: audit.OK, IP: ip,
			Actor:  audit.Party{Type: "client", ID: c.ID, Name: c.Name},
			Target: audit.Party{Type: "grant", ID: grantID, Client: c.ID},
		}
		if g.UserID != "" {
			event.Subject = userParty(g.UserID, c.ID)
		}
		return p.cfg.Audit.Append(ctx, event)
	})
	if err != nil {
		return fmt.Errorf("revoke grant: %w", err)
	}
	return nil
}

// PathJWKS is where the public keys stand, relative to the issuer.
const PathJWKS = "/oauth/jwks"

// serveJWKS shows the public keys (RFC 7517 section 5; OpenID Connect Core 1.0
// section 10.1).
func (p *Provider) serveJWKS(c echo.Context) error {
	body, etag, err := p.cfg.Keys.JWKS(c.Request().Context())
	if err != nil {
		return err
	}
	return publish(c, body, etag, fmt.Sprintf("public, max-age=%d", int(keys.JWKSMaxAge.Seconds())))
}
