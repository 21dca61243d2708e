package federated_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/fakeidp"
)

const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"

func decoded(part string) string {
	plain, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		panic(err)
	}
	return string(plain)
}

// TestGoogle: Google answers for its own addresses and for those of
// organizations that it hosts; it asks for no prompt that Google does not have.
func TestGoogle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		claims map[string]any
		want   bool
	}{
		"its own":            {map[string]any{"email": "zoe@gmail.com", "email_verified": true}, true},
		"hosted":             {map[string]any{"email": "zoe@corp.example", "email_verified": true, "hd": "corp.example"}, true},
		"of somewhere else":  {map[string]any{"email": "zoe@corp.example", "email_verified": true}, false},
		"hosted, unverified": {map[string]any{"email": "zoe@corp.example", "email_verified": false, "hd": "corp.example"}, false},
		"looks like its own": {map[string]any{"email": "zoe@notgmail.com", "email_verified": true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := newIDP(t)
			idp.Set(func(s *fakeidp.Settings) { s.Claims = c.claims })
			google := upstream(t, idp, func(c *federated.OIDCConfig) { c.Kind = federated.Google })
			id, err := login(t, google, federated.Request{Fresh: true}, nil)
			if err != nil || id.EmailVerified != c.want {
				t.Errorf("verified = %v, %v, want %v", id.EmailVerified, err, c.want)
			}
			if got := idp.Requests()[0].Get("prompt"); got != "select_account" {
				t.Errorf("prompt = %q", got)
			}
		})
	}
	if p, err := federated.NewOIDC(federated.OIDCConfig{Kind: federated.Google, ClientID: "c", ClientSecret: "s", Now: clock}); err != nil || p == nil {
		t.Errorf("Google without an issuer: %v", err)
	}
}

// TestMicrosoft: the address counts only where the tenant owns the domain.
func TestMicrosoft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		claims map[string]any
		want   bool
	}{
		"says nothing of the domain": {map[string]any{"email": "zoe@corp.example", "email_verified": true}, false},
		"owns the domain":            {map[string]any{"email": "zoe@corp.example", "xms_edov": true}, true},
		"in the older form":          {map[string]any{"email": "zoe@corp.example", "xms_edov": "1"}, true},
		"does not own it":            {map[string]any{"email": "zoe@corp.example", "xms_edov": false}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := newIDP(t)
			idp.Set(func(s *fakeidp.Settings) { s.Claims = c.claims })
			microsoft := upstream(t, idp, func(c *federated.OIDCConfig) { c.Kind, c.Tenant = federated.Microsoft, tenant })
			id, err := login(t, microsoft, federated.Request{}, nil)
			if err != nil || id.EmailVerified != c.want {
				t.Errorf("verified = %v, %v, want %v", id.EmailVerified, err, c.want)
			}
		})
	}
}

// TestMicrosoftTenants: the endpoint for all tenants names a pattern as issuer;
// the token that of one tenant, which must be one of the settings.
func TestMicrosoftTenants(t *testing.T) {
	t.Parallel()
	const other = "00000000-0000-0000-0000-000000000001"
	issuer := func(id string) string { return "https://login.microsoftonline.com/" + id + "/v2.0" }
	for name, c := range map[string]struct {
		claims  map[string]any
		tenants []string
		want    federated.Reason
	}{
		"any":                 {map[string]any{"tid": tenant, "iss": issuer(tenant)}, nil, ""},
		"listed":              {map[string]any{"tid": tenant, "iss": issuer(tenant)}, []string{tenant}, ""},
		"not listed":          {map[string]any{"tid": other, "iss": issuer(other)}, []string{tenant}, federated.WrongIssuer},
		"issuer of another":   {map[string]any{"tid": tenant, "iss": issuer(other)}, []string{tenant}, federated.WrongIssuer},
		"the pattern itself":  {map[string]any{"tid": "{tenantid}", "iss": issuer("{tenantid}")}, nil, federated.WrongIssuer},
		"no tenant":           {map[string]any{"iss": issuer(tenant)}, nil, federated.WrongIssuer},
		"somewhere different": {map[string]any{"tid": tenant, "iss": "https://evil.example"}, nil, federated.WrongIssuer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := newIDP(t)
			idp.Set(func(s *fakeidp.Settings) {
				s.Metadata = map[string]any{"issuer": issuer("{tenantid}")}
				s.Claims = c.claims
			})
			p := upstream(t, idp, func(cfg *federated.OIDCConfig) {
				cfg.Kind, cfg.Tenant, cfg.Tenants = federated.Microsoft, "organizations", c.tenants
			})
			id, err := login(t, p, federated.Request{}, nil)
			if c.want != "" {
				wantReason(t, err, c.want)
				return
			}
			if err != nil || id.Issuer != issuer(tenant) {
				t.Errorf("identity = %+v, %v", id, err)
			}
		})
	}
}

