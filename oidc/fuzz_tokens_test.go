package oidc

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// seeds are JWTs that are nearly right, for the fuzzers below.
func seeds(f *testing.F, b *bench) {
	f.Helper()
	key, public := ecKey(f)
	claims := map[string]any{"iss": "app", "sub": "app", "aud": testIssuer, "exp": 1, "jti": "j", "htm": "POST", "htu": "x", "iat": 1}
	embedded := (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt")
	for _, raw := range []string{
		"", "..", "a.b.c", rfcProof, rfcResourceProof,
		signed(f, jose.ES256, key, embedded, claims),
		signed(f, jose.ES256, jose.JSONWebKey{Key: key, KeyID: "k1"}, nil, claims),
		unsigned(f, map[string]any{"alg": "none", "jwk": public}, claims),
		b.accessToken(f, "openid"),
		"eyJhbGciOiJFUzI1NiIsImp3ayI6e319.e30.AA", "eyJhbGciOiJSUzI1NiIsImNyaXQiOlsieCJdfQ.e30.AA",
		"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA",
	} {
		f.Add(raw)
	}
}

// No text of a stranger is a proof that was made for this request, and none
// makes us panic.
func FuzzDPoPProof(f *testing.F) {
	b := newBench(f)
	seeds(f, b)
	f.Fuzz(func(t *testing.T, raw string) {
		thumbprint, err := b.verifyDPoP(t.Context(), dpopCheck{
			Proofs: []string{raw}, Method: "POST", URL: testIssuer + PathToken, AccessToken: "unknown to the fuzzer",
		})
		if err == nil || thumbprint != "" {
			t.Errorf("verifyDPoP(%q) = %q, %v", raw, thumbprint, err)
		}
	})
}

func FuzzClientAssertion(f *testing.F) {
	b := newBench(f)
	seeds(f, b)
	_, public := ecKey(f)
	set := `{"keys":[` + mustKey(f, public) + `]}`
	f.Fuzz(func(t *testing.T, raw string) {
		c := Client{ID: "app", JWKS: []byte(set)}
		if err := b.verifyClientAssertion(t.Context(), c, raw); err == nil {
			t.Errorf("verifyClientAssertion(%q) succeeded without the key", raw)
		}
		if id, err := b.assertionClient(raw); err == nil && id == "" {
			t.Errorf("assertionClient(%q) is nobody without an error", raw)
		}
	})
}

func mustKey(f *testing.F, k jose.JSONWebKey) string {
	f.Helper()
	b, err := k.MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	return string(b)
}

// Parameters of a request object have their client_id, none that may not be
// inside, and nothing that the JWT says about itself.
func FuzzRequestObject(f *testing.F) {
	for _, payload := range []string{
		`{"client_id":"app","max_age":1,"claims":{"a":[1]}}`, `{"client_id":"app","state":null}`, `[]`, `{`,
		`{"client_id":"app","request":"x"}`, `{"client_id":"app","a":[ "b" ],"iss":"x","aud":[]}`, `{"client_id":["app"]}`,
	} {
		f.Add(payload)
	}
	b := newBench(f)
	f.Fuzz(func(t *testing.T, payload string) {
		if _, err := b.verifyRequestObject(t.Context(), Client{ID: "app"}, payload); err == nil {
			t.Errorf("verifyRequestObject(%q) succeeded without a key", payload)
		}
		got, err := requestParameters(Client{ID: "app"}, []byte(payload))
		if err != nil {
			return
		}
		if got["client_id"] != "app" {
			t.Errorf("requestParameters(%q) = %v without the client", payload, got)
		}
		for _, name := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "request", "request_uri"} {
			if _, has := got[name]; has {
				t.Errorf("requestParameters(%q) has %s", payload, name)
			}
		}
	})
}

func FuzzIDTokenHint(f *testing.F) {
	b := newBench(f)
	seeds(f, b)
	f.Fuzz(func(t *testing.T, raw string) {
		if hint, err := b.verifyIDTokenHint(t.Context(), raw); err == nil {
			t.Errorf("verifyIDTokenHint(%q) = %+v", raw, hint)
		}
	})
}

// A registration document never makes a client that an operator would have to
// vouch for, and what is written reads as the same again.
func FuzzRegistration(f *testing.F) {
	f.Add(webDocument)
	f.Add(`{"grant_types":["client_credentials"],"scope":"scim:admin"}`)
	f.Add(`{"jwks":{"keys":[]},"default_max_age":-1}`)
	f.Add(`{}{}`)
	b := newBench(f)
	f.Fuzz(func(t *testing.T, body string) {
		doc, err := parseRegistration(strings.NewReader(body))
		if err != nil {
			wantErrorOf(t, body, err)
			return
		}
		var c Client
		doc.apply(&c, b.registrationScopes(doc))
		if c.Trusted || c.AllowHTTPRedirect || c.Profile != "" || c.RequiredACR != "" {
			t.Errorf("parseRegistration(%q) made %+v", body, c)
		}
		for _, s := range c.Scopes {
			if isSCIM(s) || s == "payments" {
				t.Errorf("parseRegistration(%q) gives the scope %s", body, s)
			}
		}
	})
}

// wantErrorOf accepts the errors that a client may be told.
func wantErrorOf(t *testing.T, body string, err error) {
	t.Helper()
	if e, ok := err.(*Error); !ok || e.Code != InvalidMetadata { //nolint:errorlint // it is returned as it is
		t.Errorf("parseRegistration(%q) = %v", body, err)
	}
}

// Two spellings of a URL are the same both ways round, and each is itself.
func FuzzSameURL(f *testing.F) {
	f.Add("https://a.example/x?y", "https://A.example:443/x")
	f.Add("https://[::1:80]/", "https://[::1]:80/%2f%41")
	f.Fuzz(func(t *testing.T, a, b string) {
		if sameURL(a, b) != sameURL(b, a) {
			t.Errorf("sameURL(%q, %q) depends on the order", a, b)
		}
		if n, ok := normalURL(a); ok {
			if again, ok := normalURL(n); !ok || again != n {
				t.Errorf("normalURL(%q) = %q, and of that %q", a, n, again)
			}
		}
	})
}
