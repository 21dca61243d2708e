package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// Limits of registrations.
const (
	maxURIs    = 50
	maxName    = 200
	maxScopes  = 200
	maxIDBytes = 128
)

// fillDefaults fills what a registration leaves out, by the type of the client.
func fillDefaults(c *Client) {
	if c.Type == "" {
		c.Type = Web
	}
	if c.AuthMethod == "" {
		c.AuthMethod = SecretBasic
		if c.Type == SPA || c.Type == Native {
			c.AuthMethod = NoAuth
		}
	}
	if c.GrantTypes == nil {
		c.GrantTypes = []string{GrantCode, GrantRefresh}
		if c.Type == Machine {
			c.GrantTypes = []string{GrantClient}
		}
	}
	if c.Scopes == nil && c.Type != Machine {
		c.Scopes = StandardScopes()
	}
}

// metadataFault is a fault of a registration (RFC 7591 section 3.2.2).
func metadataFault(format string, args ...any) *Error {
	return &Error{Code: InvalidMetadata, Description: asDescription(fmt.Sprintf(format, args...))}
}

// checkClient fills defaults and reports the first fault of a registration, as
// an *Error of RFC 7591 section 3.2.2.
func (p *Provider) checkClient(ctx context.Context, c *Client) error {
	fillDefaults(c)
	for _, check := range []func(Client) error{
		checkClientText, checkGrantTypes, checkAuthentication, checkRedirects, checkOwnPages, checkAlgorithms, checkNumbers,
		p.checkClientACRs,
	} {
		if err := check(*c); err != nil {
			return err
		}
	}
	return p.checkClientScopes(ctx, *c)
}

// isName reports the form of ids of clients and names of services.
func isName(s string) bool {
	return s != "" && len(s) <= maxIDBytes && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
	})
}

