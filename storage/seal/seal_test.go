package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/storage/seal"
)

const (
	hexKey   = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	otherKey = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
)

func ring(t testing.TB, text string) *seal.Ring {
	t.Helper()
	r, err := seal.ParseRing(text)
	if err != nil {
		t.Fatalf("ParseRing: %v", err)
	}
	return r
}

func TestParseRing(t *testing.T) {
	t.Parallel()
	raw, err := hex.DecodeString(hexKey)
	if err != nil {
		t.Fatal(err)
	}
	raw[0] = 0xfb // so that the two alphabets differ
	std, url := base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)
	named := ring(t, hexKey).Kids()[0]
	for name, c := range map[string]struct {
		text string
		kids []string
	}{
		"hexadecimal":         {"a:" + hexKey, []string{"a"}},
		"upper hexadecimal":   {"a:" + strings.ToUpper(hexKey), []string{"a"}},
		"base64":              {"a:" + std, []string{"a"}},
		"base64, URL":         {"a:" + url, []string{"a"}},
		"first seals":         {"b:" + otherKey + ",a:" + hexKey, []string{"b", "a"}},
		"lines and comments":  {"# new\n b:" + otherKey + " ,\n\na:" + hexKey + "\r\n", []string{"b", "a"}},
		"named after itself":  {hexKey, []string{named}},
		"kid of every letter": {"A.z-0_9:" + hexKey, []string{"A.z-0_9"}},
	} {
		if got := ring(t, c.text).Kids(); !slices.Equal(got, c.kids) {
			t.Errorf("%s: Kids = %v, want %v", name, got, c.kids)
		}
	}
	if len(named) != 8 || named == ring(t, otherKey).First() {
		t.Errorf("kid %q of an unnamed key is not its own", named)
	}
}

func TestParseRingRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":        "",
		"only a comment": "# key\n",
		"short":          "a:" + hexKey[2:],
		"long":           "a:" + hexKey + "00",
		"not a key":      "a:correct horse battery staple",
		"empty kid":      ":" + hexKey,
		"odd kid":        "a b:" + hexKey,
		"long kid":       strings.Repeat("k", 33) + ":" + hexKey,
		"kid twice":      "a:" + hexKey + ",a:" + otherKey,
		"second broken":  "a:" + hexKey + ",b:xyz",
	} {
		r, err := seal.ParseRing(text)
		if err == nil || r != nil {
			t.Errorf("%s: ParseRing = %v, %v, want an error", name, r, err)
			continue
		}
		for _, secret := range []string{hexKey, "xyz", "staple"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows key material: %v", name, err)
			}
		}
	}
	if _, err := seal.ParseRing(""); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("ParseRing of nothing = %v, want ErrNoKey", err)
	}
}

func TestNewKeyText(t *testing.T) {
	t.Parallel()
	a, b := seal.NewKeyText(), seal.NewKeyText()
	if a == b || ring(t, a).First() == ring(t, b).First() {
		t.Error("two new keys are the same")
	}
}

func TestSealOpen(t *testing.T) {
	t.Parallel()
	r := ring(t, "new:"+otherKey+",old:"+hexKey)
	old := ring(t, "old:"+hexKey)
	at := seal.Place{Table: "t", Column: "c", Row: "r"}
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		kid, sealed, err := r.Seal(at, plain)
		if err != nil || kid != "new" {
			t.Fatalf("Seal = %q, %v", kid, err)
		}
		if len(sealed) != 1+12+len(plain)+16 || sealed[0] != 1 {
			t.Fatalf("sealed form has %d bytes and version %d", len(sealed), sealed[0])
		}
		got, err := r.Open(at, kid, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open = %x, %v, want %x", got, err, plain)
		}
		kid, sealed, err = old.Seal(at, plain)
		if err != nil {
			t.Fatalf("Seal: %v", err)
		}
		if got, err := r.Open(at, kid, sealed); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("Open of an older key's value = %x, %v", got, err)
		}
	})
}

