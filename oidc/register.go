package oidc

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc/keys"
)

// PathRegister is where clients register themselves (RFC 7591), relative to the
// issuer; each has its own resource below it (RFC 7592).
const PathRegister = "/oauth/register"

// maxRegistration bounds a registration document, in bytes.
const maxRegistration = 64 << 10

// registration is the document of a client about itself: what it may say, and
// nothing that only an operator may (RFC 7591 section 2, OpenID Connect Dynamic
// Client Registration 1.0 section 2). Other members are ignored.
type registration struct {
	ClientID        string          `json:"client_id,omitempty"`
	Secret          string          `json:"client_secret,omitempty"`
	Name            string          `json:"client_name,omitempty"`
	ApplicationType string          `json:"application_type,omitempty"`
	AuthMethod      AuthMethod      `json:"token_endpoint_auth_method,omitempty"`
	RedirectURIs    []string        `json:"redirect_uris,omitempty"`
	PostLogoutURIs  []string        `json:"post_logout_redirect_uris,omitempty"`
	BackchannelURI  string          `json:"backchannel_logout_uri,omitempty"`
	GrantTypes      []string        `json:"grant_types,omitempty"`
	ResponseTypes   []string        `json:"response_types,omitempty"`
	Scope           string          `json:"scope,omitempty"`
	JWKS            json.RawMessage `json:"jwks,omitempty"`
	JWKSURI         string          `json:"jwks_uri,omitempty"`
	SubjectType     string          `json:"subject_type,omitempty"`
	DefaultACRs     []string        `json:"default_acr_values,omitempty"`
	DefaultMaxAge   *int64          `json:"default_max_age,omitempty"`
	IDTokenAlg      string          `json:"id_token_signed_response_alg,omitempty"`
	UserInfoAlg     string          `json:"userinfo_signed_response_alg,omitempty"`
	RequestAlg      string          `json:"request_object_signing_alg,omitempty"`
	DPoPBound       bool            `json:"dpop_bound_access_tokens,omitempty"`
	RequirePAR      bool            `json:"require_pushed_authorization_requests,omitempty"`
	URI             string          `json:"client_uri,omitempty"`
	LogoURI         string          `json:"logo_uri,omitempty"`
	PolicyURI       string          `json:"policy_uri,omitempty"`
	TOSURI          string          `json:"tos_uri,omitempty"`
	Contacts        []string        `json:"contacts,omitempty"`
}

// registered is the answer to a registration (RFC 7591 section 3.2.1): every
// member that is registered, defaults included.
type registered struct {
	registration
	IssuedAt int64 `json:"client_id_issued_at"`
	// SecretExpires is there with a secret; 0: never.
	SecretExpires *int64 `json:"client_secret_expires_at,omitempty"`
	Token         string `json:"registration_access_token"`
	ClientURI     string `json:"registration_client_uri"`
}

// metadataError refuses a registration.
func metadataError(description string) *Error {
	return &Error{Code: InvalidMetadata, Description: description}
}

