package scim_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
)

// memoryTokens is a TokenStore in memory that counts what it is asked.
type memoryTokens struct {
	mu      sync.Mutex
	tokens  map[string]*scim.Token // by hash
	reads   int
	touches []time.Time
	fail    error         // of the next reads
	touched chan struct{} // one per TouchToken
	gate    chan struct{} // if set, TouchToken waits for it
}

func newMemoryTokens() *memoryTokens {
	return &memoryTokens{tokens: map[string]*scim.Token{}, touched: make(chan struct{}, 1000)}
}

func (m *memoryTokens) InsertToken(_ context.Context, t *scim.Token) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := *t
	m.tokens[string(t.Hash)] = &c
	return nil
}

func (m *memoryTokens) TokenByHash(_ context.Context, hash []byte) (*scim.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.fail != nil {
		return nil, m.fail
	}
	t, ok := m.tokens[string(hash)]
	if !ok {
		return nil, scim.ErrNotFound
	}
	c := *t
	return &c, nil
}

func (m *memoryTokens) Tokens(context.Context) ([]scim.Token, error) { return nil, nil }

func (m *memoryTokens) UpdateToken(_ context.Context, idOrName string, edit func(*scim.Token) error) (*scim.Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range m.tokens {
		if t.ID == idOrName || t.Name == idOrName {
			return t, edit(t)
		}
	}
	return nil, scim.ErrNotFound
}

func (m *memoryTokens) TouchToken(_ context.Context, _ string, at time.Time) error {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	m.touches = append(m.touches, at)
	m.mu.Unlock()
	m.touched <- struct{}{}
	return nil
}

func (m *memoryTokens) count() (reads, touches int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads, len(m.touches)
}

// InTx and Append make it do as transactor and audit log too.
func (m *memoryTokens) InTx(ctx context.Context, fn func(context.Context) error) error {
	return fn(ctx)
}

// authFixture is an authenticator over tokens in memory, with one token.
type authFixture struct {
	store  *memoryTokens
	events *memoryLog
	clock  *clock
	auth   *scim.TokenAuthenticator
	issuer scim.Tokens
	secret string
	token  *scim.Token
}

type memoryLog struct{ events []audit.Event }

func (l *memoryLog) Append(_ context.Context, events ...audit.Event) error {
	l.events = append(l.events, events...)
	return nil
}

