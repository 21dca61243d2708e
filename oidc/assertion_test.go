package oidc

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// jwtClient is a client with a registered EC key, and claims that it may send.
func jwtClient(t *testing.T, b *bench) (Client, jose.JSONWebKey, map[string]any) {
	t.Helper()
	key, public := ecKey(t)
	c := b.client(func(c *Client) { c.AuthMethod, c.JWKS = PrivateKeyJWT, jwksOf(t, public) })
	now := b.clock().Unix()
	return c, jose.JSONWebKey{Key: key, KeyID: "k1"}, map[string]any{
		"iss": "app", "sub": "app", "aud": testIssuer, "iat": now, "exp": now + 60, "jti": "j1",
	}
}

func with(claims map[string]any, pairs ...any) map[string]any {
	out := maps.Clone(claims)
	for i := 0; i < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		if pairs[i+1] == nil {
			delete(out, name)
			continue
		}
		out[name] = pairs[i+1]
	}
	return out
}

// Row 52: iss = sub = client_id, aud = issuer as one string, exp, jti, algorithm
// and typ of a client assertion.
func TestRow52_ClientAssertion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c, key, good := jwtClient(t, b)
	now := b.clock().Unix()
	stranger, _ := ecKey(t)
	sign := func(claims map[string]any) string { return signed(t, jose.ES256, key, nil, claims) }
	typed := func(typ string, jti string) string {
		return signed(t, jose.ES256, key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)), with(good, "jti", jti))
	}
	for name, a := range map[string]struct {
		assertion string
		want      bool
	}{
		"good":                      {sign(with(good, "jti", "a")), true},
		"typ JWT":                   {typed("JWT", "b"), true},
		"typ client-authentication": {typed("client-authentication+jwt", "c"), true},
		"no kid":                    {signed(t, jose.ES256, key.Key, nil, with(good, "jti", "d")), true},
		"10 s past its end":         {sign(with(good, "jti", "e", "exp", now-9)), true},
		"10 s before its time":      {sign(with(good, "jti", "f", "nbf", now+10)), true},
		"typ of a request object":   {typed("oauth-authz-req+jwt", "g"), false},
		"typ of a DPoP proof":       {typed("dpop+jwt", "g"), false},
		"alg none":                  {unsigned(t, map[string]any{"alg": "none"}, good), false},
		"HS256 with the public key": {signed(t, jose.HS256, []byte(c.JWKS), nil, good), false},
		"signed by a stranger":      {signed(t, jose.ES256, stranger, nil, good), false},
		"unknown kid":               {signed(t, jose.ES256, jose.JSONWebKey{Key: key.Key, KeyID: "k2"}, nil, good), false},
		"iss is somebody else":      {sign(with(good, "iss", "other")), false},
		"sub is somebody else":      {sign(with(good, "sub", "other")), false},
		"aud in an array":           {sign(with(good, "aud", []string{testIssuer})), false},
		"aud with more":             {sign(with(good, "aud", []string{testIssuer, "https://other.example"})), false},
		"aud is the endpoint":       {sign(with(good, "aud", testIssuer+PathToken)), false},
		"aud with a slash":          {sign(with(good, "aud", testIssuer+"/")), false},
		"no aud":                    {sign(with(good, "aud", nil)), false},
		"no exp":                    {sign(with(good, "exp", nil)), false},
		"expired":                   {sign(with(good, "exp", now-11)), false},
		"valid for too long":        {sign(with(good, "exp", now+3700)), false},
		"not yet valid":             {sign(with(good, "nbf", now+11)), false},
		"from the future":           {sign(with(good, "iat", now+11)), false},
		"exp is a text":             {sign(with(good, "exp", "soon")), false},
		"no jti":                    {sign(with(good, "jti", nil)), false},
		"long jti":                  {sign(with(good, "jti", strings.Repeat("j", 300))), false},
		"not a JWT":                 {"x", false},
	} {
		err := b.verifyClientAssertion(t.Context(), c, a.assertion)
		if a.want {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantError(t, name, err, InvalidClient)
	}
	got, err := b.assertionClient(sign(good))
	if err != nil || got != "app" {
		t.Errorf("assertionClient = %q, %v, want app", got, err)
	}
	_, err = b.assertionClient(sign(with(good, "sub", nil)))
	wantError(t, "assertionClient without sub", err, InvalidClient)
}