// parseRegistration reads a registration document.
func parseRegistration(r io.Reader) (registration, error) {
	var doc registration
	dec := json.NewDecoder(r)
	if err := dec.Decode(&doc); err != nil {
		return doc, metadataError("The body is not a registration document in JSON").Because(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return doc, metadataError("There is something behind the registration document")
	}
	return doc, doc.check()
}

// check refuses what this server cannot do for a client, so that none believes
// to have it.
func (r registration) check() error {
	switch {
	case r.JWKSURI != "":
		return metadataError("jwks_uri is not supported: send the keys in jwks")
	case r.SubjectType != "" && r.SubjectType != "public":
		return metadataError("subject_type must be public")
	case len(r.ResponseTypes) > 0 && !slices.Equal(r.ResponseTypes, []string{"code"}):
		return metadataError("response_types must be code alone")
	case !slices.Contains([]string{"", "web", "native"}, r.ApplicationType):
		return metadataError("application_type must be web or native")
	}
	for name, alg := range map[string]string{
		"id_token_signed_response_alg": r.IDTokenAlg, "userinfo_signed_response_alg": r.UserInfoAlg,
		"request_object_signing_alg": r.RequestAlg,
	} {
		if alg != "" && !slices.Contains(keys.Algorithms(), alg) {
			return metadataError(name + " must be one of " + strings.Join(keys.Algorithms(), ", "))
		}
	}
	return nil
}

// clientType is what sort of application registers itself.
func (r registration) clientType() ClientType {
	switch {
	case slices.Equal(r.GrantTypes, []string{GrantClient}):
		return Machine
	case r.ApplicationType == "native":
		return Native
	case r.AuthMethod == NoAuth:
		return SPA
	}
	return Web
}

// apply writes the document over a client. What it does not say gets its
// default again (RFC 7592 section 2.2).
func (r registration) apply(c *Client, scopes []string) {
	c.Name, c.Type, c.AuthMethod = r.Name, r.clientType(), r.AuthMethod
	if c.AuthMethod == "" {
		c.AuthMethod = SecretBasic // RFC 7591 section 2
	}
	c.RedirectURIs, c.PostLogoutRedirectURIs = r.RedirectURIs, r.PostLogoutURIs
	c.BackchannelLogoutURI = r.BackchannelURI
	c.GrantTypes = r.GrantTypes
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{GrantCode}
	}
	c.Scopes, c.JWKS = scopes, r.JWKS
	c.PermittedACRs, c.DefaultMaxAge = r.DefaultACRs, r.DefaultMaxAge
	c.IDTokenAlg, c.UserInfoAlg, c.RequestObjectAlg = r.IDTokenAlg, r.UserInfoAlg, r.RequestAlg
	c.DPoPBound, c.RequirePAR = r.DPoPBound, r.RequirePAR
	c.URI, c.LogoURI, c.PolicyURI, c.TOSURI, c.Contacts = r.URI, r.LogoURI, r.PolicyURI, r.TOSURI, r.Contacts
}

// registrationOf is a client as its own document.
func registrationOf(c Client) registration {
	r := registration{
		ClientID: c.ID, Name: c.Name, ApplicationType: "web", AuthMethod: c.AuthMethod,
		RedirectURIs: c.RedirectURIs, PostLogoutURIs: c.PostLogoutRedirectURIs, BackchannelURI: c.BackchannelLogoutURI,
		GrantTypes: c.GrantTypes, Scope: strings.Join(c.Scopes, " "), JWKS: c.JWKS, SubjectType: "public",
		DefaultACRs: c.PermittedACRs, DefaultMaxAge: c.DefaultMaxAge,
		IDTokenAlg: idTokenAlg(c), UserInfoAlg: c.UserInfoAlg, RequestAlg: c.RequestObjectAlg,
		DPoPBound: c.DPoPBound, RequirePAR: c.RequirePAR,
		URI: c.URI, LogoURI: c.LogoURI, PolicyURI: c.PolicyURI, TOSURI: c.TOSURI, Contacts: c.Contacts,
	}
	if c.Type == Native {
		r.ApplicationType = "native"
	}
	if slices.Contains(c.GrantTypes, GrantCode) {
		r.ResponseTypes = []string{"code"}
	}
	return r
}

// openScopes are those that clients may give themselves: the standard ones and
// those of the provider, never those of the directory or of a service.
func (p *Provider) openScopes() []string {
	out := StandardScopes()
	for _, s := range p.cfg.Scopes {
		if !isSCIM(s.Name) && !slices.Contains(out, s.Name) {
			out = append(out, s.Name)
		}
	}
	return out
}

// registrationScopes are those of a document; unknown ones are left out, as the
// answer shows. Without a scope member it is all that clients may have.
func (p *Provider) registrationScopes(r registration) []string {
	open := p.openScopes()
	if r.Scope == "" {
		return open
	}
	return slices.DeleteFunc(splitList(r.Scope), func(s string) bool { return !slices.Contains(open, s) })
}

