package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/bench"
)

type benchCmd struct {
	SCIM       benchSCIMCmd       `cmd:"" name:"scim" help:"Measure the directory against the least that could do the same."`
	Validation benchValidationCmd `cmd:"" help:"Measure the enrolment of second factors against durable rows written by hand."`
	OIDC       benchOIDCCmd       `cmd:"" name:"oidc" help:"Measure logins and tokens against the same signatures and rows by hand."`
	Check      benchCheckCmd      `cmd:"" help:"Measure in short and fail below a demand."`

	Baseline benchBaselineCmd `cmd:"" hidden:""`
	Hello    benchHelloCmd    `cmd:"" hidden:""`
	Profiled benchProfiledCmd `cmd:"" hidden:""`
}

// benchFlags are what all measurements take.
type benchFlags struct {
	Database   string        `placeholder:"URL" help:"PostgreSQL database in which to make schemas for the time of the measurement (default: SQLite in a temporary folder)."`
	Slice      time.Duration `default:"1.5s" placeholder:"D" help:"Time of each target in each round (default 1.5s)."`
	Only       []string      `placeholder:"KEY" help:"Only rows of this key (--json shows it), which may be a pattern such as growth-*. May be given again."`
	AllowNoise bool          `help:"Give ratios even where other processes disturbed."`
	CPUProfile string        `name:"cpuprofile" type:"path" placeholder:"FILE" help:"Write a profile of the server's processor time."`
	MemProfile string        `name:"memprofile" type:"path" placeholder:"FILE" help:"Write a profile of the server's allocations."`
}

type benchSCIMCmd struct {
	benchFlags
	Users  int `default:"100000" placeholder:"N" help:"Users in the directory (default 100000)."`
	Rounds int `default:"5" placeholder:"R" help:"Rounds (default 5)."`
}

// Help is shown by --help.
func (*benchSCIMCmd) Help() string {
	return `Fills a directory in a temporary place, runs the server and bare baselines as processes of their own, and gives each operation its time in every round, in shuffled order. Each row shows the rate, the latencies, the server's processor time for a request, and the ratio to the baseline with the demand on it. Nothing of yours is touched.

Run it on a machine that does nothing else: rows that other processes disturb say "too noisy".

Examples:
  sallyport bench scim
  sallyport bench scim --users 1000000 --json > figures.json
  sallyport bench scim --only 'page-*' --cpuprofile cpu.prof
  sallyport bench scim --database postgres://postgres@db/scratch`
}

// Run measures.
func (c *benchSCIMCmd) Run(ctx context.Context, a *app) error {
	_, err := c.run(ctx, a, (*bench.Bench).Run, c.Users, c.Rounds, 0)
	return err
}

type benchValidationCmd struct {
	benchFlags
	Users  int `default:"100000" placeholder:"N" help:"Users in the directory (default 100000). No user is sent more than ten codes."`
	Rounds int `default:"5" placeholder:"R" help:"Rounds (default 5)."`
}

// Help is shown by --help.
func (*benchValidationCmd) Help() string {
	return `Sends codes to a mail gateway within this program and sends them back, and measures both against a bare handler that writes as much to the disk. The limits on sends stay on; those that would measure themselves are raised by configuration. Nothing of yours is touched and no mail leaves the machine.

Examples:
  sallyport bench validation
  sallyport bench validation --only validation-put --cpuprofile cpu.prof
  sallyport bench validation --database postgres://postgres@db/scratch`
}

// Run measures.
func (c *benchValidationCmd) Run(ctx context.Context, a *app) error {
	_, err := c.run(ctx, a, (*bench.Bench).Validation, c.Users, c.Rounds, 0)
	return err
}

type benchOIDCCmd struct {
	benchFlags
	Users  int `default:"100000" placeholder:"N" help:"Users in the directory (default 100000)."`
	Rounds int `default:"5" placeholder:"R" help:"Rounds (default 5)."`
}

