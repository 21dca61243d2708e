package password_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/password"
)

func newHasher(t *testing.T, cfg password.Config) *password.Hasher {
	t.Helper()
	h, err := password.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func mustHash(t *testing.T, h *password.Hasher, text string) string {
	t.Helper()
	phc, err := h.Hash(t.Context(), password.Of(text), nil)
	if err != nil {
		t.Fatalf("Hash: %v", err)
	}
	return phc
}

func verify(t *testing.T, h *password.Hasher, phc, text string) bool {
	t.Helper()
	ok, err := h.Verify(t.Context(), phc, password.Of(text))
	if err != nil {
		t.Fatalf("Verify(%q): %v", phc, err)
	}
	return ok
}

func TestHashThenVerify(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	phc := mustHash(t, h, "correct horse")
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("Hash = %q, want the default parameters in PHC form", phc)
	}
	if strings.Contains(phc, "correct") {
		t.Errorf("Hash = %q, shows the password", phc)
	}
	if !verify(t, h, phc, "correct horse") {
		t.Error("the right password was refused")
	}
	for _, wrong := range []string{"", "correct horse ", "Correct horse", "correct hors", strings.Repeat("x", 5000)} {
		if verify(t, h, phc, wrong) {
			t.Errorf("Verify(%.20q) = true", wrong)
		}
	}
	if again := mustHash(t, h, "correct horse"); again == phc {
		t.Error("two hashes of one password are equal; each needs its own salt")
	}
	if h.NeedsRehash(phc) {
		t.Error("NeedsRehash of a new hash = true")
	}
}

// The vector is that of the argon2 reference implementation.
func TestReferenceVector(t *testing.T) {
	t.Parallel()
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h := newHasher(t, password.Config{})
	if !verify(t, h, phc, "password") {
		t.Error("the reference hash does not verify")
	}
	if verify(t, h, phc, "passwore") {
		t.Error("a wrong password verifies against the reference hash")
	}
	if !h.NeedsRehash(phc) {
		t.Error("NeedsRehash of other parameters = false")
	}
}

// Characters are code points after NFC (NIST SP 800-63B-4 section 3.1.1.2).
func TestLength(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	tests := map[string]struct {
		text string
		ok   bool
	}{
		"seven":                               {"1234567", false},
		"eight":                               {"83q61w75", true},
		"eight of four bytes":                 {strings.Repeat("😀", 8), true},
		"seven of four bytes":                 {strings.Repeat("😀", 7), false},
		"eight code points, four after NFC":   {strings.Repeat("e\u0301", 4), false},
		"sixteen code points, eight with NFC": {strings.Repeat("e\u0301", 8), true},
		"longest":                             {strings.Repeat("é", 256), true},
		"too long is refused, not cut":        {strings.Repeat("a", 257), false},
		"far too long":                        {strings.Repeat("a", 1<<20), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := h.Hash(t.Context(), password.Of(tt.text), nil)
			var length *password.LengthError
			if tt.ok && err != nil || !tt.ok && !errors.As(err, &length) {
				t.Errorf("Hash = %v, want accepted %v", err, tt.ok)
			}
			if length != nil && (length.Min != 8 || length.Max != 256) {
				t.Errorf("LengthError = %+v, want 8 and 256", length)
			}
		})
	}
	var bad *password.TextError
	if _, err := h.Hash(t.Context(), password.Of("1234567\xff8"), nil); !errors.As(err, &bad) {
		t.Errorf("Hash of invalid UTF-8 = %v, want *TextError", err)
	}
}

func TestUnicodeFormsAreOnePassword(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	phc := mustHash(t, h, "caf\u00e9-caf\u00e9")
	if !verify(t, h, phc, "cafe\u0301-cafe\u0301") {
		t.Error("the decomposed form of the password was refused")
	}
}

// A hash made under a lower limit stays good when the limit rises.
func TestLengthRuleIsForNewPasswords(t *testing.T) {
	t.Parallel()
	phc := mustHash(t, newHasher(t, password.Config{}), "83q61w75")
	if !verify(t, newHasher(t, password.Config{MinLength: 15}), phc, "83q61w75") {
		t.Error("an older, shorter password no longer verifies")
	}
}