// readRegistration reads the body of a request.
func readRegistration(c echo.Context) (registration, error) {
	r := c.Request()
	media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationJSON {
		return registration{}, metadataError("Send a body of type application/json")
	}
	return parseRegistration(http.MaxBytesReader(c.Response(), r.Body, maxRegistration))
}

// bearerOf returns the bearer token of a request, "" for none.
func bearerOf(c echo.Context) string {
	scheme, token, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, schemeBearer) {
		return ""
	}
	return token
}

// sameHash compares hashes of secrets in constant time.
func sameHash(a, b []byte) bool { return len(a) > 0 && subtle.ConstantTimeCompare(a, b) == 1 }

// serveRegister registers a client (RFC 7591 section 3).
func (p *Provider) serveRegister(c echo.Context) error {
	noStore(c)
	if token := bearerOf(c); !p.cfg.Registration.Open && !sameHash(p.cfg.Registration.Token, hashOf(token)) {
		if token == "" {
			return NoToken()
		}
		return tokenError(schemeBearer, InvalidToken, "The initial access token is not valid")
	}
	doc, err := readRegistration(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	token, hash := newSecret()
	var client Client
	doc.apply(&client, p.registrationScopes(doc))
	client.RegistrationHash = hash
	client, secret, err := p.CreateClient(ctx, registrar(c, ""), client)
	if err != nil {
		return err
	}
	answer := p.registered(client, token)
	if secret != "" {
		answer.Secret, answer.SecretExpires = secret, new(int64)
	}
	return c.JSON(http.StatusCreated, answer)
}

// registrar is who registers: a stranger, or the client itself.
func registrar(c echo.Context, clientID string) audit.Party {
	if clientID == "" {
		return audit.Party{Type: "registration", Name: c.RealIP()}
	}
	return audit.Party{Type: "client", ID: clientID}
}

func (p *Provider) registered(c Client, token string) registered {
	return registered{
		registration: registrationOf(c), IssuedAt: c.CreatedAt.Unix(), Token: token,
		ClientURI: p.cfg.Issuer + PathRegister + "/" + c.ID,
	}
}

// serveRegistration shows, replaces or removes the registration of a client to
// itself (RFC 7592 section 2). A client that is gone, never registered itself
// or sends another token is told 401 alike.
func (p *Provider) serveRegistration(c echo.Context) error {
	noStore(c)
	token := bearerOf(c)
	if token == "" {
		return NoToken()
	}
	ctx := c.Request().Context()
	client, err := p.cfg.Clients.Client(ctx, c.Param("client_id"))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("read client: %w", err)
	}
	if err != nil || client.Disabled || !sameHash(client.RegistrationHash, hashOf(token)) {
		return tokenError(schemeBearer, InvalidToken, "The registration access token is not valid")
	}
	switch c.Request().Method {
	case http.MethodPut:
		return p.replaceRegistration(c, client, token)
	case http.MethodDelete:
		if err := p.DeleteClient(ctx, registrar(c, client.ID), client.ID); err != nil {
			return err
		}
		return c.NoContent(http.StatusNoContent)
	default:
		return c.JSON(http.StatusOK, p.registered(client, token))
	}
}

// replaceRegistration writes a new document over a client (RFC 7592 section
// 2.2).
func (p *Provider) replaceRegistration(c echo.Context, client Client, token string) error {
	doc, err := readRegistration(c)
	if err != nil {
		return err
	}
	if doc.ClientID != client.ID {
		return &Error{Code: InvalidRequest, Description: "client_id must be that of the client"}
	}
	if doc.Secret != "" && !secretMatches(client.Secrets, doc.Secret, p.now()) {
		return &Error{Code: InvalidRequest, Description: "client_secret is not the one of the client"}
	}
	ctx := c.Request().Context()
	public := doc.AuthMethod == NoAuth
	if public != client.Public() {
		return metadataError("token_endpoint_auth_method cannot make a client public or confidential: register anew")
	}
	client, err = p.UpdateClient(ctx, registrar(c, client.ID), client.ID, func(edited *Client) error {
		doc.apply(edited, p.registrationScopes(doc))
		return nil
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, p.registered(client, token))
}
