package oidc

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Paths of the endpoints, relative to the issuer.
const (
	PathAuthorize = "/oauth/authorize"
	PathLogout    = "/oauth/logout"
	PathPAR       = "/oauth/par"
	PathToken     = "/oauth/token" //nolint:gosec // a path, not a credential
)

// route is one JSON endpoint.
type route struct {
	method, path string
	handle       echo.HandlerFunc
}

// Register adds the JSON endpoints. Browsers of registered origins may read
// those that cors lets them (RFC 9700 section 2.6).
func (p *Provider) Register(e *echo.Echo, mw ...echo.MiddlewareFunc) {
	for _, r := range p.routes() {
		e.Add(r.method, r.path, r.handle, mw...)
	}
}

// routes are all JSON endpoints of the provider.
func (p *Provider) routes() []route {
	return append([]route{
		{http.MethodPost, PathPAR, p.handlePAR},
		{http.MethodPost, PathToken, p.handleToken},
	}, p.tokenRoutes()...)
}
