package web

import (
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/locale"
)

// minKeyLength is the shortest key of form tokens, in bytes.
const minKeyLength = 32

// Config is what the pages need. Members without a comment are required.
type Config struct {
	Engine   Engine
	Provider Provider
	// Flows are the logins on pages of applications; nil: none.
	Flows Flows
	// Passwords are the rules of new passwords, for the meter; nil: no meter.
	Passwords Passwords
	// Recovery runs recovery, registration and invitations; nil: none.
	Recovery Recovery
	// Providers are those elsewhere; nil: none.
	Providers federated.Directory
	// Issuer is the public base URL. Links and redirects to ourselves are built
	// from its path, never from the Host header.
	Issuer string
	// PublicURLs are further base URLs under which browsers may come; any other
	// host is answered 421.
	PublicURLs []string
	// Account sets up the pages of the own account; nil: there are none.
	Account *Account
	// Key makes form tokens: 32 random bytes that all nodes share.
	Key []byte
	// Branding is how the pages look; the zero value is ours.
	Branding Branding
	// Headers returns the headers of a request that a trusted proxy has set, by
	// canonical name, for conditions of ACRs; nil: none.
	Headers func(*http.Request) map[string]string
	// Logger takes what is internal and shown to nobody; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Web serves the pages. It is safe for concurrent use.
type Web struct {
	cfg    Config
	base   string // path of the issuer, without a trailing slash
	jar    jar
	key    formKey
	hosts  hosts
	cross  *http.CrossOriginProtection
	texts  *locale.Catalog
	pages  map[page]*template.Template
	assets *assets
	look   look
}

// New checks the configuration and prepares the pages.
func New(cfg Config) (*Web, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the one default of the clock
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Headers == nil {
		cfg.Headers = func(*http.Request) map[string]string { return nil }
	}
	issuer, err := url.Parse(cfg.Issuer)
	if err != nil || issuer.Host == "" {
		return nil, fmt.Errorf("web: issuer %q is no URL", cfg.Issuer)
	}
	if cfg.Engine == nil || cfg.Provider == nil || len(cfg.Key) < minKeyLength {
		return nil, errors.New("web: Engine, Provider and a Key of 32 bytes are required")
	}
	w := &Web{
		cfg: cfg, base: strings.TrimRight(issuer.Path, "/"), key: formKey(cfg.Key),
		jar: jar{secure: issuer.Scheme == "https"}, cross: http.NewCrossOriginProtection(),
	}
	if w.hosts, err = newHosts(append([]string{cfg.Issuer}, cfg.PublicURLs...)); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if w.texts, err = Texts(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if w.assets, err = newAssets(w.base); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if w.look, err = newLook(cfg.Branding, w.assets); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	if w.pages, err = parsePages(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return w, nil
}

// Register adds the routes. Those at which other sites may post read no cookie
// there: they keep the form and answer with a GET of ours.
func (w *Web) Register(e *echo.Echo) {
	e.GET("/oauth/authorize", w.handle(w.authorize))
	e.POST("/oauth/authorize", w.handleForeign(w.holdTo("/oauth/authorize/held/")))
	e.GET("/oauth/authorize/held/:handle", w.handle(w.authorizeHeld))
	e.GET("/oauth/logout", w.handle(w.logout))
	e.POST("/oauth/logout", w.handleForeign(w.holdTo("/oauth/logout/held/")))
	e.GET("/oauth/logout/held/:handle", w.handle(w.logoutHeld))
	e.POST("/oauth/logout/confirm", w.handle(w.confirmLogout))
	e.GET("/login/:txn", w.handle(w.show))
	e.POST("/login/:txn/:action", w.handle(w.act))
	w.registerPasskeys(e)
	w.registerAccounts(e)
	w.registerMeter(e)
	w.registerFederation(e)
	w.registerSAML(e)
	e.GET("/device", w.handle(w.device))
	e.POST("/device", w.handle(w.deviceCode))
	w.account(e)
	e.GET(assetPrefix+":name", w.assets.serve)
	e.HEAD(assetPrefix+":name", w.assets.serve)
}

// at returns the path of a route of ours under the issuer.
func (w *Web) at(path string) string { return w.base + path }

// loginPath is the dispatcher of a transaction.
func (w *Web) loginPath(txn string) string { return w.at("/login/" + url.PathEscape(txn)) }
