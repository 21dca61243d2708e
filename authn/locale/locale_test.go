package locale_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sallyport-id/sallyport/authn/locale"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		fallback   string
		candidates []string
		want       string
	}{
		{"the message's language wins", "en", []string{"fr-CA", "de"}, "fr"},
		{"an empty one is passed over", "en", []string{"", " ", "es-419"}, "es"},
		{"one without texts is passed over", "en", []string{"ja", "de-AT"}, "de"},
		{"malformed ones are passed over", "fr", []string{"!!", "de_\x00", strings.Repeat("a", 300)}, "fr"},
		{"the fallback", "de", nil, "de"},
		{"a fallback without texts", "pt", nil, "en"},
		{"weights count (RFC 9110)", "en", []string{"de;q=0.5, fr;q=0.9"}, "fr"},
		{"a refused language does not count", "en", []string{"de;q=0, es"}, "es"},
		{"underscores of POSIX", "en", []string{"de_CH"}, "de"},
		{"Swiss German reads German", "en", []string{"gsw"}, "de"},
		{"script and region do not hinder", "en", []string{"es-Latn-MX"}, "es"},
	} {
		if got := locale.Choose(c.fallback, c.candidates...); got != c.want {
			t.Errorf("%s: Choose(%q, %q) = %q, want %q", c.name, c.fallback, c.candidates, got, c.want)
		}
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]bool{
		"en": true, "en-US": true, "de-DE-1996": true, "zh-Hant-TW": true, "sr-Latn": true, "x-private": true,
		"": false, "english language": false, "en-US,de": false, "e": false, "en--US": false, "xy-ZZZZZZZZZ": false,
		strings.Repeat("a-", 200): false,
	} {
		if got := locale.Valid(tag); got != want {
			t.Errorf("Valid(%q) = %v, want %v", tag, got, want)
		}
	}
}

func TestBuiltinIsComplete(t *testing.T) {
	t.Parallel()
	c, err := locale.Builtin()
	if err != nil {
		t.Fatalf("Builtin: %v", err)
	}
	args := map[string]string{"service": "Acme {code}", "code": "1", "minutes": "5"}
	seen := map[string]bool{}
	for _, lang := range locale.Languages() {
		got := c.Text(lang, "sms", args)
		if !strings.Contains(got, "Acme {code}") || seen[got] {
			t.Errorf("Text(%s, sms) = %q: want its own text, replaced in one pass", lang, got)
		}
		seen[got] = true
	}
	if got := c.Text("pt", "voice_end", nil); got != c.Text("en", "voice_end", nil) {
		t.Errorf("Text of a language without texts = %q, want the default's", got)
	}
	if got := c.Text("en", "no.such.key", nil); got != "no.such.key" || c.Has("no.such.key") {
		t.Errorf("Text of an unknown key = %q", got)
	}
}

func TestLoadRefusesGaps(t *testing.T) {
	t.Parallel()
	full := func() fstest.MapFS {
		folder := fstest.MapFS{}
		for _, lang := range locale.Languages() {
			folder[lang+".json"] = &fstest.MapFile{Data: []byte(`{"a": "x {n}", "b": "y"}`)}
		}
		return folder
	}
	if _, err := locale.Load(full()); err != nil {
		t.Fatalf("Load of a full folder: %v", err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"missing text":       {`{"a": "x {n}"}`, `de.json: text "b" is missing`},
		"empty text":         {`{"a": "x {n}", "b": " "}`, `text "b" is missing`},
		"unknown text":       {`{"a": "x {n}", "b": "y", "c": "z"}`, `text "c" is unknown`},
		"other placeholders": {`{"a": "x {m}", "b": "y"}`, `text "a" has other placeholders`},
		"lost placeholder":   {`{"a": "x", "b": "y"}`, `text "a" has other placeholders`},
		"not JSON":           {`{`, "read texts of de.json"},
	} {
		folder := full()
		folder["de.json"] = &fstest.MapFile{Data: []byte(c.text)}
		if _, err := locale.Load(folder); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Load = %v, want %q", name, err, c.want)
		}
	}
	folder := full()
	delete(folder, "fr.json")
	if _, err := locale.Load(folder); err == nil || !strings.Contains(err.Error(), "fr.json") {
		t.Errorf("Load without a language = %v, want its file named", err)
	}
}

func FuzzChoose(f *testing.F) {
	for _, seed := range []string{"de", "en-US;q=0.3, fr", "*", "zh-Hant", "x;q=q", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		known := false
		got := locale.Choose("de", text)
		for _, lang := range locale.Languages() {
			known = known || lang == got
		}
		if !known {
			t.Errorf("Choose(%q) = %q, which has no texts", text, got)
		}
	})
}
