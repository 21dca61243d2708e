package server

import "net/http"

// securityHeaders are set on every answer. The policy allows no inline script
// or style and no other host.
type securityHeaders struct {
	csp, nosniff, referrer, permissions, cache, hsts []string
}

func newSecurityHeaders(https bool) *securityHeaders {
	h := &securityHeaders{
		csp: []string{"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
		nosniff:     []string{"nosniff"},
		referrer:    []string{"same-origin"},
		permissions: []string{"accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"},
		cache:       []string{"no-store"},
	}
	if https {
		h.hsts = []string{"max-age=31536000"}
	}
	return h
}

// apply sets the headers under canonical names, without an allocation each:
// the slices are full, so that a later Add copies them.
func (h *securityHeaders) apply(out http.Header) {
	out["Content-Security-Policy"] = h.csp
	out["X-Content-Type-Options"] = h.nosniff
	out["Referrer-Policy"] = h.referrer
	out["Permissions-Policy"] = h.permissions
	out["Cache-Control"] = h.cache
	if h.hsts != nil {
		out["Strict-Transport-Security"] = h.hsts
	}
}
