package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// idTokenAlg is the algorithm of a client's ID tokens.
func idTokenAlg(c Client) string {
	if c.IDTokenAlg == "" {
		return keys.RS256 // OpenID Connect Core 1.0 section 15.1
	}
	return c.IDTokenAlg
}

// mintIDToken makes the ID token of a grant (OpenID Connect Core 1.0 section
// 2). The access token given with it is named by at_hash. auth_time is always
// there; azp never, since there is one audience; nonce when the grant has one,
// which a refresh clears (section 12.2). Claims of scopes come from UserInfo
// (section 5.4); the claims parameter may ask for single ones here. Call it
// outside transactions: a key may have to be made.
func (p *Provider) mintIDToken(ctx context.Context, c Client, g Grant, accessToken string) (string, error) {
	claims, err := p.requestedIDClaims(ctx, c, g)
	if err != nil {
		return "", err
	}
	now := p.now()
	alg := idTokenAlg(c)
	maps.Copy(claims, map[string]any{
		"iss": p.cfg.Issuer, "sub": g.UserID, "aud": c.ID,
		"iat": now.Unix(), "exp": now.Add(p.cfg.Lifetimes.IDToken).Unix(),
		"auth_time": g.AuthTime.Unix(),
	})
	if len(g.AMR) > 0 {
		claims["amr"] = g.AMR
	}
	for name, text := range map[string]string{"nonce": g.Nonce, "sid": g.SID, "acr": g.ACR} {
		if text != "" {
			claims[name] = text
		}
	}
	if accessToken != "" {
		claims["at_hash"] = leftHalfHash(alg, accessToken)
	}
	return p.cfg.Keys.Sign(ctx, alg, typID, claims)
}

// leftHalfHash is at_hash: the left half of the hash that goes with the
// algorithm of the token (OpenID Connect Core 1.0 section 3.1.3.6); Ed25519
// goes with SHA-512 (RFC 8032 section 5.1).
func leftHalfHash(alg, text string) string {
	var sum []byte
	if alg == keys.EdDSA {
		full := sha512.Sum512([]byte(text))
		sum = full[:]
	} else {
		full := sha256.Sum256([]byte(text))
		sum = full[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// requestedIDClaims are the claims about the user that the claims parameter
// asks for in the ID token.
func (p *Provider) requestedIDClaims(ctx context.Context, c Client, g Grant) (map[string]any, error) {
	want, err := parseStoredClaims(g.Claims)
	if err != nil || len(want.IDToken) == 0 {
		return map[string]any{}, err
	}
	u, err := p.cfg.Users.UserByID(ctx, g.UserID)
	if err != nil {
		return nil, fmt.Errorf("read user of ID token: %w", err)
	}
	sources := claimSources(p.cfg.Claims)
	return p.userClaims(ctx, u, func(claim string) bool {
		_, asked := want.IDToken[claim]
		return asked && slices.Contains(c.Scopes, sources[claim].scope)
	})
}

// idTokenHint is what an ID token of ours says that came back.
type idTokenHint struct {
	Subject  string
	SID      string
	Audience []string
}

// errHint says that an id_token_hint is not one of ours.
var errHint = errors.New("the id_token_hint is not an ID token of this server")

// verifyIDTokenHint reads an ID token that came back as a hint. It may have
// expired and may be for anybody (OpenID Connect Core 1.0 section 3.1.2.1), but
// its signature must be ours: errHint otherwise.
func (p *Provider) verifyIDTokenHint(ctx context.Context, raw string) (idTokenHint, error) {
	payload, _, err := p.cfg.Keys.Verify(ctx, raw, typID)
	if errors.Is(err, keys.ErrInvalid) {
		return idTokenHint{}, errHint
	}
	if err != nil {
		return idTokenHint{}, fmt.Errorf("verify id_token_hint: %w", err)
	}
	var claims struct {
		registeredClaims
		SID string `json:"sid"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.Issuer != p.cfg.Issuer || claims.Subject == "" {
		return idTokenHint{}, errHint
	}
	return idTokenHint{Subject: claims.Subject, SID: claims.SID, Audience: claims.Audience.values}, nil
}
