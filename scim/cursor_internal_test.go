package scim

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func testAEAD(t testing.TB, fill byte) (seal func(cursor) string, open func(string) (cursor, error)) {
	t.Helper()
	aead, err := newCursorAEAD(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatalf("newCursorAEAD: %v", err)
	}
	return func(c cursor) string { return c.seal(aead) }, func(s string) (cursor, error) { return openCursor(aead, s) }
}

func exampleCursor() cursor {
	return cursor{
		issued: time.Unix(1700000000, 0).UTC(), query: bind("a", "b"), count: 100, total: 1 << 40,
		backward: true, at: Position{Key: "kéy\x00", Missing: true, ID: "01890000-0000-7000-8000-000000000000"},
	}
}

func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	seal, open := testAEAD(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		c := cursor{
			issued: time.Unix(rapid.Int64Range(0, 1<<40).Draw(t, "issued"), 0).UTC(),
			query:  bind(rapid.String().Draw(t, "query")),
			count:  rapid.IntRange(0, 1<<31-1).Draw(t, "count"), total: rapid.Int64Range(-1, 1<<62).Draw(t, "total"),
			backward: rapid.Bool().Draw(t, "backward"),
			at:       Position{Key: rapid.String().Draw(t, "key"), Missing: rapid.Bool().Draw(t, "missing"), ID: rapid.String().Draw(t, "id")},
		}
		got, err := open(seal(c))
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		if diff := cmp.Diff(c, got, cmp.AllowUnexported(cursor{})); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}

// Row 78: every changed bit is noticed, and the same place looks different
// each time.
func TestRow78_CursorForgery(t *testing.T) {
	t.Parallel()
	seal, open := testAEAD(t, 1)
	text := seal(exampleCursor())
	if text == seal(exampleCursor()) {
		t.Error("two cursors of one place are equal")
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	for i := range raw {
		bad := bytes.Clone(raw)
		bad[i] ^= 1
		if _, err := open(base64.RawURLEncoding.EncodeToString(bad)); err == nil {
			t.Errorf("byte %d changed and the cursor opens", i)
		}
	}
	for _, bad := range []string{"", text + "A", text[1:], text + "=", strings.Repeat("A", maxCursorBytes+1), "\x00", text + "\n"} {
		if _, err := open(bad); err == nil {
			t.Errorf("%.40q opens", bad)
		}
	}
	_, other := testAEAD(t, 2)
	if _, err := other(text); err == nil {
		t.Error("a cursor opens under another key")
	}
}

func TestCursorKeyLength(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 24, 31, 33} {
		if _, err := newCursorAEAD(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes is accepted", n)
		}
	}
}

// Parts are told apart by where they end.
func TestBindSeparatesParts(t *testing.T) {
	t.Parallel()
	if bind("ab", "c") == bind("a", "bc") || bind("a") == bind("a", "") {
		t.Error("different parts bind alike")
	}
}

func FuzzCursorOpen(f *testing.F) {
	seal, open := testAEAD(f, 1)
	f.Add(seal(exampleCursor()))
	f.Add(seal(cursor{}))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := open(text)
		if err != nil {
			return
		}
		// What opens was sealed by us, so it seals and opens again.
		again, err := open(seal(c))
		if err != nil || again != c {
			t.Errorf("open(seal(%+v)) = %+v, %v", c, again, err)
		}
	})
}
