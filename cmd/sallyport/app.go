package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/transfer"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// globals are the flags of every command.
type globals struct {
	Config string `type:"path" placeholder:"FILE" help:"YAML file with settings (SALLYPORT_CONFIG)."`
	Data   string `type:"path" placeholder:"DIR" help:"Data folder (SALLYPORT_DATA; default ./sallyport-data)."`
	JSON   bool   `name:"json" help:"Print results as JSON."`
}

// app is what a command works with.
type app struct {
	globals
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
}

// settings loads and checks the settings; flags win.
func (a *app) settings(flags map[string]string) (config.Config, error) {
	if flags == nil {
		flags = map[string]string{}
	}
	if a.Data != "" {
		flags["data"] = a.Data
	}
	cfg, err := config.Load(config.Source{File: a.Config, Getenv: a.getenv, Flags: flags})
	if err != nil {
		return cfg, err
	}
	return cfg, server.Check(cfg)
}

// open opens the data for a command.
func (a *app) open(ctx context.Context, opts server.Options) (*server.Directory, error) {
	cfg, err := a.settings(nil)
	if err != nil {
		return nil, err
	}
	opts.Logger, opts.Now = a.quiet(), time.Now
	return server.Open(ctx, cfg, opts)
}

// quiet is the logger of commands: only what went wrong.
func (a *app) quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// withExisting opens data that must be there, runs fn and closes it.
func (a *app) withExisting(ctx context.Context, fn func(d *server.Directory) error) error {
	return a.withOptions(ctx, server.Options{Existing: true}, fn)
}

// with opens the data, made where there is none yet, runs fn and closes it.
func (a *app) with(ctx context.Context, fn func(d *server.Directory) error) error {
	return a.withOptions(ctx, server.Options{}, fn)
}

func (a *app) withOptions(ctx context.Context, opts server.Options, fn func(d *server.Directory) error) error {
	d, err := a.open(ctx, opts)
	if err != nil {
		return err
	}
	return errors.Join(fn(d), d.Close())
}

// caller is the administrator who runs a command.
func (a *app) caller(command string) scim.Caller {
	p, _ := scim.ProfileByName(scim.ProfileCompat)
	return scim.Caller{
		Name: command + " by " + osUser(), Scopes: []string{scim.ScopeAdmin}, Profile: &p,
		ActorType: "command", Exempt: true,
	}
}

// party is the administrator as an actor of audit events.
func (a *app) party(command string) audit.Party {
	return audit.Party{Type: "command", Name: command + " by " + osUser()}
}

// osUser is the account that runs the program.
func osUser() string {
	u, err := user.Current()
	if err != nil {
		return "uid " + fmt.Sprint(os.Getuid())
	}
	return u.Username
}

// note says something to the person at the terminal.
func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...)
}

// print writes a line of the result.
func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintf(a.stdout, format+"\n", args...)
	return err
}

// printJSON writes a result as indented JSON.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// printRaw writes a JSON document, indented.
func (a *app) printRaw(doc []byte) error { return a.printJSON(json.RawMessage(doc)) }

// table writes aligned columns: the first row is the header.
func (a *app) table(rows [][]string) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			if i > 0 {
				_, _ = io.WriteString(w, "\t")
			}
			_, _ = io.WriteString(w, printable(cell))
		}
		_, _ = io.WriteString(w, "\n")
	}
	return w.Flush()
}

// printable keeps control characters of stored values from the terminal.
func printable(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			out[i] = '\ufffd'
		}
	}
	return string(out)
}

// terminal says whether w is one.
func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// when prints a time, "-" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// parts is what import and export need of the directory.
func parts(d *server.Directory) transfer.Directory {
	return transfer.Directory{Registry: d.Registry, Service: d.Service, Resources: d.Resources, Members: d.Members}
}

// plain turns an error of the service into a sentence for a person.
func plain(err error) error {
	var conflict *scim.ConflictError
	var documents schema.Errors
	var document *schema.Error
	var protocol *scim.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, scim.ErrNotFound):
		return err
	case errors.As(err, &conflict), errors.As(err, &documents), errors.As(err, &document), errors.As(err, &protocol):
		if detail := scim.AsError(err).Detail; detail != "" {
			return errors.New(detail)
		}
	}
	return err
}
