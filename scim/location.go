package scim

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
)

// base is one public base URL.
type base struct {
	url  string // without trailing slash
	host string // authority, lower case, default port left out
}

// parseBase checks a configured base URL (RFC 7644 section 1.3: no query).
func parseBase(raw string) (base, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return base{}, fmt.Errorf("base URL %q: %w", raw, err)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return base{}, fmt.Errorf("base URL %q is not an absolute http(s) URL without query", raw)
	}
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return base{}, fmt.Errorf("base URL %q has characters that must be percent-encoded", raw)
	}
	return base{url: strings.TrimRight(raw, "/"), host: normalHost(u.Host)}, nil
}

// normalHost lowers an authority and drops the default ports, which clients
// and fronts add or leave out as they like.
func normalHost(authority string) string {
	a := strings.ToLower(authority)
	if host, port, err := net.SplitHostPort(a); err == nil && (port == "443" || port == "80") {
		if strings.Contains(host, ":") {
			return "[" + host + "]"
		}
		return host
	}
	return a
}

// base returns the configured base URL that the request was sent to. What a
// client writes into a header only selects among those; it is never copied
// into an answer.
func (s *Service) base(c echo.Context) string {
	if len(s.bases) == 1 {
		return s.bases[0].url
	}
	r := c.Request()
	authority := r.Host
	if s.cfg.Authority != nil {
		authority = s.cfg.Authority(r)
	}
	authority = normalHost(authority)
	for _, b := range s.bases {
		if b.host == authority {
			return b.url
		}
	}
	return s.bases[0].url
}

// baseOr returns the base of a request, or the default one for operations
// that come from a command.
func (s *Service) baseOr(b string) string {
	if b == "" {
		return s.bases[0].url
	}
	return b
}

// location is the absolute URL of a resource (RFC 7643 section 3.1).
func location(base string, rt *schema.ResourceType, id string) string {
	return base + rt.Endpoint + "/" + id
}

// FrontAuthority returns a function for Config.Authority that believes
// X-Forwarded-Host only from peers within trusted. It looks at the peer of the
// connection, so a client cannot pretend to be a front.
func FrontAuthority(trusted []netip.Prefix) func(*http.Request) string {
	trusted = slices.Clone(trusted)
	return func(r *http.Request) string {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return r.Host
		}
		addr := peer.Addr().Unmap()
		if !slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
			return r.Host
		}
		// The last value is the one that our own front appended.
		if values := r.Header.Values("X-Forwarded-Host"); len(values) > 0 {
			parts := strings.Split(values[len(values)-1], ",")
			if host := strings.TrimSpace(parts[len(parts)-1]); host != "" {
				return host
			}
		}
		return r.Host
	}
}
