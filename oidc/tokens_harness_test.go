package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc/keys"
	"github.com/sallyport-id/sallyport/schema"
)

const testIssuer = "https://id.example.com"

// rows is a small store in memory behind every interface that tokens need. The
// stores of the database keep the same promises; storagetest proves those.
type rows struct {
	mu       sync.Mutex
	clients  map[string]Client
	services []Service
	grants   map[string]Grant
	access   map[string]Access
	refresh  map[string]Refresh
	used     map[string]bool
	devices  []DeviceAuthorization
	notices  []LogoutNotice
	waiting  map[string]time.Time // notices that wait
	removed  []string
	sids     map[string][2]string // sid at client -> session, user
	users    map[string]authn.User
	groups   map[string][]Group
	accounts []authn.Account
	ended    []string
	signing  []keys.Stored
	events   []audit.Event
}

type (
	clientRows  struct{ *rows }
	serviceRows struct {
		ServiceStore
		*rows
	}
	grantRows struct {
		GrantStore
		*rows
	}
	deviceRows struct {
		DeviceStore
		*rows
	}
	userRows   struct{ *rows }
	engineRows struct {
		Engine
		*rows
	}
)

func (r *rows) InTx(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }

func (r *rows) Append(_ context.Context, events ...audit.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, events...)
	return nil
}

func (r *rows) UseOnce(_ context.Context, kind, key string, _ time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.used[kind+"\x00"+key]
	r.used[kind+"\x00"+key] = true
	return first, nil
}

func (r *rows) SigningKeys(context.Context) ([]keys.Stored, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.signing), nil
}

func (r *rows) InsertSigningKey(_ context.Context, k keys.Stored) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signing = append(r.signing, k)
	return true, nil
}

func (r *rows) MoveSigningKey(context.Context, string, keys.State, keys.State, time.Time) (bool, error) {
	return false, nil
}

func (r *rows) DeleteSigningKey(context.Context, string) error { return nil }

func (r clientRows) Client(_ context.Context, id string) (Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.clients[id]
	if !ok {
		return Client{}, ErrNotFound
	}
	return c, nil
}

func (r clientRows) InsertClient(_ context.Context, c Client) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, taken := r.clients[c.ID]; taken {
		return ErrTaken
	}
	r.clients[c.ID] = c
	return nil
}

func (r clientRows) Clients(context.Context) ([]Client, error) { return nil, nil }

func (r clientRows) UpdateClient(_ context.Context, id string, edit func(*Client) error) (Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.clients[id]
	if !ok {
		return Client{}, ErrNotFound
	}
	if err := edit(&c); err != nil {
		return Client{}, err
	}
	r.clients[id] = c
	return c, nil
}

func (r clientRows) DeleteClient(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.clients[id]; !ok {
		return ErrNotFound
	}
	delete(r.clients, id)
	return nil
}

func (r serviceRows) Services(context.Context) ([]Service, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.services), nil
}

func (r serviceRows) Service(_ context.Context, name string) (Service, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, ErrNotFound
	}
	return r.services[i], nil
}

func (r grantRows) LiveAccess(ctx context.Context, hash []byte, now time.Time) (Access, Grant, error) {
	a, err := r.AccessByHash(ctx, hash, now)
	if err != nil {
		return Access{}, Grant{}, err
	}
	g, err := r.LiveGrant(ctx, a.GrantID, now)
	return a, g, err
}

func (r grantRows) LiveGrant(_ context.Context, id string, now time.Time) (Grant, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g, ok := r.grants[id]
	if !ok || !g.RevokedAt.IsZero() || !now.Before(g.ExpiresAt) || r.clients[g.ClientID].Disabled {
		return Grant{}, ErrNotFound
	}
	return g, nil
}

func (r grantRows) Grant(_ context.Context, id string) (Grant, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g, ok := r.grants[id]
	if !ok {
		return Grant{}, ErrNotFound
	}
	return g, nil
}

func (r grantRows) RevokeGrant(_ context.Context, id string, now time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g, ok := r.grants[id]
	if !ok || !g.RevokedAt.IsZero() {
		return false, nil
	}
	g.RevokedAt = now
	r.grants[id] = g
	return true, nil
}

func (r grantRows) SessionOfSID(_ context.Context, sid, clientID string) (string, string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.sids[sid+" "+clientID]
	if !ok {
		return "", "", ErrNotFound
	}
	return found[0], found[1], nil
}

func (r grantRows) RefreshByHash(_ context.Context, hash []byte) (Refresh, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.refresh[string(hash)]
	if !ok {
		return Refresh{}, ErrNotFound
	}
	return t, nil
}

func (r grantRows) InsertAccess(_ context.Context, a Access) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.access[string(a.Hash)] = a
	return nil
}

