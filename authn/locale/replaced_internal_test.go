package locale

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// One pass, whatever the values hold, and nothing that has no value goes.
func TestReplacedIsWhatAReplacerDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"{code} is {code}.", "{service} is {service}."},
		{"{{code}}", "{{service}}"},
		{"{nobody} {code", "{nobody} {code"},
		{"{ {code}", "{ {service}"},
		{"}{code}{", "}{service}{"},
		{"", ""},
	} {
		args := map[string]string{"code": "{service}", "service": "x"}
		if got := replaced(c.text, args); got != c.want {
			t.Errorf("replaced(%q) = %q, want %q", c.text, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`([{}]|\{a\}|\{b\}|\{c\}|.){0,12}`).Draw(t, "text")
		args := map[string]string{"a": rapid.String().Draw(t, "a"), "b": "{a}"}
		want := strings.NewReplacer("{a}", args["a"], "{b}", args["b"]).Replace(text)
		if got := replaced(text, args); got != want {
			t.Fatalf("replaced(%q) = %q, want %q", text, got, want)
		}
	})
}
