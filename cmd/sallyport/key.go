package main

import (
	"context"
	"strings"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type keyCmd struct {
	Generate keyGenerateCmd `cmd:"" help:"Print a new master key."`
	List     keyListCmd     `cmd:"" aliases:"status" help:"List the master keys and what they seal."`
	Rotate   keyRotateCmd   `cmd:"" help:"Seal with a new master key from now on."`
	Reseal   keyResealCmd   `cmd:"" help:"Seal everything anew with the first master key."`
	Signing  keySigningCmd  `cmd:"" help:"List and rotate the keys that sign tokens."`
}

type keyGenerateCmd struct{}

// Help is shown by --help.
func (*keyGenerateCmd) Help() string {
	return `Prints a new key alone on standard output, for SALLYPORT_MASTER_KEY or a file named by SALLYPORT_MASTER_KEY_FILE. Nothing is changed.

Examples:
  (umask 077; sallyport key generate > /etc/sallyport/key)`
}

// Run prints a key.
func (*keyGenerateCmd) Run(a *app) error { return a.print("%s", server.NewMasterKey()) }

type keyListCmd struct{}

// Help is shown by --help.
func (*keyListCmd) Help() string {
	return "Examples:\n  sallyport key list\n  sallyport key status --json"
}

// Run lists the keys.
func (*keyListCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		keys, err := d.Keys(ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(keys)
		}
		rows := [][]string{{"KEY", "USE", "SEALED ROWS"}}
		for _, k := range keys {
			use := "opens; may be dropped"
			switch {
			case k.Seals:
				use = "seals"
			case k.Rows > 0:
				use = "opens"
			}
			rows = append(rows, []string{k.Kid, use, numeral(k.Rows)})
		}
		return a.table(rows)
	})
}

type keyRotateCmd struct{}

// Help is shown by --help.
func (*keyRotateCmd) Help() string {
	return `With the key file of the data folder: puts a new key first in the file and keeps the old one behind it. Restart the server, which only then seals with the new key; then run: sallyport key reseal. The old key may be removed from the file when "key list" shows no rows with it and every backup that needs it is gone.

Where the key is given by SALLYPORT_MASTER_KEY or a command: put the new key (sallyport key generate) behind the old one on every server and restart them, then put it first and restart them, then run: sallyport key reseal

Examples:
  sallyport key rotate`
}

// Run rotates.
func (*keyRotateCmd) Run(ctx context.Context, a *app) error {
	cfg, err := a.settings(nil)
	if err != nil {
		return err
	}
	if err := server.RotateKeyFile(cfg); err != nil {
		return err
	}
	return a.withExisting(ctx, func(d *server.Directory) error {
		keys, err := d.Keys(ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(map[string]any{"keys": keys})
		}
		a.note("Restart the server if it runs. Then seal everything anew: sallyport key reseal")
		return a.print("Key %s seals from now on. Keys in order: %s.", keys[0].Kid, kids(keys))
	})
}

// kids lists the ids of keys.
func kids(keys []server.Key) string {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = k.Kid
	}
	return strings.Join(ids, ", ")
}

type keyResealCmd struct{}

// Help is shown by --help.
func (*keyResealCmd) Help() string {
	return "Works in small steps, can be interrupted and run again. Every running server must have been started with the key that is first now: another cannot open what is sealed anew, and says so at /readyz.\n\nExamples:\n  sallyport key reseal"
}

// Run seals anew.
func (*keyResealCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		n, err := d.Reseal(ctx, a.party("key reseal"))
		if err != nil {
			return err
		}
		keys, err := d.Keys(ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(map[string]any{"resealed": n, "keys": keys})
		}
		return a.print("Sealed %d rows anew with key %s. Keys in order: %s.", n, keys[0].Kid, kids(keys))
	})
}
