package fakeidp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// The one client that the provider knows.
const (
	ClientID     = "sallyport"
	ClientSecret = "a secret & with marks"
)

// Server is the provider.
type Server struct {
	*httptest.Server

	mu    sync.Mutex
	key   *ecdsa.PrivateKey
	kid   string
	codes map[string]grant
	set   Settings
	seen  []url.Values // authorization requests
}

// Settings say how it behaves. They may change at any time.
type Settings struct {
	// Claims are those of the ID token beside the usual ones; a nil value takes a
	// usual one away.
	Claims map[string]any
	// UserInfo are the claims of the UserInfo endpoint; nil: there is none.
	UserInfo map[string]any
	// Metadata are members of the discovery document, which replace the usual ones.
	Metadata map[string]any
	// Deny answers the request with this error.
	Deny string
	// AnswerIssuer is iss in answers; "": none. AnswerState replaces the state.
	AnswerIssuer, AnswerState string
	// Sign replaces how ID tokens are made of their claims.
	Sign func(s *Server, claims map[string]any) string
	// TokenStatus, if not 0, is what the token endpoint answers with instead.
	TokenStatus int
	// TokenBody, if not "", is its body.
	TokenBody string
	// Hold, if not nil, keeps the token endpoint from answering until it is closed.
	Hold <-chan struct{}
	Now  func() time.Time
}

type grant struct{ nonce, challenge, redirect string }

// New starts a provider. Close it.
func New(now func() time.Time) *Server {
	s := &Server{codes: map[string]grant{}, set: Settings{Now: now}}
	s.Rotate()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /keys", s.keys)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("GET /userinfo", s.userInfo)
	s.Server = httptest.NewServer(mux)
	return s
}

// Set changes how it behaves.
func (s *Server) Set(edit func(*Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	edit(&s.set)
}

// Rotate replaces its key.
func (s *Server) Rotate() {
	key := NewKey()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.key, s.kid = key, rand.Text()
}

// NewKey makes a key.
func NewKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // never, says crypto/rand
	}
	return key
}

// Requests are the authorization requests so far.
func (s *Server) Requests() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *Server) settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.set
}

func (s *Server) discovery(w http.ResponseWriter, _ *http.Request) {
	set := s.settings()
	m := map[string]any{
		"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
		"jwks_uri": s.URL + "/keys", "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic"},
		"response_types_supported":              []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	}
	if set.UserInfo != nil {
		m["userinfo_endpoint"] = s.URL + "/userinfo"
	}
	maps.Copy(m, set.Metadata)
	reply(w, http.StatusOK, m)
}

func (s *Server) keys(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: s.kid, Algorithm: "ES256", Use: "sig"}}})
}

// authorize logs everybody in at once.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q, set := r.URL.Query(), s.settings()
	s.mu.Lock()
	s.seen = append(s.seen, q)
	s.mu.Unlock()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	answer := url.Values{"state": {q.Get("state")}}
	if set.AnswerState != "" {
		answer.Set("state", set.AnswerState)
	}
	if set.AnswerIssuer != "" {
		answer.Set("iss", set.AnswerIssuer)
	}
	if set.Deny != "" {
		answer.Set("error", set.Deny)
	} else {
		code := rand.Text()
		s.mu.Lock()
		s.codes[code] = grant{nonce: q.Get("nonce"), challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri")}
		s.mu.Unlock()
		answer.Set("code", code)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound) //nolint:gosec // G710: it is a test that asks
}

// token redeems a code once, from the client that proves itself and knows the
// verifier.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	set := s.settings()
	if set.Hold != nil {
		select {
		case <-set.Hold:
		case <-r.Context().Done():
			return
		}
	}
	if set.TokenStatus != 0 || set.TokenBody != "" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(max(set.TokenStatus, http.StatusOK))
		_, _ = fmt.Fprint(w, set.TokenBody)
		return
	}
	id, secret, _ := r.BasicAuth()
	if id, _ = url.QueryUnescape(id); id != ClientID {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	if secret, _ = url.QueryUnescape(secret); secret != ClientSecret {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	s.mu.Lock()
	g, ok := s.codes[r.PostFormValue("code")]
	delete(s.codes, r.PostFormValue("code"))
	s.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || g.redirect != r.PostFormValue("redirect_uri") || g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	now := set.Now()
	claims := map[string]any{
		"iss": s.URL, "sub": "upstream-subject", "aud": ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"nonce": g.nonce,
	}
	for name, v := range set.Claims {
		if claims[name] = v; v == nil {
			delete(claims, name)
		}
	}
	sign := set.Sign
	if sign == nil {
		sign = func(s *Server, claims map[string]any) string { return s.Signed(claims) }
	}
	reply(w, http.StatusOK, map[string]any{
		"access_token": "upstream-access-token", "token_type": "Bearer", "expires_in": 300, "id_token": sign(s, claims),
	})
}

func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer upstream-access-token" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	reply(w, http.StatusOK, s.settings().UserInfo)
}

// Signed is a token of the provider.
func (s *Server) Signed(claims map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SignedBy(jose.ES256, s.key, s.kid, claims)
}

// Kid is the id of its key.
func (s *Server) Kid() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kid
}

// SignedBy is a token by any key.
func SignedBy(alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		panic(err) // a fault of the test
	}
	object, err := signer.Sign(encode(claims))
	if err != nil {
		panic(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// Unsigned is a token with alg none (RFC 7519 section 6).
func Unsigned(claims map[string]any) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part(encode(claims)) + "."
}

func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v))
}
