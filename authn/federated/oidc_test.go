package federated_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/fakeidp"
)

func clock() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC) }

const callback = "https://id.example.com/federation/corp/callback"

// upstream is a provider of ours at the fake.
func upstream(t *testing.T, idp *fakeidp.Server, edits ...func(*federated.OIDCConfig)) *federated.OIDCProvider {
	t.Helper()
	cfg := federated.OIDCConfig{
		Issuer: idp.URL, ClientID: fakeidp.ClientID, ClientSecret: fakeidp.ClientSecret, AllowPrivate: true, Now: clock,
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	p, err := federated.NewOIDC(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newIDP(t *testing.T) *fakeidp.Server {
	t.Helper()
	idp := fakeidp.New(clock)
	t.Cleanup(idp.Close)
	return idp
}

// login sends a person to the provider and returns what comes back.
func login(t *testing.T, p federated.Upstream, r federated.Request, change func(url.Values)) (federated.Identity, error) {
	t.Helper()
	r.State, r.CallbackURL = "state-of-the-request", callback
	to, private, err := p.Begin(t.Context(), r)
	if err != nil {
		return federated.Identity{}, err
	}
	return p.Finish(t.Context(), private, answerOf(t, to, change))
}

// answerOf follows the browser to the provider and back.
func answerOf(t *testing.T, to federated.Redirect, change func(url.Values)) federated.Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil || !strings.HasPrefix(back.String(), callback+"?") {
		t.Fatalf("the provider answered %d, %v", res.StatusCode, back)
	}
	params := back.Query()
	if change != nil {
		change(params)
	}
	return federated.Answer{Provider: "corp", State: params.Get("state"), Params: params, URL: callback}
}

// wantReason fails unless the error is a refusal for that reason.
func wantReason(t *testing.T, err error, want federated.Reason) {
	t.Helper()
	if got, ok := federated.ReasonOf(err); !ok || got != want {
		t.Errorf("error = %v, want a refusal for %q", err, want)
	}
}

// TestOIDCLogin: a login asks with PKCE, state and nonce, and ends with who the
// person is.
func TestOIDCLogin(t *testing.T) {
	t.Parallel()
	idp := newIDP(t)
	idp.Set(func(s *fakeidp.Settings) {
		s.AnswerIssuer = idp.URL
		s.Claims = map[string]any{
			"email": "zoe@corp.example", "email_verified": true, "name": "Zoë", "acr": "mfa", "amr": []string{"pwd", "otp"},
			"auth_time": clock().Add(-time.Minute).Unix(), "groups": []string{"a", "b"}, "address": map[string]any{"locality": "Bern"},
		}
	})
	got, err := login(t, upstream(t, idp), federated.Request{Fresh: true, MaxAge: new(90 * time.Second), Languages: "de-CH, en;q=0.5"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := federated.Identity{
		Issuer: idp.URL, Subject: "upstream-subject", AuthTime: clock().Add(-time.Minute), ACR: "mfa", AMR: []string{"pwd", "otp"},
		Email: "zoe@corp.example", EmailVerified: true, Name: "Zoë",
	}
	attributes := got.Attributes
	got.Attributes = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	if !slices.Equal(attributes["groups"], []string{"a", "b"}) || !slices.Equal(attributes["address.locality"], []string{"Bern"}) {
		t.Errorf("attributes = %v", attributes)
	}
	asked := idp.Requests()[0]
	for name, value := range map[string]string{
		"response_type": "code", "scope": "openid email profile", "code_challenge_method": "S256", "prompt": "login",
		"max_age": "90", "ui_locales": "de-CH en", "redirect_uri": callback, "state": "state-of-the-request",
	} {
		if asked.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, asked.Get(name), value)
		}
	}
	if len(asked.Get("nonce")) < 43 || len(asked.Get("code_challenge")) != 43 {
		t.Errorf("nonce %q or challenge %q is too short", asked.Get("nonce"), asked.Get("code_challenge"))
	}
}

// TestPeer_35_Upstream is the upstream half of row 35 (Casdoor CVE-2026-9097,
// Zitadel CVE-2026-55669): tokens of others are checked for all that they claim.
func TestPeer_35_Upstream(t *testing.T) {
	t.Parallel()
	set := func(name string, v any) func(*fakeidp.Settings) {
		return func(s *fakeidp.Settings) { s.Claims = map[string]any{name: v} }
	}
	sign := func(by func(s *fakeidp.Server, claims map[string]any) string) func(*fakeidp.Settings) {
		return func(s *fakeidp.Settings) { s.Sign = by }
	}
	now := clock()
	for name, c := range map[string]struct {
		lie  func(*fakeidp.Settings)
		want federated.Reason
	}{
		"no aud":           {set("aud", nil), federated.WrongAudience},
		"foreign aud":      {set("aud", "somebody-else"), federated.WrongAudience},
		"several, no azp":  {set("aud", []string{fakeidp.ClientID, "other"}), federated.WrongAudience},
		"foreign azp":      {set("azp", "somebody-else"), federated.WrongAudience},
		"no exp":           {set("exp", nil), federated.Expired},
		"expired":          {set("exp", now.Add(-time.Second).Unix()), federated.Expired},
		"no iat":           {set("iat", nil), federated.Expired},
		"old iat":          {set("iat", now.Add(-time.Hour).Unix()), federated.Expired},
		"iat to come":      {set("iat", now.Add(time.Hour).Unix()), federated.Expired},
		"not valid yet":    {set("nbf", now.Add(time.Hour).Unix()), federated.Expired},
		"auth_time ahead":  {set("auth_time", now.Add(time.Hour).Unix()), federated.Expired},
		"foreign iss":      {set("iss", "https://evil.example"), federated.WrongIssuer},
		"no iss":           {set("iss", nil), federated.WrongIssuer},
		"foreign nonce":    {set("nonce", "another"), federated.WrongNonce},
		"no nonce":         {set("nonce", nil), federated.WrongNonce},
		"no sub":           {set("sub", nil), federated.NoSubject},
		"endless sub":      {set("sub", strings.Repeat("x", 256)), federated.NoSubject},
		"foreign at_hash":  {set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), federated.BadSignature},
		"alg none":         {sign(func(_ *fakeidp.Server, c map[string]any) string { return fakeidp.Unsigned(c) }), federated.WrongAlgorithm},
		"HMAC of secret":   {sign(hmacToken(fakeidp.ClientSecret)), federated.WrongAlgorithm},
		"foreign key":      {sign(foreignKey(false)), federated.BadSignature},
		"foreign kid":      {sign(foreignKey(true)), federated.BadSignature},
		"key in the token": {sign(embeddedKey), federated.BadSignature},
		"no token":         {sign(func(*fakeidp.Server, map[string]any) string { return "" }), federated.Malformed},
		"no JWT":           {sign(func(*fakeidp.Server, map[string]any) string { return "a.b.c.d" }), federated.WrongAlgorithm},
		"changed claims":   {sign(changedClaims), federated.BadSignature},
		"down at tokens":   {func(s *fakeidp.Settings) { s.TokenStatus = http.StatusBadGateway }, federated.Unavailable},
		"no JSON":          {func(s *fakeidp.Settings) { s.TokenBody = "<html>" }, federated.Malformed},
		"endless answer":   {func(s *fakeidp.Settings) { s.TokenBody = strings.Repeat("x", 2<<20) }, federated.Malformed},
		"refused client": {func(s *fakeidp.Settings) {
			s.TokenStatus, s.TokenBody = http.StatusUnauthorized, `{"error":"invalid_client","error_description":"marker-secret"}`
		}, federated.Refused},
		"denied":        {func(s *fakeidp.Settings) { s.Deny = "access_denied" }, federated.Denied},
		"out of order":  {func(s *fakeidp.Settings) { s.Deny = "server_error" }, federated.Unavailable},
		"unknown error": {func(s *fakeidp.Settings) { s.Deny = "marker-secret" }, federated.Refused},
		"iss of answer": {func(s *fakeidp.Settings) { s.AnswerIssuer = "https://evil.example" }, federated.WrongIssuer},
		"iss is missing": {func(s *fakeidp.Settings) {
			s.Metadata = map[string]any{"authorization_response_iss_parameter_supported": true}
		}, federated.WrongIssuer},
		"foreign issuer": {func(s *fakeidp.Settings) { s.Metadata = map[string]any{"issuer": "https://evil.example"} }, federated.WrongIssuer},
		"keys elsewhere": {func(s *fakeidp.Settings) { s.Metadata = map[string]any{"jwks_uri": "file:///etc/passwd"} }, federated.Malformed},
		"no PKCE": {func(s *fakeidp.Settings) {
			s.Metadata = map[string]any{"code_challenge_methods_supported": []string{"plain"}}
		}, federated.Malformed},
		"of another user": {func(s *fakeidp.Settings) { s.UserInfo = map[string]any{"sub": "somebody", "email": "x@y.example"} }, federated.NoSubject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := newIDP(t)
			idp.Set(c.lie)
			id, err := login(t, upstream(t, idp), federated.Request{}, nil)
			wantReason(t, err, c.want)
			if id.Subject != "" || err != nil && strings.Contains(err.Error(), "marker-secret") {
				t.Errorf("identity %+v, error %v", id, err)
			}
		})
	}
}