func (r grantRows) AccessByHash(_ context.Context, hash []byte, now time.Time) (Access, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.access[string(hash)]
	if !ok || !now.Before(a.ExpiresAt) {
		return Access{}, ErrNotFound
	}
	return a, nil
}

func (r deviceRows) InsertDevice(_ context.Context, d DeviceAuthorization) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, other := range r.devices {
		if string(other.UserCodeHash) == string(d.UserCodeHash) {
			return ErrTaken
		}
	}
	r.devices = append(r.devices, d)
	return nil
}

func (r deviceRows) DeviceByUserCode(_ context.Context, hash []byte) (DeviceAuthorization, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.devices {
		if string(d.UserCodeHash) == string(hash) {
			return d, nil
		}
	}
	return DeviceAuthorization{}, ErrNotFound
}

func (r *rows) ClaimLogouts(_ context.Context, now, until time.Time, limit int) ([]LogoutNotice, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []LogoutNotice
	for i, n := range r.notices {
		if len(out) < limit && !r.waiting[n.ID].After(now) && !slices.Contains(r.removed, n.ID) {
			r.notices[i].Attempts++
			r.waiting[n.ID] = until
			out = append(out, r.notices[i])
		}
	}
	return out, nil
}

func (r *rows) PostponeLogout(_ context.Context, id string, next time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[id] = next
	return nil
}

func (r *rows) RemoveLogout(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removed = append(r.removed, id)
	return nil
}

func (r userRows) UserByLogin(context.Context, string) (authn.User, error) {
	return authn.User{}, authn.ErrNoUser
}

func (r userRows) UserByID(_ context.Context, id string) (authn.User, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u, ok := r.users[id]
	if !ok {
		return authn.User{}, authn.ErrNoUser
	}
	return u, nil
}

func (r userRows) Groups(_ context.Context, id string) ([]Group, error) { return r.groups[id], nil }

func (r engineRows) Accounts(context.Context, authn.Visitor) ([]authn.Account, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.accounts), nil
}

func (r engineRows) Logout(_ context.Context, _ authn.Visitor, sessionID string) (authn.Grants, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, sessionID)
	r.accounts = slices.DeleteFunc(r.accounts, func(a authn.Account) bool { return a.SessionID == sessionID })
	return authn.Grants{Sessions: []string{}}, nil
}

