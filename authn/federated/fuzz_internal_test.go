package federated

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/sallyport-id/sallyport/authn/federated/fakeidp"
)

// FuzzIDToken: no text that the provider did not sign is an ID token, and none
// makes the parsers fail in another way than by a refusal (row 43 of what broke
// elsewhere).
func FuzzIDToken(f *testing.F) {
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	p, err := NewOIDC(OIDCConfig{Issuer: "https://corp.example", ClientID: fakeidp.ClientID, Now: now})
	if err != nil {
		f.Fatal(err)
	}
	key := fakeidp.NewKey()
	m := &metadata{Issuer: "https://corp.example", keys: &oidc.StaticKeySet{PublicKeys: nil}}
	claims := map[string]any{
		"iss": "https://corp.example", "aud": fakeidp.ClientID, "sub": "zoe", "nonce": "n", "iat": now().Unix(), "exp": now().Add(time.Minute).Unix(),
	}
	foreign := fakeidp.SignedBy("ES256", key, "k", claims)
	for _, seed := range []string{
		"", ".", "..", "a.b.c", foreign, fakeidp.Unsigned(claims), strings.Repeat("e", 70000), foreign + ".x.y", `{"payload":"","signatures":[]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := p.verify(t.Context(), m, raw, "n", "")
		if _, refused := ReasonOf(err); c != nil || !refused {
			t.Errorf("verify(%q) = %+v, %v, want a refusal", raw, c, err)
		}
	})
}

// FuzzAnswer: whatever the parameters of an answer are, they hold a code of one
// text, or are refused.
func FuzzAnswer(f *testing.F) {
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }
	p, err := NewOIDC(OIDCConfig{Issuer: "https://corp.example", ClientID: "c", Now: now})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"code=x&state=s", "error=access_denied", "code=a&code=b", "iss=https://evil.example&code=x", "%zz", "iss=&code="} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, query string, sends bool) {
		params, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		code, err := p.code(&metadata{Issuer: "https://corp.example", SendsIssuer: sends}, params)
		if err != nil {
			if _, refused := ReasonOf(err); !refused || code != "" {
				t.Errorf("code(%q) = %q, %v", query, code, err)
			}
			return
		}
		if code == "" || len(params["code"]) != 1 || params.Has("error") && params.Get("error") != "" || sends && params.Get("iss") != "https://corp.example" {
			t.Errorf("code(%q) = %q", query, code)
		}
	})
}
