package federated

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// discoveryLife is how long metadata is good for. Keys are asked for again
// whenever one is not known.
const discoveryLife = time.Hour

// metadata is what a provider says of itself (OpenID Connect Discovery 1.0
// section 3, RFC 9207 section 3).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	UserInfo      string   `json:"userinfo_endpoint"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	Challenges    []string `json:"code_challenge_methods_supported"`
	SendsIssuer   bool     `json:"authorization_response_iss_parameter_supported"`

	template bool // the issuer names the tenant of each user
	keys     oidc.KeySet
	until    time.Time
}

// discover returns the metadata, fetched about once an hour. Nobody waits for
// the fetch of another, which a provider that is down would make long.
func (p *OIDCProvider) discover(ctx context.Context) (*metadata, error) {
	now := p.cfg.Now()
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known != nil && now.Before(known.until) {
		return known, nil
	}
	m := &metadata{}
	if err := p.fetch(ctx, strings.TrimSuffix(p.cfg.Issuer, "/")+"/.well-known/openid-configuration", "", "discovery", m); err != nil {
		return nil, err
	}
	if err := p.checkMetadata(m); err != nil {
		return nil, err
	}
	// The key set outlives this request: it gets a client, and no deadline, since
	// every fetch of it has the limit of the client.
	m.keys = oidc.NewRemoteKeySet(context.WithValue(context.Background(), oauth2.HTTPClient, p.client), m.JWKS) //nolint:contextcheck // see above
	m.until = now.Add(discoveryLife)
	p.mu.Lock()
	p.known = m
	p.mu.Unlock()
	return m, nil
}

func (p *OIDCProvider) checkMetadata(m *metadata) error {
	switch {
	case p.cfg.Kind == Microsoft && m.Issuer == microsoftTemplate:
		m.template = true
	case m.Issuer != p.cfg.Issuer:
		return Refuse(WrongIssuer, fmt.Sprintf("discovery names the issuer %q, the settings %q", cut(m.Issuer), p.cfg.Issuer), nil)
	}
	for _, e := range []struct{ name, url string }{
		{"authorization_endpoint", m.Authorization}, {"token_endpoint", m.Token}, {"jwks_uri", m.JWKS},
	} {
		if err := p.rules.CheckURL(e.url); err != nil {
			return Refuse(Malformed, "discovery: "+e.name, err)
		}
	}
	if m.UserInfo != "" && p.rules.CheckURL(m.UserInfo) != nil {
		return Refuse(Malformed, "discovery: userinfo_endpoint is not an https URL", nil)
	}
	if len(m.Challenges) > 0 && !slices.Contains(m.Challenges, "S256") {
		return Refuse(Malformed, "discovery: the provider does not offer PKCE with S256", nil)
	}
	return nil
}

// fetch gets a JSON object.
func (p *OIDCProvider) fetch(ctx context.Context, from, bearer, what string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return fmt.Errorf("make request for %s: %w", what, err)
	}
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return fetchJSON(p.client, req, what, into)
}

func fetchJSON(client *http.Client, req *http.Request, what string, into any) error {
	res, err := client.Do(req)
	if err != nil {
		return unreachable(what, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return unreachable(what, err)
	}
	if res.StatusCode != http.StatusOK {
		return Refuse(Unavailable, fmt.Sprintf("the %s answered %d", what, res.StatusCode), nil)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return Refuse(Malformed, "the "+what+" did not answer with the JSON of the standard", nil)
	}
	return nil
}

func cut(text string) string { return text[:min(len(text), 200)] }

// microsoftTemplate is the issuer in the metadata of the multi-tenant endpoints.
const microsoftTemplate = "https://login.microsoftonline.com/{tenantid}/v2.0"

// tenantID is how Microsoft names a tenant for good.
var tenantID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// microsoft works the issuer out of the tenant.
func microsoft(cfg *OIDCConfig) error {
	shared := slices.Contains([]string{"common", "organizations", "consumers"}, cfg.Tenant)
	if !shared && !tenantID.MatchString(cfg.Tenant) {
		return fmt.Errorf("tenant: %q is neither the id of a tenant (a UUID in lower case) nor organizations, consumers or common", cfg.Tenant)
	}
	if !shared && len(cfg.Tenants) > 0 {
		return fmt.Errorf("tenants: the tenant %s is the only one already", cfg.Tenant)
	}
	for _, t := range cfg.Tenants {
		if !tenantID.MatchString(t) {
			return fmt.Errorf("tenants: %q is not the id of a tenant (a UUID in lower case)", t)
		}
	}
	if cfg.Issuer == "" {
		cfg.Issuer = "https://login.microsoftonline.com/" + cfg.Tenant + "/v2.0"
	}
	return nil
}
