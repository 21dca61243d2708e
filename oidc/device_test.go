package oidc

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
)

// tries counts and lets so many through.
type tries struct {
	free, n int
	ids     []string
}

func (c *tries) ClientFailed(_ context.Context, id string, _ netip.Addr) (time.Duration, error) {
	c.n++
	c.ids = append(c.ids, id)
	if c.n > c.free {
		return 2 * time.Second, nil
	}
	return 0, nil
}

func (r engineRows) Begin(_ authn.Visitor, n authn.NewTxn) (authn.Txn, error) {
	return authn.Txn{ID: "t1", Purpose: n.Purpose, ClientID: n.ClientID, Request: n.Request}, nil
}

func (r engineRows) Keep(context.Context, authn.Txn) error { return nil }

// Row 86 and RFC 8628 section 3.2: what a device gets.
func TestRow86_DeviceAuthorization(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.serve(b.serveDeviceAuthorization, form(PathDeviceAuthorization, "app", "app secret", url.Values{
		"scope": {"openid payments unknown"}, "acr_values": {"MFA Default"},
	}))
	got := answerOf(t, w)
	code, _ := got["user_code"].(string)
	if w.Code != http.StatusOK || !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(code) {
		t.Fatalf("answer: %d %v", w.Code, got)
	}
	if secret, _ := got["device_code"].(string); len(secret) != 43 || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("device_code = %v, Cache-Control %q", got["device_code"], w.Header().Get("Cache-Control"))
	}
	delete(got, "device_code")
	want := map[string]any{
		"user_code": code, "verification_uri": testIssuer + "/device",
		"verification_uri_complete": testIssuer + "/device?user_code=" + code, "expires_in": 600.0, "interval": 5.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	d := b.rows.devices[0]
	if diff := cmp.Diff([]string{"openid", "payments"}, d.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if !bytes.Equal(d.UserCodeHash, hashOf(strings.ReplaceAll(code, "-", ""))) || d.State != DevicePending {
		t.Errorf("stored = %+v", d)
	}
}

func TestDeviceAuthorizationRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit   func(*Client)
		user   string
		secret string
		values url.Values
		code   string
	}{
		"wrong secret":       {func(*Client) {}, "app", "x", url.Values{}, "invalid_client"},
		"grant not allowed":  {func(c *Client) { c.GrantTypes = []string{GrantCode} }, "app", "app secret", url.Values{}, "unauthorized_client"},
		"no scope left":      {func(*Client) {}, "app", "app secret", url.Values{"scope": {"unknown"}}, "invalid_scope"},
		"unknown resource":   {func(*Client) {}, "app", "app secret", url.Values{"scope": {"openid"}, "resource": {"https://x.example"}}, "invalid_target"},
		"repeated parameter": {func(*Client) {}, "app", "app secret", url.Values{"scope": {"openid", "openid"}}, "invalid_request"},
	} {
		b := newBench(t)
		b.client(c.edit)
		w := b.serve(b.serveDeviceAuthorization, form(PathDeviceAuthorization, c.user, c.secret, c.values))
		if got := answerOf(t, w)["error"]; got != c.code || len(b.rows.devices) != 0 {
			t.Errorf("%s: %v, want %s", name, got, c.code)
		}
	}
}

// RFC 8628 sections 5.1 and 6.1: codes are typed in many ways, every try counts
// before anything is compared, and bad ones are refused alike.
func TestUserCode(t *testing.T) {
	t.Parallel()
	count := &tries{free: 100}
	b := newBench(t, func(c *Config) { c.Tries = count })
	add := func(code string, edit func(*DeviceAuthorization)) {
		d := DeviceAuthorization{
			CodeHash: hashOf("device " + code), UserCodeHash: hashOf(code), ClientID: "app", Scopes: []string{"openid"},
			State: DevicePending, ExpiresAt: b.clock().Add(time.Minute),
		}
		edit(&d)
		b.rows.devices = append(b.rows.devices, d)
	}
	add("BCDFGHJK", func(*DeviceAuthorization) {})
	add("BBBBBBBB", func(d *DeviceAuthorization) { d.State = DeviceApproved })
	add("CCCCCCCC", func(d *DeviceAuthorization) { d.ExpiresAt = b.clock() })
	for _, typed := range []string{"BCDFGHJK", "bcdf-ghjk", " BCDF GHJK ", "b c d f g h j k"} {
		txn, err := b.DeviceBegin(t.Context(), authn.Visitor{}, typed)
		if err != nil {
			t.Fatalf("DeviceBegin(%q): %v", typed, err)
		}
		r, err := requestOf(txn)
		if err != nil || txn.Purpose != PurposeDevice || !bytes.Equal(r.DeviceHash, hashOf("device BCDFGHJK")) || r.ClientID != "app" {
			t.Errorf("DeviceBegin(%q) = %+v, %v", typed, r, err)
		}
	}
	before := count.n
	for _, typed := range []string{"BBBBBBBB", "CCCCCCCC", "ZZZZZZZZ", "BCDFGHJ", "BCDFGHJKL", "ABCDEFGH", "ВСDFGHJK", strings.Repeat("B", 1000)} {
		_, err := b.DeviceBegin(t.Context(), authn.Visitor{}, typed)
		if refusal, ok := errors.AsType[*authn.Refusal](err); !ok || refusal.Reason != authn.WrongCode {
			t.Errorf("DeviceBegin(%q) = %v, want a wrong code", typed, err)
		}
	}
	if count.n != before+8 || count.ids[0] != deviceTries {
		t.Errorf("%d tries were counted, want 8", count.n-before)
	}
	if _, err := b.DeviceBegin(t.Context(), authn.Visitor{}, "  "); count.n != before+8 {
		t.Errorf("an empty submission was counted: %v", err)
	}
	count.n = 100
	_, err := b.DeviceBegin(t.Context(), authn.Visitor{}, "BCDFGHJK")
	if refusal, ok := errors.AsType[*authn.Refusal](err); !ok || refusal.RetryAfter != 2*time.Second {
		t.Errorf("too many tries: %v, want a refusal even of the right code", err)
	}
}

// Codes are drawn evenly from the whole alphabet, and a taken one again.
func TestNewUserCode(t *testing.T) {
	t.Parallel()
	seen := map[rune]int{}
	for range 1000 {
		code, err := newUserCode()
		if err != nil {
			t.Fatal(err)
		}
		if normal, ok := normalUserCode(code); !ok || normal != code {
			t.Fatalf("normalUserCode(%q) = %q, %v", code, normal, ok)
		}
		for _, r := range code {
			seen[r]++
		}
	}
	if len(seen) != 20 {
		t.Errorf("%d letters were drawn, want 20", len(seen))
	}
	for r, n := range seen {
		if n < 250 || n > 600 { // 400 expected
			t.Errorf("%c was drawn %d times of 8000", r, n)
		}
	}
}
