package totp_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/validation/totp"
)

// The secrets of RFC 6238 appendix B, one for each hash.
const (
	secret20 = "12345678901234567890"
	secret32 = "12345678901234567890123456789012"
	secret64 = "1234567890123456789012345678901234567890123456789012345678901234"
)

func config(a totp.Algorithm, digits, skew int) totp.Config {
	cfg := totp.Default()
	cfg.Algorithm, cfg.Digits, cfg.Skew = a, digits, skew
	return cfg
}

// TestRFC6238Vectors are the values of RFC 6238 appendix B.
func TestRFC6238Vectors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		at                   int64
		sha1, sha256, sha512 string
	}{
		{59, "94287082", "46119246", "90693936"},
		{1111111109, "07081804", "68084774", "25091201"},
		{1111111111, "14050471", "67062674", "99943326"},
		{1234567890, "89005924", "91819424", "93441116"},
		{2000000000, "69279037", "90698825", "38618901"},
		{20000000000, "65353130", "77737706", "47863826"},
	} {
		for _, c := range []struct {
			algorithm    totp.Algorithm
			secret, code string
		}{
			{totp.SHA1, secret20, v.sha1}, {totp.SHA256, secret32, v.sha256}, {totp.SHA512, secret64, v.sha512},
		} {
			at := time.Unix(v.at, 0)
			step, ok := totp.Match(totp.Secret(c.secret), c.code, at, config(c.algorithm, 8, 0))
			if !ok || step != v.at/30 {
				t.Errorf("%s at %d: Match(%s) = %d, %v, want %d", c.algorithm, v.at, c.code, step, ok, v.at/30)
			}
			// The code with 6 digits is the end of the one with 8.
			if _, ok := totp.Match(totp.Secret(c.secret), c.code[2:], at, config(c.algorithm, 6, 0)); !ok {
				t.Errorf("%s at %d: Match(%s) with 6 digits = false", c.algorithm, v.at, c.code[2:])
			}
		}
	}
}

// TestWindow: the code of a step is good in that step and, with skew 1, in the
// one before and after, and the step that is told is that of the code.
func TestWindow(t *testing.T) {
	t.Parallel()
	secret := totp.Secret(secret20)
	at := time.Unix(1111111109, 0) // step 37037036, its last second
	own := "081804"
	for _, c := range []struct {
		skew  int
		shift time.Duration
		want  bool
	}{
		{0, 0, true},
		{0, 2 * time.Second, false},
		{0, -30 * time.Second, false},
		{1, -59 * time.Second, true},
		{1, -60 * time.Second, false},
		{1, 0, true},
		{1, 30 * time.Second, true},
		{1, 31 * time.Second, false},
		{1, 30 * time.Minute, false},
	} {
		step, ok := totp.Match(secret, own, at.Add(c.shift), config(totp.SHA1, 6, c.skew))
		if ok != c.want || (ok && step != 1111111109/30) {
			t.Errorf("skew %d, %v later: Match = %d, %v, want %v", c.skew, c.shift, step, ok, c.want)
		}
	}
}

// TestMalformedCodes is case malformed_codes: nothing but exactly six ASCII
// digits is accepted, however near.
func TestMalformedCodes(t *testing.T) {
	t.Parallel()
	at := time.Unix(59, 0)
	good := "287082"
	if _, ok := totp.Match(totp.Secret(secret20), good, at, totp.Default()); !ok {
		t.Fatal("the good code does not match")
	}
	for _, text := range []string{
		"", "2", "28708", "2870820", "28708200", "94287082", "287 082", " 287082", "287082 ", "287082\n", "\t287082",
		"２８７０８２", "٢٨٧٠٨٢", "28708２", "+28708", "-87082", "0x2870", "287o82", "2.8708", "287082\x00", "\x00\x00\x00\x00\x00\x00",
		"\xff\xff\xff\xff\xff\xff", "28708二",
	} {
		if step, ok := totp.Match(totp.Secret(secret20), text, at, totp.Default()); ok {
			t.Errorf("Match(%q) = %d, true", text, step)
		}
	}
}

