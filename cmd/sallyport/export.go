package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/transfer"
)

type exportCmd struct {
	Output string   `short:"o" type:"path" placeholder:"FILE" help:"File to write (default: standard output). It must not exist."`
	Type   []string `placeholder:"T" help:"Resource type, such as User (default: all). May be given again."`
	Domain string   `placeholder:"D" help:"Only this provisioning domain (default: all)."`
}

// Help is shown by --help.
func (*exportCmd) Help() string {
	return `Writes one SCIM resource a line, users first, with meta and the members of groups. Passwords and other secrets are not in it. Import reads it back.

Examples:
  sallyport export > directory.ndjson
  sallyport export --type User -o users.ndjson`
}

// Run exports.
func (c *exportCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) (err error) {
		for _, name := range c.Type {
			if rt := d.Registry.ByName(name); rt == nil || rt.Name != name {
				return &usageError{"--type: there is no resource type " + name}
			}
		}
		out := a.stdout
		if c.Output != "" {
			f, err := os.OpenFile(c.Output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists: name a new file", c.Output)
			}
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, f.Close()) }()
			out = f
		}
		var done atomic.Int64
		stop := func() {}
		// A bar would run through the rows if both went to one terminal.
		if !terminal(out) {
			stop = a.show(func(elapsed time.Duration) sample { return sample{rows: done.Load(), elapsed: elapsed} })
		}
		defer stop()
		ex := transfer.Export{Directory: parts(d), Domain: c.Domain, Types: c.Type, Done: &done}
		return ex.Run(ctx, out)
	})
}
