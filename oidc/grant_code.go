package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// codeGrant is the grant type authorization_code (RFC 6749 section 4.1.3).
type codeGrant struct{ *Provider }

func (p codeGrant) redeem(ctx context.Context, r tokenRequest) (tokenAnswer, error) {
	if r.form["code"] == "" {
		return tokenAnswer{}, &Error{Code: InvalidRequest, Description: "code is missing."}
	}
	hash := hashOf(r.form["code"])
	g, err := p.cfg.Grants.GrantByCode(ctx, hash)
	if errors.Is(err, ErrNotFound) || (err == nil && g.ClientID != r.client.ID) {
		// Another client neither redeems nor burns a code.
		return tokenAnswer{}, errGrant()
	}
	if err != nil {
		return tokenAnswer{}, fmt.Errorf("look up code: %w", err)
	}
	if !g.CodeUsedAt.IsZero() {
		return tokenAnswer{}, p.reused(ctx, r, g, "code")
	}
	if err := p.check(ctx, r, &g); err != nil {
		return tokenAnswer{}, err
	}
	scopes, err := p.narrow(ctx, r, &g, g.Scopes)
	if err != nil {
		return tokenAnswer{}, err
	}
	answer, err := p.issueTokens(ctx, r, issuing{
		grant: g, scopes: scopes, kept: g.Scopes, event: audit.TokenIssued,
		refresh: slices.Contains(r.client.GrantTypes, GrantRefresh),
		consume: func(ctx context.Context, _ []byte) error {
			return p.cfg.Grants.ConsumeCode(ctx, hash, r.client.ID, g.KeyThumbprint, p.now())
		},
	})
	if errors.Is(err, ErrUsed) {
		return tokenAnswer{}, p.reused(ctx, r, g, "code")
	}
	if errors.Is(err, ErrNotFound) {
		return tokenAnswer{}, errGrant()
	}
	return answer, err
}

// check is everything but the use of the code; it burns nothing.
func (p codeGrant) check(ctx context.Context, r tokenRequest, g *Grant) error {
	if !p.now().Before(g.CodeExpiresAt) {
		return errGrant()
	}
	// RFC 6749 section 4.1.3: identical, and required since every request had one.
	if r.form["redirect_uri"] != g.RedirectURI {
		return invalidGrant("redirect_uri is not that of the authorization request.")
	}
	if err := checkVerifier(g.CodeChallenge, r.form["code_verifier"]); err != nil {
		return err
	}
	if err := checkKey(*g, r); err != nil {
		return err
	}
	live, err := p.liveGrant(ctx, g.ID)
	if err != nil {
		return err
	}
	live.KeyThumbprint = r.key
	*g = live
	return nil
}

// checkVerifier holds a request to its PKCE challenge (RFC 7636 section 4.6);
// a verifier without a challenge is an attempt to strip it (RFC 9700 section
// 4.8.2).
func checkVerifier(challenge, verifier string) error {
	switch {
	case challenge == "" && verifier == "":
		return nil
	case challenge == "":
		return invalidGrant("The authorization request had no code_challenge, so there can be no code_verifier.")
	case verifier == "":
		return invalidGrant("code_verifier is missing.")
	}
	sum := sha256.Sum256([]byte(verifier))
	computed := base64.RawURLEncoding.EncodeToString(sum[:])
	if !isVerifier(verifier) || subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) != 1 {
		return invalidGrant("code_verifier does not fit the code_challenge.")
	}
	return nil
}

// narrow cuts tokens to the resources that a token request names, which must be
// among those of the grant and of its scopes (RFC 8707 section 2.2), and returns
// the scopes that are left.
func (p *Provider) narrow(ctx context.Context, r tokenRequest, g *Grant, scopes []string) ([]string, error) {
	resources := r.form.resources()
	if len(resources) == 0 {
		return scopes, nil
	}
	known, err := p.catalogue(ctx, scopes)
	if err != nil {
		return nil, err
	}
	if err := checkResources(resources, scopes, known); err != nil {
		return nil, err
	}
	for _, name := range resources {
		if len(g.Audience) > 0 && !slices.Contains(g.Audience, name) {
			return nil, &Error{Code: InvalidTarget, Description: "The resource was not part of the authorization."}
		}
	}
	g.Audience = resources
	return withinAudience(scopes, known, resources), nil
}
