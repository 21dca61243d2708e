package oidc

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// Types of what is signed here. They differ, so that no token passes as one of
// another kind.
const (
	typAccess = "at+jwt" // RFC 9068 section 2.1
	typID     = "JWT"
	typUser   = "userinfo+jwt"
	typLogout = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0 section 2.4
)

// accessAlg signs access tokens: signing with RSA takes 25 times as long.
const accessAlg = keys.ES256

// Token types of RFC 6750 and RFC 9449.
const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// issuedToken is an access token as the token endpoint hands it out.
type issuedToken struct {
	Value     string
	Type      string // Bearer or DPoP
	ExpiresIn time.Duration
	Scopes    []string
}

// accessClaims are those of RFC 9068 section 2.2.
type accessClaims struct {
	Issuer   string        `json:"iss"`
	Expires  int64         `json:"exp"`
	Audience any           `json:"aud"`
	Subject  string        `json:"sub"`
	ClientID string        `json:"client_id"`
	IssuedAt int64         `json:"iat"`
	ID       string        `json:"jti"`
	Scope    string        `json:"scope,omitempty"`
	SID      string        `json:"sid,omitempty"`
	ACR      string        `json:"acr,omitempty"`
	AMR      []string      `json:"amr,omitempty"`
	AuthTime int64         `json:"auth_time,omitempty"`
	Confirm  *confirmation `json:"cnf,omitempty"`
}

// confirmation is a cnf claim (RFC 9449 section 6).
type confirmation struct {
	Thumbprint string `json:"jkt,omitempty"`
}

// mintAccessToken makes an access token of a grant: at+jwt (RFC 9068), or
// opaque where the client is registered so; an opaque one is stored in the
// transaction of ctx. What the grant says about the login is taken as given.
func (p *Provider) mintAccessToken(ctx context.Context, c Client, g Grant, scopes []string) (issuedToken, error) {
	audience, err := p.audienceOf(ctx, g.Audience, scopes)
	if err != nil {
		return issuedToken{}, err
	}
	now := p.now()
	expires := now.Add(p.cfg.Lifetimes.AccessToken)
	if !g.ExpiresAt.IsZero() && g.ExpiresAt.Before(expires) {
		expires = g.ExpiresAt
	}
	token := issuedToken{Type: schemeBearer, ExpiresIn: expires.Sub(now).Truncate(time.Second), Scopes: scopes}
	if g.KeyThumbprint != "" {
		token.Type = schemeDPoP
	}
	if c.OpaqueAccessToken {
		secret, hash := newSecret()
		token.Value = secret
		return token, p.cfg.Grants.InsertAccess(ctx, Access{
			Hash: hash, GrantID: g.ID, Scopes: scopes, Audience: audience, CreatedAt: now, ExpiresAt: expires,
		})
	}
	token.Value, err = p.cfg.Keys.Sign(ctx, accessAlg, typAccess, p.accessClaims(c, g, scopes, audience, now, expires))
	return token, err
}

func (p *Provider) accessClaims(c Client, g Grant, scopes, audience []string, now, expires time.Time) accessClaims {
	claims := accessClaims{
		Issuer: p.cfg.Issuer, Expires: expires.Unix(), Audience: audienceClaim(audience),
		Subject: g.UserID, ClientID: c.ID, IssuedAt: now.Unix(), ID: g.ID + "." + randomID(),
		Scope: strings.Join(scopes, " "), SID: g.SID, ACR: g.ACR, AMR: g.AMR,
	}
	if g.UserID == "" {
		// RFC 9068 section 2.2: without a user the subject is the client.
		claims.Subject = c.ID
	}
	if !g.AuthTime.IsZero() {
		claims.AuthTime = g.AuthTime.Unix()
	}
	if g.KeyThumbprint != "" {
		claims.Confirm = &confirmation{Thumbprint: g.KeyThumbprint}
	}
	return claims
}

// randomID is 128 random bits as text.
func randomID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// audienceOf says for whom a token with these scopes is: the services whose
// scopes it has, and this server for its own. wanted, from resource indicators
// (RFC 8707), narrows that; it never adds a service whose scopes were refused.
func (p *Provider) audienceOf(ctx context.Context, wanted, scopes []string) ([]string, error) {
	known, err := p.catalogue(ctx, scopes)
	if err != nil {
		return nil, err
	}
	out := audiences(scopes, known)
	if len(wanted) > 0 {
		out = slices.DeleteFunc(out, func(name string) bool { return !slices.Contains(wanted, name) })
	}
	if len(out) > 0 {
		return out, nil
	}
	return []string{p.cfg.Issuer}, nil
}

