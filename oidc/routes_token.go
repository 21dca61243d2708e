package oidc

import "net/http"

// tokenRoutes are the endpoints about tokens, keys and metadata. Registration
// is there only when it is on.
func (p *Provider) tokenRoutes() []route {
	out := []route{
		{http.MethodGet, PathJWKS, p.serveJWKS},
		{http.MethodGet, PathUserInfo, p.serveUserInfo},
		{http.MethodPost, PathUserInfo, p.serveUserInfo},
		{http.MethodPost, PathIntrospect, p.serveIntrospect},
		{http.MethodPost, PathRevoke, p.serveRevoke},
		{http.MethodPost, PathDeviceAuthorization, p.serveDeviceAuthorization},
	}
	discovery := p.discovery()
	for _, path := range p.discoveryPaths() {
		out = append(out, route{http.MethodGet, path, discovery})
	}
	if !p.cfg.Registration.Enabled {
		return out
	}
	out = append(out, route{http.MethodPost, PathRegister, p.serveRegister})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		out = append(out, route{method, PathRegister + "/:client_id", p.serveRegistration})
	}
	return out
}