func checkClientText(c Client) error {
	switch {
	case !isName(c.ID):
		return metadataFault("client_id must have 1 to %d letters, digits, '-', '.', '_' or '~'.", maxIDBytes)
	case len(c.Name) > maxName || strings.ContainsFunc(c.Name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return metadataFault("client_name must have at most %d bytes and no control characters.", maxName)
	case !slices.Contains([]ClientType{Web, SPA, Native, Machine}, c.Type):
		return metadataFault("The type must be web, spa, native or machine.")
	case len(c.Contacts) > maxURIs:
		return metadataFault("There are more than %d contacts.", maxURIs)
	case slices.ContainsFunc(c.Contacts, isOddContact):
		return metadataFault("A contact must have at most %d bytes and no control characters.", maxName)
	}
	for _, link := range []struct{ name, uri string }{
		{"client_uri", c.URI}, {"logo_uri", c.LogoURI}, {"policy_uri", c.PolicyURI}, {"tos_uri", c.TOSURI},
	} {
		if link.uri == "" || link.name == "logo_uri" && DataImage(link.uri) {
			continue
		}
		u, err := parseRegistered(link.uri)
		if err == nil && u.Scheme != "https" && u.Scheme != "http" {
			err = errors.New("it is not https")
		}
		if err != nil {
			return metadataFault("%s cannot be used: %v.", link.name, err)
		}
	}
	return nil
}

func isOddContact(text string) bool {
	return len(text) > maxName || strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

func checkGrantTypes(c Client) error {
	for _, g := range c.GrantTypes {
		if !slices.Contains([]string{GrantCode, GrantRefresh, GrantClient, GrantDevice}, g) {
			return metadataFault("The grant type %q is not supported.", g)
		}
	}
	users := slices.Contains(c.GrantTypes, GrantCode) || slices.Contains(c.GrantTypes, GrantDevice)
	switch {
	case len(c.GrantTypes) == 0:
		return metadataFault("The client needs a grant type.")
	case c.Type == Machine && (len(c.GrantTypes) > 1 || c.GrantTypes[0] != GrantClient):
		return metadataFault("A client of type machine has no users: its only grant type is client_credentials.")
	case c.Public() && slices.Contains(c.GrantTypes, GrantClient):
		// RFC 6749 section 4.4.
		return metadataFault("A public client cannot have the grant type client_credentials.")
	case slices.Contains(c.GrantTypes, GrantRefresh) && !users:
		return metadataFault("The grant type refresh_token needs authorization_code or the device flow.")
	}
	return nil
}

func checkAuthentication(c Client) error {
	switch c.AuthMethod {
	case SecretBasic, SecretPost, PrivateKeyJWT, NoAuth:
	default:
		return metadataFault("token_endpoint_auth_method must be client_secret_basic, client_secret_post, private_key_jwt or none.")
	}
	switch {
	case c.Type == Machine && c.Public():
		return metadataFault("A client of type machine must authenticate itself.")
	case c.Type == SPA && !c.Public():
		return metadataFault("A client of type spa cannot keep a secret: its token_endpoint_auth_method is none.")
	case c.AuthMethod == PrivateKeyJWT && len(c.JWKS) == 0:
		return metadataFault("private_key_jwt needs the public keys of the client in jwks.")
	}
	if len(c.JWKS) > 0 {
		if err := CheckJWKS(c.JWKS); err != nil {
			return metadataFault("The keys cannot be used: %v.", err)
		}
	}
	return nil
}

// checkRedirects checks every URI of ours that answers or tokens go to.
func checkRedirects(c Client) error {
	lists := [][]string{c.RedirectURIs, c.PostLogoutRedirectURIs, c.Origins}
	for _, list := range lists {
		if len(list) > maxURIs {
			return metadataFault("There are more than %d URIs of one kind.", maxURIs)
		}
	}
	if slices.Contains(c.GrantTypes, GrantCode) && len(c.RedirectURIs) == 0 {
		return &Error{Code: InvalidRedirectURI, Description: "A client with the authorization code flow needs a redirect URI."}
	}
	for _, uri := range slices.Concat(c.RedirectURIs, c.PostLogoutRedirectURIs) {
		if err := checkRedirectURI(c, uri); err != nil {
			return &Error{Code: InvalidRedirectURI, Description: asDescription(fmt.Sprintf("The URI %s cannot be used: %v.", shown(uri), err))}
		}
	}
	if c.BackchannelLogoutURI != "" {
		if err := checkBackchannelURI(c.BackchannelLogoutURI, c.AllowHTTPRedirect); err != nil {
			return metadataFault("backchannel_logout_uri cannot be used: %v.", err)
		}
	}
	for _, origin := range c.Origins {
		if originOf(origin) != origin {
			return metadataFault("The origin %s must be written like https://app.example.com, with nothing behind the host and port.", shown(origin))
		}
	}
	return nil
}

// checkOwnPages checks where a client has users log in.
func checkOwnPages(c Client) error {
	switch {
	case c.FirstParty && !slices.Contains(c.GrantTypes, GrantCode):
		return metadataFault("A first_party client needs the grant type authorization_code.")
	case c.LoginURI == "":
		return nil
	case !c.FirstParty:
		return metadataFault("login_uri is for first_party clients: users type their passwords there.")
	}
	u, err := parseRegistered(c.LoginURI)
	if err == nil {
		if u.Scheme != "https" && u.Scheme != "http" {
			return metadataFault("login_uri must be https: an app without a browser keeps a flow key instead.")
		}
		err = checkWebURI(u, c.AllowHTTPRedirect)
	}
	if err != nil {
		return metadataFault("login_uri cannot be used: %v.", err)
	}
	return nil
}

// shown is a URI as it may stand in an error.
func shown(uri string) string {
	const most = 200
	return url.PathEscape(uri[:min(len(uri), most)])
}

func checkAlgorithms(c Client) error {
	for _, a := range []struct{ name, alg string }{
		{"id_token_signed_response_alg", c.IDTokenAlg},
		{"userinfo_signed_response_alg", c.UserInfoAlg},
		{"request_object_signing_alg", c.RequestObjectAlg},
	} {
		if a.alg != "" && !slices.Contains(keys.Algorithms(), a.alg) {
			return metadataFault("%s must be one of %s.", a.name, strings.Join(keys.Algorithms(), ", "))
		}
	}
	if c.RequestObjectAlg != "" && len(c.JWKS) == 0 {
		return metadataFault("request_object_signing_alg needs the public keys of the client in jwks.")
	}
	return nil
}

func checkNumbers(c Client) error {
	switch {
	case c.DefaultMaxAge != nil && *c.DefaultMaxAge < 0:
		return metadataFault("default_max_age must be 0 or more seconds.")
	case c.RefreshGrace < 0 || c.RefreshGrace > maxRefreshGrace:
		return metadataFault("refresh_grace must lie between 0 and %s.", maxRefreshGrace)
	case !slices.Contains([]string{"", UnmetFail, UnmetDowngrade}, c.ACRUnmet):
		return metadataFault("acr_unmet must be fail or downgrade.")
	case !slices.Contains([]Code{"", InteractionRequired, UnmetAuthentication}, Code(c.ACRUnmetError)):
		return metadataFault("acr_unmet_error must be interaction_required or unmet_authentication_requirements.")
	}
	return nil
}

func (p *Provider) checkClientACRs(c Client) error {
	if err := p.clientACRs(c); err != nil {
		return metadataFault("%v.", err)
	}
	return nil
}

// checkClientScopes refuses scopes that nobody knows: a misspelt one would
// never be granted.
func (p *Provider) checkClientScopes(ctx context.Context, c Client) error {
	if len(c.Scopes) > maxScopes {
		return metadataFault("There are more than %d scopes.", maxScopes)
	}
	for _, name := range c.Scopes {
		if !isScope(name) {
			return metadataFault("A scope has characters that no scope has (RFC 6749 section 3.3).")
		}
	}
	known, err := p.catalogue(ctx, c.Scopes)
	if err != nil {
		return err
	}
	for _, name := range c.Scopes {
		if _, ok := known[name]; !ok {
			return metadataFault("There is no scope %s.", name)
		}
	}
	return nil
}

// isScope reports a scope-token of RFC 6749 section 3.3.
func isScope(s string) bool {
	return s != "" && len(s) <= maxIDBytes && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= 0x20 || r >= 0x7f || r == '"' || r == '\\'
	})
}
