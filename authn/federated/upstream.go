package federated

import (
	"context"
	"net/url"
	"time"
)

// Kind is what a provider speaks.
type Kind string

// The kinds.
const (
	OIDC      Kind = "oidc"
	Google    Kind = "google"
	Microsoft Kind = "microsoft"
	Facebook  Kind = "facebook"
	SAML      Kind = "saml"
)

// Kinds returns every kind.
func Kinds() []Kind { return []Kind{OIDC, Google, Microsoft, Facebook, SAML} }

// Upstream is a provider that logs users in for us. It keeps no state between
// Begin and Finish but what it hands to its caller, and is safe for concurrent
// use. Both methods end within [Limit] and return a *Refusal for whatever is the
// provider's or the person's doing.
type Upstream interface {
	// Begin makes a request. private is what Finish needs to know of it (nonce,
	// PKCE verifier, id of an AuthnRequest): the caller seals it beside the state
	// and hands it back once.
	Begin(ctx context.Context, r Request) (to Redirect, private []byte, err error)
	// Finish checks an answer to the request of private and says who it is about.
	// Every check of the protocol is made here, but that the state is one of ours
	// and used once.
	Finish(ctx context.Context, private []byte, a Answer) (Identity, error)
}

// Prober can tell whether a provider answers and is set up, as `sallyport idp
// test` asks. Every line is a finding for the operator, an error the first that
// is wrong.
type Prober interface {
	Probe(ctx context.Context) (findings []string, err error)
}

// Unsolicited is an upstream that may begin a login by itself (SAML 2.0 Profiles
// section 4.1.5). Package authn calls it only for an answer without a state.
type Unsolicited interface {
	// BeginsLogins reports whether the operator lets the provider do so.
	BeginsLogins() bool
	// FinishUnsolicited checks an answer to no request of ours; a *Refusal with
	// NotAsked unless the operator allowed it.
	FinishUnsolicited(ctx context.Context, a Answer) (Identity, error)
}

// Request is what to ask a provider for.
type Request struct {
	// State is 256 random bits in base64url; the answer brings it back as state
	// (RFC 6749 section 4.1.1) or RelayState (SAML 2.0 Bindings section 3.4.3).
	State string
	// CallbackURL is where the answer goes: redirect_uri, or the URL of the
	// assertion consumer service.
	CallbackURL string
	// Fresh asks the person to log in there again, whatever session there is
	// (prompt=login, ForceAuthn).
	Fresh bool
	// MaxAge is how old the login there may be; nil: any. It has whole seconds.
	MaxAge *time.Duration
	// LoginHint is who to ask for, "" for anyone.
	LoginHint string
	// Languages are those of the person, as in Accept-Language.
	Languages string
}

// Redirect is where a browser goes next: to URL by GET, or, if Form is not nil,
// with Form as the body of a POST.
type Redirect struct {
	URL  string
	Form url.Values
}

// Answer is what a browser brought back from a provider.
type Answer struct {
	// Provider is the id in the configuration, from the path of the call-back.
	Provider string `json:"provider"`
	// State is state or RelayState, "" if there was none.
	State string `json:"state"`
	// Params are the parameters, of the query or of the body that was posted.
	Params url.Values `json:"params"`
	// Posted tells that Params came in the body of a POST.
	Posted bool `json:"posted"`
	// URL is our address that received it, as it is registered at the provider.
	URL string `json:"url"`
}

// Identity is who somebody is at a provider, by an answer that was checked.
// What it says of addresses and of how the person logged in is only the word of
// the provider: the settings say whether it counts.
type Identity struct {
	// Issuer and Subject name the account for good; neither is ever empty.
	Issuer, Subject string
	// AuthTime is when the person logged in there; zero: it is not said.
	AuthTime time.Time
	// ACR and AMR are how, by the words of the provider.
	ACR string
	AMR []string
	// Email is an address, and EmailVerified what the provider says of it.
	Email         string
	EmailVerified bool
	// Name is for people: what the account is called there.
	Name string
	// Attributes are all claims or attributes as text, for accounts made of them:
	// members of objects by a dotted name, lists as several values.
	Attributes map[string][]string
}
