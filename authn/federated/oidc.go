package federated

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sallyport-id/sallyport/authn/outgoing"
)

// Ways in which a client shows who it is at the token endpoint (OpenID Connect
// Core 1.0 section 9).
const (
	AuthBasic = "client_secret_basic"
	AuthPost  = "client_secret_post"
	AuthNone  = "none"
)

// OIDCConfig is what NewOIDC needs. Issuer, ClientID and Now are required.
type OIDCConfig struct {
	// Kind is OIDC, Google or Microsoft; "": OIDC.
	Kind Kind
	// Issuer is the provider's, without /.well-known. Google needs none.
	// Microsoft takes a tenant instead.
	Issuer string
	// Tenant is the id of a Microsoft tenant, "organizations", "consumers" or
	// "common"; Tenants then lists the tenants whose users may come, empty: any.
	Tenant  string
	Tenants []string

	ClientID string
	// ClientSecret is "" for a public client.
	ClientSecret string
	// AuthMethod is one of the constants above; "": what the provider offers,
	// Basic first.
	AuthMethod string
	// Scopes are asked for; empty: openid, email, profile.
	Scopes []string
	// ACRValues are asked for (acr_values).
	ACRValues []string
	// Algorithms may sign ID tokens; empty: DefaultAlgorithms. Symmetric ones and
	// none are refused.
	Algorithms []string
	// FormPost asks for the answer by POST (response_mode=form_post).
	FormPost bool
	// UserInfo fetches claims from the UserInfo endpoint at every login; otherwise
	// only if the ID token lacks an address that was asked for.
	UserInfo bool
	// AllowPrivate lets the provider be inside the network, and http there.
	AllowPrivate bool
	// Limit bounds each exchange; 0: Limit.
	Limit time.Duration
	Now   func() time.Time
}

// GoogleIssuer is the issuer of Google accounts.
const GoogleIssuer = "https://accounts.google.com"

// DefaultAlgorithms sign ID tokens if nothing else is set.
func DefaultAlgorithms() []string {
	return []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA, oidc.RS384, oidc.RS512, oidc.PS384, oidc.PS512, oidc.ES384, oidc.ES512}
}

// OIDCProvider is an OpenID Connect provider elsewhere.
type OIDCProvider struct {
	cfg    OIDCConfig
	rules  outgoing.Rules
	client *http.Client

	mu    sync.Mutex // guards known
	known *metadata
}

var (
	_ Upstream = (*OIDCProvider)(nil)
	_ Prober   = (*OIDCProvider)(nil)
)

// NewOIDC checks the configuration. It fetches nothing: a provider that is down
// does not keep us from starting.
func NewOIDC(cfg OIDCConfig) (*OIDCProvider, error) {
	if cfg.Kind == "" {
		cfg.Kind = OIDC
	}
	switch cfg.Kind {
	case Google:
		if cfg.Issuer == "" {
			cfg.Issuer = GoogleIssuer
		}
	case Microsoft:
		if err := microsoft(&cfg); err != nil {
			return nil, err
		}
	case OIDC:
	default:
		return nil, fmt.Errorf("a provider of type %s is not OpenID Connect", cfg.Kind)
	}
	if cfg.ClientID == "" || cfg.Now == nil {
		return nil, errors.New("client id and clock are required")
	}
	if cfg.Limit == 0 {
		cfg.Limit = Limit
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{oidc.ScopeOpenID, "email", "profile"}
	}
	if !slices.Contains(cfg.Scopes, oidc.ScopeOpenID) {
		return nil, errors.New("the scopes must include openid")
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = DefaultAlgorithms()
	}
	for _, alg := range cfg.Algorithms {
		if !slices.Contains(DefaultAlgorithms(), alg) {
			return nil, fmt.Errorf("the algorithm %q is not one of %s", alg, strings.Join(DefaultAlgorithms(), ", "))
		}
	}
	if err := checkAuth(cfg); err != nil {
		return nil, err
	}
	rules := outgoing.Rules{AllowPrivate: cfg.AllowPrivate, Timeout: cfg.Limit, SameHost: true}
	if err := rules.CheckURL(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("issuer: %w", err)
	}
	return &OIDCProvider{cfg: cfg, rules: rules, client: rules.Client()}, nil
}