// bench is a provider over rows, with a clock that tests move.
type bench struct {
	*Provider
	rows *rows
	mu   sync.Mutex
	at   time.Time
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *bench) add(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

// testUser is a user with something for every standard claim.
func testUser() authn.User {
	return authn.User{
		ID: "0190-user", UserName: "ann", Active: true, Modified: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Object: schema.Object{
			"userName": "ann", "displayName": "Ann A.", "nickName": "annie", "locale": "de_AT", "timezone": "Europe/Vienna",
			"profileUrl": "https://example.com/ann",
			"name":       schema.Object{"formatted": "Ann Archer", "givenName": "Ann", "familyName": "Archer"},
			"emails": []any{
				schema.Object{"value": "old@example.com"}, schema.Object{"value": "ann@example.com", "primary": true},
			},
			"phoneNumbers": []any{schema.Object{"value": "tel:+4312345"}},
			"addresses":    []any{schema.Object{"streetAddress": "Ring 1", "postalCode": "1010", "country": "AT"}},
			"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": schema.Object{"department": "Lab"},
		},
	}
}

// newBench makes a provider with the client "app", the service "bank", the user
// of testUser and the grant "g1" of both.
func newBench(tb testing.TB, edits ...func(*Config)) *bench {
	tb.Helper()
	b := &bench{at: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), rows: &rows{
		clients: map[string]Client{}, grants: map[string]Grant{}, access: map[string]Access{},
		refresh: map[string]Refresh{}, used: map[string]bool{}, waiting: map[string]time.Time{},
		sids: map[string][2]string{}, users: map[string]authn.User{}, groups: map[string][]Group{},
	}}
	r := b.rows
	ring, err := keys.New(keys.Config{Store: r, Tx: r, Now: b.clock})
	if err != nil {
		tb.Fatal(err)
	}
	cfg := Config{
		Issuer: testIssuer, Clients: clientRows{r}, Services: serviceRows{rows: r}, Grants: grantRows{rows: r},
		Devices: deviceRows{rows: r}, Replays: r, Logouts: r, Users: userRows{r}, Engine: engineRows{rows: r},
		Busy: func(error) bool { return false },
		Keys: ring, Tx: r, Audit: r, Now: b.clock, Logger: slog.New(slog.DiscardHandler),
		Policy: Policy{
			ACRs:        []acr.ACR{{Name: "Default"}, {Name: "MFA"}},
			DefaultACRs: []string{"Default"},
		},
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	cfg.Lifetimes = cfg.Lifetimes.withDefaults()
	b.Provider = &Provider{cfg: cfg, sources: claimSources(cfg.Claims), acrs: map[string]acr.ACR{"Default": {Name: "Default"}, "MFA": {Name: "MFA"}}}
	u := testUser()
	r.users[u.ID] = u
	r.clients["app"] = Client{
		ID: "app", Name: "App", Type: Web, AuthMethod: SecretBasic, IDTokenAlg: keys.ES256,
		Secrets:                []ClientSecret{{Hash: hashOf("app secret")}},
		GrantTypes:             []string{GrantCode, GrantRefresh, GrantDevice},
		Scopes:                 append(StandardScopes(), "payments"),
		PostLogoutRedirectURIs: []string{"https://app.example.com/bye", "https://app.example.com/bye?x=1"},
	}
	r.services = []Service{{
		Name: "bank", Audience: "https://bank.example.com", SecretHash: hashOf("bank secret"),
		Scopes: []ServiceScope{{Name: "payments"}},
	}}
	r.grants["g1"] = Grant{
		ID: "g1", ClientID: "app", UserID: u.ID, SessionID: "s1", SID: "sid1",
		Scopes: []string{"openid", "profile"}, ACR: "MFA", AMR: []string{"mfa", "otp", "pwd"},
		AuthTime: b.clock().Add(-time.Minute), Nonce: "n-0S6_WzA2Mj",
		CreatedAt: b.clock(), ExpiresAt: b.clock().Add(24 * time.Hour),
	}
	return b
}

func (b *bench) grant(edit func(*Grant)) Grant {
	g := b.rows.grants["g1"]
	edit(&g)
	b.rows.grants["g1"] = g
	return g
}

func (b *bench) client(edit func(*Client)) Client {
	c := b.rows.clients["app"]
	edit(&c)
	b.rows.clients["app"] = c
	return c
}

// accessToken mints one of the grant with its scopes.
func (b *bench) accessToken(tb testing.TB, scopes ...string) string {
	tb.Helper()
	g := b.rows.grants["g1"]
	t, err := b.mintAccessToken(tb.Context(), b.rows.clients[g.ClientID], g, scopes)
	if err != nil {
		tb.Fatal(err)
	}
	return t.Value
}

// claimsOf returns the claims of a token that the ring of the provider signed.
func (b *bench) claimsOf(tb testing.TB, token, typ string) map[string]any {
	tb.Helper()
	payload, _, err := b.cfg.Keys.Verify(tb.Context(), token, typ)
	if err != nil {
		tb.Fatalf("Verify: %v", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		tb.Fatal(err)
	}
	return claims
}

// serve answers one request through echo and the error handler.
func (b *bench) serve(h echo.HandlerFunc, r *http.Request) *httptest.ResponseRecorder {
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) { _ = WriteError(c, b.errorOf(err)) }
	e.Any("/*", h)
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w
}

// errorOf is what a client is told of an error.
func (b *bench) errorOf(err error) *Error { return b.asError(err) }

// form is a form request, with HTTP Basic unless user is "".
func form(path, user, secret string, values url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(values.Encode()))
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationForm)
	if user != "" {
		r.SetBasicAuth(url.QueryEscape(user), url.QueryEscape(secret))
	}
	return r
}

// answer is the JSON body of an answer.
func answerOf(tb testing.TB, w *httptest.ResponseRecorder) map[string]any {
	tb.Helper()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		tb.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(body, &out); err != nil {
		tb.Fatalf("body %q: %v", body, err)
	}
	return out
}

// wantError fails unless err is an *Error with that code.
func wantError(tb testing.TB, what string, err error, code Code) {
	tb.Helper()
	e, ok := err.(*Error) //nolint:errorlint // these functions return it as it is
	if !ok || e.Code != code {
		tb.Errorf("%s: error = %v, want %s", what, err, code)
		return
	}
	if e.Description != asDescription(e.Description) || strings.ContainsAny(e.Description, `"\`) {
		tb.Errorf("%s: description %q has characters beyond RFC 6749 section 5.2", what, e.Description)
	}
}

// ecKey makes a key with its public JWK.
func ecKey(tb testing.TB) (*ecdsa.PrivateKey, jose.JSONWebKey) {
	tb.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return k, jose.JSONWebKey{Key: &k.PublicKey, KeyID: "k1", Algorithm: "ES256", Use: "sig"}
}

// jwksOf is a key set as a client registers it.
func jwksOf(tb testing.TB, k ...jose.JSONWebKey) json.RawMessage {
	tb.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: k})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// signed makes a JWT with the header of the options.
func signed(tb testing.TB, alg jose.SignatureAlgorithm, key any, opts *jose.SignerOptions, claims any) string {
	tb.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, opts)
	if err != nil {
		tb.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		tb.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		tb.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// unsigned makes a JWT with alg none.
func unsigned(tb testing.TB, header, claims map[string]any) string {
	tb.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			tb.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims) + "."
}

// athOf is the ath claim for an access token.
func athOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
