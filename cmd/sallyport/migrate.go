package main

import (
	"context"
	"strings"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type migrateCmd struct {
	To string `required:"" placeholder:"URL" help:"Empty database to fill: postgres://… or sqlite:FILE."`
}

// Help is shown by --help.
func (*migrateCmd) Help() string {
	return `Copies users, groups, tokens, sealed secrets and the audit trail with their ids into an empty database and compares the counts. The database that is in use stays as it is. Stop the servers first: what they write meanwhile is not copied.

Afterwards start the servers with the same master keys (SALLYPORT_MASTER_KEY_FILE=…/master.key): on PostgreSQL with SALLYPORT_DATABASE_URL set to the new database, on SQLite with --data and the folder in which the file stands as sallyport.db.

Examples:
  sallyport migrate --to postgres://sallyport@db/sallyport
  SALLYPORT_DATABASE_URL=postgres://sallyport@db/sallyport sallyport migrate --to sqlite:./copy/sallyport.db`
}

// tableCount is what --json shows of one table.
type tableCount struct {
	Table string `json:"table"`
	Rows  int64  `json:"rows"`
}

// Run migrates.
func (c *migrateCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		order := []string{}
		rows := map[string]int64{}
		err := d.MigrateTo(ctx, c.To, func(table string, n int64) {
			if _, known := rows[table]; !known {
				order = append(order, table)
			}
			rows[table] = n
		})
		if err != nil {
			return err
		}
		counts := []tableCount{}
		lines := [][]string{{"TABLE", "ROWS"}}
		for _, table := range order {
			counts = append(counts, tableCount{table, rows[table]})
			lines = append(lines, []string{table, numeral(rows[table])})
		}
		if a.JSON {
			return a.printJSON(counts)
		}
		if err := a.table(lines); err != nil {
			return err
		}
		if strings.HasPrefix(c.To, "postgres") {
			a.note("Done. Start the servers with SALLYPORT_DATABASE_URL set to the new database and the same master keys.")
			return nil
		}
		a.note("Done. Put the file as sallyport.db into a data folder and start the server with it (--data), without SALLYPORT_DATABASE_URL and with the same master keys.")
		return nil
	})
}