func checkAuth(cfg OIDCConfig) error {
	switch cfg.AuthMethod {
	case "", AuthBasic, AuthPost, AuthNone:
	default:
		return fmt.Errorf("the authentication %q is not one of %s, %s, %s", cfg.AuthMethod, AuthBasic, AuthPost, AuthNone)
	}
	if secret := cfg.ClientSecret != ""; cfg.AuthMethod != "" && secret == (cfg.AuthMethod == AuthNone) {
		return fmt.Errorf("with the authentication %s a client secret must be given, with %s none", AuthBasic, AuthNone)
	}
	return nil
}

// oidcPrivate is what Finish must know of a request.
type oidcPrivate struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Redirect string `json:"redirect"`
	// Issuer and Client are those asked: settings that changed meanwhile refuse
	// the answer.
	Issuer string `json:"issuer"`
	Client string `json:"client"`
}

// Begin implements Upstream (OpenID Connect Core 1.0 section 3.1.2.1, RFC 7636).
func (p *OIDCProvider) Begin(ctx context.Context, r Request) (Redirect, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Limit)
	defer cancel()
	m, err := p.discover(ctx)
	if err != nil {
		return Redirect{}, nil, err
	}
	private := oidcPrivate{
		Nonce: secret(), Verifier: oauth2.GenerateVerifier(), Redirect: r.CallbackURL, Issuer: p.cfg.Issuer, Client: p.cfg.ClientID,
	}
	sealed, err := json.Marshal(private)
	if err != nil {
		return Redirect{}, nil, fmt.Errorf("encode request to provider: %w", err)
	}
	options := append(p.options(r), oauth2.S256ChallengeOption(private.Verifier), oidc.Nonce(private.Nonce))
	return Redirect{URL: p.oauth(m, r.CallbackURL).AuthCodeURL(r.State, options...)}, sealed, nil
}

func (p *OIDCProvider) options(r Request) []oauth2.AuthCodeOption {
	var out []oauth2.AuthCodeOption
	set := func(name, value string) {
		if value != "" {
			out = append(out, oauth2.SetAuthURLParam(name, value))
		}
	}
	if r.Fresh {
		prompt := "login"
		if p.cfg.Kind == Google { // has no login
			prompt = "select_account"
		}
		set("prompt", prompt)
	}
	if r.MaxAge != nil {
		set("max_age", strconv.FormatInt(int64(*r.MaxAge/time.Second), 10))
	}
	if r.Fresh || r.MaxAge != nil {
		set("claims", `{"id_token":{"auth_time":{"essential":true}}}`)
	}
	if p.cfg.FormPost {
		set("response_mode", "form_post")
	}
	set("acr_values", strings.Join(p.cfg.ACRValues, " "))
	set("login_hint", r.LoginHint)
	set("ui_locales", uiLocales(r.Languages))
	return out
}

// uiLocales turns Accept-Language into ui_locales, without weights.
func uiLocales(accepted string) string {
	var out []string
	for part := range strings.SplitSeq(accepted, ",") {
		tag, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		if tag != "" && tag != "*" && len(out) < 5 {
			out = append(out, tag)
		}
	}
	return strings.Join(out, " ")
}

func (p *OIDCProvider) oauth(m *metadata, redirect string) *oauth2.Config {
	c := &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret, RedirectURL: redirect, Scopes: p.cfg.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: oauth2.AuthStyleInParams},
	}
	basic := p.cfg.AuthMethod == AuthBasic
	if p.cfg.AuthMethod == "" && p.cfg.ClientSecret != "" {
		// Basic is what a provider has that says nothing (Discovery section 3).
		basic = len(m.AuthMethods) == 0 || slices.Contains(m.AuthMethods, AuthBasic)
	}
	if basic {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	return c
}

