package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
)

// originsKept is how long the registered origins are believed. An origin that
// is not among them makes them read again, at most once in originsRetry.
const (
	originsKept  = time.Minute
	originsRetry = time.Second
)

// Headers that browsers may send to us and read from us.
const (
	corsRequestHeaders  = "Authorization, Content-Type, Accept, DPoP, If-Match, If-None-Match"
	corsResponseHeaders = "WWW-Authenticate, DPoP-Nonce, ETag, Location, Retry-After"
	corsMethods         = "GET, POST, PUT, PATCH, DELETE"
	corsMaxAge          = "600"
)

// origins are the origins of browser applications, as of a moment.
type origins struct {
	mu   sync.Mutex
	at   time.Time
	from map[string]bool
}

// CORS lets browser applications of registered origins read the answers of
// discovery, JWKS, token, userinfo, revocation and /scim/v2 (RFC 9700 section
// 2.6): without cookies, and nothing else. It stands in front of the router's
// handlers, for a preflight has no route.
func (p *Provider) CORS(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if !readable(r.URL.Path) {
			return next(c)
		}
		header := c.Response().Header()
		header.Add(echo.HeaderVary, echo.HeaderOrigin)
		origin := r.Header.Get(echo.HeaderOrigin)
		preflight := r.Method == http.MethodOptions && r.Header.Get(echo.HeaderAccessControlRequestMethod) != ""
		if origin == "" {
			return next(c)
		}
		allowed, err := p.originAllowed(r.Context(), origin)
		if err != nil {
			return err
		}
		if !allowed {
			if preflight {
				return c.NoContent(http.StatusForbidden)
			}
			return next(c)
		}
		header.Set(echo.HeaderAccessControlAllowOrigin, origin)
		if preflight {
			header.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
			header.Set(echo.HeaderAccessControlAllowHeaders, corsRequestHeaders)
			header.Set(echo.HeaderAccessControlMaxAge, corsMaxAge)
			return c.NoContent(http.StatusNoContent)
		}
		header.Set(echo.HeaderAccessControlExposeHeaders, corsResponseHeaders)
		return next(c)
	}
}

// readable reports the paths that browser applications may read.
func readable(path string) bool {
	switch path {
	case PathToken, PathUserInfo, PathRevoke, PathJWKS, SCIMPath:
		return true
	}
	return strings.HasPrefix(path, SCIMPath+"/") || strings.HasPrefix(path, "/.well-known/o")
}

// originAllowed reports whether an origin is one of a registered client.
func (p *Provider) originAllowed(ctx context.Context, origin string) (bool, error) {
	p.origins.mu.Lock()
	defer p.origins.mu.Unlock()
	now := p.now()
	age := now.Sub(p.origins.at)
	if p.origins.from == nil || age < 0 || age >= originsKept || (!p.origins.from[origin] && age >= originsRetry) {
		clients, err := p.cfg.Clients.Clients(ctx)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, fmt.Errorf("read origins: %w", err)
		}
		p.origins.from, p.origins.at = originsOf(clients), now
	}
	return p.origins.from[origin], nil
}

// originsOf are the origins of enabled clients: those that are registered, and
// those of the redirect URIs of applications that run in browsers.
func originsOf(clients []Client) map[string]bool {
	out := make(map[string]bool)
	for _, c := range clients {
		if c.Disabled {
			continue
		}
		for _, origin := range c.Origins {
			out[origin] = true
		}
		if !c.Public() {
			continue
		}
		for _, uri := range c.RedirectURIs {
			if origin := originOf(uri); origin != "" {
				out[origin] = true
			}
		}
	}
	return out
}
