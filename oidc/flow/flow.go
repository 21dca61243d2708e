package flow

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// KeyHeader is the header with the flow key of an app that has no cookies: at
// least 43 characters of the alphabet of base64url, from 256 random bits, made
// anew for every login.
const KeyHeader = "Sallyport-Flow-Key"

// PathBegin is where an app with a flow key begins a login, relative to the
// issuer.
const PathBegin = "/authentication/begin"

// Config is what the flows need. Members without a comment are required.
type Config struct {
	Engine   Engine
	Provider Provider
	// Issuer is the public base URL. URIs are built from it, never from a header.
	Issuer string
	// Key seals places in URIs: 32 random bytes that all nodes share.
	Key []byte
	// Passkeys take passkeys; nil: no login here asks for any.
	Passkeys Passkeys
	// Accounts recover and register accounts; nil: no such flows.
	Accounts Accounts
	// Logger takes what is internal and shown to nobody; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Flows are the logins of first-party applications as JSON. They are safe for
// concurrent use.
type Flows struct {
	cfg      Config
	issuer   string // without a trailing slash
	origin   string // of the issuer
	sealer   sealer
	browsers Browsers
}

// New checks the configuration.
func New(cfg Config) (*Flows, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the one default of the clock
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Engine == nil || cfg.Provider == nil {
		return nil, errors.New("flow: Engine and Provider are required")
	}
	u, err := url.Parse(cfg.Issuer)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("flow: issuer %q is no URL", cfg.Issuer)
	}
	f := &Flows{cfg: cfg, issuer: strings.TrimRight(cfg.Issuer, "/"), origin: strings.ToLower(u.Scheme + "://" + u.Host)}
	if f.sealer, err = newSealer(cfg.Key); err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	return f, nil
}

// Register adds the routes. It is called once, before anything is served.
func (f *Flows) Register(e *echo.Echo, b Browsers) {
	f.browsers = b
	for k, m := range map[kind]map[string]func(*request) error{
		kindLogin:    {http.MethodGet: (*request).show, http.MethodPut: (*request).put},
		kindSecond:   {http.MethodGet: (*request).show, http.MethodPut: (*request).put},
		kindApprove:  {http.MethodGet: (*request).showConsent, http.MethodPut: (*request).putConsent},
		kindFollowUp: {http.MethodGet: (*request).followUp},
		kindUserName: {http.MethodGet: (*request).showAccount, http.MethodPut: (*request).putAccount},
		kindPassword: {http.MethodGet: (*request).showAccount, http.MethodPut: (*request).putAccount},
		kindVerify:   {http.MethodGet: (*request).showAccount, http.MethodPut: (*request).putAccount},
		kindRegister: {http.MethodGet: (*request).showAccount, http.MethodPut: (*request).putAccount},
	} {
		path := pathOf(k) + ":state"
		for method, do := range m {
			e.Add(method, path, f.handle(k, do))
		}
		e.OPTIONS(path, f.handle(k, (*request).preflight))
	}
	e.GET(pathOf(kindContinue)+":state", f.finish)
	e.POST(PathBegin, f.begin)
}

// pathOf is where messages of a kind are, with a trailing slash.
func pathOf(k kind) string {
	switch k {
	case kindFollowUp:
		return "/oauth/authorize/"
	case kindUserName, kindPassword, kindVerify, kindRegister:
		return "/authentication/account/" + string(k) + "/"
	default:
		return "/authentication/" + string(k) + "/"
	}
}

// uri is the URI of a place.
func (f *Flows) uri(k kind, p place) (string, error) {
	sealed, err := f.sealer.seal(k, p)
	if err != nil {
		return "", err
	}
	return f.issuer + strings.ReplaceAll(pathOf(k), " ", "%20") + sealed, nil
}
