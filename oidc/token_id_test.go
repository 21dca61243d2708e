package oidc

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// The at_hash of OpenID Connect Core 1.0 appendix A.3, and that of EdDSA, which
// goes with SHA-512.
func TestRow66_AtHash(t *testing.T) {
	t.Parallel()
	const token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
	for alg, want := range map[string]string{
		keys.RS256: "77QmUPtjPfzWtF2AnpK9RQ", keys.ES256: "77QmUPtjPfzWtF2AnpK9RQ", keys.PS256: "77QmUPtjPfzWtF2AnpK9RQ",
	} {
		if got := leftHalfHash(alg, token); got != want {
			t.Errorf("leftHalfHash(%s) = %s, want %s", alg, got, want)
		}
	}
	if got := leftHalfHash(keys.EdDSA, token); len(got) != 43 {
		t.Errorf("leftHalfHash(EdDSA) has %d characters, want those of 32 bytes", len(got))
	}
}

// Rows 27, 65, 67, 91, 93, 94: what stands in an ID token, and nothing else.
func TestRow65_IDToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	g := b.rows.grants["g1"]
	token, err := b.mintIDToken(t.Context(), b.rows.clients["app"], g, "access")
	if err != nil {
		t.Fatal(err)
	}
	now := float64(b.clock().Unix())
	want := map[string]any{
		"iss": testIssuer, "sub": g.UserID, "aud": "app", "iat": now, "exp": now + 300,
		"auth_time": now - 60, "acr": "MFA", "amr": []any{"mfa", "otp", "pwd"},
		"nonce": "n-0S6_WzA2Mj", "sid": "sid1", "at_hash": leftHalfHash(keys.ES256, "access"),
	}
	if diff := cmp.Diff(want, b.claimsOf(t, token, "JWT")); diff != "" {
		t.Errorf("ID token (-want +got):\n%s", diff)
	}
	g.Nonce, g.SID = "", ""
	token, err = b.mintIDToken(t.Context(), b.rows.clients["app"], g, "")
	if err != nil {
		t.Fatal(err)
	}
	claims := b.claimsOf(t, token, "JWT")
	for _, absent := range []string{"nonce", "sid", "at_hash", "azp"} {
		if _, has := claims[absent]; has {
			t.Errorf("the ID token of a refresh has %s", absent)
		}
	}
}

// Row 68: RS256 unless another is registered.
func TestRow68_IDTokenAlgorithm(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for registered, want := range map[string]string{"": "RS256", "ES256": "ES256", "EdDSA": "EdDSA"} {
		c := b.rows.clients["app"]
		c.IDTokenAlg = registered
		token, err := b.mintIDToken(t.Context(), c, b.rows.grants["g1"], "a")
		if err != nil {
			t.Fatal(err)
		}
		_, header, err := parseForeign(token)
		if err != nil || header.Algorithm != want || header.KeyID == "" {
			t.Errorf("registered %q: alg %q, kid %q, %v, want %q", registered, header.Algorithm, header.KeyID, err, want)
		}
	}
}

// Row 30: the claims parameter puts single claims into the ID token; none of
// them can change what the token says about itself.
func TestRow30_ClaimsParameterInIDToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) {
		c.Claims = map[string]string{"acr": "displayName", "azp": "userName", "sub": "userName"}
	})
	g := b.grant(func(g *Grant) {
		g.Claims = json.RawMessage(`{"id_token":{"given_name":{"essential":true},"email":null,"unknown":null,"acr":{"value":"MFA"},"azp":null,"sub":null}}`)
	})
	token, err := b.mintIDToken(t.Context(), b.rows.clients["app"], g, "a")
	if err != nil {
		t.Fatal(err)
	}
	claims := b.claimsOf(t, token, "JWT")
	if claims["given_name"] != "Ann" || claims["email"] != "ann@example.com" {
		t.Errorf("claims = %v, want given_name and email", claims)
	}
	if claims["acr"] != "MFA" || claims["sub"] != g.UserID || claims["azp"] != nil || claims["family_name"] != nil {
		t.Errorf("claims = %v: acr, sub or azp come from the user, or more than was asked for", claims)
	}
}