// graph is Facebook by the shapes of its public documentation.
type graph struct {
	*httptest.Server
	me, token string // files of testdata
	status    int
}

func newGraph(t *testing.T) *graph {
	t.Helper()
	g := &graph{me: "facebook_me.json", token: "facebook_token.json", status: http.StatusOK}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		switch r.URL.Path {
		case "/v23.0/oauth/access_token":
			if r.FormValue("client_id") != "5303202981" || r.FormValue("client_secret") != "app-secret" || r.FormValue("code") != "AQDcode" || r.FormValue("code_verifier") == "" {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write(recorded(t, "facebook_error.json"))
				return
			}
			_, _ = w.Write(recorded(t, g.token))
		case "/v23.0/me":
			mac := hmac.New(sha256.New, []byte("app-secret"))
			mac.Write([]byte("EAAG-user-token"))
			if r.FormValue("appsecret_proof") != hex.EncodeToString(mac.Sum(nil)) || r.Header.Get("Authorization") != "Bearer EAAG-user-token" {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write(recorded(t, "facebook_error.json"))
				return
			}
			w.WriteHeader(g.status)
			_, _ = w.Write(recorded(t, g.me))
		case "/v23.0/5303202981":
			_, _ = w.Write([]byte(`{"id":"5303202981","name":"Sallyport"}`))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(g.Close)
	return g
}

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Error(err)
	}
	return text
}

