package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// trust lists the proxies whose forwarding headers count.
type trust []netip.Prefix

// peer says whether the request came directly from a trusted proxy.
func (t trust) peer(r *http.Request) bool {
	if len(t) == 0 {
		return false
	}
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	addr := ap.Addr().Unmap()
	for _, p := range t {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// ipExtractor returns how the client's address is found. The nets that echo
// trusts by itself (loopback, link-local, private) are switched off, since any
// client on such a net could otherwise choose its own address.
func (t trust) ipExtractor() echo.IPExtractor {
	if len(t) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range t {
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP:   p.Addr().AsSlice(),
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}

// schemeExtractor returns how the scheme is found: X-Forwarded-Proto from a
// trusted proxy, else the connection's own.
func (t trust) schemeExtractor() echo.SchemeExtractor {
	direct := echo.ExtractSchemeDirect()
	return func(r *http.Request) string {
		if t.peer(r) {
			switch proto := strings.ToLower(r.Header.Get(echo.HeaderXForwardedProto)); proto {
			case "http", "https":
				return proto
			}
		}
		return direct(r)
	}
}