// Row 60: the claims of an access token of RFC 9068.
func TestRow60_AccessToken(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	g := b.rows.grants["g1"]
	token, err := b.mintAccessToken(t.Context(), b.rows.clients["app"], g, []string{"openid", "profile"})
	if err != nil {
		t.Fatal(err)
	}
	if token.Type != "Bearer" || token.ExpiresIn != 5*time.Minute {
		t.Errorf("token is %s for %s, want Bearer for 5 minutes", token.Type, token.ExpiresIn)
	}
	claims := b.claimsOf(t, token.Value, "at+jwt")
	jti, _ := claims["jti"].(string)
	delete(claims, "jti")
	now := float64(b.clock().Unix())
	want := map[string]any{
		"iss": testIssuer, "aud": testIssuer, "sub": g.UserID, "client_id": "app", "iat": now, "exp": now + 300,
		"scope": "openid profile", "sid": "sid1", "acr": "MFA", "amr": []any{"mfa", "otp", "pwd"}, "auth_time": now - 60,
	}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("access token (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(jti, "g1.") || len(jti) != len("g1.")+22 {
		t.Errorf("jti = %q, want the grant and 128 random bits", jti)
	}
}

// The audience is whoever's scopes the token has; the token never outlives its
// grant; without a user the subject is the client.
func TestAccessTokenAudienceExpiryAndSubject(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	claims := b.claimsOf(t, b.accessToken(t, "openid", "payments"), "at+jwt")
	if diff := cmp.Diff([]any{"https://bank.example.com", testIssuer}, claims["aud"]); diff != "" {
		t.Errorf("aud (-want +got):\n%s", diff)
	}
	b.grant(func(g *Grant) {
		g.UserID, g.AuthTime, g.Audience = "", time.Time{}, []string{"https://bank.example.com"}
		g.ExpiresAt = b.clock().Add(10 * time.Second)
	})
	claims = b.claimsOf(t, b.accessToken(t, "payments"), "at+jwt")
	if claims["aud"] != "https://bank.example.com" || claims["sub"] != "app" || claims["auth_time"] != nil {
		t.Errorf("claims = %v, want the service, the client and no auth_time", claims)
	}
	expires, _ := claims["exp"].(float64)
	issued, _ := claims["iat"].(float64)
	if expires-issued != 10 {
		t.Errorf("the token lives for %v s, want the 10 s of its grant", expires-issued)
	}
}

// Row 28: a hint is an ID token of ours, expired or for another client too, and
// nothing else.
func TestRow28_IDTokenHint(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	token, err := b.mintIDToken(t.Context(), b.rows.clients["app"], b.rows.grants["g1"], "")
	if err != nil {
		t.Fatal(err)
	}
	b.add(time.Hour)
	hint, err := b.verifyIDTokenHint(t.Context(), token)
	if err != nil || hint.SID != "sid1" || hint.Subject != b.rows.grants["g1"].UserID || !slices.Equal(hint.Audience, []string{"app"}) {
		t.Errorf("verifyIDTokenHint of an expired token = %+v, %v", hint, err)
	}
	parts := strings.Split(token, ".")
	none := unsigned(t, map[string]any{"alg": "none", "typ": "JWT"}, map[string]any{"iss": testIssuer, "sub": "x", "aud": "app"})
	for name, raw := range map[string]string{
		"alg none":        none,
		"no signature":    parts[0] + "." + parts[1] + ".",
		"an access token": b.accessToken(t, "openid"),
		"cut":             token[:len(token)-2],
		"garbage":         "x",
	} {
		if _, err := b.verifyIDTokenHint(t.Context(), raw); err != errHint { //nolint:errorlint // it is returned as it is
			t.Errorf("%s: error = %v, want errHint", name, err)
		}
	}
}