func TestPepper(t *testing.T) {
	t.Parallel()
	one := password.Pepper{KID: "k1", Key: bytes.Repeat([]byte{1}, 32)}
	two := password.Pepper{KID: "k2", Key: bytes.Repeat([]byte{2}, 32)}
	h := newHasher(t, password.Config{Peppers: []password.Pepper{one}})
	phc := mustHash(t, h, "correct horse")
	if !strings.Contains(phc, ",keyid=azE$") {
		t.Errorf("Hash = %q, want the kid of the pepper in it", phc)
	}
	if !verify(t, h, phc, "correct horse") {
		t.Error("the right password was refused")
	}

	rotated := newHasher(t, password.Config{Peppers: []password.Pepper{two, one}})
	if !verify(t, rotated, phc, "correct horse") {
		t.Error("a hash under an older pepper was refused")
	}
	if !rotated.NeedsRehash(phc) {
		t.Error("NeedsRehash under an older pepper = false")
	}

	plain := newHasher(t, password.Config{})
	if _, err := plain.Verify(t.Context(), phc, password.Of("correct horse")); err == nil || !strings.Contains(err.Error(), `"k1"`) {
		t.Errorf("Verify without the pepper = %v, want an error that names it", err)
	}
	if !verify(t, h, mustHash(t, plain, "correct horse"), "correct horse") {
		t.Error("a hash without pepper was refused after one was configured")
	}

	other := newHasher(t, password.Config{Peppers: []password.Pepper{{KID: "k1", Key: two.Key}}})
	if verify(t, other, phc, "correct horse") {
		t.Error("another key under the same kid verifies")
	}
}

func TestVerifyUnknownNeverSucceeds(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	if err := h.VerifyUnknown(t.Context(), password.Of("12345678")); err != nil {
		t.Errorf("VerifyUnknown = %v", err)
	}
}

func TestVerifyRefusesWhatIsNoHash(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	for _, phc := range []string{"", "plain", "$2b$12$abcdefghijklmnopqrstuv", "$argon2d$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"} {
		if ok, err := h.Verify(t.Context(), phc, password.Of("12345678")); ok || !errors.Is(err, password.ErrFormat) {
			t.Errorf("Verify(%q) = %v, %v; want ErrFormat", phc, ok, err)
		}
		if !h.NeedsRehash(phc) {
			t.Errorf("NeedsRehash(%q) = false", phc)
		}
	}
}

func TestConfigBounds(t *testing.T) {
	t.Parallel()
	key := make([]byte, 32)
	tests := map[string]struct {
		cfg  password.Config
		want string // "" for accepted
	}{
		"defaults":             {password.Config{}, ""},
		"one pass, more KiB":   {password.Config{Params: password.Params{Memory: 47104, Time: 1, Threads: 1}}, ""},
		"one pass, too little": {password.Config{Params: password.Params{Memory: 47103, Time: 1, Threads: 1}}, "parameters"},
		"too little memory":    {password.Config{Params: password.Params{Memory: 19455, Time: 2, Threads: 1}}, "parameters"},
		"too much memory":      {password.Config{Params: password.Params{Memory: 1 << 30, Time: 2, Threads: 1}}, "parameters"},
		"no lanes":             {password.Config{Params: password.Params{Memory: 19456, Time: 2}}, "parameters"},
		"minimum too small":    {password.Config{MinLength: 7}, "minimum length 7"},
		"minimum too large":    {password.Config{MinLength: 65}, "minimum length 65"},
		"maximum too small":    {password.Config{MaxLength: 63}, "maximum length 63"},
		"maximum too large":    {password.Config{MaxLength: 1025}, "maximum length 1025"},
		"short pepper":         {password.Config{Peppers: []password.Pepper{{KID: "a", Key: key[:31]}}}, `pepper "a"`},
		"unnamed pepper":       {password.Config{Peppers: []password.Pepper{{Key: key}}}, `pepper ""`},
		"two peppers, one kid": {password.Config{Peppers: []password.Pepper{{KID: "a", Key: key}, {KID: "a", Key: key}}}, `pepper "a"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := password.New(tt.cfg)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("New = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFreeSlotNeedsNoWait(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{Slots: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// A free slot is taken without waiting, so the work is done.
	if _, err := h.Hash(ctx, password.Of("83q61w75"), nil); err != nil {
		t.Errorf("Hash with a free slot = %v", err)
	}
}

func TestPasswordRedactsItself(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-marker"
	p := password.Of(secret)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("test", "password", p, "held", struct{ P password.Password }{p})
	marshalled, err := json.Marshal(map[string]any{"p": p})
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v %s %q %x %d", p, p, p, p, p, p, p) + log.String() + string(marshalled)
	if strings.Contains(out, secret) || strings.Contains(out, fmt.Sprintf("%x", secret)) {
		t.Errorf("the password shows: %s", out)
	}
	if p.Reveal() != secret {
		t.Error("Reveal does not give the password")
	}
}
