package config

import (
	"net/url"
	"time"
)

// SAMLProvider is what a provider of the type saml has besides the settings of
// every provider; see docs/federation.md.
type SAMLProvider struct {
	// EntityID is the name of the provider. With metadata of one provider it may be
	// left out.
	EntityID string `koanf:"entity_id"`
	// MetadataURL, MetadataFile or SSOURL says where it is.
	MetadataURL  string `koanf:"metadata_url"`
	MetadataFile string `koanf:"metadata_file"`
	SSOURL       string `koanf:"sso_url"`
	// CertificateFiles hold the certificates in PEM that sign its answers; with
	// SSOURL only.
	CertificateFiles []string `koanf:"certificate_files"`
	// MetadataCertificateFiles hold those that sign its metadata.
	MetadataCertificateFiles []string `koanf:"metadata_certificate_files"`
	// Binding is redirect or post; empty: as the metadata offer it.
	Binding string `koanf:"binding"`
	// SPEntityID is what we are called there; empty: the URL of our metadata.
	SPEntityID string `koanf:"sp_entity_id"`
	// KeyFile holds a private RSA key and its certificate in PEM; empty: a key is
	// made and kept in the database, sealed.
	KeyFile string `koanf:"key_file"`
	// SubjectAttribute, EmailAttribute and NameAttribute are Names of attributes.
	SubjectAttribute string `koanf:"subject_attribute"`
	EmailAttribute   string `koanf:"email_attribute"`
	NameAttribute    string `koanf:"name_attribute"`
	// AuthnContexts are the classes to ask for.
	AuthnContexts []string `koanf:"authn_contexts"`
	// WantEncrypted refuses assertions in clear text.
	WantEncrypted bool `koanf:"want_encrypted"`
	// AllowIDPInitiated takes logins that begin at the provider.
	AllowIDPInitiated bool `koanf:"allow_idp_initiated"`
	// ClockSkew is how far the clocks may be apart; unset: 60 seconds.
	ClockSkew *time.Duration `koanf:"clock_skew"`
}

// Bounds of the clock skew of SAML (security.md section 1).
const (
	defaultSAMLSkew = time.Minute
	mostSAMLSkew    = 3 * time.Minute
)

// Skew is the clock skew that applies.
func (p SAMLProvider) Skew() time.Duration {
	if p.ClockSkew == nil {
		return defaultSAMLSkew
	}
	return *p.ClockSkew
}

// validate checks the settings below key. private allows http, inside the
// network.
func (p SAMLProvider) validate(v *faults, key string, private bool) {
	given := 0
	for _, set := range []string{p.MetadataURL, p.MetadataFile, p.SSOURL} {
		if set != "" {
			given++
		}
	}
	v.unless(given == 1, key, "wants one of metadata_url, metadata_file and sso_url")
	for name, location := range map[string]string{"metadata_url": p.MetadataURL, "sso_url": p.SSOURL} {
		if location == "" {
			continue
		}
		u, err := url.Parse(location)
		ok := err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && private)
		v.unless(ok, key+"."+name, "must be an absolute https URL (http only with allow_private)")
	}
	if p.SSOURL != "" {
		v.unless(p.EntityID != "", key+".entity_id", "is needed with sso_url")
		v.unless(len(p.CertificateFiles) > 0, key+".certificate_files", "is needed with sso_url: the certificates that sign its answers")
	} else {
		v.unless(len(p.CertificateFiles) == 0, key+".certificate_files", "goes with sso_url; metadata name the certificates themselves")
	}
	v.unless(p.Binding == "" || p.Binding == "redirect" || p.Binding == "post", key+".binding", "must be redirect or post")
	v.unless(p.Skew() >= 0 && p.Skew() <= mostSAMLSkew, key+".clock_skew", "must be between 0s and 180s")
}
