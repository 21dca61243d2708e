package servertest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// neighbour is another node on the same data, with the same issuer.
func (w town) neighbour(t *testing.T) *servertest.Server {
	t.Helper()
	cfg := w.Config
	cfg.Issuer, cfg.Listen = w.Issuer(), "127.0.0.1:0"
	return servertest.StartAt(t, w.clock.Now, cfg)
}

// holder is a client that proves possession of a key.
type holder struct {
	key   *ecdsa.PrivateKey
	clock *clock
}

func newHolder(t *testing.T, w town) holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return holder{key, w.clock}
}

// sign makes a JWT with the key.
func (h holder) sign(t *testing.T, opts *jose.SignerOptions, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: h.key}, opts)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// proof is a DPoP proof for a request; token "" leaves ath out.
func (h holder) proof(t *testing.T, method, url, token string, more map[string]any) string {
	t.Helper()
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": url, "iat": h.clock.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	maps.Copy(claims, more)
	return h.sign(t, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"), claims)
}

// post sends a form with a proof to the token endpoint of a node.
func post(t *testing.T, node *servertest.Server, app *servertest.Application, proof string, form url.Values) servertest.Reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node.Issuer()+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if app.Secret != "" {
		req.SetBasicAuth(url.QueryEscape(app.ID), url.QueryEscape(app.Secret))
	}
	if proof != "" {
		req.Header.Set("DPoP", proof)
	}
	return servertest.Send(t, node.HTTP(), req)
}

// ask sends an access token with a scheme and a proof.
func ask(t *testing.T, node *servertest.Server, path, scheme, token, proof string) servertest.Reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, node.Issuer()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", scheme+" "+token)
	if proof != "" {
		req.Header.Set("DPoP", proof)
	}
	return servertest.Send(t, node.HTTP(), req)
}

// wantOAuthError fails unless the answer is that error with that status.
func wantOAuthError(t *testing.T, what string, r servertest.Reply, status int, code string) {
	t.Helper()
	var e struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal([]byte(r.Body), &e); err != nil || r.Status != status || e.Error != code {
		t.Errorf("%s: %d %s, want %d %s", what, r.Status, r.Body, status, code)
	}
}

// tokensOf reads an answer of the token endpoint.
func tokensOf(t *testing.T, r servertest.Reply) (access, refresh, kind string) {
	t.Helper()
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Type    string `json:"token_type"`
	}
	if err := json.Unmarshal([]byte(r.Body), &body); err != nil || r.Status != http.StatusOK {
		t.Fatalf("token endpoint: %d %s", r.Status, r.Body)
	}
	return body.Access, body.Refresh, body.Type
}

// TestDPoPOverHTTP binds tokens to a key at the token endpoint: a replayed proof
// fails on every node, and the token is worth nothing without the key at
// UserInfo, SCIM and introspection.
func TestDPoPOverHTTP(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		second := w.neighbour(t)
		for _, opaque := range []bool{false, true} {
			app := w.Application(t, oidc.Client{
				DPoPBound: true, OpaqueAccessToken: opaque, Scopes: []string{"openid", "profile", "urn:pingidentity:scope:manage_profile"},
			})
			who := w.NewPerson(t, "ann"+app.ID)
			h := newHolder(t, w)
			b := w.Browser(t)
			form := url.Values{
				"grant_type": {"authorization_code"}, "redirect_uri": app.RedirectURIs,
				"code": {b.LogIn(b.Open(app.AuthURL()), who).Code(t)},
			}
			endpoint := w.Issuer() + "/oauth/token"
			wantOAuthError(t, "without a proof", post(t, w.Server, app, "", form), 400, "invalid_dpop_proof")
			wantOAuthError(t, "proof for another endpoint",
				post(t, w.Server, app, h.proof(t, "POST", w.Issuer()+"/oauth/par", "", nil), form), 400, "invalid_dpop_proof")
			used := h.proof(t, "POST", endpoint, "", nil)
			access, refresh, kind := tokensOf(t, post(t, w.Server, app, used, form))
			if kind != "DPoP" {
				t.Errorf("token_type = %s, want DPoP", kind)
			}
			again := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
			for name, node := range map[string]*servertest.Server{"same": w.Server, "second": second} {
				wantOAuthError(t, "replayed proof at the "+name+" node", post(t, node, app, used, again), 400, "invalid_dpop_proof")
			}
			boundToken(t, w, second, app, h, access)
		}
	})
}

