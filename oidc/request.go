package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn"
)

// request is an authorization request that has passed every check: what a
// login transaction remembers of it.
type request struct {
	ClientID    string `json:"client_id"`
	RedirectURI string `json:"redirect_uri,omitempty"`
	// FormPost answers by form_post instead of in the query.
	FormPost      bool            `json:"form_post,omitempty"`
	State         string          `json:"state,omitempty"`
	Scopes        []string        `json:"scopes,omitempty"` // known, and allowed to the client
	Resources     []string        `json:"resources,omitempty"`
	Nonce         string          `json:"nonce,omitempty"`
	CodeChallenge string          `json:"code_challenge,omitempty"`
	Prompt        prompt          `json:"prompt,omitzero"`
	MaxAge        *int64          `json:"max_age,omitempty"` // seconds
	ACRValues     []string        `json:"acr_values,omitempty"`
	Claims        json.RawMessage `json:"claims,omitempty"`
	// ClaimScopes are scopes that are not asked for, but claims of theirs are.
	ClaimScopes []string `json:"claim_scopes,omitempty"`
	// Essential are the values of an essential claims.id_token.acr.
	Essential []string `json:"essential,omitempty"`
	// Subject is who the answer must be about; "": anyone.
	Subject       string `json:"subject,omitempty"`
	KeyThumbprint string `json:"dpop_jkt,omitempty"`
	PushedID      string `json:"pushed,omitempty"`
	// DeviceHash is the hash of the device code of a transaction of a device.
	DeviceHash []byte `json:"device,omitempty"`

	loginHint, languages string // only for the beginning
}

// prompt is the parameter of that name (OpenID Connect Core 1.0 section
// 3.1.2.1).
type prompt struct {
	None    bool `json:"none,omitempty"`
	Login   bool `json:"login,omitempty"`
	Consent bool `json:"consent,omitempty"`
	Select  bool `json:"select_account,omitempty"`
}

// inQuestion are all scopes that the person must agree to.
func (r request) inQuestion() []string { return slices.Concat(r.Scopes, r.ClaimScopes) }

// requestOf reads what a transaction remembers.
func requestOf(t authn.Txn) (request, error) {
	var r request
	if err := json.Unmarshal(t.Request, &r); err != nil {
		return request{}, fmt.Errorf("read request of transaction %s: %w", t.ID, err)
	}
	return r, nil
}

// Limits of single parameters, in bytes.
const (
	maxHint     = 256
	maxListed   = 50 // entries of scope, acr_values, resource
	maxAgeLimit = math.MaxInt32
)

// validate checks the parameters of a request of a client whose redirect URI is
// certain. The first fault decides; all are told by redirect.
func (p *Provider) validate(ctx context.Context, c Client, q params, r *request) error {
	for _, check := range []func(context.Context, Client, params, *request) error{
		p.checkFlow, p.checkPKCE, p.checkPrompt, p.checkMaxAge, p.checkScopes,
		p.checkClaims, p.checkHint, p.checkNonce,
	} {
		if err := check(ctx, c, q, r); err != nil {
			return err
		}
	}
	return nil
}

// checkFlow holds the request to the code flow (RFC 6749 section 3.1.1, OAuth
// 2.0 Multiple Response Types section 2.1).
func (p *Provider) checkFlow(_ context.Context, c Client, q params, _ *request) error {
	switch {
	case q["response_type"] == "":
		return &Error{Code: InvalidRequest, Description: "response_type is missing."}
	case q["response_type"] != "code":
		return &Error{Code: UnsupportedResponseType, Description: "Only response_type code is supported."}
	case q["response_mode"] != "" && q["response_mode"] != "query" && q["response_mode"] != "form_post":
		return &Error{Code: InvalidRequest, Description: "Only response_mode query and form_post are supported."}
	case !slices.Contains(c.GrantTypes, GrantCode):
		return &Error{Code: UnauthorizedClient, Description: "The client may not use the authorization code flow."}
	case q["registration"] != "":
		return &Error{Code: RegistrationUnsupported, Description: "The registration parameter is not supported."}
	}
	return nil
}

// checkPKCE takes S256 alone (RFC 7636 sections 4.2 to 4.4): a method that is
// left out means plain, and plain is never accepted.
func (p *Provider) checkPKCE(_ context.Context, c Client, q params, r *request) error {
	challenge, method := q["code_challenge"], q["code_challenge_method"]
	if challenge == "" {
		if c.Public() || c.RequirePKCE || p.cfg.Policy.RequirePKCE {
			return &Error{Code: InvalidRequest, Description: "PKCE is required: send code_challenge with method S256."}
		}
		if method != "" {
			return &Error{Code: InvalidRequest, Description: "code_challenge_method was sent without code_challenge."}
		}
		return nil
	}
	if method != "S256" {
		return &Error{Code: InvalidRequest, Description: "code_challenge_method must be S256."}
	}
	if !isVerifier(challenge) {
		return &Error{Code: InvalidRequest, Description: "code_challenge must have 43 to 128 unreserved characters."}
	}
	r.CodeChallenge = challenge
	return nil
}

// isVerifier reports the form of code_challenge and code_verifier.
func isVerifier(s string) bool {
	if len(s) < 43 || len(s) > 128 {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-._~", c)
	})
}

