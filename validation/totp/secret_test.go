package totp_test

import (
	"bytes"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pquerna/otp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/validation/totp"
)

func TestNewSecret(t *testing.T) {
	t.Parallel()
	for _, n := range []int{16, 20, 64} {
		cfg := totp.Default()
		cfg.SecretBytes = n
		a, b := totp.NewSecret(cfg), totp.NewSecret(cfg)
		if len(a) != n || bytes.Equal(a, b) || bytes.Equal(a, make([]byte, n)) {
			t.Errorf("two secrets of %d bytes: %d and %d bytes, equal: %v", n, len(a), len(b), bytes.Equal(a, b))
		}
		text := a.Base32()
		if strings.Contains(text, "=") {
			t.Errorf("Base32 is padded: %d characters", len(text))
		}
		back, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
		if err != nil || !bytes.Equal(back, a) {
			t.Errorf("Base32 does not decode to the secret (%v)", err)
		}
	}
}

func TestURI(t *testing.T) {
	t.Parallel()
	secret := totp.Secret("12345678901234567890")
	eight := totp.Config{Algorithm: totp.SHA256, Digits: 8, Period: time.Minute}
	const text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	for _, c := range []struct {
		issuer, account string
		cfg             totp.Config
		want            string
	}{
		{
			"Sallyport", "dr.veil", totp.Default(),
			"otpauth://totp/Sallyport:dr.veil?secret=" + text + "&issuer=Sallyport&algorithm=SHA1&digits=6&period=30",
		},
		{
			"Sainte Anne", "dr.veil@sainteanne.com", eight,
			"otpauth://totp/Sainte%20Anne:dr.veil%40sainteanne.com?secret=" + text + "&issuer=Sainte%20Anne&algorithm=SHA256&digits=8&period=60",
		},
		{
			"A:B&C=D", "x?y#z/+%:é", totp.Default(),
			"otpauth://totp/A%20B%26C%3DD:x%3Fy%23z%2F%2B%25%3A%C3%A9?secret=" + text + "&issuer=A%20B%26C%3DD&algorithm=SHA1&digits=6&period=30",
		},
	} {
		if diff := cmp.Diff(c.want, totp.URI(c.issuer, c.account, secret, c.cfg)); diff != "" {
			t.Errorf("URI(%q, %q) (-want +got):\n%s", c.issuer, c.account, diff)
		}
	}
}

// strictURI is RFC 3986 section 2 for what URI may write.
var strictURI = regexp.MustCompile(`^otpauth://totp/([A-Za-z0-9._~-]|%[0-9A-F]{2})*:([A-Za-z0-9._~-]|%[0-9A-F]{2})*\?[A-Za-z0-9._~&=%-]+$`)

// TestURIProperty: whatever the names, the URI is strict, and a reader gets the
// names, the secret and the numbers back.
func TestURIProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		issuer := rapid.StringMatching(`[^:\x{FFFD}]{1,20}`).Draw(t, "issuer")
		account := rapid.StringMatching(`[^\x{FFFD}]{1,30}`).Draw(t, "account")
		secret := totp.Secret(rapid.SliceOfN(rapid.Byte(), 16, 64).Draw(t, "secret"))
		text := totp.URI(issuer, account, secret, totp.Default())
		if !strictURI.MatchString(text) {
			t.Fatalf("URI is not strict: %q", text)
		}
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if u.Path != "/"+issuer+":"+account || u.Query().Get("issuer") != issuer {
			t.Fatalf("URI of %q, %q reads as path %q, issuer %q", issuer, account, u.Path, u.Query().Get("issuer"))
		}
		key, err := otp.NewKeyFromURL(text)
		if err != nil || key.Secret() != secret.Base32() || key.Period() != 30 || key.Digits() != otp.DigitsSix {
			t.Fatalf("another reader does not take it: %v", err)
		}
	})
}

func TestSecretPrintsNothing(t *testing.T) {
	t.Parallel()
	secret := totp.Secret("marker-marker-marker")
	e := totp.Enrolment{UserID: "u", Secret: secret}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "enrolment", e)
	text, err := json.Marshal(map[string]any{"a": secret, "b": e})
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %s %q %x %#v %+v %#v %v", secret, secret, secret, secret, secret, e, e, &e) + log.String() + string(text)
	for _, form := range []string{"marker", fmt.Sprintf("%x", "marker"), secret.Base32(), "bWFya2Vy", "109 97 114"} {
		if strings.Contains(printed, form) {
			t.Errorf("%q is printed in %s", form, printed)
		}
	}
}

// TestConfigBounds is the TOTP row of the table of defaults and bounds.
func TestConfigBounds(t *testing.T) {
	t.Parallel()
	if err := totp.Default().Validate("totp."); err != nil {
		t.Errorf("the default: %v", err)
	}
	if diff := cmp.Diff(totp.Config{Algorithm: "SHA1", Digits: 6, Period: 30 * time.Second, Skew: 1, SecretBytes: 20}, totp.Default()); diff != "" {
		t.Errorf("default (-want +got):\n%s", diff)
	}
	for key, edits := range map[string][]func(*totp.Config){
		"algorithm":    {func(c *totp.Config) { c.Algorithm = "MD5" }, func(c *totp.Config) { c.Algorithm = "" }, func(c *totp.Config) { c.Algorithm = "sha1" }},
		"digits":       {func(c *totp.Config) { c.Digits = 7 }, func(c *totp.Config) { c.Digits = 5 }, func(c *totp.Config) { c.Digits = 10 }},
		"period":       {func(c *totp.Config) { c.Period = 14 * time.Second }, func(c *totp.Config) { c.Period = 121 * time.Second }, func(c *totp.Config) { c.Period = 30500 * time.Millisecond }},
		"skew":         {func(c *totp.Config) { c.Skew = -1 }, func(c *totp.Config) { c.Skew = 2 }},
		"secret_bytes": {func(c *totp.Config) { c.SecretBytes = 15 }, func(c *totp.Config) { c.SecretBytes = 65 }},
	} {
		for _, edit := range edits {
			cfg := totp.Default()
			edit(&cfg)
			if err := cfg.Validate("totp."); err == nil || !strings.Contains(err.Error(), "totp."+key+" must be") {
				t.Errorf("%s out of bounds: %v", key, err)
			}
		}
	}
	err := totp.Config{}.Validate("totp.")
	for _, key := range []string{"algorithm", "digits", "period", "secret_bytes"} {
		if err == nil || !strings.Contains(err.Error(), "totp."+key) {
			t.Errorf("faults do not name %s: %v", key, err)
		}
	}
}

func TestEnrolmentConfig(t *testing.T) {
	t.Parallel()
	e := totp.Enrolment{Secret: totp.Secret("12345678901234567890"), Algorithm: totp.SHA512, Digits: 8, Period: time.Minute}
	want := totp.Config{Algorithm: totp.SHA512, Digits: 8, Period: time.Minute, Skew: 1, SecretBytes: 20}
	if diff := cmp.Diff(want, e.Config(1)); diff != "" {
		t.Errorf("Config (-want +got):\n%s", diff)
	}
	if err := e.Config(0).Validate(""); err != nil {
		t.Error(err)
	}
}
