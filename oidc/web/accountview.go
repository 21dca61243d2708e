package web

import (
	"html/template"
	"net/url"

	"github.com/sallyport-id/sallyport/validation"
)

// CredentialName is what a credential is called: the name of its owner's choice,
// else where it is, else what it is.
func (v view) CredentialName(c validation.Credential) string {
	switch {
	case c.Name != "":
		return c.Name
	case c.Masked != "":
		return c.Masked
	}
	return v.T("own.kind_" + string(c.Kind))
}

// CredentialPath is the page of a credential.
func (v view) CredentialPath(c validation.Credential) string {
	return v.At(accountSecurityPath) + "/credential/" + url.PathEscape(c.ID)
}

// LinkPath is where an account at a provider is linked and unlinked.
func (v view) LinkPath(provider string) string {
	return v.At(accountSecurityPath) + "/identity/" + url.PathEscape(provider)
}

// AppLink opens an authenticator app on this device, by the scheme that such
// apps take.
func (v view) AppLink(uri string) template.URL {
	if u, err := url.Parse(uri); err != nil || u.Scheme != "otpauth" {
		return ""
	}
	return template.URL(uri) //nolint:gosec // its scheme is checked above, and we made it
}