func (p *Provider) checkPrompt(_ context.Context, _ Client, q params, r *request) error {
	words := q.list("prompt")
	for _, word := range words {
		switch word {
		case "none":
			r.Prompt.None = true
		case "login":
			r.Prompt.Login = true
		case "consent":
			r.Prompt.Consent = true
		case "select_account":
			r.Prompt.Select = true
		default:
			return &Error{Code: InvalidRequest, Description: "prompt has an unknown value."}
		}
	}
	if r.Prompt.None && len(words) > 1 {
		return &Error{Code: InvalidRequest, Description: "prompt none cannot be combined with other values."}
	}
	return nil
}

// checkMaxAge takes a whole number of seconds, 0 included.
func (p *Provider) checkMaxAge(_ context.Context, _ Client, q params, r *request) error {
	text := q["max_age"]
	if text == "" {
		return nil
	}
	var n int64
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return &Error{Code: InvalidRequest, Description: "max_age must be a number of seconds, 0 or more."}
		}
		n = min(n*10+int64(digit-'0'), maxAgeLimit)
	}
	r.MaxAge = &n
	return nil
}

func (p *Provider) checkScopes(ctx context.Context, c Client, q params, r *request) error {
	asked, resources := q.list("scope"), q.resources()
	r.ACRValues = q.list("acr_values")
	if len(asked) > maxListed || len(resources) > maxListed || len(r.ACRValues) > maxListed {
		return &Error{Code: InvalidRequest, Description: "scope, acr_values or resource has too many values."}
	}
	known, err := p.catalogue(ctx, asked)
	if err != nil {
		return err
	}
	allowed := userScopes(c, asked, known)
	if err := checkResources(resources, allowed, known); err != nil {
		return err
	}
	r.Resources = resources
	r.Scopes = withinAudience(allowed, known, resources)
	if len(asked) > 0 && len(r.Scopes) == 0 {
		return &Error{Code: InvalidScope, Description: "The client may have none of the requested scopes."}
	}
	return nil
}

// checkClaims reads the claims parameter (OpenID Connect Core 1.0 section 5.5).
func (p *Provider) checkClaims(_ context.Context, client Client, q params, r *request) error {
	if q["claims"] == "" {
		return nil
	}
	c, err := parseClaimsParam(q["claims"])
	if err != nil {
		return err
	}
	r.Claims = json.RawMessage(q["claims"])
	r.ClaimScopes = p.claimScopes(client, c, r.Scopes)
	wanted, err := c.IDToken["acr"].texts()
	if err != nil {
		return err
	}
	switch acr := c.IDToken["acr"]; {
	case acr == nil || len(wanted) == 0:
	case acr.Essential:
		r.Essential = wanted
	case len(r.ACRValues) == 0:
		// Section 5.5.1.1: asked for without essential it is as voluntary as
		// acr_values.
		r.ACRValues = wanted
	}
	for _, asked := range []*claimAsked{c.IDToken["sub"], c.UserInfo["sub"]} {
		subject, err := asked.texts()
		if err != nil {
			return err
		}
		if len(subject) > 0 {
			if r.Subject, err = oneSubject(r.Subject, subject[0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// oneSubject joins two statements of who the answer must be about.
func oneSubject(a, b string) (string, error) {
	if a != "" && a != b {
		return "", &Error{Code: InvalidRequest, Description: "The request names two different users."}
	}
	return b, nil
}

// checkHint takes an ID token of ours as a hint, an expired one too (OpenID
// Connect Core 1.0 section 3.1.2.1). It is no login.
func (p *Provider) checkHint(ctx context.Context, _ Client, q params, r *request) error {
	if q["id_token_hint"] == "" {
		return nil
	}
	hint, err := p.verifyIDTokenHint(ctx, q["id_token_hint"])
	if errors.Is(err, errHint) {
		return (&Error{Code: InvalidRequest, Description: "id_token_hint is not an ID token of this server."}).Because(err)
	}
	if err != nil {
		return err
	}
	r.Subject, err = oneSubject(r.Subject, hint.Subject)
	return err
}

func (p *Provider) checkNonce(_ context.Context, _ Client, q params, r *request) error {
	r.Nonce = q["nonce"]
	if len(q["login_hint"]) <= maxHint {
		r.loginHint = q["login_hint"]
	}
	r.languages = acceptLanguage(q.list("ui_locales"))
	if key := q["dpop_jkt"]; key != "" {
		// RFC 9449 section 10: a SHA-256 thumbprint.
		if len(key) != 43 || !isVerifier(key) {
			return &Error{Code: InvalidRequest, Description: "dpop_jkt is not a thumbprint."}
		}
		if r.KeyThumbprint != "" && r.KeyThumbprint != key {
			return &Error{Code: InvalidRequest, Description: "dpop_jkt is not the key of the DPoP proof."}
		}
		r.KeyThumbprint = key
	}
	return nil
}

// acceptLanguage writes ui_locales as an Accept-Language: what is not a tag is
// ignored, for ui_locales never causes an error (OpenID Connect Core 1.0
// section 15.1).
func acceptLanguage(tags []string) string {
	tags = slices.DeleteFunc(tags, func(tag string) bool {
		return len(tag) > 35 || strings.ContainsFunc(tag, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-'
		})
	})
	return strings.Join(tags[:min(len(tags), 10)], ", ")
}

// seconds is a number of seconds as a duration.
func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// formAction is the source that a page's form-action must allow for answers to
// a redirect URI (Content Security Policy Level 3).
func formAction(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil || u.Scheme == "":
		return ""
	case u.Scheme != "http" && u.Scheme != "https":
		return u.Scheme + ":"
	case strings.HasPrefix(u.Host, "["):
		return u.Scheme + ":" // there is no host-source for an IPv6 address
	default:
		return u.Scheme + "://" + u.Host
	}
}