func TestClientAssertionReplay(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c, key, good := jwtClient(t, b)
	first := signed(t, jose.ES256, key, nil, good)
	refused := signed(t, jose.ES256, key, nil, with(good, "aud", testIssuer+PathToken))
	wantError(t, "for an endpoint", b.verifyClientAssertion(t.Context(), c, refused), InvalidClient)
	if err := b.verifyClientAssertion(t.Context(), c, first); err != nil {
		t.Fatalf("first use: %v", err)
	}
	wantError(t, "second use", b.verifyClientAssertion(t.Context(), c, first), InvalidClient)
	again := signed(t, jose.ES256, key, nil, with(good, "exp", b.clock().Unix()+90))
	wantError(t, "its jti again", b.verifyClientAssertion(t.Context(), c, again), InvalidClient)
	c.ID = "other"
	theirs := signed(t, jose.ES256, key, nil, with(good, "iss", "other", "sub", "other"))
	if err := b.verifyClientAssertion(t.Context(), c, theirs); err != nil {
		t.Errorf("the same jti of another client: %v", err)
	}
}

// Rows 31, 33, 34 of request objects.
func TestRow34_RequestObject(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c, key, _ := jwtClient(t, b)
	now := b.clock().Unix()
	good := map[string]any{
		"iss": "app", "aud": testIssuer, "iat": now, "nbf": now, "exp": now + 300, "jti": "x",
		"client_id": "app", "response_type": "code", "redirect_uri": "https://app.example.com/cb", "max_age": 300,
		"claims": map[string]any{"id_token": map[string]any{"acr": map[string]any{"essential": true}}},
	}
	sign := func(claims map[string]any) string { return signed(t, jose.ES256, key, nil, claims) }
	got, err := b.verifyRequestObject(t.Context(), c, sign(with(good, "aud", []string{"x", testIssuer})))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"client_id": "app", "response_type": "code", "redirect_uri": "https://app.example.com/cb", "max_age": "300",
		"claims": `{"id_token":{"acr":{"essential":true}}}`,
	}
	if !maps.Equal(got, want) {
		t.Errorf("verifyRequestObject = %v, want %v", got, want)
	}
	stranger, _ := ecKey(t)
	for name, object := range map[string]string{
		"alg none":              unsigned(t, map[string]any{"alg": "none"}, good),
		"signature of none":     unsigned(t, map[string]any{"alg": "ES256", "kid": "k1"}, good),
		"HS256":                 signed(t, jose.HS256, []byte(c.JWKS), nil, good),
		"signed by a stranger":  signed(t, jose.ES256, stranger, nil, good),
		"typ of an assertion":   signed(t, jose.ES256, key, (&jose.SignerOptions{}).WithType("client-authentication+jwt"), good),
		"no iss":                sign(with(good, "iss", nil)),
		"iss is somebody else":  sign(with(good, "iss", "other")),
		"sub is the client":     sign(with(good, "sub", "app")),
		"no aud":                sign(with(good, "aud", nil)),
		"aud is another server": sign(with(good, "aud", "https://other.example")),
		"no exp":                sign(with(good, "exp", nil)),
		"expired":               sign(with(good, "exp", now-11)),
		"valid for too long":    sign(with(good, "exp", now+4000)),
		"not yet valid":         sign(with(good, "nbf", now+11)),
		"no client_id":          sign(with(good, "client_id", nil)),
		"another client_id":     sign(with(good, "client_id", "other")),
		"request inside":        sign(with(good, "request", "x")),
		"request_uri inside":    sign(with(good, "request_uri", "urn:x")),
		"null inside":           sign(with(good, "state", json.RawMessage("null"))),
		"array inside":          sign(with(good, "state", []string{"a", "b"})),
		"not a JWT":             "x",
	} {
		_, err := b.verifyRequestObject(t.Context(), c, object)
		wantError(t, name, err, InvalidRequestObject)
	}
	c.RequestObjectAlg = "PS256"
	_, err = b.verifyRequestObject(t.Context(), c, sign(good))
	wantError(t, "another algorithm than registered", err, InvalidRequestObject)
}

