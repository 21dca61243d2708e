package server

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sallyport-id/sallyport/oidc/web"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// newWeb makes the pages of logins.
func (s *Server) newWeb(ctx context.Context) (*web.Web, error) {
	key, err := s.dir.db.ServerKey(ctx, seal.PurposeForms)
	if err != nil {
		return nil, fmt.Errorf("read key of forms: %w", err)
	}
	ranges, err := s.cfg.TrustedRanges()
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	acrs, err := ACRs(s.cfg)
	if err != nil {
		return nil, err
	}
	account, err := s.dir.newAccount()
	if err != nil {
		return nil, err
	}
	look := s.cfg.Branding
	return web.New(web.Config{
		Account: account, Flows: s.flows,
		Engine: s.dir.engine, Providers: s.dir.providers, Provider: s.dir.Provider, Recovery: s.dir.accounts, Passwords: s.dir.hasher, Issuer: s.issuer, PublicURLs: s.cfg.PublicURLs, Key: key,
		Branding: web.Branding{Name: s.cfg.ServiceName(), Logo: look.Logo, Colour: look.Colour, ColourDark: look.ColourDark},
		Headers:  proxyHeaders(trust(ranges), conditionHeaders(acrs)), Logger: s.logger, Now: s.now,
	})
}

// proxyHeaders reads the named headers of a request that came from a trusted
// proxy; from anybody else they do not count.
func proxyHeaders(proxies trust, names []string) func(*http.Request) map[string]string {
	return func(r *http.Request) map[string]string {
		if len(names) == 0 || !proxies.peer(r) {
			return nil
		}
		out := map[string]string{}
		for _, name := range names {
			// More than one value is no answer: which of them is the proxy's?
			if values := r.Header.Values(name); len(values) == 1 {
				out[http.CanonicalHeaderKey(name)] = values[0]
			}
		}
		return out
	}
}
