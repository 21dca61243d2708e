package main

import (
	"strconv"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type versionCmd struct{}

// Help is shown by --help.
func (*versionCmd) Help() string { return "Examples:\n  sallyport version\n  sallyport version --json" }

// Run shows the version.
func (*versionCmd) Run(a *app) error {
	v := server.BuildVersion()
	if a.JSON {
		return a.printJSON(v)
	}
	return a.print("%s", versionText(v))
}

func versionText(v server.Version) string {
	text := "sallyport " + v.Version
	if v.Revision != "" {
		text += " (" + v.Revision
		if v.Modified {
			text += ", modified"
		}
		text += ")"
	}
	return text + ", " + v.Go + ", " + v.Platform
}

func numeral(n int64) string { return strconv.FormatInt(n, 10) }
