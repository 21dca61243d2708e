package federated

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// skew is how far the clock of a provider may be off.
const skew = 5 * time.Minute

// idClaims are those of an ID token that was verified, and what the UserInfo
// endpoint adds to them.
type idClaims struct {
	Issuer  string
	Subject string
	all     map[string]any
}

// verify checks an ID token (OpenID Connect Core 1.0 section 3.1.3.7).
func (p *OIDCProvider) verify(ctx context.Context, m *metadata, raw, nonce, access string) (*idClaims, error) {
	var algs []jose.SignatureAlgorithm
	for _, a := range p.cfg.Algorithms {
		algs = append(algs, jose.SignatureAlgorithm(a))
	}
	// Only what the list names is even parsed, so none and keys inside the token
	// never count.
	if _, err := jose.ParseSignedCompact(raw, algs); err != nil {
		return nil, Refuse(WrongAlgorithm, "the ID token is not signed in a way that the settings allow", nil)
	}
	claimed := unverified(raw)
	issuer, err := p.issuerOf(m, claimed)
	if err != nil {
		return nil, err
	}
	now := p.cfg.Now
	verifier := oidc.NewVerifier(issuer, m.keys, &oidc.Config{ClientID: p.cfg.ClientID, SupportedSigningAlgs: p.cfg.Algorithms, Now: now})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, p.verifyFault(err, issuer, claimed)
	}
	var all map[string]any
	if err := token.Claims(&all); err != nil {
		return nil, Refuse(Malformed, "the claims of the ID token cannot be read", nil)
	}
	c := &idClaims{Issuer: issuer, Subject: token.Subject, all: all}
	azp, _ := all["azp"].(string)
	switch {
	case azp != "" && azp != p.cfg.ClientID, len(token.Audience) > 1 && azp == "":
		return nil, Refuse(WrongAudience, "azp of the ID token does not name us", nil)
	case token.IssuedAt.Unix() <= 0 || token.IssuedAt.After(now().Add(skew)) || now().Sub(token.IssuedAt) > skew+RequestLife:
		return nil, Refuse(Expired, "iat of the ID token is not of now", nil)
	case nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return nil, Refuse(WrongNonce, "nonce of the ID token is not that of the request", nil)
	case c.Subject == "" || len(c.Subject) > longestID:
		return nil, Refuse(NoSubject, "sub of the ID token is missing or too long", nil)
	case token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil:
		return nil, Refuse(BadSignature, "at_hash does not fit the access token", nil)
	}
	return c, nil
}

// issuerOf is the issuer that a token must have: of a Microsoft endpoint for all
// tenants that of the tenant which the token names, if its users may come.
func (p *OIDCProvider) issuerOf(m *metadata, claimed map[string]any) (string, error) {
	if !m.template {
		return m.Issuer, nil
	}
	tid, _ := claimed["tid"].(string)
	if !tenantID.MatchString(tid) {
		return "", Refuse(WrongIssuer, "the ID token does not name a tenant", nil)
	}
	if len(p.cfg.Tenants) > 0 && !slices.Contains(p.cfg.Tenants, tid) {
		return "", Refuse(WrongIssuer, "the tenant is not one of those in the settings", nil)
	}
	return strings.Replace(microsoftTemplate, "{tenantid}", tid, 1), nil
}