// Finish implements Upstream.
func (p *OIDCProvider) Finish(ctx context.Context, private []byte, a Answer) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Limit)
	defer cancel()
	var asked oidcPrivate
	if err := json.Unmarshal(private, &asked); err != nil {
		return Identity{}, fmt.Errorf("decode request to provider: %w", err)
	}
	if asked.Issuer != p.cfg.Issuer || asked.Client != p.cfg.ClientID {
		return Identity{}, Refuse(NotAsked, "the settings of the provider have changed since the request", nil)
	}
	m, err := p.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	code, err := p.code(m, a.Params)
	if err != nil {
		return Identity{}, err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.client)
	token, err := p.oauth(m, asked.Redirect).Exchange(ctx, code, oauth2.VerifierOption(asked.Verifier))
	if err != nil {
		return Identity{}, exchangeFault(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Identity{}, Refuse(Malformed, "the token endpoint gave no ID token", nil)
	}
	claims, err := p.verify(ctx, m, raw, asked.Nonce, token.AccessToken)
	if err != nil {
		return Identity{}, err
	}
	if iss := a.Params.Get("iss"); m.template && iss != "" && iss != claims.Issuer {
		return Identity{}, Refuse(WrongIssuer, "iss of the answer is not that of the ID token", nil)
	}
	if err := p.userInfo(ctx, m, token, claims); err != nil {
		return Identity{}, err
	}
	return p.identity(claims)
}

// code checks the parameters of an answer (RFC 6749 section 4.1.2, RFC 9207).
func (p *OIDCProvider) code(m *metadata, params url.Values) (string, error) {
	for _, name := range []string{"code", "state", "iss", "error"} {
		if len(params[name]) > 1 {
			return "", Refuse(Malformed, "the answer has the parameter "+name+" more than once", nil)
		}
	}
	switch iss := params.Get("iss"); {
	case iss == "" && m.SendsIssuer:
		return "", Refuse(WrongIssuer, "the answer lacks iss, which the provider always sends", nil)
	case iss != "" && iss != m.Issuer && !m.template:
		return "", Refuse(WrongIssuer, "iss of the answer is of another provider", nil)
	}
	if code := params.Get("error"); code != "" {
		return "", answeredError(code)
	}
	code := params.Get("code")
	if code == "" {
		return "", Refuse(Malformed, "the answer has neither code nor error", nil)
	}
	return code, nil
}

// answeredError turns an error of the authorization endpoint into a reason (RFC
// 6749 section 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6). Its description
// was written by whoever made the URL, so it is not kept.
func answeredError(code string) error {
	switch code {
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required", "user_cancelled_login":
		return Refuse(Denied, code, nil)
	case "server_error", "temporarily_unavailable":
		return Refuse(Unavailable, code, nil)
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_client":
		return Refuse(Refused, code, nil)
	}
	return Refuse(Refused, "an error that is not in the standard", nil)
}

// exchangeFault turns an error of the token endpoint into a reason. The body of
// the answer is not kept.
func exchangeFault(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		status := 0
		if e.Response != nil {
			status = e.Response.StatusCode
		}
		if status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
			return Refuse(Unavailable, "the token endpoint answered "+strconv.Itoa(status), nil)
		}
		detail := "the token endpoint answered " + strconv.Itoa(status)
		if slices.Contains([]string{"invalid_client", "invalid_grant", "unauthorized_client", "invalid_request", "unsupported_grant_type", "invalid_scope"}, e.ErrorCode) {
			detail += " " + e.ErrorCode
		}
		return Refuse(Refused, detail, nil)
	}
	if _, ok := errors.AsType[*url.Error](err); ok || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, outgoing.ErrTooLarge) {
		return unreachable("token endpoint", err)
	}
	return Refuse(Malformed, "the token endpoint did not answer with a token", nil)
}

// unreachable keeps why, without the URL, which may hold a code.
func unreachable(what string, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return Refuse(Unavailable, "the "+what+" cannot be reached", err)
}

// secret returns 256 random bits in base64url.
func secret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}
