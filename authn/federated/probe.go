package federated

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Probe implements Prober: discovery, keys and what the provider offers.
func (p *OIDCProvider) Probe(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Limit)
	defer cancel()
	began := p.cfg.Now()
	m, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	found := []string{
		fmt.Sprintf("discovery: issuer %s (%v)", m.Issuer, p.cfg.Now().Sub(began).Round(time.Millisecond)),
		"authorization endpoint: " + m.Authorization,
		"token endpoint: " + m.Token,
	}
	var keys struct {
		Keys []struct {
			Kid string `json:"kid"`
			Alg string `json:"alg"`
			Kty string `json:"kty"`
			Use string `json:"use"`
		} `json:"keys"`
	}
	if err := p.fetch(ctx, m.JWKS, "", "key set", &keys); err != nil {
		return found, err
	}
	usable := 0
	for _, k := range keys.Keys {
		if k.Use != "enc" && k.Kty != "oct" && (k.Alg == "" || slices.Contains(p.cfg.Algorithms, k.Alg)) {
			usable++
		}
	}
	found = append(found, fmt.Sprintf("key set: %d keys, %d of which may sign ID tokens", len(keys.Keys), usable))
	if usable == 0 {
		return found, Refuse(BadSignature, "no key of the key set may sign ID tokens by the algorithms of the settings", nil)
	}
	return append(found, "PKCE with S256: "+said(m.Challenges, "S256"), "iss in answers: "+yes(m.SendsIssuer)), nil
}

func said(offered []string, want string) string {
	if len(offered) == 0 {
		return "sent, though the provider does not say that it looks"
	}
	return yes(slices.Contains(offered, want))
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Probe implements Prober: Facebook says by an application token whether it
// knows the client and its secret.
func (f *FacebookProvider) Probe(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Limit)
	defer cancel()
	var app struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	token := f.cfg.ClientID + "|" + f.cfg.ClientSecret
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.graph("/"+f.cfg.ClientID)+"?fields=id,name", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if err := fetchJSON(f.client, req, "Graph API", &app); err != nil {
		return nil, err
	}
	if app.ID != f.cfg.ClientID {
		return nil, Refuse(Refused, "the Graph API answered about another application", nil)
	}
	return []string{"Graph API: application " + strings.TrimSpace(cut(app.Name)) + " (" + app.ID + ")"}, nil
}