// verifyFault says why a token was refused, for the operator: what it claims is
// only looked at to tell the reasons apart.
func (p *OIDCProvider) verifyFault(err error, issuer string, claimed map[string]any) error {
	if _, ok := errors.AsType[*oidc.TokenExpiredError](err); ok {
		return Refuse(Expired, "the ID token has expired", nil)
	}
	if _, ok := errors.AsType[*url.Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return unreachable("key set", err)
	}
	iss, _ := claimed["iss"].(string)
	exp, _ := claimed["exp"].(float64)
	switch {
	case iss != issuer && (issuer != GoogleIssuer || iss != "accounts.google.com"):
		return Refuse(WrongIssuer, "iss of the ID token is of another provider", nil)
	case !slices.Contains(texts(claimed["aud"]), p.cfg.ClientID):
		return Refuse(WrongAudience, "aud of the ID token does not name us", nil)
	case exp == 0:
		return Refuse(Expired, "exp of the ID token is missing", nil)
	case strings.Contains(err.Error(), "nbf"):
		return Refuse(Expired, "the ID token is not valid yet", nil)
	case strings.Contains(err.Error(), "fetching keys"):
		return Refuse(Unavailable, "the key set cannot be read", nil)
	}
	return Refuse(BadSignature, "the ID token is not signed by a key of the provider", nil)
}

// unverified reads the claims of a token without looking at its signature; nil
// if there are none.
func unverified(raw string) map[string]any {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var out map[string]any
	if json.Unmarshal(plain, &out) != nil {
		return nil
	}
	return out
}

// userInfo adds claims of the UserInfo endpoint, which must be about the same
// subject (OpenID Connect Core 1.0 section 5.3.2). Those of the ID token stay.
func (p *OIDCProvider) userInfo(ctx context.Context, m *metadata, token *oauth2.Token, c *idClaims) error {
	wanted := p.cfg.UserInfo || slices.Contains(p.cfg.Scopes, "email") && c.all["email"] == nil
	if m.UserInfo == "" || !wanted || !strings.EqualFold(token.TokenType, "Bearer") {
		return nil
	}
	var more map[string]any
	if err := p.fetch(ctx, m.UserInfo, token.AccessToken, "UserInfo endpoint", &more); err != nil {
		return err
	}
	if sub, _ := more["sub"].(string); sub != c.Subject {
		return Refuse(NoSubject, "the UserInfo endpoint answered about somebody else", nil)
	}
	if c.all["email"] == nil {
		// The flag belongs to the address: they come from one place.
		delete(c.all, "email_verified")
	} else {
		delete(more, "email")
		delete(more, "email_verified")
	}
	for name, v := range more {
		if _, has := c.all[name]; !has && !slices.Contains([]string{"iss", "aud", "acr", "amr", "auth_time", "exp", "iat", "nonce", "azp"}, name) {
			c.all[name] = v
		}
	}
	return nil
}

// identity reads the claims.
func (p *OIDCProvider) identity(c *idClaims) (Identity, error) {
	text := func(name string) string {
		s, _ := c.all[name].(string)
		if len(s) > longestValue {
			return ""
		}
		return s
	}
	id := Identity{
		Issuer: c.Issuer, Subject: c.Subject, ACR: text("acr"), AMR: texts(c.all["amr"]), Email: text("email"),
		EmailVerified: isTrue(c.all["email_verified"]), Attributes: flatten(c.all),
	}
	for _, name := range []string{"name", "preferred_username", "email", "sub"} {
		if id.Name = cut(text(name)); id.Name != "" {
			break
		}
	}
	if at, ok := c.all["auth_time"].(float64); ok && at > 0 && at < 1<<40 {
		id.AuthTime = time.Unix(int64(at), 0).UTC()
		if id.AuthTime.After(p.cfg.Now().Add(skew)) {
			return Identity{}, Refuse(Expired, "auth_time of the ID token is in the future", nil)
		}
	}
	switch p.cfg.Kind {
	case Google:
		// Google answers for its own addresses and for those of organizations that
		// it hosts; another address was the person's once, which may have changed.
		id.EmailVerified = id.EmailVerified && (strings.HasSuffix(strings.ToLower(id.Email), "@gmail.com") || text("hd") != "")
	case Microsoft:
		// The address is whatever the tenant has written there, unless the tenant
		// owns its domain.
		id.EmailVerified = isTrue(c.all["xms_edov"])
	default: // its word is as good as any
	}
	return id, nil
}
