package oidc

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Presented is an access token as a request has it.
type Presented struct {
	Scheme string // Bearer or DPoP, in any case
	Token  string
	Method string
	URL    string   // of the resource, as the client knows it; without query
	Proofs []string // every value of the DPoP header
	// Audience is for whom the token must be; "": this server.
	Audience string
}

// AccessInfo is what a valid access token says.
type AccessInfo struct {
	Grant     Grant
	Scopes    []string
	Audience  []string
	ExpiresAt time.Time
	// ACR, AMR and AuthTime describe the login, as the token has them.
	ACR      string
	AMR      []string
	AuthTime time.Time
}

// Has reports whether the token has a scope.
func (a AccessInfo) Has(scope string) bool { return slices.Contains(a.Scopes, scope) }

// AccessToken judges an access token wherever one is presented: format,
// signature, type, audience, expiry, its grant (revocation, client, user and
// session count at once) and its DPoP binding, a bound token as Bearer refused
// (RFC 9449 section 7.2). What the client may be told is an *Error with status
// and WWW-Authenticate (RFC 6750 section 3).
func (p *Provider) AccessToken(ctx context.Context, r Presented) (AccessInfo, error) {
	scheme, known := knownScheme(r.Scheme)
	if !known || r.Token == "" {
		return AccessInfo{}, NoToken()
	}
	t, err := p.readAccess(ctx, r.Token)
	if errors.Is(err, errAccessToken) {
		return AccessInfo{}, tokenError(scheme, InvalidToken, "The access token is expired, revoked or otherwise invalid")
	}
	if err != nil {
		return AccessInfo{}, err
	}
	wanted := r.Audience
	if wanted == "" {
		wanted = p.cfg.Issuer
	}
	if !slices.Contains(t.Audience, wanted) {
		return AccessInfo{}, tokenError(scheme, InvalidToken, "The access token is for another audience")
	}
	if err := p.checkBinding(ctx, scheme, t, r); err != nil {
		return AccessInfo{}, err
	}
	return AccessInfo{
		Grant: t.Grant, Scopes: t.Scopes, Audience: t.Audience, ExpiresAt: t.ExpiresAt,
		ACR: t.ACR, AMR: t.AMR, AuthTime: t.AuthTime,
	}, nil
}

// checkBinding demands the proof of a bound token, and refuses to call another
// token bound.
func (p *Provider) checkBinding(ctx context.Context, scheme string, t accessToken, r Presented) error {
	switch {
	case t.Thumbprint == "" && scheme == schemeBearer:
		return nil
	case t.Thumbprint == "":
		return tokenError(scheme, InvalidToken, "The access token is not bound to a key: present it as Bearer")
	case scheme == schemeBearer:
		return tokenError(schemeDPoP, InvalidToken, "The access token is bound to a key: present it as DPoP with a proof")
	case len(r.Proofs) == 0:
		return tokenError(scheme, InvalidDPoPProof, "The DPoP proof is missing")
	}
	_, err := p.verifyDPoP(ctx, dpopCheck{
		Proofs: r.Proofs, Method: r.Method, URL: r.URL, AccessToken: r.Token, Thumbprint: t.Thumbprint,
	})
	if errors.Is(err, errOtherKey) {
		return tokenError(scheme, InvalidToken, "The access token is bound to another key")
	}
	if refusal, ok := errors.AsType[*Error](err); ok {
		return tokenError(scheme, refusal.Code, refusal.Description).Because(err)
	}
	return err
}

// knownScheme is the scheme in its proper case.
func knownScheme(scheme string) (string, bool) {
	for _, known := range []string{schemeBearer, schemeDPoP} {
		if strings.EqualFold(scheme, known) {
			return known, true
		}
	}
	return "", false
}

// NoToken refuses a request without credentials: the challenge names no error
// (RFC 6750 section 3.1).
func NoToken() *Error {
	return &Error{
		Code: InvalidToken, Status: http.StatusUnauthorized, Description: "An access token is required",
		Header: map[string]string{"WWW-Authenticate": schemeBearer + ", " + dpopChallenge()},
	}
}

// dpopChallenge is the challenge of RFC 9449 section 7.1.
func dpopChallenge() string {
	return schemeDPoP + ` algs="` + strings.Join(signingAlgNames(), " ") + `"`
}

// tokenError refuses an access token with a challenge of the scheme.
func tokenError(scheme string, code Code, description string) *Error {
	challenge := schemeBearer + ` error="` + string(code) + `", error_description="` + description + `"`
	if scheme == schemeDPoP {
		challenge = dpopChallenge() + `, error="` + string(code) + `", error_description="` + description + `"`
	}
	return &Error{
		Code: code, Status: http.StatusUnauthorized, Description: description,
		Header: map[string]string{"WWW-Authenticate": challenge},
	}
}

// scopeError says which scope an access token lacks (RFC 6750 section 3.1).
func scopeError(scheme, scope string) *Error {
	e := tokenError(scheme, InsufficientScope, "The access token lacks the scope "+scope)
	e.Status = http.StatusForbidden
	e.Header["WWW-Authenticate"] += `, scope="` + scope + `"`
	return e
}
