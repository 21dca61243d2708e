package saml

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// Bounds of times.
const (
	// DefaultSkew is how far the clocks may be apart.
	DefaultSkew = time.Minute
	// MaxSkew is the largest clock skew that may be configured.
	MaxSkew = 3 * time.Minute
	// IssueDelay is how old an answer may be when it arrives.
	IssueDelay = 90 * time.Second
)

// Binding is how an AuthnRequest gets to the identity provider.
type Binding string

// The bindings of requests (SAML 2.0 Bindings sections 3.4 and 3.5).
const (
	// ByRedirect puts it into the query of a URL, with a signature beside it.
	ByRedirect Binding = "redirect"
	// ByPost puts it into a form, with a signature inside.
	ByPost Binding = "post"
)

// Config is one identity provider and how we are known to it.
type Config struct {
	// EntityID is ours, ACS the URL of our assertion consumer service.
	EntityID, ACS string
	// Key signs our requests and opens what is encrypted for us.
	Key Key
	// IDP is who the identity provider is.
	IDP IDP
	// Binding is how requests go there; "": as the provider offers, redirect first.
	Binding Binding
	// SubjectAttribute is the Name of the attribute that says who somebody is, for
	// good; "": the persistent NameID.
	SubjectAttribute string
	// EmailAttribute and NameAttribute are Names of attributes; "": the usual ones.
	EmailAttribute, NameAttribute string
	// AuthnContexts are the classes to ask for, one of them exactly; empty: any.
	AuthnContexts []string
	// WantEncrypted refuses an assertion in clear text.
	WantEncrypted bool
	// AllowUnsolicited takes assertions that answer no request of ours.
	AllowUnsolicited bool
	// Skew is how far the clocks may be apart, at most MaxSkew.
	Skew time.Duration
	// Client fetches metadata. It is the caller's to limit where it goes.
	Client *http.Client
	// Replays remembers assertions.
	Replays federated.ReplayStore
	Now     func() time.Time
}

// Provider logs people in at a SAML identity provider. It is safe for concurrent
// use.
type Provider struct {
	cfg Config
	idp *source
}

var (
	_ federated.Upstream    = (*Provider)(nil)
	_ federated.Unsolicited = (*Provider)(nil)
	_ federated.Prober      = (*Provider)(nil)
)

// New returns a provider. Metadata that are given as a document are read now,
// those at a URL when they are needed.
func New(cfg Config) (*Provider, error) {
	switch {
	case cfg.EntityID == "" || cfg.ACS == "":
		return nil, errors.New("saml: no entity id or URL of our own")
	case cfg.Key.private == nil:
		return nil, errors.New("saml: no key")
	case cfg.Replays == nil || cfg.Now == nil:
		return nil, errors.New("saml: no replay store or clock")
	case cfg.Skew < 0 || cfg.Skew > MaxSkew:
		return nil, fmt.Errorf("saml: clock skew %v is not between 0 and %v", cfg.Skew, MaxSkew)
	case cfg.Binding != "" && cfg.Binding != ByRedirect && cfg.Binding != ByPost:
		return nil, fmt.Errorf("saml: %q is no binding", cfg.Binding)
	}
	idp, err := newSource(cfg)
	if err != nil {
		return nil, fmt.Errorf("saml: %w", err)
	}
	return &Provider{cfg: cfg, idp: idp}, nil
}
