package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSAMLProviderSettings(t *testing.T) {
	t.Parallel()
	skew := func(d time.Duration) *time.Duration { return &d }
	metadata := SAMLProvider{MetadataURL: "https://idp.example/metadata"}
	for name, c := range map[string]struct {
		p       SAMLProvider
		private bool
		want    string // "": right
	}{
		"metadata URL":          {metadata, false, ""},
		"metadata file":         {SAMLProvider{MetadataFile: "idp.xml"}, false, ""},
		"parts":                 {SAMLProvider{SSOURL: "https://idp.example/sso", EntityID: "idp", CertificateFiles: []string{"idp.pem"}}, false, ""},
		"http inside":           {SAMLProvider{MetadataURL: "http://idp.local/metadata"}, true, ""},
		"largest skew":          {SAMLProvider{MetadataFile: "idp.xml", ClockSkew: skew(3 * time.Minute)}, false, ""},
		"no skew":               {SAMLProvider{MetadataFile: "idp.xml", ClockSkew: skew(0)}, false, ""},
		"nothing":               {SAMLProvider{}, false, "saml wants one of metadata_url, metadata_file and sso_url"},
		"two":                   {SAMLProvider{MetadataURL: metadata.MetadataURL, MetadataFile: "idp.xml"}, false, "saml wants one of"},
		"http outside":          {SAMLProvider{MetadataURL: "http://idp.example/metadata"}, false, "saml.metadata_url must be an absolute https URL"},
		"password in the URL":   {SAMLProvider{MetadataURL: "https://a:b@idp.example/"}, false, "saml.metadata_url must be"},
		"not a URL":             {SAMLProvider{MetadataURL: "idp.xml"}, false, "saml.metadata_url must be"},
		"parts without a name":  {SAMLProvider{SSOURL: "https://idp.example/sso", CertificateFiles: []string{"idp.pem"}}, false, "saml.entity_id is needed"},
		"parts without a key":   {SAMLProvider{SSOURL: "https://idp.example/sso", EntityID: "idp"}, false, "saml.certificate_files is needed"},
		"a key beside metadata": {SAMLProvider{MetadataFile: "idp.xml", CertificateFiles: []string{"idp.pem"}}, false, "saml.certificate_files goes with sso_url"},
		"artifact":              {SAMLProvider{MetadataFile: "idp.xml", Binding: "artifact"}, false, "saml.binding must be redirect or post"},
		"skew of the library":   {SAMLProvider{MetadataFile: "idp.xml", ClockSkew: skew(181 * time.Second)}, false, "saml.clock_skew must be between 0s and 180s"},
		"skew below zero":       {SAMLProvider{MetadataFile: "idp.xml", ClockSkew: skew(-time.Second)}, false, "saml.clock_skew must be"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var v faults
			c.p.validate(&v, "saml", c.private)
			got := errors.Join(v.list...)
			if c.want == "" {
				if got != nil {
					t.Errorf("validate = %v, want none", got)
				}
				return
			}
			if got == nil || !strings.Contains(got.Error(), c.want) {
				t.Errorf("validate = %v, want %q", got, c.want)
			}
		})
	}
	if got := metadata.Skew(); got != time.Minute {
		t.Errorf("Skew = %v, want a minute", got)
	}
}
