package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/transfer"
)

type importCmd struct {
	File    string `arg:"" help:"File to read, or - for standard input."`
	Format  string `enum:"auto,ndjson,csv" default:"auto" help:"ndjson or csv (default: by the name of the file, else ndjson)."`
	Type    string `default:"User" placeholder:"T" help:"Resource type of CSV rows (default User)."`
	Domain  string `placeholder:"D" help:"Provisioning domain of what is made."`
	DryRun  bool   `help:"Check every row against the directory, write nothing."`
	Rejects string `type:"path" placeholder:"FILE" help:"Where refused rows are reported (default: FILE.rejects.ndjson)."`

	WithCredentials bool   `help:"Take over password hashes, TOTP secrets and validated addresses of another system."`
	ConfirmOwner    string `placeholder:"NAME" help:"With --with-credentials: who answers for it that they belong to these users; stands in the audit trail."`
}

// Help is shown by --help.
func (*importCmd) Help() string {
	return `NDJSON has one SCIM resource a line, as export writes it: users, groups and custom types, in any order. CSV has a header that names attributes: userName, name.givenName, "emails[type eq ""work""].value", active, password …

A row is matched with a resource that is there by id, externalId, and userName (groups: displayName). An NDJSON row then replaces it; a CSV row changes only the attributes of its header, and an empty field clears. Members of groups are named by id, externalId or name. The file may be imported again, also after an interruption: nothing is doubled.

With --with-credentials and --confirm-owner NAME rows may bring along what users log in with in another system: in NDJSON the member "urn:sallyport:params:scim:schemas:import:2.0:Credentials" with passwordHash, totpSecret, totpAlgorithm, totpDigits, totpPeriod and validated (attribute paths), in CSV columns such as credentials.passwordHash. What a user has here already stays. See docs/authenticators.md for the forms of hashes.

Rows that are refused go with line number and reason to the file of rejects; the others go in.

Examples:
  sallyport import users.ndjson
  sallyport import --dry-run staff.csv
  sallyport import --format csv --type Group - < groups.csv
  sallyport import --with-credentials --confirm-owner "Ann Example" users.ndjson
  sallyport export | SALLYPORT_DATA=./other sallyport import -`
}

// importGC is how much garbage an import may gather over what is in use, in
// percent: with the page cache of the database, all of it stays below 300 MiB.
const importGC = 40

// Run imports.
func (c *importCmd) Run(ctx context.Context, a *app) error {
	if a.getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(importGC))
	}
	if c.WithCredentials != (c.ConfirmOwner != "") {
		return &usageError{"--with-credentials goes with --confirm-owner NAME, who answers for it that the credentials belong to these users"}
	}
	in, size, err := c.input(a.stdin)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	spool, err := os.CreateTemp("", "sallyport-import-*")
	if err != nil {
		return fmt.Errorf("make a temporary file for groups: %w", err)
	}
	defer func() {
		_ = spool.Close()
		_ = os.Remove(spool.Name())
	}()
	rejects := &lateFile{path: c.rejectsPath()}
	return a.withOptions(ctx, server.Options{Bulk: true}, func(d *server.Directory) error {
		bulk, err := d.Bulk(ctx)
		if err != nil {
			return err
		}
		defer bulk.Close()
		directory := parts(d)
		directory.Service, directory.Resources = bulk.Service, bulk.Resources
		caller := a.caller("import")
		caller.Domain = c.Domain
		counted := &countingReader{r: in}
		im := &transfer.Import{
			Directory: directory, Caller: caller, Format: c.format(), Type: c.Type, DryRun: c.DryRun, Lanes: server.BulkLanes,
			Spool: spool, Rejects: rejects, Progress: &transfer.Progress{},
		}
		if c.WithCredentials {
			if im.Sink, err = d.MoveIn(c.ConfirmOwner); err != nil {
				return err
			}
		}
		stop := a.showImport(im.Progress, counted, size)
		sum, err := im.Run(ctx, counted)
		stop()
		if err = errors.Join(err, rejects.Close()); err != nil {
			return err
		}
		return c.report(a, sum, rejects)
	})
}

func (c *importCmd) report(a *app, sum transfer.Summary, rejects *lateFile) error {
	if a.JSON {
		if err := a.printJSON(sum); err != nil {
			return err
		}
	} else {
		what := "Imported"
		if sum.DryRun {
			what = "Dry run: nothing written; checked"
		}
		if err := a.print("%s %d rows: %d created, %d changed, %d unchanged, %d rejected.",
			what, sum.Rows, sum.Created, sum.Changed, sum.Unchanged, sum.Rejected); err != nil {
			return err
		}
	}
	if sum.Dropped > 0 {
		a.note("%d attributes that no schema defines were left out.", sum.Dropped)
	}
	if sum.Rejected > 0 {
		return fmt.Errorf("%d rejected: see %s", sum.Rejected, rejects.path)
	}
	return nil
}

func (c *importCmd) input(stdin io.Reader) (io.ReadCloser, int64, error) {
	if c.File == "-" {
		return io.NopCloser(stdin), 0, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if !info.Mode().IsRegular() {
		return f, 0, nil
	}
	return f, info.Size(), nil
}

func (c *importCmd) format() transfer.Format {
	if c.Format == "csv" || c.Format == "auto" && strings.EqualFold(filepath.Ext(c.File), ".csv") {
		return transfer.CSV
	}
	return transfer.NDJSON
}

func (c *importCmd) rejectsPath() string {
	switch {
	case c.Rejects != "":
		return c.Rejects
	case c.File == "-":
		return "import.rejects.ndjson"
	}
	return c.File + ".rejects.ndjson"
}

// lateFile is a file that is made with the first write. It replaces what an
// earlier run left.
type lateFile struct {
	path string
	f    *os.File
}

// Write implements io.Writer.
func (l *lateFile) Write(p []byte) (int, error) {
	if l.f == nil {
		f, err := os.OpenFile(l.path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, err
		}
		l.f = f
	}
	return l.f.Write(p)
}

// Close implements io.Closer.
func (l *lateFile) Close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}