// Help is shown by --help.
func (*benchOIDCCmd) Help() string {
	return `Registers applications and an API by commands, gives 64 people a password and logs them in through the pages. Then it measures silent logins, the exchange of codes, introspection, userinfo, the public documents and passwords, each against the least code that could do the same on the same database. ID tokens are signed with ES256. Nothing of yours is touched.

Examples:
  sallyport bench oidc
  sallyport bench oidc --only token --cpuprofile cpu.prof
  sallyport bench oidc --database postgres://postgres@db/scratch`
}

// Run measures.
func (c *benchOIDCCmd) Run(ctx context.Context, a *app) error {
	_, err := c.run(ctx, a, (*bench.Bench).OIDC, c.Users, c.Rounds, 0)
	return err
}

type benchCheckCmd struct{ benchFlags }

// The short form.
const (
	checkUsers     = 100_000
	checkRounds    = 3
	checkTolerance = 0.15
)

// Help is shown by --help.
func (*benchCheckCmd) Help() string {
	return `Measures with 100,000 users and 3 rounds, and ends with exit code 1 when a row is more than 15 % below its demand. Rows that are too noisy do not count.

Examples:
  sallyport bench check`
}

// Run measures and judges.
func (c *benchCheckCmd) Run(ctx context.Context, a *app) error {
	var missed []string
	for _, measure := range []measurement{(*bench.Bench).Run, (*bench.Bench).Validation, (*bench.Bench).OIDC} {
		report, err := c.run(ctx, a, measure, checkUsers, checkRounds, checkTolerance)
		if err != nil {
			return err
		}
		for _, x := range report.Failed() {
			missed = append(missed, x.Operation)
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%d demands are not met: %s", len(missed), strings.Join(missed, "; "))
	}
	return nil
}

// measurement is one kind of it.
type measurement func(*bench.Bench, context.Context) (*bench.Report, error)

func (c *benchFlags) run(ctx context.Context, a *app, measure measurement, users, rounds int, tolerance float64) (*bench.Report, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	b := bench.Bench{
		Program: program, Users: users, Rounds: rounds, Slice: c.Slice, Database: c.Database, Only: c.Only, AllowNoise: c.AllowNoise,
		CPUProfile: c.CPUProfile, MemProfile: c.MemProfile, Tolerance: tolerance, Say: a.note,
	}
	report, err := measure(&b, ctx)
	if err != nil {
		return nil, err
	}
	if a.JSON {
		return report, a.printJSON(report)
	}
	return report, report.Print(a.stdout)
}

// benchBaselineCmd is the other side of the measurement.
type benchBaselineCmd struct {
	Database string `arg:""`
	Export   bool   `help:"Write every stored document and end."`
	Load     string `type:"path" help:"Insert the rows of the CSV files in this folder and end."`
}

// Run does one part of the baselines.
func (c *benchBaselineCmd) Run(ctx context.Context, a *app) error {
	switch {
	case c.Export:
		return bench.ExportRaw(ctx, c.Database, a.stdout)
	case c.Load != "":
		return bench.LoadRaw(ctx, c.Database, c.Load)
	}
	return bench.ServeBaselines(ctx, c.Database, a.stdout)
}

// benchHelloCmd is the least server, for where there is no Go to build one.
type benchHelloCmd struct{}

// Run says hello.
func (benchHelloCmd) Run(ctx context.Context, a *app) error { return bench.Hello(ctx, a.stdout) }

// benchProfiledCmd is serve under a profile.
type benchProfiledCmd struct {
	CPUProfile string `name:"cpuprofile"`
	MemProfile string `name:"memprofile"`
}

// Run serves.
func (c *benchProfiledCmd) Run(ctx context.Context, a *app) error {
	serve := serveCmd{Listen: "127.0.0.1:0"}
	return bench.Profile(c.CPUProfile, c.MemProfile, func() error {
		return serve.Run(ctx, a)
	})
}
