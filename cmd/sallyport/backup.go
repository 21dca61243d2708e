package main

import (
	"context"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type backupCmd struct {
	File string `arg:"" type:"path" help:"File to write. It must not exist."`
}

// Help is shown by --help.
func (*backupCmd) Help() string {
	return `Writes one consistent copy of the embedded database while servers run. The master key is not in it: keep a copy of master.key of the data folder elsewhere; a backup without it cannot be used.

To restore: stop every server, put the file into the data folder as sallyport.db, remove sallyport.db-wal and sallyport.db-shm there, see that master.key is in place, and start.

PostgreSQL is backed up with its own tools: pg_dump, and pg_restore into an empty database.

Examples:
  sallyport backup /var/backups/sallyport-$(date +%F).db`
}

// Run backs up.
func (c *backupCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		if err := d.Backup(ctx, c.File); err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(map[string]string{"file": c.File})
		}
		a.note("The master key is not in the backup: keep a copy of it elsewhere.")
		return a.print("%s", c.File)
	})
}