// What RFC 7517 and RFC 7518 let a key set be, and what is too weak or private.
func TestCheckJWKS(t *testing.T) {
	t.Parallel()
	key, public := ecKey(t)
	second := public
	second.KeyID = "k2"
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	// RFC 7517 appendix A.1, the EC key.
	const appendixA = `{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}]}`
	// RFC 8037 appendix A.2.
	const okp = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	weak := `{"keys":[{"kty":"RSA","n":"` + strings.Repeat("A", 170) + `Q","e":"AQAB"}]}`
	for name, c := range map[string]struct {
		jwks json.RawMessage
		want bool
	}{
		"EC":                {jwksOf(t, public), true},
		"two keys":          {jwksOf(t, public, second), true},
		"RSA":               {jwksOf(t, jose.JSONWebKey{Key: &strong.PublicKey}), true},
		"RFC 7517 A.1":      {json.RawMessage(appendixA), true},
		"RFC 8037 A.2":      {json.RawMessage(okp), true},
		"kid twice":         {jwksOf(t, public, public), false},
		"private key":       {jwksOf(t, jose.JSONWebKey{Key: key}), false},
		"symmetric":         {json.RawMessage(`{"keys":[{"kty":"oct","k":"AAAA"}]}`), false},
		"weak RSA":          {json.RawMessage(weak), false},
		"P-384":             {json.RawMessage(`{"keys":[{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}]}`), false},
		"not on the curve":  {json.RawMessage(strings.Replace(appendixA, "MKBC", "AAAA", 1)), false},
		"unknown kind":      {json.RawMessage(`{"keys":[{"kty":"XYZ"}]}`), false},
		"no keys":           {json.RawMessage(`{"keys":[]}`), false},
		"not a set":         {json.RawMessage(`[]`), false},
		"not JSON":          {json.RawMessage(`{`), false},
		"nothing":           {nil, false},
		"a text among keys": {json.RawMessage(`{"keys":["x"]}`), false},
		"too many":          {json.RawMessage(`{"keys":[` + strings.Repeat(`{"kty":"oct"},`, 30) + `{}]}`), false},
		"too long":          {json.RawMessage(`{"keys":[], "x":"` + strings.Repeat("x", maxClientJWKS) + `"}`), false},
	} {
		if err := CheckJWKS(c.jwks); (err == nil) != c.want {
			t.Errorf("%s: CheckJWKS = %v, want ok %v", name, err, c.want)
		}
	}
}

// A key that is registered for encryption, or for another algorithm, does not
// verify.
func TestClientKeyOfAnotherUse(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c, key, good := jwtClient(t, b)
	pub := key.Public()
	for name, edit := range map[string]func(*jose.JSONWebKey){
		"use enc":   func(k *jose.JSONWebKey) { k.Use = "enc" },
		"alg PS256": func(k *jose.JSONWebKey) { k.Algorithm = "PS256" },
	} {
		k := pub
		edit(&k)
		c.JWKS = jwksOf(t, k)
		wantError(t, name, b.verifyClientAssertion(t.Context(), c, signed(t, jose.ES256, key, nil, good)), InvalidClient)
	}
	b.add(time.Second)
}