// TestSealedForm opens a value that was sealed once and written down here: the
// form must never change.
func TestSealedForm(t *testing.T) {
	t.Parallel()
	const sealed = "015442700e26c65881970f264b8ced0341007ef94050f513b3dd5dc50234979f18dcfc479021bf4251272020"
	value, err := hex.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ring(t, "k:"+hexKey).Open(seal.Place{Table: "totp", Column: "secret", Row: "42"}, "k", value)
	if err != nil || string(plain) != "known plaintext" {
		t.Errorf("Open = %q, %v", plain, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	r := ring(t, "a:"+hexKey+",b:"+otherKey)
	at := seal.Place{Table: "users", Column: "totp", Row: "1"}
	kid, sealed, err := r.Seal(at, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		at     seal.Place
		kid    string
		sealed []byte
		want   error
	}{
		"another row":      {seal.Place{Table: "users", Column: "totp", Row: "2"}, kid, sealed, seal.ErrOpen},
		"another column":   {seal.Place{Table: "users", Column: "key", Row: "1"}, kid, sealed, seal.ErrOpen},
		"another table":    {seal.Place{Table: "clients", Column: "totp", Row: "1"}, kid, sealed, seal.ErrOpen},
		"shifted boundary": {seal.Place{Table: "users", Column: "totp1", Row: ""}, kid, sealed, seal.ErrOpen},
		"another key":      {at, "b", sealed, seal.ErrOpen},
		"a key it lacks":   {at, "c", sealed, seal.ErrUnknownKid},
		"nothing":          {at, kid, nil, seal.ErrOpen},
		"cut":              {at, kid, sealed[:len(sealed)-1], seal.ErrOpen},
		"only version":     {at, kid, sealed[:1], seal.ErrOpen},
		"another version":  {at, kid, append([]byte{2}, sealed[1:]...), seal.ErrOpen},
		"appended":         {at, kid, append(slices.Clone(sealed), 0), seal.ErrOpen},
	} {
		if plain, err := r.Open(c.at, c.kid, c.sealed); !errors.Is(err, c.want) || plain != nil {
			t.Errorf("%s: Open = %q, %v, want %v", name, plain, err, c.want)
		}
	}
	for i := range sealed {
		changed := slices.Clone(sealed)
		changed[i] ^= 0x80
		if _, err := r.Open(at, kid, changed); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("byte %d changed: Open = %v, want ErrOpen", i, err)
		}
	}
}

func TestEmptyRing(t *testing.T) {
	t.Parallel()
	var r *seal.Ring
	if r.Len() != 0 || r.First() != "" || r.Has("a") || len(r.Kids()) != 0 {
		t.Error("the nil ring is not empty")
	}
	if _, _, err := r.Seal(seal.Place{}, nil); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("Seal = %v, want ErrNoKey", err)
	}
	if _, err := r.Open(seal.Place{}, "a", nil); !errors.Is(err, seal.ErrUnknownKid) {
		t.Errorf("Open = %v, want ErrUnknownKid", err)
	}
}

// TestDerive: one key per purpose and master key, the same on every node.
func TestDerive(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, text := range []string{"k:" + hexKey, "k:" + otherKey} {
		for _, purpose := range []string{seal.PurposeCursor, seal.PurposeKid, seal.PurposeSeal + "a", seal.PurposeSeal + "b"} {
			key, err := ring(t, text).Derive("k", purpose)
			if err != nil || len(key) != seal.KeySize {
				t.Fatalf("Derive = %d bytes, %v", len(key), err)
			}
			again, err := ring(t, text).Derive("k", purpose)
			if err != nil || !bytes.Equal(key, again) {
				t.Errorf("Derive(%s) differs between nodes (%v)", purpose, err)
			}
			if other := seen[string(key)]; other != "" {
				t.Errorf("%s and %s share a key", other, purpose)
			}
			seen[string(key)] = purpose
		}
	}
	if _, err := ring(t, hexKey).Derive("x", seal.PurposeCursor); !errors.Is(err, seal.ErrUnknownKid) {
		t.Errorf("Derive of an unknown kid = %v", err)
	}
}

// TestRingIsRedacted prints a ring in every way there is.
func TestRingIsRedacted(t *testing.T) {
	t.Parallel()
	r := ring(t, "kid-name:"+hexKey)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "keys", r)
	encoded, err := json.Marshal(map[string]any{"keys": r})
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := hex.DecodeString(hexKey)
	for _, text := range []string{
		log.String(), string(encoded), fmt.Sprint(r), fmt.Sprintf("%v %+v %#v %s %q %x %d", r, r, r, r, r, r, r),
	} {
		if strings.Contains(text, hexKey[:16]) || strings.Contains(text, "1 2 3 4") || strings.Contains(text, string(raw)) {
			t.Errorf("key material in %q", text)
		}
		if !strings.Contains(text, "[redacted]") {
			t.Errorf("%q does not say [redacted]", text)
		}
	}
}

func FuzzParseRing(f *testing.F) {
	for _, text := range []string{"a:" + hexKey, hexKey + "," + otherKey, "#\n", "a:b:c", ",,:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := seal.ParseRing(text)
		if (err == nil) != (r.Len() > 0) {
			t.Fatalf("ParseRing = %d keys, %v", r.Len(), err)
		}
		kids := r.Kids()
		slices.Sort(kids)
		if len(slices.Compact(kids)) != r.Len() {
			t.Fatalf("a kid is there twice: %v", kids)
		}
	})
}

func FuzzOpen(f *testing.F) {
	r, err := seal.ParseRing("k:" + hexKey)
	if err != nil {
		f.Fatal(err)
	}
	at := seal.Place{Table: "t", Column: "c", Row: "r"}
	_, sealed, err := r.Seal(at, []byte("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, value []byte) {
		if plain, err := r.Open(at, "k", value); err == nil && !bytes.Equal(value, sealed) {
			t.Fatalf("a made-up value opens to %q", plain)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	r := ring(b, "k:"+hexKey)
	at := seal.Place{Table: "t", Column: "c", Row: "r"}
	_, sealed, err := r.Seal(at, make([]byte, 20))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(at, "k", sealed); err != nil {
			b.Fatal(err)
		}
	}
}
