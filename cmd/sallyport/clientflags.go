package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// clientFlags are what create and update say of a client. What is nil was not
// said. A list replaces the one that is there; one empty value empties it.
type clientFlags struct {
	Name *string `placeholder:"NAME" help:"Name of the application, as its users see it."`
	Type *string `placeholder:"T" help:"web (default): on a server. spa: in the browser. native: on a device. machine: without users."`

	RedirectURI           []string `name:"redirect-uri" sep:"none" placeholder:"URL" help:"Where users return to after login, exactly as the application sends it. May be given again."`
	AllowHTTPRedirect     *bool    `name:"allow-http-redirect" negatable:"" help:"Let redirect URIs be http on other hosts than this machine (for tests)."`
	PostLogoutRedirectURI []string `name:"post-logout-redirect-uri" sep:"none" placeholder:"URL" help:"Where users may return to after logout. May be given again."`
	BackchannelLogoutURI  *string  `name:"backchannel-logout-uri" placeholder:"URL" help:"Where the application is told of logouts."`
	Origin                []string `sep:"none" placeholder:"ORIGIN" help:"Further origin whose scripts may call this server, such as https://app.example.com. May be given again."`

	Public     *bool    `negatable:"" help:"The application cannot keep a secret (default for spa and native)."`
	AuthMethod *string  `placeholder:"M" help:"client_secret_basic (default), client_secret_post, private_key_jwt or none."`
	JWKS       *string  `name:"jwks" placeholder:"FILE" help:"Public keys of the application, a JSON Web Key Set."`
	GrantType  []string `placeholder:"G" help:"authorization_code, refresh_token, client_credentials or device_code (default: by type). May be given again."`
	Scope      []string `sep:" " placeholder:"S" help:"Scope that the application may ask for (default: the standard ones). May be given again."`

	PermittedACR  []string `name:"permitted-acr" placeholder:"ACR" help:"ACR that requests may ask for, preferred first (default: all). May be given again."`
	RequiredACR   *string  `name:"required-acr" placeholder:"ACR" help:"ACR that every login to this application must meet."`
	ACRUnmet      *string  `name:"acr-unmet" placeholder:"V" help:"When a requested ACR cannot be had: fail or downgrade (default: the setting)."`
	ACRUnmetError *string  `name:"acr-unmet-error" placeholder:"CODE" help:"Its error: interaction_required or unmet_authentication_requirements (default: the setting)."`
	DefaultMaxAge *string  `placeholder:"D" help:"How old proofs may be when a request has no max_age, such as 15m."`

	IDTokenAlg             *string `name:"id-token-alg" placeholder:"ALG" help:"Signs ID tokens: RS256 (default), PS256, ES256 or EdDSA."`
	OpaqueAccessTokens     *bool   `negatable:"" help:"Access tokens are no JWTs; services introspect them."`
	DPoP                   *bool   `name:"dpop" negatable:"" help:"Demand DPoP at the token endpoint."`
	RequirePKCE            *bool   `name:"require-pkce" negatable:"" help:"Demand PKCE (public applications always need it)."`
	RequirePAR             *bool   `name:"require-par" negatable:"" help:"Demand pushed authorization requests."`
	RefreshGrace           *string `placeholder:"D" help:"How long a used refresh token still answers, for answers that got lost: up to 30s (default 0)."`
	DropElevationOnRefresh *bool   `negatable:"" help:"Refreshed access tokens fall back to the first factor."`

	Trusted    *bool   `negatable:"" help:"Do not ask users for consent: the application is your own."`
	FirstParty *bool   `name:"first-party" negatable:"" help:"Let the application ask for passwords and codes itself, by the JSON login flow: it is your own."`
	LoginURI   *string `name:"login-uri" placeholder:"URL" help:"Login page of a first-party application, where users are sent instead of to the pages of this server."`
	Profile    *string `placeholder:"P" help:"Client profile at /scim/v2: rfc, compat, strict or ping."`
	Domain     *string `placeholder:"D" help:"Provisioning domain at /scim/v2."`
}

// check refuses flags that do not go together.
func (f *clientFlags) check() error {
	if f.Public != nil && f.AuthMethod != nil && *f.Public != (*f.AuthMethod == string(oidc.NoAuth)) {
		return &usageError{fmt.Sprintf("--auth-method %s and --public contradict each other: leave one out", *f.AuthMethod)}
	}
	if f.Profile != nil && *f.Profile != "" {
		if _, ok := scim.ProfileByName(*f.Profile); !ok {
			return &usageError{fmt.Sprintf("--profile: %q is no client profile; use %s, %s, %s or %s",
				*f.Profile, scim.ProfileRFC, scim.ProfileCompat, scim.ProfileStrict, scim.ProfilePing)}
		}
	}
	return nil
}

