package state_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-id/sallyport/validation/state"
)

var ignoreKeys = cmpopts.IgnoreUnexported(state.Claims{})

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for _, kind := range state.Kinds() {
		want := f.claims(kind)
		want.Provider = "Twilio SMS Provider"
		want.Secret = []byte("twenty bytes of this")
		text := f.mint(t, want)
		got, err := f.Open(t.Context(), kind, text)
		if err != nil {
			t.Fatalf("%s: Open: %v", kind, err)
		}
		if diff := cmp.Diff(want, got, ignoreKeys); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

// TestFormat: a compact JWE with exactly the header of section 5, an empty
// second segment, and none of its content readable.
func TestFormat(t *testing.T) {
	t.Parallel()
	f := newFixture()
	text := f.mint(t, f.claims(state.KindEmail))
	parts := strings.Split(text, ".")
	if len(parts) != 5 || parts[1] != "" {
		t.Fatalf("token has %d segments, the second %q", len(parts), parts[1])
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"alg": "dir", "enc": "A256GCM", "kid": "key1", "typ": "sp-email+jwe"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if len(text) < 400 || len(text) > 700 {
		t.Errorf("a typical token has %d characters, want 400 to 700", len(text))
	}
	if a, b := f.mint(t, f.claims(state.KindEmail)), text; a == b {
		t.Error("two tokens are equal")
	}
}

// TestIndependentDecryption opens a token with the key that the specification
// derives, and looks at the payload's member names.
func TestIndependentDecryption(t *testing.T) {
	t.Parallel()
	f := newFixture()
	c := f.claims(state.KindPhone)
	token, err := f.MintCode(t.Context(), c, "035476")
	if err != nil {
		t.Fatal(err)
	}
	object, err := jose.ParseEncryptedCompact(token.Reveal(), []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := object.Decrypt(f.derived(t, "state/phone"))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(plain, &got); err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, f.derived(t, "code"))
	for _, part := range []string{c.JTI, c.Subject, c.Path, c.Value, "035476"} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	want := map[string]any{
		"jti": c.JTI, "v": 1.0, "kind": "phone", "sub": c.Subject,
		"iat": float64(c.IssuedAt.Unix()), "exp": float64(c.ExpiresAt.Unix()),
		"act":  map[string]any{"client": "account-app", "sub": c.Actor.Subject, "sid": "s-1"},
		"path": c.Path, "val": c.Value, "cep": 3.0, "fep": 7.0,
		"mac": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
	if strings.Contains(string(plain), "035476") {
		t.Error("the code is in the payload")
	}
}

func TestCodeMatches(t *testing.T) {
	t.Parallel()
	f := newFixture()
	token, err := f.MintCode(t.Context(), f.claims(state.KindEmail), "01234567")
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Open(t.Context(), state.KindEmail, token.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if !c.HasCode() || !c.CodeMatches("01234567") {
		t.Error("the right code does not match")
	}
	for _, code := range []string{"", "0", "1234567", "01234568", " 01234567", "01234567 ", "012345670", "０１２３４５６７"} {
		if c.CodeMatches(code) {
			t.Errorf("CodeMatches(%q) = true", code)
		}
	}
	changed := c
	changed.Value = "someone.else@example.com"
	if changed.CodeMatches("01234567") {
		t.Error("the code matches for another value")
	}
	if f.claims(state.KindEmail).CodeMatches("") {
		t.Error("claims that were not opened match")
	}
	plain, err := f.Open(t.Context(), state.KindEmail, f.mint(t, c))
	if err != nil || plain.HasCode() || plain.CodeMatches("01234567") || plain.CodeMatches("") {
		t.Errorf("a token minted without a code takes one (%v)", err)
	}
	if _, err := f.MintCode(t.Context(), c, ""); err == nil {
		t.Error("MintCode took an empty code")
	}
}

// TestCodeOfAnotherState: the MAC is bound to the identifier, so the code of
// one state is none of another for the same user, path and value.
func TestCodeOfAnotherState(t *testing.T) {
	t.Parallel()
	f := newFixture()
	first, second := f.claims(state.KindEmail), f.claims(state.KindEmail)
	for _, c := range []state.Claims{first, second} {
		code := "1111" + c.JTI[:4]
		token, err := f.MintCode(t.Context(), c, code)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := f.Open(t.Context(), state.KindEmail, token.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if !opened.CodeMatches(code) || opened.CodeMatches("1111"+second.JTI[:4]) == (c.JTI == first.JTI) {
			t.Errorf("code of another state matches")
		}
	}
}

func TestMintRefuses(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for name, edit := range map[string]func(*state.Claims){
		"unknown kind":     func(c *state.Claims) { c.Kind = "other" },
		"no identifier":    func(c *state.Claims) { c.JTI = "" },
		"no subject":       func(c *state.Claims) { c.Subject = "" },
		"no end":           func(c *state.Claims) { c.ExpiresAt = time.Time{} },
		"end before begin": func(c *state.Claims) { c.ExpiresAt = c.IssuedAt.Add(-time.Second) },
		"too long a life":  func(c *state.Claims) { c.ExpiresAt = c.IssuedAt.Add(state.MaxLife + time.Second) },
		"too much content": func(c *state.Claims) { c.Value = strings.Repeat("x", 3000) },
	} {
		c := f.claims(state.KindEmail)
		edit(&c)
		if token, err := f.Mint(t.Context(), c); err == nil {
			t.Errorf("%s: minted %d bytes", name, len(token.Reveal()))
		}
	}
	c := f.claims(state.KindEmail)
	c.IssuedAt = time.Time{}
	got, err := f.Open(t.Context(), state.KindEmail, f.mint(t, c))
	if err != nil || !got.IssuedAt.Equal(f.clock.now()) {
		t.Errorf("IssuedAt = %v, %v, want the time of minting", got.IssuedAt, err)
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	c := state.Claims{ExpiresAt: end}
	for _, at := range []struct {
		now  time.Time
		want bool
	}{{end.Add(-time.Second), false}, {end, true}, {end.Add(time.Hour), true}} {
		if got := c.Expired(at.now); got != at.want {
			t.Errorf("Expired(%v) = %v, want %v", at.now, got, at.want)
		}
	}
}

func TestNewJTI(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		jti := state.NewJTI()
		raw, err := base64.RawURLEncoding.DecodeString(jti)
		if err != nil || len(raw) != 16 || seen[jti] {
			t.Fatalf("NewJTI = %q", jti)
		}
		seen[jti] = true
	}
}

// TestPrintsNothing: tokens, claims and keys keep their content to themselves
// wherever they are printed.
func TestPrintsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture()
	c := f.claims(state.KindTOTP)
	c.Secret = []byte("marker-secret")
	token := state.Token(f.mint(t, c))
	key := f.store.current()
	key.Secret = []byte("marker-key")
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token, "claims", c, "key", key)
	printed := fmt.Sprintf("%v %+v %#v %s %q %x", token, token, token, token, token, token) +
		fmt.Sprintf("%v %+v %#v %s", c, c, c, c) + fmt.Sprintf("%v %+v %#v", key, key, key)
	for _, v := range []any{token, c, struct{ T any }{token}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		printed += string(b)
	}
	for _, secret := range []string{token.Reveal(), "marker", "dr.veil", fmt.Sprintf("%x", "marker")} {
		if strings.Contains(printed+log.String(), secret) {
			t.Errorf("%q is printed in %s %s", secret, printed, log.String())
		}
	}
}

func TestStoreFailure(t *testing.T) {
	t.Parallel()
	f := newFixture()
	text := f.mint(t, f.claims(state.KindEmail))
	f.store.fail = errStore
	f.clock.advance(state.RefreshEvery)
	if _, err := f.Open(t.Context(), state.KindEmail, text); !errors.Is(err, errStore) || errors.Is(err, state.ErrInvalid) {
		t.Errorf("Open = %v, want the error of the store", err)
	}
	if _, err := f.Mint(context.Background(), f.claims(state.KindEmail)); !errors.Is(err, errStore) {
		t.Errorf("Mint = %v, want the error of the store", err)
	}
}
