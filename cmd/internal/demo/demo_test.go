package demo_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sallyport-id/sallyport/cmd/internal/demo"
)

// provider is a small OpenID provider that answers as it is told.
type provider struct {
	t      *testing.T
	srv    *httptest.Server
	key    ed25519.PrivateKey
	claims map[string]any // beside iss, aud, iat, exp
	nonce  string         // of the ID token
	form   url.Values     // of the last token request
	refuse string
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, key: key, claims: map[string]any{"sub": "u1"}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, map[string]any{
			"issuer": p.srv.URL, "authorization_endpoint": p.srv.URL + "/authorize", "token_endpoint": p.srv.URL + "/token",
			"jwks_uri": p.srv.URL + "/jwks", "end_session_endpoint": p.srv.URL + "/end",
			"id_token_signing_alg_values_supported": []string{"EdDSA"},
		})
	})
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		p.json(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "EdDSA", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", p.token)
	p.srv = httptest.NewServer(mux)
	t.Cleanup(p.srv.Close)
	return p
}

func (p *provider) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		p.t.Error(err)
	}
	p.form = r.PostForm
	if p.refuse != "" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"`+p.refuse+`","error_description":"no"}`)
		return
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: p.key, KeyID: "k"}}, nil)
	if err != nil {
		p.t.Error(err)
	}
	claims := map[string]any{
		"iss": p.srv.URL, "aud": demo.ClientID, "nonce": p.nonce,
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "auth_time": time.Now().Unix(),
	}
	maps.Copy(claims, p.claims)
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		p.t.Error(err)
	}
	p.json(w, map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": raw})
}

// visit is a browser at the application.
type visit struct {
	t      *testing.T
	base   string
	client *http.Client
}

func newVisit(t *testing.T, p *provider) *visit {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	base := "http://" + srv.Listener.Addr().String()
	app, err := demo.New(demo.Config{Issuer: p.srv.URL, Base: base})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = app
	srv.Start()
	t.Cleanup(srv.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visit{t: t, base: base, client: &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// do returns status, the target of a redirect (nil without one) and the page.
func (v *visit) do(method, path string, form url.Values) (int, *url.URL, string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	to, err := res.Location()
	if errors.Is(err, http.ErrNoLocation) {
		to = &url.URL{}
	}
	return res.StatusCode, to, string(body)
}

// begin presses a button and returns the authorization request.
func (v *visit) begin(path string, form url.Values) url.Values {
	v.t.Helper()
	status, to, _ := v.do(http.MethodPost, path, form)
	if to.Path != "/authorize" {
		v.t.Fatalf("POST %s = %d to %v, want the provider", path, status, to)
	}
	return to.Query()
}

// answer comes back from the provider.
func (v *visit) answer(p *provider, req url.Values, extra url.Values) (int, string) {
	v.t.Helper()
	q := url.Values{"state": {req.Get("state")}, "iss": {p.srv.URL}, "code": {"c1"}}
	maps.Copy(q, extra)
	status, _, body := v.do(http.MethodGet, "/callback?"+q.Encode(), nil)
	return status, body
}

// TestRequests: what each button asks for.
func TestRequests(t *testing.T) {
	t.Parallel()
	v := newVisit(t, newProvider(t))
	for _, test := range []struct {
		path        string
		form        url.Values
		acr, maxAge string
	}{
		{"/login", url.Values{}, "", ""},
		{"/login", url.Values{"factor": {"mfa"}}, "MFA", ""},
		{"/transfer", url.Values{}, "MFA", "60"},
	} {
		q := v.begin(test.path, test.form)
		if q.Get("acr_values") != test.acr || q.Get("max_age") != test.maxAge {
			t.Errorf("%s: acr_values %q, max_age %q", test.path, q.Get("acr_values"), q.Get("max_age"))
		}
		if q.Get("client_id") != demo.ClientID || q.Get("redirect_uri") != v.base+demo.CallbackPath || q.Get("response_type") != "code" ||
			q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("nonce") == "" || q.Get("state") == "" {
			t.Errorf("%s: request %v", test.path, q)
		}
	}
}

// TestLogin: the claims are shown, the verifier fits the challenge.
func TestLogin(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	v := newVisit(t, p)
	req := v.begin("/login", url.Values{})
	p.nonce = req.Get("nonce")
	p.claims["name"] = "Ann <b>"
	status, body := v.answer(p, req, nil)
	if status != http.StatusOK || !strings.Contains(body, "You are logged in.") || !strings.Contains(body, "Ann &lt;b&gt;") {
		t.Errorf("answer = %d:\n%s", status, body)
	}
	sum := base64.RawURLEncoding.EncodeToString(sha(p.form.Get("code_verifier")))
	if sum != req.Get("code_challenge") || p.form.Get("client_id") != demo.ClientID || p.form.Get("code") != "c1" {
		t.Errorf("token request %v", p.form)
	}
	if _, again := v.answer(p, req, nil); !strings.Contains(again, "not asked for") {
		t.Errorf("the same answer was taken twice:\n%s", again)
	}
	if _, to, _ := v.do(http.MethodPost, "/logout", url.Values{}); to.Path != "/end" || to.Query().Get("id_token_hint") == "" ||
		to.Query().Get("post_logout_redirect_uri") != v.base+"/" {
		t.Errorf("logout leads to %v", to)
	}
	if _, _, home := v.do(http.MethodGet, "/", nil); !strings.Contains(home, "Nobody is logged in") {
		t.Errorf("after logout:\n%s", home)
	}
}

// TestRefusedAnswers: what an application must not take.
func TestRefusedAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		path   string
		set    func(*provider)
		answer url.Values
		want   string
	}{
		"other state":   {"/login", nil, url.Values{"state": {"x"}}, "not asked for"},
		"other issuer":  {"/login", nil, url.Values{"iss": {"https://evil.example"}}, "another provider"},
		"other nonce":   {"/login", func(p *provider) { p.nonce = "x" }, nil, "could not be redeemed"},
		"other client":  {"/login", func(p *provider) { p.claims["aud"] = "x" }, nil, "could not be redeemed"},
		"code refused":  {"/login", func(p *provider) { p.refuse = "invalid_grant" }, nil, "invalid_grant: no"},
		"lower level":   {"/transfer", func(p *provider) { p.claims["acr"] = "Default" }, nil, "does not have the level"},
		"old login":     {"/transfer", func(p *provider) { p.claims["acr"], p.claims["auth_time"] = "MFA", 1 }, nil, "too old"},
		"no auth_time":  {"/transfer", func(p *provider) { p.claims["acr"], p.claims["auth_time"] = "MFA", nil }, nil, "too old"},
		"cancelled":     {"/login", nil, url.Values{"error": {"access_denied"}}, "You said no."},
		"no factor":     {"/transfer", nil, url.Values{"error": {"interaction_required"}, "error_description": {"Why."}}, "interaction_required: Why."},
		"unknown error": {"/login", nil, url.Values{"error": {"<b>"}}, "&lt;b&gt;"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			v := newVisit(t, p)
			req := v.begin(test.path, url.Values{})
			p.nonce = req.Get("nonce")
			if test.set != nil {
				test.set(p)
			}
			_, body := v.answer(p, req, test.answer)
			if !strings.Contains(body, test.want) || strings.Contains(body, "on their way") {
				t.Errorf("page lacks %q:\n%s", test.want, body)
			}
		})
	}
}

// TestTransfer is counted once both factors are proved.
func TestTransfer(t *testing.T) {
	t.Parallel()
	p := newProvider(t)
	v := newVisit(t, p)
	for _, total := range []string{"1", "2"} {
		req := v.begin("/transfer", url.Values{})
		p.nonce, p.claims["acr"] = req.Get("nonce"), "MFA"
		if _, body := v.answer(p, req, nil); !strings.Contains(body, "on their way") || !strings.Contains(body, `<span id="sent">`+total+`<`) {
			t.Errorf("transfer %s:\n%s", total, body)
		}
	}
}

// TestForeignForm: another site cannot press the buttons.
func TestForeignForm(t *testing.T) {
	t.Parallel()
	v := newVisit(t, newProvider(t))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.base+"/transfer", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := v.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("cross-site POST = %d, want 403", res.StatusCode)
	}
}

func sha(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}
