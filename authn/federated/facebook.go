package federated

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/sallyport-id/sallyport/authn/outgoing"
)

// Addresses of Facebook (Manual login flow; Graph API, "Secure requests").
const (
	// FacebookIssuer stands for the issuer in links: OAuth 2.0 has none.
	FacebookIssuer = "https://www.facebook.com"
	// FacebookGraph is the Graph API.
	FacebookGraph = "https://graph.facebook.com"
	// FacebookVersion is the version of the Graph API that is asked if nothing
	// else is set.
	FacebookVersion = "v23.0"
)

// FacebookConfig is what NewFacebook needs. Both of ClientID and ClientSecret,
// and Now, are required.
type FacebookConfig struct {
	ClientID, ClientSecret string
	// Version of the Graph API, "v23.0"; "": FacebookVersion.
	Version string
	// Scopes are asked for; empty: public_profile, email.
	Scopes []string
	// Dialog and Graph are base URLs, "" for those of Facebook.
	Dialog, Graph string
	AllowPrivate  bool
	// Limit bounds each exchange; 0: Limit.
	Limit time.Duration
	Now   func() time.Time
}

// FacebookProvider is Facebook: OAuth 2.0 with the Graph API. No ID token is
// trusted; who somebody is, the Graph API says over TLS, to a request that only
// our application can prove (appsecret_proof). An address counts as unverified.
type FacebookProvider struct {
	cfg    FacebookConfig
	client *http.Client
}

var (
	_ Upstream = (*FacebookProvider)(nil)
	_ Prober   = (*FacebookProvider)(nil)
)

var graphVersion = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)

// NewFacebook checks the configuration.
func NewFacebook(cfg FacebookConfig) (*FacebookProvider, error) {
	if cfg.ClientID == "" || cfg.ClientSecret == "" || cfg.Now == nil {
		return nil, errors.New("client id, client secret and clock are required")
	}
	if strings.Trim(cfg.ClientID, "0123456789") != "" {
		return nil, fmt.Errorf("the client id %q is not the number of an application of Facebook", cfg.ClientID)
	}
	if cfg.Version == "" {
		cfg.Version = FacebookVersion
	}
	if !graphVersion.MatchString(cfg.Version) {
		return nil, fmt.Errorf("the version %q of the Graph API is not like %s", cfg.Version, FacebookVersion)
	}
	if len(cfg.Scopes) == 0 {
		cfg.Scopes = []string{"public_profile", "email"}
	}
	if cfg.Dialog == "" {
		cfg.Dialog = FacebookIssuer
	}
	if cfg.Graph == "" {
		cfg.Graph = FacebookGraph
	}
	if cfg.Limit == 0 {
		cfg.Limit = Limit
	}
	rules := outgoing.Rules{AllowPrivate: cfg.AllowPrivate, Timeout: cfg.Limit}
	for _, u := range []string{cfg.Dialog, cfg.Graph} {
		if err := rules.CheckURL(u); err != nil {
			return nil, err
		}
	}
	return &FacebookProvider{cfg: cfg, client: rules.Client()}, nil
}

func (f *FacebookProvider) graph(path string) string { return f.cfg.Graph + "/" + f.cfg.Version + path }

func (f *FacebookProvider) oauth(redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: f.cfg.ClientID, ClientSecret: f.cfg.ClientSecret, RedirectURL: redirect,
		Endpoint: oauth2.Endpoint{
			AuthURL: f.cfg.Dialog + "/" + f.cfg.Version + "/dialog/oauth", TokenURL: f.graph("/oauth/access_token"),
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// facebookPrivate is what Finish must know of a request.
type facebookPrivate struct {
	Verifier string `json:"verifier"`
	Redirect string `json:"redirect"`
	Client   string `json:"client"`
}

// Begin implements Upstream. Scopes are separated by commas there.
func (f *FacebookProvider) Begin(_ context.Context, r Request) (Redirect, []byte, error) {
	private := facebookPrivate{Verifier: oauth2.GenerateVerifier(), Redirect: r.CallbackURL, Client: f.cfg.ClientID}
	sealed, err := json.Marshal(private)
	if err != nil {
		return Redirect{}, nil, fmt.Errorf("encode request to provider: %w", err)
	}
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(private.Verifier), oauth2.SetAuthURLParam("scope", strings.Join(f.cfg.Scopes, ",")),
	}
	if r.Fresh {
		options = append(options, oauth2.SetAuthURLParam("auth_type", "reauthenticate"))
	}
	return Redirect{URL: f.oauth(r.CallbackURL).AuthCodeURL(r.State, options...)}, sealed, nil
}

// Finish implements Upstream.
func (f *FacebookProvider) Finish(ctx context.Context, private []byte, a Answer) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Limit)
	defer cancel()
	var asked facebookPrivate
	if err := json.Unmarshal(private, &asked); err != nil {
		return Identity{}, fmt.Errorf("decode request to provider: %w", err)
	}
	if asked.Client != f.cfg.ClientID {
		return Identity{}, Refuse(NotAsked, "the settings of the provider have changed since the request", nil)
	}
	for _, name := range []string{"code", "state", "error"} {
		if len(a.Params[name]) > 1 {
			return Identity{}, Refuse(Malformed, "the answer has the parameter "+name+" more than once", nil)
		}
	}
	if code := a.Params.Get("error"); code != "" {
		return Identity{}, answeredError(code)
	}
	if a.Params.Get("code") == "" {
		return Identity{}, Refuse(Malformed, "the answer has neither code nor error", nil)
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, f.client)
	token, err := f.oauth(asked.Redirect).Exchange(ctx, a.Params.Get("code"), oauth2.VerifierOption(asked.Verifier))
	if err != nil {
		return Identity{}, exchangeFault(err)
	}
	return f.profile(ctx, token.AccessToken)
}

// profile asks the Graph API who a token is of. The proof binds it to our
// application: with a token of another one the Graph API refuses it.
func (f *FacebookProvider) profile(ctx context.Context, token string) (Identity, error) {
	mac := hmac.New(sha256.New, []byte(f.cfg.ClientSecret))
	mac.Write([]byte(token))
	fields := []string{"id", "name", "first_name", "last_name"}
	if slices.Contains(f.cfg.Scopes, "email") {
		fields = append(fields, "email")
	}
	query := url.Values{"fields": {strings.Join(fields, ",")}, "appsecret_proof": {hex.EncodeToString(mac.Sum(nil))}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.graph("/me")+"?"+query.Encode(), http.NoBody)
	if err != nil {
		return Identity{}, fmt.Errorf("make request for profile: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	var all map[string]any
	if err := fetchJSON(f.client, req, "Graph API", &all); err != nil {
		return Identity{}, err
	}
	subject, _ := all["id"].(string)
	if subject == "" || strings.Trim(subject, "0123456789") != "" || len(subject) > longestID {
		return Identity{}, Refuse(NoSubject, "the Graph API gave no id", nil)
	}
	id := Identity{Issuer: FacebookIssuer, Subject: subject, Attributes: flatten(all)}
	id.Email, _ = all["email"].(string)
	id.Name, _ = all["name"].(string)
	id.Name = cut(id.Name)
	if id.Name == "" {
		id.Name = subject
	}
	return id, nil
}
