package demo

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ClientID is the id under which the demo application is registered. It is a
// public client: it keeps no secret.
const ClientID = "demo"

// Paths of the application that are registered with its client.
const (
	CallbackPath = "/callback"
	HomePath     = "/"
)

// Scopes are what the application asks for.
func Scopes() []string { return []string{oidc.ScopeOpenID, "profile", "email"} }

// The pages are small, so that one template holds them all.
//
//go:embed page.html style.css
var files embed.FS

// fetchTimeout bounds what the application asks of the server.
const fetchTimeout = 10 * time.Second

// Config is what the application needs. Issuer and Base are required.
type Config struct {
	// Issuer is the OpenID provider; Base is where browsers reach the
	// application. Neither ends in a slash.
	Issuer, Base string
	Logger       *slog.Logger     // nil: discards
	Now          func() time.Time // nil: the system's clock
}

// App is the application: an http.Handler.
type App struct {
	cfg      Config
	mux      *http.ServeMux
	page     *template.Template
	client   *http.Client
	sessions *sessions

	mu       sync.Mutex
	provider *oidc.Provider // nil until it was discovered
}

// New makes the application. The provider is asked for its metadata at the
// first login, since it may not answer yet.
func New(cfg Config) (*App, error) {
	if cfg.Issuer == "" || cfg.Base == "" {
		return nil, errors.New("demo: Issuer and Base are required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	page, err := template.ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("demo: parse page: %w", err)
	}
	a := &App{
		cfg: cfg, mux: http.NewServeMux(), page: page, client: &http.Client{Timeout: fetchTimeout},
		sessions: newSessions(cfg.Now),
	}
	a.mux.HandleFunc("GET /{$}", a.home)
	a.mux.HandleFunc("POST /login", a.login)
	a.mux.HandleFunc("POST /transfer", a.transfer)
	a.mux.HandleFunc("POST /logout", a.logout)
	a.mux.HandleFunc("GET "+CallbackPath, a.callback)
	a.mux.HandleFunc("GET /style.css", style)
	return a, nil
}

// ServeHTTP implements http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// A login begins with a form, and browsers hold its redirect to the provider
	// against form-action.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self' "+a.cfg.Issuer+
		"; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	http.NewCrossOriginProtection().Handler(a.mux).ServeHTTP(w, r)
}

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=600")
	http.ServeFileFS(w, r, files, "style.css")
}

// discovered returns the provider, asked for its metadata once.
func (a *App) discovered(ctx context.Context) (*oidc.Provider, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.provider != nil {
		return a.provider, nil
	}
	// The provider keeps the context for later fetches of keys.
	p, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), a.client), a.cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", a.cfg.Issuer, err)
	}
	a.provider = p
	return p, nil
}

func (a *App) oauth(p *oidc.Provider) oauth2.Config {
	endpoint := p.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client sends its client_id in the body
	return oauth2.Config{
		ClientID: ClientID, Endpoint: endpoint, RedirectURL: a.cfg.Base + CallbackPath, Scopes: Scopes(),
	}
}

// login sends the browser to the provider.
func (a *App) login(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("factor") == "mfa" {
		a.begin(w, r, pending{Wanted: "MFA"}, oauth2.SetAuthURLParam("acr_values", "MFA"))
		return
	}
	a.begin(w, r, pending{})
}

// transferAge is how old the proofs of a transfer may be.
const transferAge = time.Minute

// transfer asks for both factors, shown within the last minute.
func (a *App) transfer(w http.ResponseWriter, r *http.Request) {
	a.begin(w, r, pending{Wanted: "MFA", Transfer: true},
		oauth2.SetAuthURLParam("acr_values", "MFA"),
		oauth2.SetAuthURLParam("max_age", fmt.Sprint(int(transferAge.Seconds()))))
}

func (a *App) begin(w http.ResponseWriter, r *http.Request, p pending, options ...oauth2.AuthCodeOption) {
	provider, err := a.discovered(r.Context())
	if err != nil {
		a.cfg.Logger.ErrorContext(r.Context(), "demo: provider does not answer", "error", err)
		a.show(w, http.StatusBadGateway, view{Problem: &problem{
			Title: "The server does not answer.", Text: "Its discovery document could not be read. Is it running?",
		}})
		return
	}
	p.State, p.Nonce, p.Verifier = rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	id := a.sessions.begin(sessionOf(r), p)
	setSession(w, id)
	options = append(options, oidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier))
	config := a.oauth(provider)
	http.Redirect(w, r, config.AuthCodeURL(p.State, options...), http.StatusSeeOther)
}
