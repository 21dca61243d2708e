package delivery_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

func TestGeneratorForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule     string
		charsets []string
		format   string
		length   int
		allowed  string // of the last place
	}{
		{"the original's e-mail default", []string{"numeric:0123456789"}, "numeric:8", 8, "0123456789"},
		{"the original's telephone default", nil, "numeric:6", 6, "0123456789"},
		{"longest", nil, "numeric:10", 10, "0123456789"},
		{"own alphabet without look-alikes", []string{"clear:ABCDEFGHJKMNPQRSTUVWXYZ23456789"}, "clear:7", 7, "ABCDEFGHJKMNPQRSTUVWXYZ23456789"},
		{"several sets, in order", []string{"upper:ABCDEFGHIJ"}, "numeric:4, upper:3", 7, "ABCDEFGHIJ"},
	} {
		g, err := delivery.ParseGenerator(c.charsets, c.format)
		if err != nil || g.Len() != c.length {
			t.Errorf("%s: %d characters, %v, want %d", c.rule, g.Len(), err, c.length)
			continue
		}
		for range 50 {
			code := g.New().Reveal()
			if len(code) != c.length || !strings.ContainsRune(c.allowed, rune(code[len(code)-1])) {
				t.Fatalf("%s: a code of %d characters ends in %q", c.rule, len(code), code[len(code)-1])
			}
		}
	}
	for rule, c := range map[string]struct {
		charsets []string
		format   string
	}{
		"too short": {nil, "numeric:5"}, "too long": {nil, "numeric:11"}, "together too long": {nil, "numeric:6,numeric:5"},
		"no count": {nil, "numeric"}, "count of 0": {nil, "numeric:0"}, "negative": {nil, "numeric:-6"}, "empty": {nil, ""},
		"unknown set": {nil, "letters:6"}, "set without name": {[]string{":0123456789"}, "numeric:6"}, "set without colon": {[]string{"abc"}, "numeric:6"},
		"small alphabet": {[]string{"bits:01"}, "bits:10"}, "character twice": {[]string{"x:00123456789"}, "x:6"},
		"character that cannot be spoken": {[]string{"x:0123456789-"}, "x:6"}, "outside ASCII": {[]string{"x:０１２３４５６７８９"}, "x:6"},
	} {
		if _, err := delivery.ParseGenerator(c.charsets, c.format); err == nil {
			t.Errorf("%s: ParseGenerator(%q, %q) was accepted", rule, c.charsets, c.format)
		}
	}
}

// Codes are uniform, leading zeros kept. The bound of chi-squared with 9
// degrees of freedom is passed by chance once in ten million runs.
func TestCodesAreUniform(t *testing.T) {
	t.Parallel()
	g, err := delivery.Digits(10)
	if err != nil {
		t.Fatal(err)
	}
	const codes = 20000
	counts := make([][10]int, g.Len())
	for range codes {
		for i, c := range g.New().Reveal() {
			counts[i][c-'0']++
		}
	}
	for place, digits := range counts {
		sum := 0.0
		for _, n := range digits {
			d := float64(n) - codes/10
			sum += d * d / (codes / 10)
		}
		if sum > 50 {
			t.Errorf("place %d: chi-squared %.1f, digits %v", place, sum, digits)
		}
	}
}

func TestSecretsRedactThemselves(t *testing.T) {
	t.Parallel()
	const secret = "90817263"
	m := delivery.Message{Code: secret, Subject: secret, Text: secret}
	account := delivery.TwilioConfig{AuthToken: secret}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "message", m, "code", m.Code, "text", m.Text, "token", account.AuthToken, "account", account)
	raw, err := json.Marshal([]any{m.Code, m.Text, m.Subject, account.AuthToken})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		log.String(), string(raw), fmt.Sprintf("%v %+v %#v %s %q %x", m, m, m.Code, m.Code, m.Text, m.Code), fmt.Sprintf("%v %+v %x %d", account, account, account.AuthToken, account.AuthToken),
	} {
		if strings.Contains(shown, secret) || strings.Contains(shown, fmt.Sprintf("%x", secret)) {
			t.Errorf("the secret is shown: %s", shown)
		}
	}
	if m.Code.Reveal() != secret || m.Text.Reveal() != secret || account.AuthToken.Reveal() != secret {
		t.Error("Reveal does not return the secret")
	}
}
