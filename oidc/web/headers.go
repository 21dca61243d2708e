package web

import (
	"fmt"
	"net/url"
	"strings"
)

// headers sets those of a page: nothing is stored, framed or loaded from
// elsewhere, and forms go to us. formAction is a further source for forms,
// since browsers hold redirects after a POST against the policy.
func (r *request) headers(formAction string) {
	h := r.echo.Response().Header()
	h.Set("Content-Security-Policy", contentPolicy(formAction))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// noReferrer is for answers that carry a code or token in a URL.
func (r *request) noReferrer() { r.echo.Response().Header().Set("Referrer-Policy", "no-referrer") }

func contentPolicy(formAction string) string {
	if formAction != "" {
		formAction = " " + formAction
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'self'" + formAction + "; base-uri 'none'; frame-ancestors 'none'"
}

// sourceOf is the CSP source of a URI of a client: its origin, its scheme when
// that is a private one (RFC 8252 section 7.1) or when the host is one that CSP
// cannot name.
func sourceOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" {
		return ""
	}
	if u.Host == "" || strings.HasPrefix(u.Host, "[") {
		return u.Scheme + ":"
	}
	return u.Scheme + "://" + u.Host
}

// hosts are the hosts at which browsers may come, with the port that is not
// the usual one of the scheme.
type hosts map[string]bool

func newHosts(bases []string) (hosts, error) {
	out := hosts{}
	for _, base := range bases {
		u, err := url.Parse(base)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("public URL %q is no URL", base)
		}
		host := strings.ToLower(u.Host)
		usual := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
		// Browsers leave the usual port out, other clients may not.
		if bare := strings.TrimSuffix(host, usual); bare != host || u.Port() == "" {
			out[bare], out[bare+usual] = true, true
			continue
		}
		out[host] = true
	}
	return out, nil
}

func (h hosts) has(host string) bool { return h[strings.ToLower(host)] }
