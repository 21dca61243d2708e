package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/oidc"
)

// clientView is a client as --json shows it: the registration, with the names of
// RFC 7591 where these have one, and where the application finds what.
type clientView struct {
	oidc.Client
	// Secret is shown once, by the command that made it.
	Secret string `json:"client_secret,omitempty"`
	// RefreshGrace is in seconds.
	RefreshGrace int64     `json:"refresh_grace,omitempty"`
	Issuer       string    `json:"issuer"`
	Discovery    string    `json:"discovery"`
	Endpoints    endpoints `json:"endpoints"`
}

// endpoints are those of the discovery document, by their names there.
type endpoints struct {
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	JWKS          string `json:"jwks_uri"`
	Introspection string `json:"introspection_endpoint"`
	Revocation    string `json:"revocation_endpoint"`
	EndSession    string `json:"end_session_endpoint"`
	PAR           string `json:"pushed_authorization_request_endpoint"`
	Device        string `json:"device_authorization_endpoint"`
}

func viewClient(issuer string, c oidc.Client, secret string) clientView {
	return clientView{
		Client: c, Secret: secret, RefreshGrace: int64(c.RefreshGrace.Seconds()),
		Issuer: issuer, Discovery: issuer + "/.well-known/openid-configuration",
		Endpoints: endpoints{
			Authorization: issuer + oidc.PathAuthorize, Token: issuer + oidc.PathToken, UserInfo: issuer + oidc.PathUserInfo,
			JWKS: issuer + oidc.PathJWKS, Introspection: issuer + oidc.PathIntrospect, Revocation: issuer + oidc.PathRevoke,
			EndSession: issuer + oidc.PathLogout, PAR: issuer + oidc.PathPAR, Device: issuer + oidc.PathDeviceAuthorization,
		},
	}
}

// showClient prints a client with what to configure in the application.
func (a *app) showClient(d *server.Directory, c oidc.Client, secret string) error {
	v := viewClient(d.Provider.Issuer(), c, secret)
	if a.JSON {
		return a.printJSON(v)
	}
	return a.table(v.rows())
}

// rows are what a person copies into the settings of the application.
func (v clientView) rows() [][]string {
	rows := [][]string{{"issuer", v.Issuer}, {"discovery", v.Discovery}, {"client_id", v.ID}}
	add := func(name string, values ...string) {
		if text := strings.Join(values, " "); text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	add("client_secret", v.Secret)
	add("name", v.Name)
	add("type", string(v.Type))
	add("token_endpoint_auth_method", string(v.AuthMethod))
	add("grant_types", v.GrantTypes...)
	add("scope", v.Scopes...)
	for _, uri := range v.RedirectURIs {
		add("redirect_uri", uri)
	}
	for _, uri := range v.PostLogoutRedirectURIs {
		add("post_logout_redirect_uri", uri)
	}
	add("backchannel_logout_uri", v.BackchannelLogoutURI)
	add("origins", v.Origins...)
	add("login_uri", v.LoginURI)
	add("permitted_acrs", v.PermittedACRs...)
	add("required_acr", v.RequiredACR)
	if v.DefaultMaxAge != nil {
		add("default_max_age", strconv.FormatInt(*v.DefaultMaxAge, 10))
	}
	add("id_token_signed_response_alg", v.IDTokenAlg)
	add("also", v.switches()...)
	if slices.Contains(v.GrantTypes, oidc.GrantCode) {
		add("authorization_endpoint", v.Endpoints.Authorization)
	}
	add("token_endpoint", v.Endpoints.Token)
	if slices.Contains(v.GrantTypes, oidc.GrantDevice) {
		add("device_authorization_endpoint", v.Endpoints.Device)
	}
	if v.Type != oidc.Machine {
		add("userinfo_endpoint", v.Endpoints.UserInfo)
		add("end_session_endpoint", v.Endpoints.EndSession)
	}
	return rows
}

// switches are the flags that are on, by their names.
func (v clientView) switches() []string {
	var on []string
	for _, s := range []struct {
		name string
		on   bool
	}{
		{"disabled", v.Disabled},
		{"trusted", v.Trusted},
		{"first-party", v.FirstParty},
		{"require-pkce", v.RequirePKCE},
		{"require-par", v.RequirePAR},
		{"dpop", v.DPoPBound},
		{"opaque-access-tokens", v.OpaqueAccessToken},
		{"drop-elevation-on-refresh", v.DropElevation},
		{"allow-http-redirect", v.AllowHTTPRedirect},
	} {
		if s.on {
			on = append(on, s.name)
		}
	}
	return on
}

// findClient reads a client.
func findClient(ctx context.Context, d *server.Directory, id string) (oidc.Client, error) {
	c, err := d.Clients().Client(ctx, id)
	return c, clientFault(err, id, c)
}
