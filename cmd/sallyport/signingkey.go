package main

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/oidc/keys"
)

type keySigningCmd struct {
	List   signingListCmd   `cmd:"" help:"List the keys that sign tokens."`
	Rotate signingRotateCmd `cmd:"" help:"Sign with the next keys from now on."`
}

type signingListCmd struct{}

// Help is shown by --help.
func (*signingListCmd) Help() string {
	return `A key is "next" (published, does not sign yet), "active" (signs), or "retired" (published until its last token has expired, then removed). Keys change by themselves: a key is published for 24 hours, then signs for 90 days.

Examples:
  sallyport key signing list
  sallyport key signing list --json`
}

// Run lists the keys.
func (*signingListCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		list, err := d.SigningKeys(ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(list)
		}
		rows := [][]string{{"KEY", "ALGORITHM", "STATE", "SINCE", "UNTIL"}}
		for _, k := range list {
			until := "its turn"
			if !k.Until.IsZero() {
				until = k.Until.Format(time.DateTime)
			}
			rows = append(rows, []string{k.ID, k.Alg, string(k.State), k.ChangedAt.Format(time.DateTime), until})
		}
		return a.table(rows)
	})
}

type signingRotateCmd struct {
	Alg string `placeholder:"ALG" help:"Only the key of this algorithm: RS256, ES256, PS256, EdDSA."`
	Now bool   `help:"Also with keys that have been published for less than 24 hours: for emergencies, since clients that keep the key set refuse tokens until they fetch it again."`
}

// Help is shown by --help.
func (*signingRotateCmd) Help() string {
	return `Keys change by themselves; this is for a key that may have become known. The old key stays published until its last token has expired. Servers that run sign with the new key within a minute.

Examples:
  sallyport key signing rotate
  sallyport key signing rotate --alg ES256 --now`
}

// Run rotates.
func (c *signingRotateCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		err := d.RotateSigningKeys(ctx, c.Alg, c.Now)
		if errors.Is(err, keys.ErrTooEarly) {
			return errors.New("the next key has not been published for 24 hours, so clients may not know it; wait, or use --now")
		}
		if err != nil {
			return err
		}
		list, err := d.SigningKeys(ctx)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(list)
		}
		for _, k := range list {
			if k.State == keys.Active && (c.Alg == "" || k.Alg == c.Alg) {
				if err := a.print("%s signs with key %s.", k.Alg, k.ID); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
