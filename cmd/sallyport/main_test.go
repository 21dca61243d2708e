package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// runMain runs the program in this process with an environment of its own.
func runMain(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, func(k string) string { return env[k] }, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// Every command explains itself and shows an example.
func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	t.Parallel()
	var c cli
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(true)
	if len(leaves) < 15 {
		t.Fatalf("only %d commands", len(leaves))
	}
	for _, leaf := range leaves {
		var named []string
		for node := leaf; node.Parent != nil; node = node.Parent {
			named = slices.Insert(named, 0, node.Name)
		}
		named = append(named, "--help")
		code, stdout, _ := runMain(t, nil, named...)
		if code != 0 || !strings.Contains(stdout, "Examples:") {
			t.Errorf("%v = %d, without examples:\n%s", named, code, stdout)
		}
		if !strings.Contains(stdout, "--json") {
			t.Errorf("%v does not name --json", named)
		}
	}
}

func TestUsageFaultsAreCode2(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"no-such-command"},
		{"serve", "--no-such-flag"},
		{"token", "create"},
		{"token", "create", "--name", "x", "--expires", "soon"},
		{"audit", "--since", "soon"},
	} {
		code, stdout, stderr := runMain(t, map[string]string{"SALLYPORT_DATA": t.TempDir()}, args...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "sallyport: ") {
			t.Errorf("%v = %d, %q, %q, want code 2 and one message", args, code, stdout, stderr)
		}
	}
}

func TestConfigurationFaultsAreListed(t *testing.T) {
	t.Parallel()
	env := map[string]string{"SALLYPORT_LISTEN": "x", "SALLYPORT_ISSUER": "http://public.example", "SALLYPORT_SCIM_RATE": "1"}
	code, _, stderr := runMain(t, env, "serve")
	if code != exitFailed {
		t.Errorf("code %d, want 1", code)
	}
	for _, want := range []string{"listen must be host:port", "issuer: ", "scim.rate must be"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is missing in:\n%s", want, stderr)
		}
	}
}

func TestPrintableKeepsControlCharactersOut(t *testing.T) {
	t.Parallel()
	if got := printable("a\x1b[2Jb\u009bc\nd é"); got != "a\ufffd[2Jb\ufffdc\ufffdd é" {
		t.Errorf("printable = %q", got)
	}
}
