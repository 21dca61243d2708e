package keys_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// memory is a store in memory that keeps the promises of keys.Store.
type memory struct {
	mu   sync.Mutex
	rows []keys.Stored
}

func (m *memory) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := slices.Clone(m.rows)
	err := fn(context.WithValue(ctx, inTx{}, true))
	if err != nil {
		m.rows = before
	}
	return err
}

type inTx struct{}

// lock locks unless a transaction holds the lock.
func (m *memory) lock(ctx context.Context) func() {
	if ctx.Value(inTx{}) != nil {
		return func() {}
	}
	m.mu.Lock()
	return m.mu.Unlock
}

func (m *memory) SigningKeys(ctx context.Context) ([]keys.Stored, error) {
	defer m.lock(ctx)()
	return slices.Clone(m.rows), nil
}

func (m *memory) InsertSigningKey(ctx context.Context, k keys.Stored) (bool, error) {
	defer m.lock(ctx)()
	for _, r := range m.rows {
		if r.Alg == k.Alg && r.State == k.State && k.State != keys.Retired {
			return false, nil
		}
	}
	m.rows = append(m.rows, k)
	return true, nil
}

func (m *memory) MoveSigningKey(ctx context.Context, id string, from, to keys.State, now time.Time) (bool, error) {
	defer m.lock(ctx)()
	for i, r := range m.rows {
		if r.ID == id && r.State == from {
			m.rows[i].State, m.rows[i].ChangedAt = to, now
			return true, nil
		}
	}
	return false, nil
}

