package main

import (
	"context"
	"errors"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type doctorCmd struct{}

// Help is shown by --help.
func (*doctorCmd) Help() string {
	return `Each line says ok, or what to do. Exit code 1 when something is wrong.

Examples:
  sallyport doctor
  sallyport doctor --json`
}

// errUnwell ends the command with code 1 after its report.
var errUnwell = errors.New("something is wrong: see above")

// Run checks.
func (*doctorCmd) Run(ctx context.Context, a *app) error {
	cfg, err := config.Load(config.Source{File: a.Config, Getenv: a.getenv, Flags: a.dataFlag()})
	findings := server.Examine(ctx, cfg, err, server.Options{Logger: a.quiet()})
	sick := false
	rows := make([][]string, 0, len(findings))
	for _, f := range findings {
		state := "ok"
		if !f.OK {
			state, sick = "WRONG", true
		}
		rows = append(rows, []string{f.Name, state, f.Detail})
	}
	if a.JSON {
		err = a.printJSON(findings)
	} else {
		err = a.table(rows)
	}
	if err == nil && sick {
		return errUnwell
	}
	return err
}

func (a *app) dataFlag() map[string]string {
	if a.Data == "" {
		return nil
	}
	return map[string]string{"data": a.Data}
}
