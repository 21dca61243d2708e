package oidc

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

func (b *bench) present(t *testing.T, token string) (AccessInfo, error) {
	t.Helper()
	return b.AccessToken(t.Context(), Presented{Scheme: "Bearer", Token: token, Method: "GET", URL: testIssuer + PathUserInfo})
}

// Only an access token of ours is one: no other kind of ours, nothing that was
// signed another way, nothing cut or extended.
func TestJWTConfusion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	good := b.accessToken(t, "openid")
	if info, err := b.present(t, good); err != nil || !info.Has("openid") || info.ACR != "MFA" || info.Grant.ID != "g1" {
		t.Fatalf("AccessToken of a good one = %+v, %v", info, err)
	}
	c, g := b.rows.clients["app"], b.rows.grants["g1"]
	id, err := b.mintIDToken(t.Context(), c, g, "")
	if err != nil {
		t.Fatal(err)
	}
	claims := b.accessClaims(c, g, []string{"openid"}, []string{testIssuer}, b.clock(), b.clock().Add(time.Hour))
	sign := func(typ string, edit func(*accessClaims)) string {
		edited := claims
		edit(&edited)
		token, err := b.cfg.Keys.Sign(t.Context(), keys.ES256, typ, edited)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	keep := func(*accessClaims) {}
	_, header, err := parseForeign(good)
	if err != nil {
		t.Fatal(err)
	}
	jwks, _, err := b.cfg.Keys.JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stranger, _ := ecKey(t)
	head := map[string]any{"alg": "none", "typ": "at+jwt", "kid": header.KeyID}
	body := map[string]any{"iss": testIssuer, "aud": testIssuer, "sub": "x", "jti": "g1.x", "exp": b.clock().Unix() + 60}
	withKid := func(alg jose.SignatureAlgorithm, key any) string {
		return signed(t, alg, jose.JSONWebKey{Key: key, KeyID: header.KeyID}, (&jose.SignerOptions{}).WithType("at+jwt"), body)
	}
	for name, token := range map[string]string{
		"ID token":                 id,
		"logout token":             sign("logout+jwt", keep),
		"UserInfo answer":          sign("userinfo+jwt", keep),
		"typ JWT":                  sign("JWT", keep),
		"alg none":                 unsigned(t, head, body),
		"HS256 with the key set":   withKid(jose.HS256, jwks),
		"our kid, another key":     withKid(jose.ES256, stranger),
		"another issuer":           sign("at+jwt", func(c *accessClaims) { c.Issuer = "https://other.example" }),
		"expired":                  sign("at+jwt", func(c *accessClaims) { c.Expires = b.clock().Unix() }),
		"unknown grant":            sign("at+jwt", func(c *accessClaims) { c.ID = "g2.x" }),
		"no jti":                   sign("at+jwt", func(c *accessClaims) { c.ID = "" }),
		"another audience":         sign("at+jwt", func(c *accessClaims) { c.Audience = "https://bank.example.com" }),
		"audience that begins so":  sign("at+jwt", func(c *accessClaims) { c.Audience = testIssuer + "/scim/v2" }),
		"audience is the client":   sign("at+jwt", func(c *accessClaims) { c.Audience = "app" }),
		"no audience":              sign("at+jwt", func(c *accessClaims) { c.Audience = nil }),
		"cut by one":               good[:len(good)-1],
		"cut to two parts":         good[:strings.LastIndex(good, ".")],
		"extended":                 good + "A",
		"with a blank":             good + " ",
		"unknown opaque":           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"grant id alone":           "g1",
		"more than can be a token": strings.Repeat("a.", 20000),
	} {
		_, err := b.present(t, token)
		wantError(t, name, err, InvalidToken)
	}
	if _, err := b.present(t, sign("at+jwt", func(c *accessClaims) { c.Audience = []string{"https://bank.example.com", testIssuer} })); err != nil {
		t.Errorf("audience among others: %v", err)
	}
}

// Revocation, the end of the grant and a disabled client count at once although
// the token is a JWT; security row 19: an opaque token matches in full.
func TestAccessTokenFollowsItsGrant(t *testing.T) {
	t.Parallel()
	for _, opaque := range []bool{false, true} {
		for name, end := range map[string]func(b *bench){
			"revoked":         func(b *bench) { b.grant(func(g *Grant) { g.RevokedAt = b.clock() }) },
			"grant over":      func(b *bench) { b.grant(func(g *Grant) { g.ExpiresAt = b.clock() }) },
			"client disabled": func(b *bench) { b.client(func(c *Client) { c.Disabled = true }) },
			"expired":         func(b *bench) { b.add(5 * time.Minute) },
		} {
			b := newBench(t)
			b.client(func(c *Client) { c.OpaqueAccessToken = opaque })
			token := b.accessToken(t, "openid")
			if _, err := b.present(t, token); err != nil {
				t.Fatalf("opaque %v: %v", opaque, err)
			}
			for _, wrong := range []string{token[:len(token)-1], token + "A", strings.ToLower(token)} {
				_, err := b.present(t, wrong)
				wantError(t, "changed text", err, InvalidToken)
			}
			end(b)
			_, err := b.present(t, token)
			wantError(t, name, err, InvalidToken)
		}
	}
}

// Rows 74, 98 of the challenge: what a refusal says (RFC 6750 section 3).
func TestChallenges(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.AccessToken(t.Context(), Presented{})
	e := b.errorOf(err)
	if got := e.Header["WWW-Authenticate"]; e.Status != http.StatusUnauthorized || strings.Contains(got, "error") || !strings.HasPrefix(got, "Bearer, DPoP algs=") {
		t.Errorf("without credentials: %d %q, want a challenge without an error", e.Status, got)
	}
	_, err = b.AccessToken(t.Context(), Presented{Scheme: "Basic", Token: "x"})
	wantError(t, "another scheme", err, InvalidToken)
	_, err = b.present(t, "x")
	if got := b.errorOf(err).Header["WWW-Authenticate"]; !strings.HasPrefix(got, `Bearer error="invalid_token", error_description="`) {
		t.Errorf("bad token: %q", got)
	}
	if got := scopeError("Bearer", "openid"); got.Status != http.StatusForbidden || !strings.HasSuffix(got.Header["WWW-Authenticate"], `, scope="openid"`) {
		t.Errorf("lacking scope: %d %q", got.Status, got.Header["WWW-Authenticate"])
	}
	if algs := signingAlgNames(); !slices.Contains(algs, "ES256") || slices.Contains(algs, "none") {
		t.Errorf("algs = %v", algs)
	}
}

func BenchmarkAccessToken(bm *testing.B) {
	b := newBench(bm)
	token := b.accessToken(bm, "openid")
	for bm.Loop() {
		if _, err := b.AccessToken(bm.Context(), Presented{Scheme: "Bearer", Token: token}); err != nil {
			bm.Fatal(err)
		}
	}
}
