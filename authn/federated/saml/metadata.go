package saml

import (
	"encoding/base64"
	"encoding/xml"

	crewjam "github.com/crewjam/saml"
)

// Metadata returns our metadata (SAML 2.0 Metadata section 2.4.4), as
// application/samlmetadata+xml. They do not expire: the key lasts, and identity
// providers that were given a copy would lose it.
func (p *Provider) Metadata() ([]byte, error) {
	certificate := crewjam.KeyInfo{X509Data: crewjam.X509Data{X509Certificates: []crewjam.X509Certificate{
		{Data: base64.StdEncoding.EncodeToString(p.cfg.Key.certificate.Raw)},
	}}}
	formats := []crewjam.NameIDFormat{crewjam.PersistentNameIDFormat}
	if p.cfg.SubjectAttribute != "" {
		formats = nil
	}
	yes := true
	return marshalXML(spMetadata{
		EntityID: p.cfg.EntityID,
		Role: crewjam.SPSSODescriptor{
			AuthnRequestsSigned:  &yes,
			WantAssertionsSigned: &yes,
			SSODescriptor: crewjam.SSODescriptor{
				RoleDescriptor: crewjam.RoleDescriptor{
					ProtocolSupportEnumeration: nsProtocol,
					KeyDescriptors: []crewjam.KeyDescriptor{
						{Use: "signing", KeyInfo: certificate},
						{Use: "encryption", KeyInfo: certificate, EncryptionMethods: encryptionMethods()},
					},
				},
				NameIDFormats: formats,
			},
			AssertionConsumerServices: []crewjam.IndexedEndpoint{
				{Binding: crewjam.HTTPPostBinding, Location: p.cfg.ACS, Index: 0, IsDefault: &yes},
			},
		},
	})
}

// spMetadata is an EntityDescriptor without the attributes of expiry that the
// library always writes.
type spMetadata struct {
	XMLName  xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	EntityID string   `xml:"entityID,attr"`
	Role     crewjam.SPSSODescriptor
}

func encryptionMethods() []crewjam.EncryptionMethod {
	var out []crewjam.EncryptionMethod
	for _, algorithm := range []string{aes256gcm, aes128gcm, aes256cbc, aes128cbc, rsaOAEP} {
		out = append(out, crewjam.EncryptionMethod{Algorithm: algorithm})
	}
	return out
}
