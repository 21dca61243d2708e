package saml

import (
	"context"
	"fmt"
	"time"
)

// soon is how early a certificate that ends is worth a word.
const soon = 30 * 24 * time.Hour

// Probe implements federated.Prober: it reads the metadata and says what an
// administrator would want to know.
func (p *Provider) Probe(ctx context.Context) ([]string, error) {
	idp, err := p.idp.entity(ctx)
	if err != nil {
		return nil, err
	}
	location, binding, err := idp.endpoint(p.cfg.Binding)
	if err != nil {
		return nil, err
	}
	findings := []string{
		"entity id " + idp.id,
		fmt.Sprintf("requests go to %s by %s", location, binding),
		fmt.Sprintf("our entity id is %s, answers come to %s", p.cfg.EntityID, p.cfg.ACS),
	}
	if !idp.until.IsZero() {
		findings = append(findings, "metadata valid until "+idp.until.UTC().Format(time.RFC3339))
	}
	usable := 0
	now := p.cfg.Now()
	for _, certificate := range idp.certificates {
		line := fmt.Sprintf("signing certificate %s, valid until %s", certificate.Subject, certificate.NotAfter.UTC().Format(time.DateOnly))
		switch {
		case now.After(certificate.NotAfter) || now.Before(certificate.NotBefore):
			line += ": NOT VALID NOW"
		case now.Add(soon).After(certificate.NotAfter):
			usable++
			line += ": ends soon"
		default:
			usable++
		}
		findings = append(findings, line)
	}
	if usable == 0 {
		return findings, fmt.Errorf("no signing certificate of %s is valid now: its answers are refused", idp.id)
	}
	return findings, nil
}
