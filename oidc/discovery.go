package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// Places of the metadata (OpenID Connect Discovery 1.0 section 4, RFC 8414
// section 3).
const (
	wellKnownOpenID = "/.well-known/openid-configuration"
	wellKnownOAuth  = "/.well-known/oauth-authorization-server"
)

// PathDevice is the page on which users enter the code of a device, relative to
// the issuer.
const PathDevice = "/device"

// metadata is the discovery document. There are only members for what works.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserInfoEndpoint      string   `json:"userinfo_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	PAREndpoint           string   `json:"pushed_authorization_request_endpoint"`
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`
	DeviceEndpoint        string   `json:"device_authorization_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint,omitempty"`
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	ACRValues             []string `json:"acr_values_supported,omitempty"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
	UserInfoAlgs          []string `json:"userinfo_signing_alg_values_supported"`
	RequestObjectAlgs     []string `json:"request_object_signing_alg_values_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs              []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAlgs     []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationMethods     []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAlgs        []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	DPoPAlgs              []string `json:"dpop_signing_alg_values_supported"`
	CodeChallengeMethods  []string `json:"code_challenge_methods_supported"`
	PromptValues          []string `json:"prompt_values_supported"`
	ClaimTypes            []string `json:"claim_types_supported"`
	Claims                []string `json:"claims_supported"`
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	// RequestURIParameter must be said: left out it would mean true.
	RequestURIParameter bool     `json:"request_uri_parameter_supported"`
	ResponseIssuer      bool     `json:"authorization_response_iss_parameter_supported"`
	BackchannelLogout   bool     `json:"backchannel_logout_supported"`
	BackchannelSession  bool     `json:"backchannel_logout_session_supported"`
	UILocales           []string `json:"ui_locales_supported,omitempty"`
}

// authMethods are the ways in which clients may authenticate.
func authMethods() []string {
	return []string{string(SecretBasic), string(SecretPost), string(PrivateKeyJWT), string(NoAuth)}
}

// metadata says what the provider can do, from its configuration alone.
func (p *Provider) metadata() metadata {
	confidential := authMethods()[:3]
	m := metadata{
		Issuer:                p.cfg.Issuer,
		AuthorizationEndpoint: p.cfg.Issuer + PathAuthorize,
		TokenEndpoint:         p.cfg.Issuer + PathToken,
		UserInfoEndpoint:      p.cfg.Issuer + PathUserInfo,
		JWKSURI:               p.cfg.Issuer + PathJWKS,
		PAREndpoint:           p.cfg.Issuer + PathPAR,
		IntrospectionEndpoint: p.cfg.Issuer + PathIntrospect,
		RevocationEndpoint:    p.cfg.Issuer + PathRevoke,
		EndSessionEndpoint:    p.cfg.Issuer + PathLogout,
		DeviceEndpoint:        p.cfg.Issuer + PathDeviceAuthorization,
		Scopes:                StandardScopes(),
		ResponseTypes:         []string{"code"},
		ResponseModes:         []string{"query", "form_post"},
		GrantTypes:            []string{GrantCode, GrantRefresh, GrantClient, GrantDevice},
		SubjectTypes:          []string{"public"},
		IDTokenAlgs:           signingAlgNames(),
		UserInfoAlgs:          signingAlgNames(),
		RequestObjectAlgs:     signingAlgNames(),
		AuthMethods:           authMethods(),
		AuthAlgs:              signingAlgNames(),
		IntrospectionMethods:  confidential,
		IntrospectionAlgs:     signingAlgNames(),
		RevocationMethods:     authMethods(),
		RevocationAlgs:        signingAlgNames(),
		DPoPAlgs:              signingAlgNames(),
		CodeChallengeMethods:  []string{"S256"},
		PromptValues:          []string{"none", "login", "consent", "select_account"},
		ClaimTypes:            []string{"normal"},
		Claims:                append([]string{"sub", "acr", "amr", "auth_time", "sid"}, p.claimNames()...),
		ClaimsParameter:       true,
		RequestParameter:      true,
		RequestURIParameter:   false,
		ResponseIssuer:        true,
		BackchannelLogout:     true,
		BackchannelSession:    true,
		UILocales:             p.cfg.Locales,
	}
	if p.cfg.Registration.Enabled {
		m.RegistrationEndpoint = p.cfg.Issuer + PathRegister
	}
	for _, a := range p.cfg.Policy.ACRs {
		m.ACRValues = append(m.ACRValues, a.Name)
	}
	for _, s := range p.cfg.Scopes {
		if !slices.Contains(m.Scopes, s.Name) {
			m.Scopes = append(m.Scopes, s.Name)
		}
	}
	return m
}

// discoveryPaths are where the document stands. For an issuer with a path RFC
// 8414 section 3.1 puts the well-known part between host and path, OpenID
// Connect Discovery 1.0 section 4 behind the path.
func (p *Provider) discoveryPaths() []string {
	out := []string{wellKnownOpenID, wellKnownOAuth}
	u, err := url.Parse(p.cfg.Issuer)
	if err != nil {
		return out
	}
	if path := strings.TrimSuffix(u.EscapedPath(), "/"); path != "" {
		out = append(out, path+wellKnownOpenID, wellKnownOpenID+path, wellKnownOAuth+path)
	}
	return out
}

// discovery returns the handler of the document, which is written once.
func (p *Provider) discovery() echo.HandlerFunc {
	body, err := json.Marshal(p.metadata())
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return func(c echo.Context) error {
		if err != nil {
			return fmt.Errorf("encode discovery document: %w", err)
		}
		return publish(c, body, etag, "public, max-age=3600")
	}
}

// publish answers with a public document, or 304 to who has it (RFC 9110
// section 13.1.2).
func publish(c echo.Context, body []byte, etag, cacheControl string) error {
	header := c.Response().Header()
	header.Set("ETag", etag)
	header.Set(echo.HeaderCacheControl, cacheControl)
	for known := range strings.SplitSeq(c.Request().Header.Get("If-None-Match"), ",") {
		known = strings.TrimPrefix(strings.TrimSpace(known), "W/")
		if known == etag || known == "*" {
			return c.NoContent(http.StatusNotModified)
		}
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
}
