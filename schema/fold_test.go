package schema_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":             "",
		"abc-1":        "abc-1",
		"ABC-1@[`{":    "abc-1@[`{",
		"Ärger":        "ärger",
		"A\u0308rger":  "ärger", // decomposed
		"ＡＢＣ１":         "abc1",  // full width
		"ﾔﾏﾀﾞ":         "ヤマダ",   // half width, with its voicing mark
		"ΣΊΣΥΦΟΣ":      "σίσυφοσ",
		"σίσυφος":      "σίσυφος", // a final sigma stays apart from a sigma
		"Straße":       "straße",
		"STRASSE":      "strasse",
		"\u212aelvin":  "kelvin",
		"\u3000":       " ",
		"a\tb \u00a0":  "a\tb \u00a0",
		"İ":            "i̇",
		"Ǆ":            "ǆ",
		"\u1e9e":       "ß",
		"100%_Done":    "100%_done",
		"БАРБАРА":      "барбара",
		"emoji 😀 STAY": "emoji 😀 stay",
	} {
		if got := schema.Fold(in); got != want {
			t.Errorf("Fold(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestPrecisFold covers row 19: names that differ by case or Unicode form have
// one key, and Fold equals PrecisFold on every valid name.
func TestPrecisFold(t *testing.T) {
	t.Parallel()
	same := [][]string{
		{"bjensen", "BJENSEN", "ｂｊｅｎｓｅｎ"},
		{"jürgen", "JÜRGEN", "ju\u0308rgen"},
		{"B Jensen", "b jensen"},
		{"\u212aelvin", "kelvin"},
	}
	for _, names := range same {
		want, err := schema.PrecisFold(names[0])
		if err != nil {
			t.Fatalf("PrecisFold(%q): %v", names[0], err)
		}
		for _, name := range names {
			if got, err := schema.PrecisFold(name); err != nil || got != want {
				t.Errorf("PrecisFold(%q) = %q, %v, want %q", name, got, err, want)
			}
		}
	}
	for _, bad := range []string{"", " ", " a", "a ", "a\x00", "a\x7f", "a\nb", "a\u00a0b", "a\u200b", "\U0001f600", "a\u2028", "\ufffd", "\u0627a", "Ⅳ", "a\u3000b"} {
		if got, err := schema.PrecisFold(bad); err == nil {
			t.Errorf("PrecisFold(%q) = %q, want an error", bad, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		runes := rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune("aZ ß\u0308ÜΣς\u3000ﾞﾀİ\u200d١א")), rapid.RuneFrom(nil, unicode.Latin, unicode.Greek, unicode.Katakana))
		s := rapid.StringOf(runes).Draw(t, "s")
		key := schema.Fold(s)
		if !utf8.ValidString(key) {
			t.Fatalf("Fold(%q) = %q is not UTF-8", s, key)
		}
		if name, err := schema.PrecisFold(s); err == nil && name != key {
			t.Fatalf("PrecisFold(%q) = %q, Fold = %q", s, name, key)
		}
	})
}

// TestFoldOfAPart: the key of a part of an ASCII string is a part of its key, so
// that co, sw and ew can compare keys.
func TestFoldOfAPart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		chars := rapid.RuneFrom([]rune("abzABZ019 -_%ÄäßÉéΣ"))
		a, b, c := rapid.StringOf(chars).Draw(t, "a"), rapid.StringOf(chars).Draw(t, "b"), rapid.StringOf(chars).Draw(t, "c")
		if whole := schema.Fold(a + b + c); !strings.Contains(whole, schema.Fold(b)) || schema.Fold(whole) != whole {
			t.Fatalf("Fold(%q) = %q does not contain Fold(%q)", a+b+c, whole, b)
		}
	})
}
