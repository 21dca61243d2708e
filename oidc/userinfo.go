package oidc

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
)

// PathUserInfo is the UserInfo endpoint, relative to the issuer.
const PathUserInfo = "/oauth/userinfo"

// mimeJWT is the media type of a signed UserInfo answer.
const mimeJWT = "application/jwt"

// presented reads the access token of a request to one of our endpoints (RFC
// 6750 section 2): from the Authorization header or the body of a form POST,
// never from the URL, and not from both.
func (p *Provider) presented(c echo.Context, path string) (Presented, error) {
	r := c.Request()
	out := Presented{Method: r.Method, URL: p.cfg.Issuer + path, Proofs: r.Header.Values("DPoP")}
	headers := r.Header.Values(echo.HeaderAuthorization)
	if len(headers) > 1 {
		return out, &Error{Code: InvalidRequest, Description: "There is more than one Authorization header."}
	}
	if len(headers) == 1 {
		out.Scheme, out.Token, _ = strings.Cut(headers[0], " ")
		out.Token = strings.TrimLeft(out.Token, " ")
	}
	if r.Method != http.MethodPost || !isForm(r) {
		return out, nil
	}
	form, err := readForm(c)
	if err != nil {
		return out, err
	}
	token, inBody := form["access_token"]
	switch {
	case inBody && len(headers) > 0:
		return out, &Error{Code: InvalidRequest, Description: "Send the access token in the header or in the body, not in both."}
	case inBody:
		out.Scheme, out.Token = schemeBearer, token
	}
	return out, nil
}

// isForm reports whether the body of a request is a form.
func isForm(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	return err == nil && media == echo.MIMEApplicationForm
}

// serveUserInfo answers with the claims about the user that the scopes and the
// claims parameter of the grant ask for (OpenID Connect Core 1.0 section 5.3).
func (p *Provider) serveUserInfo(c echo.Context) error {
	noStore(c)
	request, err := p.presented(c, PathUserInfo)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	info, err := p.AccessToken(ctx, request)
	if err != nil {
		return err
	}
	scheme, _ := knownScheme(request.Scheme)
	if !info.Has(ScopeOpenID) || info.Grant.UserID == "" {
		return scopeError(scheme, ScopeOpenID)
	}
	client, err := p.cfg.Clients.Client(ctx, info.Grant.ClientID)
	if err != nil {
		return err
	}
	user, err := p.cfg.Users.UserByID(ctx, info.Grant.UserID)
	if errors.Is(err, authn.ErrNoUser) {
		return tokenError(scheme, InvalidToken, "The user of the access token is gone")
	}
	if err != nil {
		return err
	}
	want, err := parseStoredClaims(info.Grant.Claims)
	if err != nil {
		return err
	}
	claims, err := p.userClaims(ctx, user, func(claim string) bool {
		_, asked := want.UserInfo[claim]
		scope := p.sources[claim].scope
		return asked && slices.Contains(client.Scopes, scope) || slices.Contains(info.Scopes, scope)
	})
	if err != nil {
		return err
	}
	claims["sub"] = user.ID
	if client.UserInfoAlg == "" {
		return c.JSON(http.StatusOK, claims)
	}
	// OpenID Connect Core 1.0 section 5.3.2: a signed answer names both ends.
	claims["iss"], claims["aud"] = p.cfg.Issuer, client.ID
	token, err := p.cfg.Keys.Sign(ctx, client.UserInfoAlg, typUser, claims)
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, mimeJWT, []byte(token))
}

// parseStoredClaims reads the claims parameter of a grant, which was checked
// when it came.
func parseStoredClaims(raw []byte) (claimsParam, error) {
	if len(raw) == 0 {
		return claimsParam{}, nil
	}
	return parseClaimsParam(string(raw))
}
