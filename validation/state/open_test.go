package state_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/validation/state"
)

// forge seals a payload with the right key, but with what header options say.
func (f fixture) forge(tb testing.TB, plain []byte, algorithm jose.KeyAlgorithm, enc jose.ContentEncryption, key []byte, options *jose.EncrypterOptions) string {
	tb.Helper()
	encrypter, err := jose.NewEncrypter(enc, jose.Recipient{
		Algorithm: algorithm, Key: key, KeyID: f.store.current().ID, PBES2Count: 1000,
	}, options)
	if err != nil {
		tb.Fatalf("NewEncrypter: %v", err)
	}
	object, err := encrypter.Encrypt(plain)
	if err != nil {
		tb.Fatalf("Encrypt: %v", err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		tb.Fatalf("CompactSerialize: %v", err)
	}
	return text
}

// payload is a good one, as JSON.
func (f fixture) payload(tb testing.TB, edit func(map[string]any)) []byte {
	tb.Helper()
	c := f.claims(state.KindEmail)
	p := map[string]any{
		"jti": c.JTI, "v": 1, "kind": "email", "sub": c.Subject, "iat": c.IssuedAt.Unix(), "exp": c.ExpiresAt.Unix(),
		"act": map[string]any{"client": "c"}, "path": c.Path, "val": c.Value, "cep": 0, "fep": 0,
	}
	if edit != nil {
		edit(p)
	}
	out, err := json.Marshal(p)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func emailOptions() *jose.EncrypterOptions {
	return (&jose.EncrypterOptions{}).WithType("sp-email+jwe")
}

// TestStateTextualVariants is case state_textual_variants of section 14: every
// spelling that section 5 forbids is refused, although the key is right.
func TestStateTextualVariants(t *testing.T) {
	t.Parallel()
	f := newFixture()
	key := f.derived(t, "state/email")
	good := f.payload(t, nil)
	text := f.forge(t, good, jose.DIRECT, jose.A256GCM, key, emailOptions())
	if _, err := f.Open(t.Context(), state.KindEmail, text); err != nil {
		t.Fatalf("the test's own token does not open: %v", err)
	}
	part := strings.Split(text, ".")
	with := func(i int, s string) string {
		changed := append([]string(nil), part...)
		changed[i] = s
		return strings.Join(changed, ".")
	}
	zipped := emailOptions()
	zipped.Compression = jose.DEFLATE
	variants := map[string]string{
		"empty":                       "",
		"dots":                        "....",
		"filled encrypted key":        with(1, "AAAA"),
		"other filled encrypted key":  with(1, part[2]),
		"padding":                     text + "=",
		"padding inside":              with(2, part[2]+"=="),
		"standard alphabet":           with(3, "+"+part[3][1:]),
		"line break":                  with(3, part[3][:8]+"\n"+part[3][8:]),
		"space before":                " " + text,
		"space after":                 text + " ",
		"no tag":                      with(4, ""),
		"cut tag":                     with(4, part[4][:20]),
		"no iv":                       with(2, ""),
		"long iv":                     with(2, part[2]+"AAAA"),
		"no content":                  with(3, ""),
		"four segments":               strings.Join(part[:4], "."),
		"six segments":                text + ".",
		"six segments, filled":        text + ".AAAA",
		"JSON serialization":          `{"protected":"` + part[0] + `","iv":"` + part[2] + `","ciphertext":"` + part[3] + `","tag":"` + part[4] + `"}`,
		"percent-encoded":             strings.ReplaceAll(text, ".", "%2E"),
		"swapped iv and tag":          with(2, part[4]),
		"zip":                         f.forge(t, good, jose.DIRECT, jose.A256GCM, key, zipped),
		"crit":                        f.forge(t, good, jose.DIRECT, jose.A256GCM, key, emailOptions().WithHeader("crit", []string{"exp"})),
		"one more header member":      f.forge(t, good, jose.DIRECT, jose.A256GCM, key, emailOptions().WithHeader("cty", "JWT")),
		"b64 header member":           f.forge(t, good, jose.DIRECT, jose.A256GCM, key, emailOptions().WithHeader("b64", false)),
		"no typ":                      f.forge(t, good, jose.DIRECT, jose.A256GCM, key, nil),
		"typ of another kind":         f.forge(t, good, jose.DIRECT, jose.A256GCM, key, (&jose.EncrypterOptions{}).WithType("sp-phone+jwe")),
		"typ in capitals":             f.forge(t, good, jose.DIRECT, jose.A256GCM, key, (&jose.EncrypterOptions{}).WithType("SP-EMAIL+JWE")),
		"PBES2":                       f.forge(t, good, jose.PBES2_HS256_A128KW, jose.A256GCM, key, emailOptions()),
		"AES key wrap":                f.forge(t, good, jose.A256KW, jose.A256GCM, key, emailOptions()),
		"AES-128-GCM":                 f.forge(t, good, jose.DIRECT, jose.A128GCM, key[:16], emailOptions()),
		"AES-CBC":                     f.forge(t, good, jose.DIRECT, jose.A128CBC_HS256, key, emailOptions()),
		"key of another kind":         f.forge(t, good, jose.DIRECT, jose.A256GCM, f.derived(t, "state/phone"), emailOptions()),
		"key of the codes":            f.forge(t, good, jose.DIRECT, jose.A256GCM, f.derived(t, "code"), emailOptions()),
		"the state key itself":        f.forge(t, good, jose.DIRECT, jose.A256GCM, f.store.current().Secret, emailOptions()),
		"header with other spacing":   with(0, base64.RawURLEncoding.EncodeToString([]byte(`{ "alg":"dir","enc":"A256GCM","kid":"key1","typ":"sp-email+jwe"}`))),
		"header with a member twice":  with(0, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","alg":"dir","enc":"A256GCM","kid":"key1","typ":"sp-email+jwe"}`))),
		"header in capitals":          with(0, base64.RawURLEncoding.EncodeToString([]byte(`{"ALG":"dir","enc":"A256GCM","kid":"key1","typ":"sp-email+jwe"}`))),
		"header that is a list":       with(0, base64.RawURLEncoding.EncodeToString([]byte(`["dir"]`))),
		"kid that is a number":        with(0, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","kid":1,"typ":"sp-email+jwe"}`))),
		"kid of nobody":               with(0, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","kid":"key9","typ":"sp-email+jwe"}`))),
		"kid of the next key":         with(0, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","kid":"key2","typ":"sp-email+jwe"}`))),
		"payload with a new member":   f.forge(t, f.payload(t, func(p map[string]any) { p["admin"] = true }), jose.DIRECT, jose.A256GCM, key, emailOptions()),
		"payload of version 2":        f.forge(t, f.payload(t, func(p map[string]any) { p["v"] = 2 }), jose.DIRECT, jose.A256GCM, key, emailOptions()),
		"payload without version":     f.forge(t, f.payload(t, func(p map[string]any) { delete(p, "v") }), jose.DIRECT, jose.A256GCM, key, emailOptions()),
		"payload of another kind":     f.forge(t, f.payload(t, func(p map[string]any) { p["kind"] = "phone" }), jose.DIRECT, jose.A256GCM, key, emailOptions()),
		"payload without identifier":  f.forge(t, f.payload(t, func(p map[string]any) { p["jti"] = "" }), jose.DIRECT, jose.A256GCM, key, emailOptions()),
		"payload without subject":     f.forge(t, f.payload(t, func(p map[string]any) { delete(p, "sub") }), jose.DIRECT, jose.A256GCM, key, emailOptions()),
		"payload with something more": f.forge(t, append(good, ' ', '1'), jose.DIRECT, jose.A256GCM, key, emailOptions()),
		"payload that is no object":   f.forge(t, []byte(`[]`), jose.DIRECT, jose.A256GCM, key, emailOptions()),
		"payload that is empty":       f.forge(t, nil, jose.DIRECT, jose.A256GCM, key, emailOptions()),
	}
	for name, variant := range variants {
		wantInvalid(t, f.Sealer, state.KindEmail, name, variant)
	}
}

// TestSize: 4096 bytes are looked at, one more is not. The payload is filled up
// with white space, which JSON allows.
func TestSize(t *testing.T) {
	t.Parallel()
	f := newFixture()
	key := f.derived(t, "state/email")
	sealed := func(fill int) string {
		return f.forge(t, append(f.payload(t, nil), strings.Repeat(" ", fill)...), jose.DIRECT, jose.A256GCM, key, emailOptions())
	}
	fits, over := "", ""
	for fill := 2500; over == ""; fill++ {
		if text := sealed(fill); len(text) <= state.MaxSize {
			fits = text
		} else {
			over = text
		}
	}
	if len(fits) < state.MaxSize-1 || len(over) > state.MaxSize+1 {
		t.Fatalf("the test made tokens of %d and %d bytes", len(fits), len(over))
	}
	if _, err := f.Open(t.Context(), state.KindEmail, fits); err != nil {
		t.Errorf("a token of %d bytes: %v", len(fits), err)
	}
	wantInvalid(t, f.Sealer, state.KindEmail, "too long", over)
}

// TestOtherSpellingSameIdentifier: the unused bits of the last character give a
// token a second spelling that opens, with the same identifier: what was used
// in one spelling is used in the other.
func TestOtherSpellingSameIdentifier(t *testing.T) {
	t.Parallel()
	f := newFixture()
	want := f.claims(state.KindEmail)
	text := f.mint(t, want)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	spellings := 0
	for _, last := range alphabet {
		other := text[:len(text)-1] + string(last)
		got, err := f.Open(t.Context(), state.KindEmail, other)
		if err != nil {
			continue
		}
		spellings++
		if got.JTI != want.JTI {
			t.Errorf("another spelling has identifier %s, want %s", got.JTI, want.JTI)
		}
	}
	// 16 bytes of tag leave four unused bits in 22 characters.
	if spellings != 16 {
		t.Errorf("%d spellings open, want 16", spellings)
	}
}

// TestStateOtherKind is case state_other_kind for the token alone.
func TestStateOtherKind(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for _, minted := range state.Kinds() {
		text := f.mint(t, f.claims(minted))
		for _, opened := range state.Kinds() {
			_, err := f.Open(t.Context(), opened, text)
			if (err == nil) != (minted == opened) {
				t.Errorf("a %s state opens as %s: %v", minted, opened, err)
			}
		}
		wantInvalid(t, f.Sealer, "", "no kind", text)
		wantInvalid(t, f.Sealer, "other", "unknown kind", text)
	}
}

// TestChangedBits flips every character: nothing but the other spellings of the
// last characters of a segment opens, and then with the same identifier.
func TestChangedBits(t *testing.T) {
	t.Parallel()
	f := newFixture()
	want := f.claims(state.KindEmail)
	text := f.mint(t, want)
	for i := range len(text) {
		for _, c := range []byte{'A', 'B', '_', '.'} {
			if text[i] == c {
				continue
			}
			changed := text[:i] + string(c) + text[i+1:]
			got, err := f.Open(t.Context(), state.KindEmail, changed)
			if err != nil {
				continue
			}
			if endsSegment := i == len(text)-1 || text[i+1] == '.'; !endsSegment || got.JTI != want.JTI {
				t.Errorf("changing character %d to %c opens as %s", i, c, got.JTI)
			}
		}
	}
}

// FuzzStateOpen: whatever the text, no panic, and what opens was minted here.
func FuzzStateOpen(f *testing.F) {
	fx := newFixture()
	minted := map[string]state.Kind{}
	for _, kind := range state.Kinds() {
		c := fx.claims(kind)
		minted[c.JTI] = kind
		text := fx.mint(f, c)
		part := strings.Split(text, ".")
		f.Add(text, uint8(0))
		f.Add(part[0]+".AAAA."+strings.Join(part[2:], "."), uint8(1))
		f.Add(part[0]+"..."+part[3]+".", uint8(2))
		f.Add(text+"=", uint8(3))
	}
	f.Add("....", uint8(4))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","kid":"key1","p2c":2147483647,"p2s":"AA","typ":"sp-email+jwe"}`))+".AA.AA.AA.AA", uint8(0))
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","kid":"key1","typ":"sp-email+jwe"}`))+"..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA", uint8(0))
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		kind := state.Kinds()[int(n)%len(state.Kinds())]
		c, err := fx.Open(t.Context(), kind, text)
		if err != nil {
			return
		}
		if known, ok := minted[c.JTI]; !ok || known != kind || c.Kind != kind {
			t.Errorf("Open(%s, %q) = %v, which was never minted", kind, text, c)
		}
	})
}

func BenchmarkMint(b *testing.B) {
	f := newFixture()
	for b.Loop() {
		if _, err := f.MintCode(b.Context(), f.claims(state.KindEmail), "12345678"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	f := newFixture()
	text := f.mint(b, f.claims(state.KindEmail))
	for b.Loop() {
		if _, err := f.Open(b.Context(), state.KindEmail, text); err != nil {
			b.Fatal(err)
		}
	}
}