// edit returns what the flags do to a client. Files and times are read once,
// before; what it returns may run again.
func (f *clientFlags) edit() (func(*oidc.Client) error, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	maxAge, err := f.span("--default-max-age", f.DefaultMaxAge)
	if err != nil {
		return nil, err
	}
	grace, err := f.span("--refresh-grace", f.RefreshGrace)
	if err != nil {
		return nil, err
	}
	keys, err := f.keys()
	if err != nil {
		return nil, err
	}
	return func(c *oidc.Client) error {
		f.applyType(c)
		f.applyTexts(c)
		f.applyLists(c)
		f.applySwitches(c)
		if f.DefaultMaxAge != nil {
			c.DefaultMaxAge = nil
			if *f.DefaultMaxAge != "" {
				c.DefaultMaxAge = new(int64(maxAge / time.Second))
			}
		}
		if f.RefreshGrace != nil {
			c.RefreshGrace = grace
		}
		if f.JWKS != nil {
			c.JWKS = slices.Clone(keys)
		}
		return nil
	}, nil
}

// span reads a time.
func (*clientFlags) span(flag string, text *string) (time.Duration, error) {
	if text == nil || *text == "" {
		return 0, nil
	}
	d, err := config.ParseDuration(*text)
	if err != nil || d < 0 {
		return 0, &usageError{fmt.Sprintf("%s: %q is not a time such as 30s, 15m or 12h", flag, *text)}
	}
	return d, nil
}

// keys reads the file of --jwks; an empty name takes the keys away.
func (f *clientFlags) keys() (json.RawMessage, error) {
	if f.JWKS == nil || *f.JWKS == "" {
		return nil, nil
	}
	doc, err := os.ReadFile(*f.JWKS)
	if err != nil {
		return nil, fmt.Errorf("--jwks: %w", err)
	}
	if err := oidc.CheckJWKS(doc); err != nil {
		return nil, fmt.Errorf("--jwks %s: %w", *f.JWKS, err)
	}
	return doc, nil
}

// applyType sets what sort of application it is. Another type brings its own
// way to authenticate and its own grant types, unless flags name them.
func (f *clientFlags) applyType(c *oidc.Client) {
	if f.Type != nil && oidc.ClientType(*f.Type) != c.Type {
		c.Type, c.AuthMethod, c.GrantTypes = oidc.ClientType(*f.Type), "", nil
	}
	switch {
	case f.AuthMethod != nil:
		c.AuthMethod = oidc.AuthMethod(*f.AuthMethod)
	case f.Public != nil && *f.Public:
		c.AuthMethod = oidc.NoAuth
	case f.Public != nil && (c.AuthMethod == oidc.NoAuth || c.AuthMethod == ""):
		c.AuthMethod = oidc.SecretBasic
	}
}

func (f *clientFlags) applyTexts(c *oidc.Client) {
	for _, t := range []struct{ from, into *string }{
		{f.Name, &c.Name},
		{f.BackchannelLogoutURI, &c.BackchannelLogoutURI},
		{f.RequiredACR, &c.RequiredACR},
		{f.ACRUnmet, &c.ACRUnmet},
		{f.ACRUnmetError, &c.ACRUnmetError},
		{f.IDTokenAlg, &c.IDTokenAlg},
		{f.Profile, &c.Profile},
		{f.Domain, &c.Domain},
		{f.LoginURI, &c.LoginURI},
	} {
		if t.from != nil {
			*t.into = *t.from
		}
	}
}

func (f *clientFlags) applyLists(c *oidc.Client) {
	for _, l := range []struct {
		from []string
		into *[]string
	}{
		{f.RedirectURI, &c.RedirectURIs},
		{f.PostLogoutRedirectURI, &c.PostLogoutRedirectURIs},
		{f.Origin, &c.Origins},
		{f.Scope, &c.Scopes},
		{f.PermittedACR, &c.PermittedACRs},
	} {
		if l.from != nil {
			*l.into = slices.DeleteFunc(slices.Clone(l.from), func(s string) bool { return s == "" })
		}
	}
	if f.GrantType != nil {
		c.GrantTypes = nil
		for _, g := range f.GrantType {
			c.GrantTypes = append(c.GrantTypes, grantType(g))
		}
	}
}

// grantType is the full name of a grant type: that of devices is a long one.
func grantType(name string) string {
	if name == "device_code" {
		return oidc.GrantDevice
	}
	return name
}

func (f *clientFlags) applySwitches(c *oidc.Client) {
	for _, s := range []struct{ from, into *bool }{
		{f.AllowHTTPRedirect, &c.AllowHTTPRedirect},
		{f.OpaqueAccessTokens, &c.OpaqueAccessToken},
		{f.DPoP, &c.DPoPBound},
		{f.RequirePKCE, &c.RequirePKCE},
		{f.RequirePAR, &c.RequirePAR},
		{f.DropElevationOnRefresh, &c.DropElevation},
		{f.Trusted, &c.Trusted},
		{f.FirstParty, &c.FirstParty},
	} {
		if s.from != nil {
			*s.into = *s.from
		}
	}
}
