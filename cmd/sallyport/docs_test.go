package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestDocumentedCommandsParse keeps the commands of the documentation true:
// each line that begins with sallyport is a command line that the program
// takes, whatever it would do.
func TestDocumentedCommandsParse(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, filepath.Join("..", "..", "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range documentedCommands(string(text)) {
			found++
			var c cli
			parser, err := kong.New(&c, kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(shellWords(line)[1:]); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(page), line, err)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d commands found in the documentation", found)
	}
}

// documentedCommands are the lines of shell blocks that run the program, with
// what is behind a backslash at the end and without comments, redirections and
// commands in them.
func documentedCommands(page string) []string {
	var out []string
	command := regexp.MustCompile(`^(?:\./)?sallyport [a-z]`)
	rest := regexp.MustCompile(`(?:\s+#|\s+[<>|]\s).*$`)
	nested := regexp.MustCompile(`\$\([^)]*\)`)
	for _, block := range strings.Split(page, "```sh\n")[1:] {
		block, _, _ = strings.Cut(block, "```")
		for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
			line = strings.TrimSpace(line)
			if command.MatchString(line) {
				out = append(out, rest.ReplaceAllString(nested.ReplaceAllString(line, "x"), ""))
			}
		}
	}
	return out
}

// shellWords splits a line at blanks outside quotes.
func shellWords(line string) []string {
	var words []string
	for _, w := range regexp.MustCompile(`(?:[^\s"']|"[^"]*"|'[^']*')+`).FindAllString(line, -1) {
		words = append(words, strings.NewReplacer(`"`, "", "'", "").Replace(w))
	}
	return words
}
