package oidc

import (
	"crypto/ecdsa"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// The proof of RFC 9449 section 4.2 (figure 2), with its iat and its method.
const rfcProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"

// The proof of RFC 9449 section 7.1 (figure 13) with the access token it names.
const (
	rfcResourceProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	rfcAccessToken   = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	rfcThumbprint    = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

func TestDPoPExamplesOfRFC9449(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		at    int64
		check dpopCheck
	}{
		{"section 4.2", 1562262616, dpopCheck{
			Proofs: []string{rfcProof}, Method: "POST", URL: "https://server.example.com/token",
		}},
		{"section 7.1", 1562262618, dpopCheck{
			Proofs: []string{rfcResourceProof}, Method: "GET",
			URL: "https://resource.example.org/protectedresource", AccessToken: rfcAccessToken,
		}},
	} {
		b := newBench(t)
		b.at = time.Unix(c.at, 0)
		got, err := b.verifyDPoP(t.Context(), c.check)
		if err != nil || got != rfcThumbprint {
			t.Errorf("%s: verifyDPoP = %q, %v, want %q", c.name, got, err, rfcThumbprint)
		}
	}
}

// proof makes a DPoP proof; edit changes header options and claims.
func proof(tb testing.TB, b *bench, key *ecdsa.PrivateKey, method, url string, claims map[string]any) string {
	tb.Helper()
	all := map[string]any{"jti": randomID(), "htm": method, "htu": url, "iat": b.clock().Unix()}
	maps.Copy(all, claims)
	opts := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	return signed(tb, jose.ES256, key, opts, all)
}

// RFC 9449 section 4.3, point by point.
func TestDPoPProofIsJudged(t *testing.T) {
	t.Parallel()
	const url = testIssuer + PathToken
	key, public := ecKey(t)
	private, err := json.Marshal(jose.JSONWebKey{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	good := map[string]any{"jti": "j", "htm": "POST", "htu": url, "iat": b.clock().Unix()}
	without := func(name string) map[string]any {
		out := maps.Clone(good)
		delete(out, name)
		return out
	}
	typed := func(typ string) *jose.SignerOptions {
		return (&jose.SignerOptions{EmbedJWK: true}).WithType(jose.ContentType(typ))
	}
	other, _ := ecKey(t)
	swapped := (&jose.SignerOptions{}).WithType("dpop+jwt").WithHeader("jwk", public)
	for name, c := range map[string]struct {
		proofs []string
		want   bool
	}{
		"good":                    {[]string{signed(t, jose.ES256, key, typed("dpop+jwt"), good)}, true},
		"two headers":             {[]string{"a", "b"}, false},
		"not a JWT":               {[]string{"a.b.c"}, false},
		"alg none":                {[]string{unsigned(t, map[string]any{"alg": "none", "typ": "dpop+jwt", "jwk": public}, good)}, false},
		"typ JWT":                 {[]string{signed(t, jose.ES256, key, typed("JWT"), good)}, false},
		"no jwk":                  {[]string{signed(t, jose.ES256, key, (&jose.SignerOptions{}).WithType("dpop+jwt"), good)}, false},
		"signed by another key":   {[]string{signed(t, jose.ES256, other, swapped, good)}, false},
		"jwk is private":          {[]string{signed(t, jose.ES256, key, (&jose.SignerOptions{}).WithType("dpop+jwt").WithHeader("jwk", json.RawMessage(private)), good)}, false},
		"HS256 with the key":      {[]string{signed(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), swapped, good)}, false},
		"no jti":                  {[]string{proof(t, b, key, "POST", url, map[string]any{"jti": ""})}, false},
		"long jti":                {[]string{proof(t, b, key, "POST", url, map[string]any{"jti": strings.Repeat("j", 257)})}, false},
		"jti is a number":         {[]string{proof(t, b, key, "POST", url, map[string]any{"jti": 1})}, false},
		"htm of another method":   {[]string{proof(t, b, key, "GET", url, nil)}, false},
		"htm in lower case":       {[]string{proof(t, b, key, "post", url, nil)}, false},
		"htu of another endpoint": {[]string{proof(t, b, key, "POST", testIssuer+PathPAR, nil)}, false},
		"htu of another host":     {[]string{proof(t, b, key, "POST", "https://evil.example.com"+PathToken, nil)}, false},
		"no htm":                  {[]string{signed(t, jose.ES256, key, typed("dpop+jwt"), without("htm"))}, false},
		"no htu":                  {[]string{signed(t, jose.ES256, key, typed("dpop+jwt"), without("htu"))}, false},
		"no iat":                  {[]string{signed(t, jose.ES256, key, typed("dpop+jwt"), without("iat"))}, false},
		"iat too old":             {[]string{proof(t, b, key, "POST", url, map[string]any{"iat": b.clock().Unix() - 61})}, false},
		"iat in the future":       {[]string{proof(t, b, key, "POST", url, map[string]any{"iat": b.clock().Unix() + 62})}, false},
		"iat beyond all times":    {[]string{proof(t, b, key, "POST", url, map[string]any{"iat": 1e300})}, false},
		"htu with a query":        {[]string{proof(t, b, key, "POST", url+"?a=b#c", nil)}, true},
		"htu with default port":   {[]string{proof(t, b, key, "POST", "HTTPS://ID.example.com:443"+PathToken, nil)}, true},
		"htu with an escape":      {[]string{proof(t, b, key, "POST", testIssuer+"/%6fauth/token", nil)}, true},
		"unknown claims":          {[]string{proof(t, b, key, "POST", url, map[string]any{"nonce": "x", "zzz": 1})}, true},
	} {
		got, err := b.verifyDPoP(t.Context(), dpopCheck{Proofs: c.proofs, Method: "POST", URL: url})
		if c.want {
			if err != nil || got == "" {
				t.Errorf("%s: verifyDPoP = %q, %v, want a thumbprint", name, got, err)
			}
			continue
		}
		wantError(t, name, err, InvalidDPoPProof)
	}
	if got, err := b.verifyDPoP(t.Context(), dpopCheck{Method: "POST", URL: url}); got != "" || err != nil {
		t.Errorf("without a proof: %q, %v, want nothing", got, err)
	}
}

// A proof is good once, for its key; one that was refused is not used up.
func TestDPoPReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key, _ := ecKey(t)
	const url = testIssuer + PathToken
	p := proof(t, b, key, "POST", url, map[string]any{"jti": "one"})
	wrong := dpopCheck{Proofs: []string{p}, Method: "POST", URL: testIssuer + PathPAR}
	_, err := b.verifyDPoP(t.Context(), wrong)
	wantError(t, "at another endpoint", err, InvalidDPoPProof)
	right := dpopCheck{Proofs: []string{p}, Method: "POST", URL: url}
	if _, err := b.verifyDPoP(t.Context(), right); err != nil {
		t.Fatalf("first use: %v", err)
	}
	_, err = b.verifyDPoP(t.Context(), right)
	wantError(t, "second use", err, InvalidDPoPProof)
	again := proof(t, b, key, "POST", url, map[string]any{"jti": "one", "x": 1})
	_, err = b.verifyDPoP(t.Context(), dpopCheck{Proofs: []string{again}, Method: "POST", URL: url})
	wantError(t, "its jti in another proof", err, InvalidDPoPProof)
	other, _ := ecKey(t)
	foreign := proof(t, b, other, "POST", url, map[string]any{"jti": "one"})
	if _, err := b.verifyDPoP(t.Context(), dpopCheck{Proofs: []string{foreign}, Method: "POST", URL: url}); err != nil {
		t.Errorf("the jti under the key of somebody else: %v", err)
	}
}

// bound makes an access token that is bound to a key.
func bound(t *testing.T, b *bench, opaque bool) (token string, key *ecdsa.PrivateKey) {
	t.Helper()
	key, public := ecKey(t)
	thumbprint, err := keys.Thumbprint(public)
	if err != nil {
		t.Fatal(err)
	}
	b.grant(func(g *Grant) { g.KeyThumbprint = thumbprint })
	b.client(func(c *Client) { c.OpaqueAccessToken = opaque })
	return b.accessToken(t, "openid"), key
}

// Row 64: a bound token is refused as Bearer, with another key, for another
// request, and without its ath.
func TestBoundTokenAsBearer(t *testing.T) {
	t.Parallel()
	const url = testIssuer + PathUserInfo
	for _, opaque := range []bool{false, true} {
		b := newBench(t)
		token, key := bound(t, b, opaque)
		thief, _ := ecKey(t)
		ath := map[string]any{"ath": athOf(token)}
		for name, c := range map[string]struct {
			presented Presented
			code      Code
		}{
			"as Bearer":            {Presented{Scheme: "Bearer"}, InvalidToken},
			"as Bearer with proof": {Presented{Scheme: "Bearer", Proofs: []string{proof(t, b, key, "GET", url, ath)}}, InvalidToken},
			"without a proof":      {Presented{Scheme: "DPoP"}, InvalidDPoPProof},
			"with another key":     {Presented{Scheme: "DPoP", Proofs: []string{proof(t, b, thief, "GET", url, ath)}}, InvalidToken},
			"without ath":          {Presented{Scheme: "DPoP", Proofs: []string{proof(t, b, key, "GET", url, nil)}}, InvalidDPoPProof},
			"ath of another token": {Presented{Scheme: "DPoP", Proofs: []string{proof(t, b, key, "GET", url, map[string]any{"ath": athOf("x")})}}, InvalidDPoPProof},
			"for another method":   {Presented{Scheme: "DPoP", Proofs: []string{proof(t, b, key, "POST", url, ath)}}, InvalidDPoPProof},
			"for another URL":      {Presented{Scheme: "DPoP", Proofs: []string{proof(t, b, key, "GET", testIssuer, ath)}}, InvalidDPoPProof},
		} {
			c.presented.Token, c.presented.Method, c.presented.URL = token, http.MethodGet, url
			_, err := b.AccessToken(t.Context(), c.presented)
			wantError(t, name, err, c.code)
			if e := b.errorOf(err); e.Status != http.StatusUnauthorized || !strings.Contains(e.Header["WWW-Authenticate"], "DPoP algs=") {
				t.Errorf("%s: status %d, WWW-Authenticate %q", name, e.Status, e.Header["WWW-Authenticate"])
			}
		}
		p := proof(t, b, key, "GET", url, ath)
		present := Presented{Scheme: "dpop", Token: token, Method: "GET", URL: url, Proofs: []string{p}}
		if _, err := b.AccessToken(t.Context(), present); err != nil {
			t.Errorf("opaque %v, with its proof: %v", opaque, err)
		}
		_, err := b.AccessToken(t.Context(), present)
		wantError(t, "the same proof again", err, InvalidDPoPProof)
	}
}

// A token that is not bound may not pass as one.
func TestUnboundTokenAsDPoP(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	token := b.accessToken(t, "openid")
	key, _ := ecKey(t)
	const url = testIssuer + PathUserInfo
	_, err := b.AccessToken(t.Context(), Presented{
		Scheme: "DPoP", Token: token, Method: "GET", URL: url,
		Proofs: []string{proof(t, b, key, "GET", url, map[string]any{"ath": athOf(token)})},
	})
	wantError(t, "unbound as DPoP", err, InvalidToken)
}

func TestSameURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://a.example/x", "https://a.example/x?y#z", true},
		{"https://a.example", "https://a.example/", true},
		{"https://a.example:8443/x", "https://a.example/x", false},
		{"http://a.example:80/x", "http://a.example/x", true},
		{"https://a.example:80/x", "https://a.example/x", false},
		{"https://a.example/x%2fy", "https://a.example/x%2Fy", true},
		{"https://a.example/x%2fy", "https://a.example/x/y", false},
		{"https://a.example/X", "https://a.example/x", false},
		{"https://a.example/x/", "https://a.example/x", false},
		{"https://u:p@a.example/x", "https://a.example/x", false},
		{"https://[::1]/x", "https://[::1]:443/x", true},
		{"https://[::1:8080]/x", "https://[::1]:8080/x", false},
		{"/x", "/x", false},
		{"", "", false},
		{"https://a.example/%zz", "https://a.example/%zz", false},
	} {
		if got := sameURL(c.a, c.b); got != c.want {
			t.Errorf("sameURL(%q, %q) = %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