func boundToken(t *testing.T, w town, second *servertest.Server, app *servertest.Application, h holder, access string) {
	t.Helper()
	info := w.Issuer() + "/oauth/userinfo"
	good := h.proof(t, "GET", info, access, nil)
	if r := ask(t, w.Server, "/oauth/userinfo", "DPoP", access, good); r.Status != http.StatusOK {
		t.Errorf("UserInfo with the key: %d %s", r.Status, r.Body)
	}
	wantOAuthError(t, "the proof again on another node", ask(t, second, "/oauth/userinfo", "DPoP", access, good), 401, "invalid_dpop_proof")
	r := ask(t, w.Server, "/oauth/userinfo", "Bearer", access, "")
	wantOAuthError(t, "as Bearer", r, 401, "invalid_token")
	if !strings.Contains(r.Header.Get("WWW-Authenticate"), "DPoP ") {
		t.Errorf("challenge %q, want DPoP", r.Header.Get("WWW-Authenticate"))
	}
	thief := newHolder(t, w)
	wantOAuthError(t, "with another key", ask(t, w.Server, "/oauth/userinfo", "DPoP", access, thief.proof(t, "GET", info, access, nil)), 401, "invalid_token")
	wantOAuthError(t, "without ath", ask(t, w.Server, "/oauth/userinfo", "DPoP", access, h.proof(t, "GET", info, "", nil)), 401, "invalid_dpop_proof")
	wantOAuthError(t, "too old", ask(t, w.Server, "/oauth/userinfo", "DPoP", access,
		h.proof(t, "GET", info, access, map[string]any{"iat": w.clock.Now().Unix() - 120})), 401, "invalid_dpop_proof")
	if r := ask(t, w.Server, "/scim/v2/Me", "Bearer", access, ""); r.Status != http.StatusUnauthorized {
		t.Errorf("SCIM as Bearer: %d, want 401", r.Status)
	}
	described := app.Post(t, "/oauth/introspect", url.Values{"token": {access}})
	var answer struct {
		Active bool   `json:"active"`
		Type   string `json:"token_type"`
		Cnf    struct {
			Jkt string `json:"jkt"`
		} `json:"cnf"`
	}
	if err := json.Unmarshal([]byte(described.Body), &answer); err != nil || !answer.Active || answer.Type != "DPoP" || answer.Cnf.Jkt == "" {
		t.Errorf("introspection = %s, want an active DPoP token with its key", described.Body)
	}
}

// TestClientAssertionOverHTTP authenticates by private_key_jwt: once, on all
// nodes, and with the issuer alone as audience.
func TestClientAssertionOverHTTP(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		second := w.neighbour(t)
		h := newHolder(t, w)
		set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &h.key.PublicKey, KeyID: "k1"}}})
		if err != nil {
			t.Fatal(err)
		}
		app := w.Application(t, oidc.Client{
			Type: oidc.Machine, AuthMethod: oidc.PrivateKeyJWT, JWKS: set, GrantTypes: []string{oidc.GrantClient}, Scopes: []string{"scim:read"},
		})
		now := w.clock.Now().Unix()
		form := func(more map[string]any) url.Values {
			claims := map[string]any{"iss": app.ID, "sub": app.ID, "aud": w.Issuer(), "jti": rand.Text(), "iat": now, "exp": now + 60}
			maps.Copy(claims, more)
			return url.Values{
				"grant_type": {"client_credentials"}, "scope": {"scim:read"}, "client_assertion": {h.sign(t, nil, claims)},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			}
		}
		good := form(nil)
		access, refresh, _ := tokensOf(t, post(t, w.Server, app, "", good))
		if refresh != "" {
			t.Error("client credentials got a refresh token")
		}
		if r := w.Do(t, http.MethodGet, "/scim/v2/Users", access, ""); r.Status != http.StatusOK {
			t.Errorf("SCIM with client credentials: %d %s", r.Status, r.Body)
		}
		for name, node := range map[string]*servertest.Server{"same": w.Server, "second": second} {
			wantOAuthError(t, "again at the "+name+" node", post(t, node, app, "", good), 401, "invalid_client")
		}
		for name, more := range map[string]map[string]any{
			"aud in an array":     {"aud": []string{w.Issuer()}},
			"aud is the endpoint": {"aud": w.Issuer() + "/oauth/token"},
			"expired":             {"exp": now - 60},
			"another client":      {"iss": "x"},
		} {
			wantOAuthError(t, name, post(t, second, app, "", form(more)), 401, "invalid_client")
		}
		w.clock.advance(time.Second)
	})
}