func newAuth(t *testing.T, n scim.NewToken) *authFixture {
	t.Helper()
	f := &authFixture{
		store: newMemoryTokens(), events: &memoryLog{},
		clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)},
	}
	f.issuer = scim.Tokens{Store: f.store, Tx: f.store, Audit: f.events, Now: f.clock.Now, Rand: zeroReader{}}
	auth, err := scim.NewTokenAuthenticator(scim.TokenAuthenticatorConfig{Store: f.store, Logger: slog.New(slog.DiscardHandler), Now: f.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	f.auth = auth
	t.Cleanup(auth.Close)
	if n.Name == "" {
		n.Name = "sync"
	}
	secret, token, err := f.issuer.Issue(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	f.secret, f.token = secret.Reveal(), token
	return f
}

// zeroReader makes tokens that are the same in every run.
type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (f *authFixture) allowed(t *testing.T, bearer string) bool {
	t.Helper()
	_, err := f.auth.Authenticate(t.Context(), bearer)
	if err == nil {
		return true
	}
	if e := scim.AsError(err); e.Status != http.StatusUnauthorized || !strings.Contains(e.Header.Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("refused with %v, want 401 invalid_token", err)
	}
	return false
}

func TestTokenCaller(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{
		Name: "okta", Profile: scim.ProfileStrict, Overrides: map[string]string{"unknownInBody": "drop"},
		Domain: "emea", IgnorePasswords: true, Scopes: []string{scim.ScopeWrite},
	})
	caller, err := f.auth.Authenticate(t.Context(), f.secret)
	if err != nil {
		t.Fatal(err)
	}
	if caller.TokenID != f.token.ID || caller.Name != "okta" || caller.Domain != "emea" || !caller.IgnorePasswords || caller.ActorType != "token" || caller.Exempt {
		t.Errorf("caller = %+v", caller)
	}
	if caller.Profile == nil || caller.Profile.Name != scim.ProfileStrict || !caller.Profile.RefusePathless || caller.Profile.UnknownInBody != 0 {
		t.Errorf("profile = %+v, want strict with the override", caller.Profile)
	}
	if !caller.Has(scim.ScopeWrite) || caller.Has(scim.ScopeRead) || caller.Has(scim.ScopeAdmin) {
		t.Errorf("scopes = %v: write implies nothing else", caller.Scopes)
	}
	if admin := (scim.Caller{Scopes: []string{scim.ScopeAdmin}}); !admin.Has(scim.ScopeRead) || !admin.Has(scim.ScopeWrite) || !admin.Has("scim:later") {
		t.Error("admin does not imply every SCIM scope")
	}
}

// TestPeer_19: a token cut or extended is unknown.
func TestPeer_19(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	if !f.allowed(t, f.secret) {
		t.Fatal("the token itself is refused")
	}
	for n := range len(f.secret) {
		if f.allowed(t, f.secret[:n]) {
			t.Errorf("the first %d characters are accepted", n)
		}
	}
	for _, other := range []string{f.secret + "A", "A" + f.secret, f.secret + "=", strings.ToUpper(f.secret), ""} {
		if f.allowed(t, other) {
			t.Errorf("%q is accepted", other)
		}
	}
}

// A revocation takes effect on every node within a second.
func TestTokenRevocation(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	if !f.allowed(t, f.secret) {
		t.Fatal("refused before the revocation")
	}
	if _, err := f.issuer.Revoke(t.Context(), "sync", audit.Party{Type: "command", Name: "admin"}); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(time.Second)
	if f.allowed(t, f.secret) {
		t.Error("accepted a second after the revocation")
	}
	if f.allowed(t, f.secret) {
		t.Error("accepted again after it was refused")
	}
}

// The cache spares the store, and is refreshed by one request before it ends.
func TestTokenCache(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	for range 100 {
		f.allowed(t, f.secret)
	}
	if reads, _ := f.store.count(); reads != 1 {
		t.Errorf("%d reads for 100 requests at once, want 1", reads)
	}
	f.clock.advance(600 * time.Millisecond)
	for range 100 {
		f.allowed(t, f.secret)
	}
	if reads, _ := f.store.count(); reads != 2 {
		t.Errorf("%d reads after a refresh, want 2", reads)
	}
	f.clock.advance(600 * time.Millisecond) // 1.2 s after the first, 0.6 s after the refresh
	f.allowed(t, f.secret)
	f.clock.advance(2 * time.Second)
	f.allowed(t, f.secret)
	if reads, _ := f.store.count(); reads != 4 {
		t.Errorf("%d reads, want 4", reads)
	}
	// A clock that steps back makes no entry live longer.
	f.clock.advance(-time.Minute)
	f.allowed(t, f.secret)
	if reads, _ := f.store.count(); reads != 5 {
		t.Errorf("%d reads after the clock stepped back, want 5", reads)
	}
}

func TestUnknownTokensAreNotCached(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	for range 3 {
		f.allowed(t, "spt_unknown")
	}
	if reads, _ := f.store.count(); reads != 3 {
		t.Errorf("%d reads, want 3: a token issued just now must work at once", reads)
	}
}

func TestTokenExpiry(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 3, 1, 12, 0, 0, int(300*time.Millisecond), time.UTC)
	f := newAuth(t, scim.NewToken{ExpiresAt: end})
	if !f.allowed(t, f.secret) {
		t.Fatal("refused before its end")
	}
	f.clock.advance(300 * time.Millisecond)
	if f.allowed(t, f.secret) {
		t.Error("accepted from the cache at its end")
	}
	f.clock.advance(time.Minute)
	if f.allowed(t, f.secret) {
		t.Error("accepted from the store after its end")
	}
}

// If the token cannot be checked, the answer is no 401: the client would
// throw its token away.
func TestTokenStoreFailure(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	f.store.fail = scim.ErrBusy
	_, err := f.auth.Authenticate(t.Context(), f.secret)
	if !errors.Is(err, scim.ErrBusy) || scim.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("Authenticate = %v, want ErrBusy as 503", err)
	}
}

// The last use is recorded at most once a minute, off the request path.
func TestTokenLastUse(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	for range 50 {
		f.allowed(t, f.secret)
	}
	<-f.store.touched
	f.clock.advance(59 * time.Second)
	f.allowed(t, f.secret)
	f.clock.advance(2 * time.Second)
	f.allowed(t, f.secret)
	<-f.store.touched
	f.auth.Close()
	if _, touches := f.store.count(); touches != 2 {
		t.Errorf("%d last uses recorded in 61 s, want 2", touches)
	}
	f.clock.advance(time.Hour)
	if !f.allowed(t, f.secret) {
		t.Error("refused after Close")
	}
	f.auth.Close() // again
	if _, touches := f.store.count(); touches != 2 {
		t.Errorf("a last use was recorded after Close")
	}
}

// Close waits for what is still to be written, and a slow store makes no
// request wait.
func TestCloseWritesLastUses(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	f.store.gate = make(chan struct{})
	for i := range 5 {
		secret, err := scim.NewTokenSecret(strings.NewReader(strings.Repeat(fmt.Sprint(i), 32)))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.store.InsertToken(t.Context(), &scim.Token{ID: fmt.Sprint(i), Hash: secret.Hash(), Profile: scim.ProfileRFC}); err != nil {
			t.Fatal(err)
		}
		if !f.allowed(t, secret.Reveal()) {
			t.Fatalf("token %d refused", i)
		}
	}
	closed := make(chan struct{})
	go func() {
		f.auth.Close()
		close(closed)
	}()
	select {
	case <-closed:
		t.Fatal("Close did not wait for the writes")
	default:
	}
	close(f.store.gate)
	<-closed
	if _, touches := f.store.count(); touches != 5 {
		t.Errorf("%d last uses recorded, want 5", touches)
	}
}

func TestAuthenticatorNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := scim.NewTokenAuthenticator(scim.TokenAuthenticatorConfig{}); err == nil {
		t.Error("an authenticator without store was made")
	}
}

// A token whose profile no longer exists is a fault of ours, not the client's.
func TestTokenWithUnknownProfile(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	for i, broken := range []scim.Token{
		{ID: "a", Profile: "gone"},
		{ID: "b", Profile: scim.ProfileRFC, Overrides: map[string]string{"gone": "true"}},
	} {
		secret, err := scim.NewTokenSecret(strings.NewReader(strings.Repeat(fmt.Sprint(i), 32)))
		if err != nil {
			t.Fatal(err)
		}
		broken.Hash = secret.Hash()
		if err := f.store.InsertToken(t.Context(), &broken); err != nil {
			t.Fatal(err)
		}
		if _, err := f.auth.Authenticate(t.Context(), secret.Reveal()); scim.AsError(err).Status != http.StatusInternalServerError {
			t.Errorf("Authenticate = %v, want an internal error", err)
		}
	}
}

// Row 38: forms of the Authorization header (RFC 6750 section 2.1).
func TestRow38_AuthorizationHeader(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	for value, status := range map[string]int{
		"Bearer " + s.bearer:                  200,
		"bearer " + s.bearer:                  200,
		"BEARER   " + s.bearer + " ":          200,
		s.bearer:                              401,
		"Bearer":                              401,
		"Bearer ":                             401,
		"Bearer " + s.bearer + " x":           401,
		"Bearer a, Bearer " + s.bearer:        401,
		"Bearer \x7f":                         401,
		"Bearer ===":                          401,
		"Bearer " + strings.Repeat("a", 5000): 401,
		"Basic " + s.bearer:                   401,
	} {
		res := (&client{s: s}).Do(http.MethodGet, "/Users", nil, "Authorization", value)
		if res.Status != status {
			t.Errorf("Authorization %.40q = %d, want %d", value, res.Status, status)
		}
	}
	// Tokens in the query or body are not taken: they end up in logs.
	(&client{s: s}).refuse(401, "", http.MethodGet, "/Users?access_token="+s.bearer, nil)
}

// Row 113 over HTTP.
func TestRow113_RateOverHTTP(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{limits: scim.Limits{Rate: 25, Burst: 30}})
	for range 30 {
		s.want(http.StatusOK, http.MethodGet, "/Users?count=0", nil)
	}
	res := s.refuse(429, "", http.MethodGet, "/Users?count=0", nil, "25")
	if got := res.Header.Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After = %q, want 1", got)
	}
	s.as(scim.NewToken{Name: "calm"}).want(http.StatusOK, http.MethodGet, "/Users?count=0", nil)
	s.clock.advance(time.Second)
	s.want(http.StatusOK, http.MethodGet, "/Users?count=0", nil)
}

// Every route but discovery answers 401 without a token, whatever the method.
func TestRoutesNeedAToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	nobody := &client{s: s}
	public := []string{"/ServiceProviderConfig", "/Schemas", "/Schemas/:id", "/ResourceTypes", "/ResourceTypes/:id"}
	seen := 0
	for _, route := range s.echo.Routes() {
		path, ok := strings.CutPrefix(route.Path, scim.Root)
		if !ok {
			t.Errorf("route %s %s lies outside %s", route.Method, route.Path, scim.Root)
			continue
		}
		open := false
		for _, p := range public {
			open = open || p == path && (route.Method == http.MethodGet || route.Method == http.MethodHead)
		}
		res := nobody.Do(route.Method, strings.ReplaceAll(path, ":id", "x"), nil)
		if (res.Status == http.StatusUnauthorized) == open {
			t.Errorf("%s %s without token = %d", route.Method, route.Path, res.Status)
		}
		seen++
	}
	if seen < 20 {
		t.Errorf("only %d routes", seen)
	}
}

// Many requests at once, while the cache ages and the token is revoked: never
// a read a request, and nobody gets through a second later.
func TestTokenCacheUnderConcurrency(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	round := func() (refused int64) {
		var n atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 50 {
					if _, err := f.auth.Authenticate(t.Context(), f.secret); err != nil {
						n.Add(1)
					}
				}
			})
		}
		wg.Wait()
		return n.Load()
	}
	for range 20 {
		if refused := round(); refused != 0 {
			t.Fatalf("%d requests refused", refused)
		}
		f.clock.advance(300 * time.Millisecond)
	}
	if reads, _ := f.store.count(); reads > 100 {
		t.Errorf("%d reads for 8,000 requests in 6 s", reads)
	}
	if _, err := f.issuer.Revoke(t.Context(), "sync", audit.Party{}); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(time.Second)
	if refused := round(); refused != 400 {
		t.Errorf("%d of 400 requests refused after the revocation", refused)
	}
}