func hmacToken(key string) func(*fakeidp.Server, map[string]any) string {
	return func(_ *fakeidp.Server, claims map[string]any) string {
		return fakeidp.SignedBy(jose.HS256, []byte((key + strings.Repeat("0", 32))[:32]), "", claims)
	}
}

func foreignKey(kid bool) func(*fakeidp.Server, map[string]any) string {
	return func(s *fakeidp.Server, claims map[string]any) string {
		id := s.Kid()
		if kid {
			id = "another"
		}
		return fakeidp.SignedBy(jose.ES256, fakeidp.NewKey(), id, claims)
	}
}

// embeddedKey brings its key along, which never counts.
func embeddedKey(_ *fakeidp.Server, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: fakeidp.NewKey()}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		panic(err)
	}
	plain := fakeidp.Unsigned(claims)
	payload := strings.Split(plain, ".")[1]
	object, err := signer.Sign([]byte(decoded(payload)))
	if err != nil {
		panic(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

func changedClaims(s *fakeidp.Server, claims map[string]any) string {
	signed := strings.Split(s.Signed(claims), ".")
	claims["sub"] = "somebody-else"
	signed[1] = strings.Split(fakeidp.Unsigned(claims), ".")[1]
	return strings.Join(signed, ".")
}

// TestAnswerParameters: an answer with a parameter twice, or without any, counts
// for nothing, and the code of one request not for another.
func TestAnswerParameters(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(url.Values){
		"no code":     func(v url.Values) { v.Del("code") },
		"two codes":   func(v url.Values) { v.Add("code", "x") },
		"two states":  func(v url.Values) { v.Add("state", "x") },
		"two issuers": func(v url.Values) { v["iss"] = []string{"a", "b"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := login(t, upstream(t, newIDP(t)), federated.Request{}, change)
			wantReason(t, err, federated.Malformed)
		})
	}
	idp := newIDP(t)
	p := upstream(t, idp)
	r := federated.Request{State: "s", CallbackURL: callback}
	first, _, err := p.Begin(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := p.Begin(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Finish(t.Context(), other, answerOf(t, first, nil))
	wantReason(t, err, federated.Refused) // the verifier is another
	_, private, err := p.Begin(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	changed := upstream(t, idp, func(c *federated.OIDCConfig) { c.ClientID = "another" })
	_, err = changed.Finish(t.Context(), private, answerOf(t, first, nil))
	wantReason(t, err, federated.NotAsked)
}

// TestSlowAndDown: a provider that does not answer within the limit, or at all,
// is unavailable, at the beginning and at the end of a login.
func TestSlowAndDown(t *testing.T) {
	t.Parallel()
	idp := newIDP(t)
	hold := make(chan struct{})
	defer close(hold)
	idp.Set(func(s *fakeidp.Settings) { s.Hold = hold })
	p := upstream(t, idp, func(c *federated.OIDCConfig) { c.Limit = 300 * time.Millisecond })
	_, err := login(t, p, federated.Request{}, nil)
	wantReason(t, err, federated.Unavailable)

	gone := fakeidp.New(clock)
	down := upstream(t, gone)
	gone.Close()
	_, err = login(t, down, federated.Request{}, nil)
	wantReason(t, err, federated.Unavailable)
	if _, err := down.Probe(t.Context()); err == nil {
		t.Error("a provider that is down passed the test")
	}
}

// TestRotation: a key that is new at the provider is fetched.
func TestRotation(t *testing.T) {
	t.Parallel()
	idp := newIDP(t)
	p := upstream(t, idp)
	for range 2 {
		if _, err := login(t, p, federated.Request{}, nil); err != nil {
			t.Fatal(err)
		}
		idp.Rotate()
	}
}

// TestUserInfo adds what the ID token lacks, and nothing that it must say itself.
func TestUserInfo(t *testing.T) {
	t.Parallel()
	idp := newIDP(t)
	idp.Set(func(s *fakeidp.Settings) {
		s.UserInfo = map[string]any{
			"sub": "upstream-subject", "email": "zoe@corp.example", "email_verified": "true", "acr": "forged", "auth_time": 1, "name": "Zoë",
		}
		s.Claims = map[string]any{"email_verified": false}
	})
	id, err := login(t, upstream(t, idp), federated.Request{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if id.Email != "zoe@corp.example" || !id.EmailVerified || id.ACR != "" || !id.AuthTime.IsZero() || id.Name != "Zoë" {
		t.Errorf("identity = %+v", id)
	}
	// The flag of one place does not belong to the address of the other.
	idp.Set(func(s *fakeidp.Settings) {
		s.Claims = map[string]any{"email": "other@corp.example"}
	})
	id, err = login(t, upstream(t, idp, func(c *federated.OIDCConfig) { c.UserInfo = true }), federated.Request{}, nil)
	if err != nil || id.Email != "other@corp.example" || id.EmailVerified {
		t.Errorf("identity = %+v, %v", id, err)
	}
}

// TestProbe says what is wrong before anybody logs in.
func TestProbe(t *testing.T) {
	t.Parallel()
	idp := newIDP(t)
	found, err := upstream(t, idp).Probe(context.Background())
	if err != nil || len(found) < 5 {
		t.Errorf("Probe = %q, %v", found, err)
	}
	_, err = upstream(t, idp, func(c *federated.OIDCConfig) { c.Algorithms = []string{"RS256"} }).Probe(t.Context())
	wantReason(t, err, federated.BadSignature)
}

// TestNewOIDC refuses settings that cannot work.
func TestNewOIDC(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*federated.OIDCConfig){
		"http":           func(c *federated.OIDCConfig) { c.Issuer = "http://id.example.com" },
		"no client":      func(c *federated.OIDCConfig) { c.ClientID = "" },
		"no openid":      func(c *federated.OIDCConfig) { c.Scopes = []string{"email"} },
		"HMAC":           func(c *federated.OIDCConfig) { c.Algorithms = []string{"HS256"} },
		"none":           func(c *federated.OIDCConfig) { c.Algorithms = []string{"none"} },
		"unknown method": func(c *federated.OIDCConfig) { c.AuthMethod = "tls" },
		"secret of none": func(c *federated.OIDCConfig) { c.AuthMethod, c.ClientSecret = federated.AuthNone, "s" },
		"Basic of none":  func(c *federated.OIDCConfig) { c.AuthMethod = federated.AuthBasic },
		"no tenant":      func(c *federated.OIDCConfig) { c.Kind = federated.Microsoft },
		"tenant by name": func(c *federated.OIDCConfig) { c.Kind, c.Tenant = federated.Microsoft, "contoso.example" },
		"Facebook":       func(c *federated.OIDCConfig) { c.Kind = federated.Facebook },
		"tenants of one": func(c *federated.OIDCConfig) {
			c.Kind, c.Tenant, c.Tenants = federated.Microsoft, tenant, []string{tenant}
		},
		"tenants by name": func(c *federated.OIDCConfig) {
			c.Kind, c.Tenant, c.Tenants = federated.Microsoft, "common", []string{"x"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := federated.OIDCConfig{Issuer: "https://id.example.com", ClientID: "c", Now: clock}
			edit(&cfg)
			if _, err := federated.NewOIDC(cfg); err == nil {
				t.Error("the settings were accepted")
			}
		})
	}
}
