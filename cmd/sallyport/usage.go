package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// misuse says what is wrong with a command line, and whose help says more.
func misuse(err error, args []string) string {
	if len(args) == 0 {
		return "name a command, such as: sallyport serve\nTry: sallyport --help"
	}
	command := []string{"sallyport"}
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, step := range e.Context.Path {
			if step.Command != nil {
				command = append(command, step.Command.Name)
			}
		}
	}
	return fmt.Sprintf("%s\nTry: %s --help", plainUsage(err.Error()), strings.Join(command, " "))
}

// The words of the parser for what is not there.
var (
	noValue    = regexp.MustCompile(`^(--[a-z-]+): expected .* but got "EOL"`)
	noArgument = regexp.MustCompile(`^expected "(<[^"]+>)`)
)

func plainUsage(text string) string {
	if m := noValue.FindStringSubmatch(text); m != nil {
		return m[1] + " needs a value"
	}
	if m := noArgument.FindStringSubmatch(text); m != nil {
		return m[1] + " is missing"
	}
	return text
}

// sentence prints several faults one a line, a single one on one line. Lines
// that only go on with the one before, as those of the PostgreSQL driver do,
// are put behind it.
func sentence(err error) string {
	var faults []string
	goesOn := false
	for line := range strings.Lines(err.Error()) {
		text := strings.TrimSpace(line)
		switch {
		case text == "":
			continue
		case goesOn && len(faults) > 0:
			faults[len(faults)-1] += " " + text
		case strings.HasPrefix(line, "\t") && len(faults) > 0:
			faults[len(faults)-1] += "; " + text
		default:
			faults = append(faults, text)
		}
		goesOn = strings.HasSuffix(text, ":")
	}
	switch len(faults) {
	case 0:
		return "unknown fault"
	case 1:
		return faults[0]
	}
	return fmt.Sprintf("%d faults:\n  %s", len(faults), strings.Join(faults, "\n  "))
}
