package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// ErrNotFound says that there is no such row: client, grant, code, token.
var ErrNotFound = errors.New("not found")

// ErrTaken says that an id or a name is taken.
var ErrTaken = errors.New("taken")

// ClientType is what sort of application a client is. It gives defaults.
type ClientType string

// The types.
const (
	Web     ClientType = "web"     // confidential, with users
	SPA     ClientType = "spa"     // public, in the browser
	Native  ClientType = "native"  // public, on a device
	Machine ClientType = "machine" // confidential, no users
)

// AuthMethod is a token_endpoint_auth_method (OpenID Connect Core 1.0 section 9).
type AuthMethod string

// The methods. Exactly the registered one is accepted.
const (
	SecretBasic   AuthMethod = "client_secret_basic"
	SecretPost    AuthMethod = "client_secret_post"
	PrivateKeyJWT AuthMethod = "private_key_jwt"
	NoAuth        AuthMethod = "none"
)

// Grant types (RFC 6749, RFC 8628).
const (
	GrantCode    = "authorization_code"
	GrantRefresh = "refresh_token"
	GrantClient  = "client_credentials"
	GrantDevice  = "urn:ietf:params:oauth:grant-type:device_code"
)

// Client is a registered application. JSON names are those of RFC 7591 and
// OpenID Connect Dynamic Client Registration 1.0 where these have one.
type Client struct {
	ID         string     `json:"client_id"`
	Name       string     `json:"client_name,omitempty"`
	Type       ClientType `json:"type"`
	AuthMethod AuthMethod `json:"token_endpoint_auth_method"`
	// Secrets are hashes of the client secrets that are good now.
	Secrets []ClientSecret `json:"-"`
	// RegistrationHash is the SHA-256 of the registration access token (RFC 7592);
	// nil without one.
	RegistrationHash []byte `json:"-"`
	// JWKS are the public keys of the client (RFC 7517).
	JWKS json.RawMessage `json:"jwks,omitempty"`

	RedirectURIs           []string `json:"redirect_uris,omitempty"`
	AllowHTTPRedirect      bool     `json:"allow_http_redirect,omitempty"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	BackchannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty"`
	// Origins may read our answers in a browser (CORS), beside those of the
	// redirect URIs of public clients.
	Origins    []string `json:"origins,omitempty"`
	GrantTypes []string `json:"grant_types"`
	// Scopes that the client may ask for.
	Scopes []string `json:"scopes,omitempty"`

	PermittedACRs []string `json:"default_acr_values,omitempty"`
	// PermittedFallback uses PermittedACRs only when a request names no ACR, as
	// the original did (permitted_acrs_mode: fallback).
	PermittedFallback bool   `json:"permitted_acrs_fallback,omitempty"`
	RequiredACR       string `json:"required_acr,omitempty"`
	// ACRUnmet and ACRUnmetError override the server's settings; "": do not.
	ACRUnmet      string `json:"acr_unmet,omitempty"`
	ACRUnmetError string `json:"acr_unmet_error,omitempty"`
	DefaultMaxAge *int64 `json:"default_max_age,omitempty"` // seconds

	IDTokenAlg        string `json:"id_token_signed_response_alg,omitempty"` // "": RS256
	UserInfoAlg       string `json:"userinfo_signed_response_alg,omitempty"` // "": plain JSON
	RequestObjectAlg  string `json:"request_object_signing_alg,omitempty"`   // "": any of ours
	OpaqueAccessToken bool   `json:"opaque_access_tokens,omitempty"`
	DPoPBound         bool   `json:"dpop_bound_access_tokens,omitempty"`
	RequirePKCE       bool   `json:"require_pkce,omitempty"`
	RequirePAR        bool   `json:"require_pushed_authorization_requests,omitempty"`
	// RefreshGrace is how long a used refresh token still answers, for answers
	// that were lost; 0 to 30 s.
	RefreshGrace  time.Duration `json:"refresh_grace,omitempty"`
	DropElevation bool          `json:"drop_elevation_on_refresh,omitempty"`
	// Trusted clients are the operator's own: users are not asked for consent.
	Trusted bool `json:"trusted,omitempty"`
	// FirstParty clients may ask for what a login takes on pages of their own:
	// their users type passwords there (see package oidc/flow).
	FirstParty bool `json:"first_party,omitempty"`
	// LoginURI is where the pages of a FirstParty client are; "": users come to
	// ours. Scripts of its origin may read and change the login.
	LoginURI string `json:"login_uri,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	Profile  string `json:"scim_profile,omitempty"` // client profile at /scim/v2
	Domain   string `json:"scim_domain,omitempty"`  // provisioning domain

	URI       string   `json:"client_uri,omitempty"`
	LogoURI   string   `json:"logo_uri,omitempty"`
	PolicyURI string   `json:"policy_uri,omitempty"`
	TOSURI    string   `json:"tos_uri,omitempty"`
	Contacts  []string `json:"contacts,omitempty"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ClientSecret is the hash of one client secret.
type ClientSecret struct {
	Hash      []byte    // SHA-256
	CreatedAt time.Time // UTC
	ExpiresAt time.Time // zero: never
}

// OwnPages reports whether logins of the client are on pages of its own.
func (c Client) OwnPages() bool { return c.FirstParty && c.LoginURI != "" && !c.Disabled }

// PageOrigins are the origins whose scripts may take part in logins of the
// client, with the cookies of the user: nobody's but of a FirstParty client.
func (c Client) PageOrigins() []string {
	if !c.FirstParty || c.Disabled {
		return nil
	}
	out := slices.Clone(c.Origins)
	if origin := originOf(c.LoginURI); origin != "" && !slices.Contains(out, origin) {
		out = append(out, origin)
	}
	return out
}

// Public reports whether the client cannot keep a secret.
func (c Client) Public() bool { return c.AuthMethod == NoAuth }

// ClientStore keeps clients. Every method joins the transaction of ctx.
type ClientStore interface {
	// InsertClient stores a new client; ErrTaken when the id is.
	InsertClient(ctx context.Context, c Client) error
	// Client returns a client, disabled ones included, or ErrNotFound. Its lists
	// may be shared: they are not to be changed.
	Client(ctx context.Context, id string) (Client, error)
	// Clients returns all, by id.
	Clients(ctx context.Context) ([]Client, error)
	// UpdateClient edits a client under a lock; the edit may run again.
	UpdateClient(ctx context.Context, id string, edit func(*Client) error) (Client, error)
	// DeleteClient removes a client with its grants and consents, or ErrNotFound.
	DeleteClient(ctx context.Context, id string) error
}

// Service is a resource server: an API that takes our access tokens.
type Service struct {
	Name     string `json:"name"`
	Audience string `json:"audience"` // an absolute URI or a name; unique
	// SecretHash is the SHA-256 of its introspection credential; nil: it has none.
	SecretHash []byte         `json:"-"`
	Scopes     []ServiceScope `json:"scopes"`
	CreatedAt  time.Time      `json:"created_at"`
}

// ServiceScope is one scope of a service, or of the provider itself.
type ServiceScope struct {
	Name          string `json:"name"`
	Description   string `json:"description,omitempty"`
	ConsentPrompt string `json:"consent_prompt,omitempty"`
	// RequiredACR must be met before the scope is granted; "": none.
	RequiredACR string `json:"required_acr,omitempty"`
	// FreshAtConsent counts only proofs made on the consent page.
	FreshAtConsent bool `json:"fresh_at_consent,omitempty"`
}

// ServiceStore keeps services. Every method joins the transaction of ctx.
type ServiceStore interface {
	InsertService(ctx context.Context, s Service) error // ErrTaken: name, audience or scope
	// Service returns one by its name, or ErrNotFound.
	Service(ctx context.Context, name string) (Service, error)
	Services(ctx context.Context) ([]Service, error)
	UpdateService(ctx context.Context, name string, edit func(*Service) error) (Service, error)
	DeleteService(ctx context.Context, name string) error // ErrNotFound
}