// TestUnusable: nothing matches where codes cannot be made.
func TestUnusable(t *testing.T) {
	t.Parallel()
	at := time.Unix(59, 0)
	for name, c := range map[string]struct {
		secret totp.Secret
		at     time.Time
		edit   func(*totp.Config)
	}{
		"no secret":         {nil, at, func(*totp.Config) {}},
		"unknown algorithm": {totp.Secret(secret20), at, func(c *totp.Config) { c.Algorithm = "MD5" }},
		"no algorithm":      {totp.Secret(secret20), at, func(c *totp.Config) { c.Algorithm = "" }},
		"no period":         {totp.Secret(secret20), at, func(c *totp.Config) { c.Period = 0 }},
		"before 1970":       {totp.Secret(secret20), time.Unix(-300, 0), func(*totp.Config) {}},
	} {
		cfg := totp.Default()
		c.edit(&cfg)
		if _, ok := totp.Match(c.secret, "287082", c.at, cfg); ok {
			t.Errorf("%s: a code matches", name)
		}
	}
}

// TestLatestOfEqualCodes: when two steps of the window share a code, the later
// one is told, or the same digits would count twice. With this secret, which
// was searched for, steps 0 and 1 share theirs.
func TestLatestOfEqualCodes(t *testing.T) {
	t.Parallel()
	secret := totp.Secret("collision005160345--")
	code := hotpValue(secret, 0)
	if hotpValue(secret, 1) != code {
		t.Fatal("the two steps have different codes")
	}
	step, ok := totp.Match(secret, fmt.Sprintf("%06d", code), time.Unix(0, 0), totp.Default())
	if !ok || step != 1 {
		t.Errorf("Match = %d, %v, want step 1", step, ok)
	}
}

// TestWindowProperty: at any time, with any secret, the code of step s matches
// at time x exactly when s is within the window, up to codes that are equal by
// chance, for which the step is a later one.
func TestWindowProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := totp.Secret(rapid.SliceOfN(rapid.Byte(), 16, 64).Draw(t, "secret"))
		cfg := totp.Default()
		cfg.Skew = rapid.IntRange(0, 1).Draw(t, "skew")
		now := rapid.Int64Range(0, 1<<33).Draw(t, "now")
		present := now / 30
		step := present + rapid.Int64Range(-3, 3).Draw(t, "distance")
		if step < 0 {
			return
		}
		text := fmt.Sprintf("%06d", hotpValue(secret, uint64(step)))
		got, ok := totp.Match(secret, text, time.Unix(now, 0), cfg)
		inside := step >= present-int64(cfg.Skew) && step <= present+int64(cfg.Skew)
		if inside && (!ok || got < step) {
			t.Fatalf("step %d at %d: Match = %d, %v", step, present, got, ok)
		}
		if ok && hotpValue(secret, uint64(got)) != hotpValue(secret, uint64(step)) {
			t.Fatalf("Match told step %d, whose code is another one", got)
		}
		if ok && (got < present-int64(cfg.Skew) || got > present+int64(cfg.Skew)) {
			t.Fatalf("Match told step %d outside of the window of %d", got, present)
		}
	})
}

// FuzzMatch: no text panics, and only digits of the right number match.
func FuzzMatch(f *testing.F) {
	for _, s := range []string{"287082", "94287082", "", "２８７０８２", "999999"} {
		f.Add(s, int64(59))
	}
	f.Fuzz(func(t *testing.T, text string, at int64) {
		_, ok := totp.Match(totp.Secret(secret20), text, time.Unix(at, 0), totp.Default())
		if !ok {
			return
		}
		if len(text) != 6 {
			t.Errorf("Match(%q) = true", text)
		}
		for _, c := range text {
			if c < '0' || c > '9' {
				t.Errorf("Match(%q) = true", text)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for b.Loop() {
		totp.Match(totp.Secret(secret20), "000000", time.Unix(1111111111, 0), totp.Default())
	}
}