func (m *memory) DeleteSigningKey(ctx context.Context, id string) error {
	defer m.lock(ctx)()
	m.rows = slices.DeleteFunc(m.rows, func(k keys.Stored) bool { return k.ID == id && k.State == keys.Retired })
	return nil
}

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newRing(t *testing.T, store *memory, c *clock) *keys.Ring {
	t.Helper()
	r, err := keys.New(keys.Config{Store: store, Tx: store, Longest: 5 * time.Minute, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// startES256 makes only a fast key.
func startES256(t *testing.T, store *memory, c *clock) *keys.Ring {
	t.Helper()
	r := newRing(t, store, c)
	if err := r.Ensure(t.Context(), keys.ES256); err != nil {
		t.Fatal(err)
	}
	return r
}

func sign(t *testing.T, r *keys.Ring, alg, typ string, claims any) string {
	t.Helper()
	token, err := r.Sign(t.Context(), alg, typ, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// states lists "alg state" of the stored keys, sorted.
func states(t *testing.T, r *keys.Ring) []string {
	t.Helper()
	list, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, k := range list {
		out = append(out, k.Alg+" "+string(k.State))
	}
	slices.Sort(out)
	return out
}

func TestNewNeedsStore(t *testing.T) {
	t.Parallel()
	if _, err := keys.New(keys.Config{}); err == nil {
		t.Error("New without a store succeeded")
	}
}

func TestSignAndVerifyWithEveryAlgorithm(t *testing.T) {
	t.Parallel()
	r := newRing(t, &memory{}, newClock())
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, alg := range keys.Algorithms() {
		token := sign(t, r, alg, "at+jwt", map[string]any{"sub": alg})
		payload, kid, err := r.Verify(t.Context(), token, "at+jwt")
		if err != nil {
			t.Fatalf("Verify of an %s token: %v", alg, err)
		}
		if want := `{"sub":"` + alg + `"}`; string(payload) != want {
			t.Errorf("payload = %s, want %s", payload, want)
		}
		jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatal(err)
		}
		if h := jws.Signatures[0].Protected; h.KeyID != kid || h.ExtraHeaders["typ"] != "at+jwt" {
			t.Errorf("header of %s token: kid %q, typ %v", alg, h.KeyID, h.ExtraHeaders["typ"])
		}
	}
	if err := r.Ensure(t.Context(), "HS256"); !errors.Is(err, keys.ErrAlgorithm) {
		t.Errorf("Ensure(HS256) = %v, want ErrAlgorithm", err)
	}
	if _, err := r.Sign(t.Context(), "none", "JWT", struct{}{}); !errors.Is(err, keys.ErrAlgorithm) {
		t.Errorf("Sign with none = %v, want ErrAlgorithm", err)
	}
}

// Row 69: kids are there and differ, and no private member leaves.
func TestRow69_KeySetHasPublicMembersOnly(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := newRing(t, &memory{}, c)
	for _, alg := range keys.Algorithms() {
		if err := r.Ensure(t.Context(), alg); err != nil {
			t.Fatal(err)
		}
	}
	body, etag, err := r.JWKS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 4 {
		t.Fatalf("key set has %d keys, want 4", len(set.Keys))
	}
	kids := map[any]bool{}
	for _, k := range set.Keys {
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
			if _, has := k[private]; has {
				t.Errorf("key %v shows the private member %s", k["kid"], private)
			}
		}
		if k["use"] != "sig" || k["alg"] == nil || kids[k["kid"]] {
			t.Errorf("key %v: use %v, alg %v, or a kid twice", k["kid"], k["use"], k["alg"])
		}
		kids[k["kid"]] = true
	}
	if err := r.RotateEarly(t.Context(), keys.ES256); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := r.JWKS(t.Context()); err != nil || changed == etag {
		t.Errorf("etag after a rotation = %s (%v), want another than before", changed, err)
	}
}

// The example of RFC 7638 section 3.1.
func TestThumbprintOfRFC7638(t *testing.T) {
	t.Parallel()
	var k jose.JSONWebKey
	text := `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		t.Fatal(err)
	}
	got, err := keys.Thumbprint(k)
	if err != nil {
		t.Fatal(err)
	}
	if want := "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"; got != want {
		t.Errorf("Thumbprint = %s, want %s", got, want)
	}
}

// Row 70: a key is published before it signs, and stays until its last token
// has expired.
func TestRow70_RotationOverTime(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := startES256(t, &memory{}, c)
	rotate := func(want bool) {
		t.Helper()
		if got, err := r.Rotate(t.Context()); err != nil || got != want {
			t.Fatalf("Rotate at %s = %v, %v, want %v", c.Now(), got, err, want)
		}
	}
	rotate(false)
	if got := states(t, r); !slices.Equal(got, []string{"ES256 active", "ES256 next"}) {
		t.Fatalf("keys = %v, want an active and a next one", got)
	}
	old := sign(t, r, keys.ES256, "at+jwt", struct{}{})
	c.Add(keys.ActiveFor - time.Second)
	rotate(false)
	c.Add(time.Second)
	rotate(true)
	if got := states(t, r); !slices.Equal(got, []string{"ES256 active", "ES256 next", "ES256 retired"}) {
		t.Fatalf("keys after rotation = %v", got)
	}
	fresh := sign(t, r, keys.ES256, "at+jwt", struct{}{})
	if kidOf(t, old) == kidOf(t, fresh) {
		t.Error("the retired key still signs")
	}
	if _, _, err := r.Verify(t.Context(), old, "at+jwt"); err != nil {
		t.Errorf("token of the retired key: %v", err)
	}
	c.Add(48 * time.Hour)
	rotate(false)
	if _, _, err := r.Verify(t.Context(), old, "at+jwt"); !errors.Is(err, keys.ErrInvalid) {
		t.Errorf("token of a key that is gone: %v, want ErrInvalid", err)
	}
}

// A key that was not published for 24 hours waits, however old the active one
// is; --now in an emergency does not.
func TestNextKeyWaitsForItsLead(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := startES256(t, &memory{}, c)
	c.Add(keys.ActiveFor + time.Hour)
	for _, step := range []struct {
		add  time.Duration
		want bool
	}{{0, false}, {keys.Lead - time.Second, false}, {time.Second, true}} {
		c.Add(step.add)
		if got, err := r.Rotate(t.Context()); err != nil || got != step.want {
			t.Fatalf("Rotate = %v, %v, want %v", got, err, step.want)
		}
	}
	if err := r.RotateNow(t.Context(), keys.ES256); !errors.Is(err, keys.ErrTooEarly) {
		t.Errorf("RotateNow with a young next key = %v, want ErrTooEarly", err)
	}
	before := kidOf(t, sign(t, r, keys.ES256, "JWT", struct{}{}))
	if err := r.RotateEarly(t.Context(), keys.ES256); err != nil {
		t.Fatal(err)
	}
	if kidOf(t, sign(t, r, keys.ES256, "JWT", struct{}{})) == before {
		t.Error("RotateEarly left the active key")
	}
}

// Nodes that rotate at once make one key between them, and none signs with a
// key that is not published.
func TestKeyRotationRaceInMemory(t *testing.T) {
	t.Parallel()
	c := newClock()
	store := &memory{}
	first := startES256(t, store, c)
	nodes := []*keys.Ring{first}
	for range 7 {
		nodes = append(nodes, startES256(t, store, c))
	}
	if _, err := first.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Add(keys.ActiveFor)
	var wait sync.WaitGroup
	var won int
	var mu sync.Mutex
	for _, n := range nodes {
		wait.Go(func() {
			rotated, err := n.Rotate(context.Background())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if rotated {
				won++
			}
		})
	}
	wait.Wait()
	if won != 1 {
		t.Errorf("%d nodes rotated, want 1", won)
	}
	if got := states(t, first); !slices.Equal(got, []string{"ES256 active", "ES256 next", "ES256 retired"}) {
		t.Errorf("keys = %v", got)
	}
	for i, n := range nodes {
		token := sign(t, n, keys.ES256, "JWT", struct{}{})
		if _, _, err := nodes[(i+1)%len(nodes)].Verify(t.Context(), token, "JWT"); err != nil {
			t.Errorf("token of node %d at its neighbour: %v", i, err)
		}
	}
}

// A node learns of the key of another when it meets its kid, and asks the store
// at most once a second for kids that nobody knows.
func TestUnknownKidReloads(t *testing.T) {
	t.Parallel()
	c := newClock()
	store := &memory{}
	a := startES256(t, store, c)
	b := startES256(t, store, c)
	if err := a.Ensure(t.Context(), keys.EdDSA); err != nil {
		t.Fatal(err)
	}
	token := sign(t, a, keys.EdDSA, "JWT", struct{}{})
	c.Add(time.Second)
	if _, _, err := b.Verify(t.Context(), token, "JWT"); err != nil {
		t.Errorf("token under a kid that is new here: %v", err)
	}
	if err := a.Ensure(t.Context(), keys.ES256); err != nil {
		t.Fatal(err)
	}
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var h struct {
		Kid string `json:"kid"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	return h.Kid
}

// segment is JSON as a part of a compact token.
func segment(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// TestVerifyRefuses holds tokens that look like ours and are not.
func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	c := newClock()
	store := &memory{}
	r := newRing(t, store, c)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	good := sign(t, r, keys.ES256, "at+jwt", map[string]any{"sub": "u"})
	parts := strings.Split(good, ".")
	kid := kidOf(t, good)
	hs := func(secret []byte) string {
		input := segment(map[string]any{"alg": "HS256", "kid": kid, "typ": "at+jwt"}) + "." + parts[1]
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	stored, err := store.SigningKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rsaKey := stored[slices.IndexFunc(stored, func(k keys.Stored) bool { return k.Alg == keys.RS256 })]
	parsed, err := x509.ParsePKCS8PrivateKey(rsaKey.Private)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(foreign.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"empty":                     "",
		"two parts":                 parts[0] + "." + parts[1],
		"four parts":                good + ".",
		"alg none":                  segment(map[string]any{"alg": "none", "kid": kid, "typ": "at+jwt"}) + "." + parts[1] + ".",
		"alg none, signature kept":  segment(map[string]any{"alg": "none", "kid": kid, "typ": "at+jwt"}) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key": hs(der),
		"HS256 with the kid":        hs([]byte(kid)),
		"signature cut":             good[:len(good)-1],
		"signature extended":        good + "A",
		"other last bits":           good[:len(good)-1] + string(other(good[len(good)-1])),
		"blank before":              " " + good,
		"line break inside":         parts[0] + "." + parts[1] + ".\n" + parts[2],
		"payload changed":           parts[0] + "." + segment(map[string]any{"sub": "admin"}) + "." + parts[2],
		"unknown kid":               outside(t, jose.ES256, foreign, "nobody", "at+jwt"),
		"our kid, foreign key":      outside(t, jose.ES256, foreign, kid, "at+jwt"),
		"no kid":                    outside(t, jose.ES256, foreign, "", "at+jwt"),
		"algorithm of another kind": outside(t, jose.PS256, parsed, rsaKey.ID, "at+jwt"),
		"another typ":               sign(t, r, keys.ES256, "JWT", map[string]any{"sub": "u"}),
		"logout token":              sign(t, r, keys.ES256, "logout+jwt", map[string]any{"sub": "u"}),
		"no typ":                    outside(t, jose.RS256, parsed, rsaKey.ID, ""),
		"too long":                  good + strings.Repeat("A", 1<<15),
	} {
		if _, _, err := r.Verify(t.Context(), token, "at+jwt"); !errors.Is(err, keys.ErrInvalid) {
			t.Errorf("%s: Verify = %v, want ErrInvalid", name, err)
		}
	}
	if _, _, err := r.Verify(t.Context(), outside(t, jose.RS256, parsed, rsaKey.ID, "application/AT+JWT"), "at+jwt"); err != nil {
		t.Errorf("typ application/AT+JWT: %v (RFC 7515 section 4.1.9 has it equal)", err)
	}
}

// other is a character of the alphabet with the same upper bits, of which the
// last character of a P-256 signature uses only some.
func other(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return alphabet[strings.IndexByte(alphabet, c)^1]
}

// outside makes a token with a key and header of the test's choice.
func outside(t *testing.T, alg jose.SignatureAlgorithm, key any, kid, typ string) string {
	t.Helper()
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(`{"sub":"u"}`))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// A row whose key was swapped for another does not sign.
func TestEditedRowIsRefused(t *testing.T) {
	t.Parallel()
	c := newClock()
	store := &memory{}
	startES256(t, store, c)
	for name, edit := range map[string]func(*keys.Stored){
		"other id":        func(k *keys.Stored) { k.ID = "x" },
		"other algorithm": func(k *keys.Stored) { k.Alg = keys.RS256 },
		"no key":          func(k *keys.Stored) { k.Private = []byte("x") },
	} {
		edited := &memory{rows: slices.Clone(store.rows)}
		edit(&edited.rows[0])
		if _, err := newRing(t, edited, c).Sign(t.Context(), keys.ES256, "JWT", struct{}{}); err == nil {
			t.Errorf("%s: Sign succeeded", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	c := newClock()
	r, err := keys.New(keys.Config{Store: &memory{}, Tx: &memory{}, Now: c.Now})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if _, _, err := r.Verify(t.Context(), token, "JWT"); err == nil {
			t.Errorf("Verify(%q) succeeded without any key", token)
		}
	})
}

func BenchmarkSignES256(b *testing.B) {
	c := newClock()
	store := &memory{}
	r, err := keys.New(keys.Config{Store: store, Tx: store, Now: c.Now})
	if err != nil {
		b.Fatal(err)
	}
	claims := map[string]any{"sub": "u", "iss": "https://id.example.com"}
	for b.Loop() {
		if _, err := r.Sign(b.Context(), keys.ES256, "at+jwt", claims); err != nil {
			b.Fatal(err)
		}
	}
}

// An emergency rotation makes the key to come known everywhere before it signs:
// a node that has just read its keys does not read them again at once.
func TestRotateEarlyPublishesFirst(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	var waited time.Duration
	ring, err := keys.New(keys.Config{Store: store, Tx: store, Now: c.Now, Wait: func(_ context.Context, d time.Duration) error {
		waited += d
		c.Add(d)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	other := newRing(t, store, c)
	if err := ring.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := other.JWKS(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ring.RotateEarly(t.Context(), keys.ES256); err != nil {
			t.Fatal(err)
		}
		token, err := ring.Sign(t.Context(), keys.ES256, "JWT", map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		_, kid, err := other.Verify(t.Context(), token, "JWT")
		if err != nil {
			t.Errorf("another node: %v", err)
		}
		if set, _, err := other.JWKS(t.Context()); err != nil || !strings.Contains(string(set), kid) || kid == "" {
			t.Errorf("a token under %q, which another node does not publish: %s %v", kid, set, err)
		}
	}
	if waited > 10*time.Second {
		t.Errorf("waited %s", waited)
	}
	c.Add(time.Minute)
	before := waited
	if err := ring.RotateEarly(t.Context(), keys.ES256); err != nil || waited != before {
		t.Errorf("a key that is published long enough was waited for: %s, %v", waited-before, err)
	}
}