// accessToken is an access token that was found to be genuine.
type accessToken struct {
	Grant      Grant
	Scopes     []string
	Audience   []string
	IssuedAt   time.Time
	ExpiresAt  time.Time
	Thumbprint string // of the DPoP key it is bound to; "": none
	// ACR, AMR and AuthTime are those of the token, which may be less than those
	// of the grant after drop_elevation_on_refresh.
	ACR      string
	AMR      []string
	AuthTime time.Time
	ID       string // jti; "" for an opaque token
}

// errAccessToken says that an access token is unknown, expired or revoked.
var errAccessToken = errors.New("the access token is not valid")

// readAccess finds out what an access token is: signature, type, issuer, expiry
// and the grant behind it. It does not look at audience and binding. Everything
// wrong with the token is errAccessToken.
func (p *Provider) readAccess(ctx context.Context, token string) (accessToken, error) {
	t, g, err := p.liveAccess(ctx, token)
	if errors.Is(err, ErrNotFound) {
		return accessToken{}, errAccessToken
	}
	if err != nil {
		return accessToken{}, err
	}
	t.Grant = g
	if t.ID == "" {
		t.ACR, t.AMR, t.AuthTime = g.ACR, g.AMR, g.AuthTime
	}
	if t.Thumbprint == "" {
		t.Thumbprint = g.KeyThumbprint
	}
	return t, nil
}

// liveAccess finds a token with its grant, either way in one look-up:
// errAccessToken or ErrNotFound when there is none that counts.
func (p *Provider) liveAccess(ctx context.Context, token string) (accessToken, Grant, error) {
	if !strings.Contains(token, ".") {
		a, g, err := p.cfg.Grants.LiveAccess(ctx, hashOf(token), p.now())
		if err != nil {
			return accessToken{}, Grant{}, fmt.Errorf("read access token: %w", err)
		}
		return opaque(a), g, nil
	}
	t, grantID, err := p.readSigned(ctx, token)
	if err != nil {
		return accessToken{}, Grant{}, err
	}
	g, err := p.cfg.Grants.LiveGrant(ctx, grantID, p.now())
	if err != nil {
		return accessToken{}, Grant{}, fmt.Errorf("read grant of access token: %w", err)
	}
	return t, g, nil
}

// signedClaims are those of an access token of ours that are read back.
type signedClaims struct {
	accessClaims
	Audience audience `json:"aud"`
}

func (p *Provider) readSigned(ctx context.Context, token string) (accessToken, string, error) {
	payload, _, err := p.cfg.Keys.Verify(ctx, token, typAccess)
	if errors.Is(err, keys.ErrInvalid) {
		return accessToken{}, "", errAccessToken
	}
	if err != nil {
		return accessToken{}, "", err
	}
	var c signedClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return accessToken{}, "", errAccessToken
	}
	grantID, _, _ := strings.Cut(c.ID, ".")
	if c.Issuer != p.cfg.Issuer || p.now().Unix() >= c.Expires || grantID == "" {
		return accessToken{}, "", errAccessToken
	}
	t := accessToken{
		Scopes: strings.Fields(c.Scope), Audience: c.Audience.values, ID: c.ID,
		IssuedAt: time.Unix(c.IssuedAt, 0).UTC(), ExpiresAt: time.Unix(c.Expires, 0).UTC(),
		ACR: c.ACR, AMR: c.AMR,
	}
	if c.AuthTime != 0 {
		t.AuthTime = time.Unix(c.AuthTime, 0).UTC()
	}
	if c.Confirm != nil {
		t.Thumbprint = c.Confirm.Thumbprint
	}
	return t, grantID, nil
}

func (p *Provider) readOpaque(ctx context.Context, token string) (accessToken, string, error) {
	a, err := p.cfg.Grants.AccessByHash(ctx, hashOf(token), p.now())
	if errors.Is(err, ErrNotFound) {
		return accessToken{}, "", errAccessToken
	}
	if err != nil {
		return accessToken{}, "", fmt.Errorf("read access token: %w", err)
	}
	return opaque(a), a.GrantID, nil
}

func opaque(a Access) accessToken {
	return accessToken{Scopes: a.Scopes, Audience: a.Audience, IssuedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt}
}
