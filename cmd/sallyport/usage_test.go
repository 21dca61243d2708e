package main

import (
	"errors"
	"strings"
	"testing"
)

// A fault of the command line names what is missing and whose help says more.
func TestUsageFaultsNameTheWayOut(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                           "sallyport: name a command, such as: sallyport serve\nTry: sallyport --help\n",
		"user":                       "Try: sallyport user --help\n",
		"user create":                "sallyport: missing flags: --user-name=N\nTry: sallyport user create --help\n",
		"user show":                  "sallyport: <user> is missing\nTry: sallyport user show --help\n",
		"token create --name":        "sallyport: --name needs a value\nTry: sallyport token create --help\n",
		"serve --port 1":             "sallyport: unknown flag --port\nTry: sallyport serve --help\n",
		"token create --expires -5d": "Try: sallyport token create --help\n",
		"nonsense":                   "sallyport: unexpected argument nonsense\nTry: sallyport --help\n",
	} {
		code, stdout, stderr := runMain(t, map[string]string{"SALLYPORT_DATA": t.TempDir()}, strings.Fields(line)...)
		if code != exitUsage || stdout != "" || !strings.Contains(stderr, want) || strings.Contains(stderr, "EOL") {
			t.Errorf("%q = %d, %q, %q, want code 2 and %q", line, code, stdout, stderr, want)
		}
	}
}

func TestVersionFlag(t *testing.T) {
	t.Parallel()
	code, flag, _ := runMain(t, nil, "--version")
	_, command, _ := runMain(t, nil, "version")
	if code != exitOK || flag != command || flag == "" {
		t.Errorf("--version = %d, %q, want what version prints: %q", code, flag, command)
	}
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"one":                             "one",
		"first\nsecond":                   "2 faults:\n  first\n  second",
		"connect to x:\n\ta: b\n\tc: d":   "connect to x: a: b; c: d",
		"first\nconnect to x:\n\ta: gone": "2 faults:\n  first\n  connect to x: a: gone",
	} {
		if got := sentence(errors.New(text)); got != want {
			t.Errorf("sentence(%q) = %q, want %q", text, got, want)
		}
	}
}