func facebook(t *testing.T, g *graph, edits ...func(*federated.FacebookConfig)) *federated.FacebookProvider {
	t.Helper()
	cfg := federated.FacebookConfig{ClientID: "5303202981", ClientSecret: "app-secret", Graph: g.URL, AllowPrivate: true, Now: clock}
	for _, edit := range edits {
		edit(&cfg)
	}
	p, err := federated.NewFacebook(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFacebook logs in by the documented shapes: a dialog with PKCE, a token for
// the code, and the profile with a proof that only our application can make.
func TestFacebook(t *testing.T) {
	t.Parallel()
	f := facebook(t, newGraph(t))
	to, private, err := f.Begin(t.Context(), federated.Request{State: "s", CallbackURL: callback, Fresh: true})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to.URL)
	if err != nil || u.Host != "www.facebook.com" || u.Path != "/v23.0/dialog/oauth" {
		t.Fatalf("dialog = %s, %v", to.URL, err)
	}
	for name, want := range map[string]string{
		"client_id": "5303202981", "scope": "public_profile,email", "state": "s", "code_challenge_method": "S256",
		"auth_type": "reauthenticate", "redirect_uri": callback, "response_type": "code",
	} {
		if got := u.Query().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	id, err := f.Finish(t.Context(), private, federated.Answer{State: "s", Params: url.Values{"state": {"s"}, "code": {"AQDcode"}}})
	if err != nil {
		t.Fatal(err)
	}
	if id.Issuer != federated.FacebookIssuer || id.Subject != "10224182736452817" || id.Name != "Zoë Veil" || id.Email != "zoe@corp.example" || id.EmailVerified {
		t.Errorf("identity = %+v", id)
	}
	if !slices.Equal(id.Attributes["first_name"], []string{"Zoë"}) {
		t.Errorf("attributes = %v", id.Attributes)
	}
	if found, err := f.Probe(t.Context()); err != nil || len(found) != 1 {
		t.Errorf("Probe = %q, %v", found, err)
	}
}

// TestFacebookRefuses holds answers that are none.
func TestFacebookRefuses(t *testing.T) {
	t.Parallel()
	good := url.Values{"code": {"AQDcode"}, "state": {"s"}}
	for name, c := range map[string]struct {
		graph  func(*graph)
		params url.Values
		want   federated.Reason
	}{
		"denied":          {nil, url.Values{"error": {"access_denied"}, "error_reason": {"user_denied"}}, federated.Denied},
		"no code":         {nil, url.Values{}, federated.Malformed},
		"two codes":       {nil, url.Values{"code": {"AQDcode", "x"}}, federated.Malformed},
		"foreign code":    {nil, url.Values{"code": {"another"}}, federated.Refused},
		"no profile":      {func(g *graph) { g.status = http.StatusBadRequest }, good, federated.Unavailable},
		"profile of none": {func(g *graph) { g.me = "facebook_error.json" }, good, federated.NoSubject},
		"token of none":   {func(g *graph) { g.token = "facebook_error.json" }, good, federated.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGraph(t)
			if c.graph != nil {
				c.graph(g)
			}
			f := facebook(t, g)
			_, private, err := f.Begin(t.Context(), federated.Request{State: "s", CallbackURL: callback})
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Finish(t.Context(), private, federated.Answer{State: "s", Params: c.params})
			wantReason(t, err, c.want)
		})
	}
	g := newGraph(t)
	_, private, err := facebook(t, g).Begin(t.Context(), federated.Request{State: "s", CallbackURL: callback})
	if err != nil {
		t.Fatal(err)
	}
	changed := facebook(t, g, func(c *federated.FacebookConfig) { c.ClientID = "1" })
	_, err = changed.Finish(t.Context(), private, federated.Answer{Params: good})
	wantReason(t, err, federated.NotAsked)
	for _, cfg := range []federated.FacebookConfig{
		{ClientID: "x", ClientSecret: "s", Now: clock},
		{ClientID: "1", Now: clock},
		{ClientID: "1", ClientSecret: "s", Version: "23", Now: clock},
		{ClientID: "1", ClientSecret: "s", Graph: "http://g.example", Now: clock},
	} {
		if _, err := federated.NewFacebook(cfg); err == nil {
			t.Errorf("settings %+v were accepted", cfg)
		}
	}
}

// TestTrust: nothing of what a provider says counts unless the operator says so,
// value by value.
func TestTrust(t *testing.T) {
	t.Parallel()
	id := federated.Identity{
		Issuer: "i", Subject: "s", ACR: "phr", AMR: []string{"mfa", "otp", "face"}, Email: "Zoe@Corp.Example", EmailVerified: true, AuthTime: clock(),
	}
	trust := federated.Trust{ACR: true, ACRs: map[string][]string{"phr": {"totp"}}, AMRs: map[string][]string{"mfa": {"totp", "sms_otp"}, "otp": {}}}
	factors, amr := trust.Factors(id)
	if !slices.Equal(factors, []string{"totp", "sms_otp"}) || !slices.Equal(amr, []string{"mfa", "otp"}) {
		t.Errorf("factors = %q, amr = %q", factors, amr)
	}
	trust.ACR = false
	if factors, amr := trust.Factors(id); factors != nil || amr != nil {
		t.Errorf("without trust_acr: factors = %q, amr = %q", factors, amr)
	}
	for name, c := range map[string]struct {
		trust federated.Trust
		edit  func(*federated.Identity)
		want  bool
	}{
		"trusted":        {federated.Trust{Email: true, Domains: []string{"corp.example"}}, nil, true},
		"not trusted":    {federated.Trust{Domains: []string{"corp.example"}}, nil, false},
		"other domain":   {federated.Trust{Email: true, Domains: []string{"example"}}, nil, false},
		"no domain":      {federated.Trust{Email: true}, nil, false},
		"not verified":   {federated.Trust{Email: true, Domains: []string{"corp.example"}}, func(i *federated.Identity) { i.EmailVerified = false }, false},
		"two signs":      {federated.Trust{Email: true, Domains: []string{"corp.example"}}, func(i *federated.Identity) { i.Email = "a@corp.example@evil.example" }, false},
		"no local part":  {federated.Trust{Email: true, Domains: []string{"corp.example"}}, func(i *federated.Identity) { i.Email = "@corp.example" }, false},
		"no address":     {federated.Trust{Email: true, Domains: []string{""}}, func(i *federated.Identity) { i.Email = "" }, false},
		"below a domain": {federated.Trust{Email: true, Domains: []string{"corp.example"}}, func(i *federated.Identity) { i.Email = "a@x.corp.example" }, false},
	} {
		one := id
		if c.edit != nil {
			c.edit(&one)
		}
		if _, ok := c.trust.Address(one); ok != c.want {
			t.Errorf("%s: counts = %v, want %v", name, ok, c.want)
		}
	}
	list := federated.List{{ID: "a"}, {ID: "b", Disabled: true}}
	for id, want := range map[string]bool{"a": true, "b": false, "c": false} {
		if _, ok := federated.Find(list, id); ok != want {
			t.Errorf("Find(%q) = %v, want %v", id, ok, want)
		}
	}
	if _, ok := federated.Find(nil, "a"); ok {
		t.Error("Find in no directory found something")
	}
}
