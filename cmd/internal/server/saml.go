package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/saml"
	"github.com/sallyport-id/sallyport/authn/outgoing"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// newSAML makes the upstream for a SAML provider.
func (d *Directory) newSAML(ctx context.Context, p config.IdentityProvider) (federated.Upstream, error) {
	c, base := p.SAML, d.issuer+"/federation/"+p.ID
	entityID := c.SPEntityID
	if entityID == "" {
		entityID = base + "/metadata"
	}
	key, err := d.samlKey(ctx, p.ID, c.KeyFile, entityID)
	if err != nil {
		return nil, err
	}
	idp, err := samlIDP(c)
	if err != nil {
		return nil, err
	}
	return saml.New(saml.Config{
		EntityID: entityID, ACS: base + "/acs", Key: key, IDP: idp, Binding: saml.Binding(c.Binding),
		SubjectAttribute: c.SubjectAttribute, EmailAttribute: c.EmailAttribute, NameAttribute: c.NameAttribute,
		AuthnContexts: c.AuthnContexts, WantEncrypted: c.WantEncrypted, AllowUnsolicited: c.AllowIDPInitiated,
		Skew: c.Skew(), Client: outgoing.Rules{AllowPrivate: p.AllowPrivate, SameHost: true}.Client(), Replays: d.db, Now: d.now,
	})
}

// samlKey returns our key at a provider: that of the file, or the one of the
// database, made at the first start with the provider.
func (d *Directory) samlKey(ctx context.Context, id, file, entityID string) (saml.Key, error) {
	if file != "" {
		return readSAMLKey(file)
	}
	text, err := d.db.FederationKey(ctx, id, func() ([]byte, error) {
		made, err := saml.NewKey(entityID, d.now())
		if err != nil {
			return nil, err
		}
		return made.Marshal()
	})
	if err != nil {
		return saml.Key{}, err
	}
	return saml.ParseKey(text)
}

func readSAMLKey(file string) (saml.Key, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return saml.Key{}, fmt.Errorf("key_file %s: %w", file, cause(err))
	}
	key, err := saml.ParseKey(text)
	if err != nil {
		return saml.Key{}, fmt.Errorf("key_file %s: %w", file, err)
	}
	return key, nil
}

// samlIDP reads the files that say who an identity provider is.
func samlIDP(c config.SAMLProvider) (saml.IDP, error) {
	out := saml.IDP{EntityID: c.EntityID, MetadataURL: c.MetadataURL, SSOURL: c.SSOURL}
	var faults []error
	if c.MetadataFile != "" {
		text, err := os.ReadFile(c.MetadataFile)
		if err != nil {
			faults = append(faults, fmt.Errorf("metadata_file %s: %w", c.MetadataFile, cause(err)))
		}
		out.Metadata = text
	}
	var err error
	if out.Certificates, err = readCertificates("certificate_files", c.CertificateFiles); err != nil {
		faults = append(faults, err)
	}
	if out.MetadataCertificates, err = readCertificates("metadata_certificate_files", c.MetadataCertificateFiles); err != nil {
		faults = append(faults, err)
	}
	return out, errors.Join(faults...)
}

func readCertificates(key string, files []string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", key, file, cause(err))
		}
		certificates, err := saml.ParseCertificates(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", key, file, err)
		}
		out = append(out, certificates...)
	}
	return out, nil
}
