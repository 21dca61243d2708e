package passkey

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/metadata"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"
)

// attested holds a registration against the policy. That a statement was asked
// for means nothing: whoever registers may leave it out, or sign it with the
// very key of the passkey, by which every model can be claimed (sections 6.5.4
// and 7.1, steps 22 and 24).
func (p *Party) attested(c *webauthn.Credential, object protocol.AttestationObject) error {
	if p.cfg.Attestation != Direct {
		return nil
	}
	switch metadata.AuthenticatorAttestationType(c.AttestationType) {
	case metadata.BasicFull, metadata.AttCA, metadata.AnonCA:
	default:
		return fmt.Errorf("attestation of type %q (format %q) says nothing of the authenticator", c.AttestationType, c.AttestationFormat)
	}
	if len(p.models) > 0 {
		model, err := uuid.FromBytes(c.Authenticator.AAGUID)
		if err != nil || !p.models[model] {
			return fmt.Errorf("authenticators of model %s are not admitted", model)
		}
	}
	if p.cfg.Roots == nil {
		return nil
	}
	return p.trusted(object.AttStatement)
}

// trusted follows the certificates of the statement to one of the authorities.
func (p *Party) trusted(statement map[string]any) error {
	list, _ := statement["x5c"].([]any)
	if len(list) == 0 {
		return errors.New("attestation has no certificates")
	}
	var leaf *x509.Certificate
	between := x509.NewCertPool()
	for i, item := range list {
		der, _ := item.([]byte)
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("attestation certificate %d: %w", i, err)
		}
		if i == 0 {
			leaf = cert
			continue
		}
		between.AddCert(cert)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: p.cfg.Roots, Intermediates: between, CurrentTime: p.cfg.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return fmt.Errorf("attestation certificate: %w", err)
	}
	return nil
}
