package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type userInviteCmd struct {
	User  string `arg:"" help:"User name or id."`
	To    string `placeholder:"E" help:"Mail the link to this address, one of the user's (default: the first)."`
	Print bool   `help:"Print the link instead of mailing it."`
	Life  string `placeholder:"D" help:"How long the link is good, 10m to 24h (default: recovery.invite_lifetime)."`
}

// Help is shown by --help.
func (*userInviteCmd) Help() string {
	return `Makes a link by which the user sets a password; it works once. The present
password stays good until then. A mailed link also shows that the user reads that
address: it counts as validated, for second factors too. A printed link shows
nothing of the kind.

The mail is sent by a running server.

Examples:
  sallyport user invite ann
  sallyport user invite ann --to ann@example.org --life 2h
  sallyport user invite ann --print`
}

// Run invites a user.
func (c *userInviteCmd) Run(ctx context.Context, a *app) error {
	in := account.Invitation{To: c.To, Print: c.Print, By: a.party("user invite")}
	if c.Life != "" {
		life, err := config.ParseDuration(c.Life)
		if err != nil {
			return fmt.Errorf("--life: %w", err)
		}
		in.Life = life
	}
	if c.Print && c.To != "" {
		return errors.New("--print and --to exclude each other")
	}
	return a.withExisting(ctx, func(d *server.Directory) error {
		id, err := findUser(ctx, d, c.User)
		if err != nil {
			return err
		}
		in.UserID = id
		made, err := d.Invite(ctx, in)
		if err != nil {
			return plain(err)
		}
		switch {
		case a.JSON:
			return a.printJSON(map[string]any{"link": made.Link, "to": made.To, "expires": made.Expires})
		case c.Print:
			return a.print("%s", made.Link)
		}
		return a.print("The link is mailed to %s and good until %s.", made.To, made.Expires.Format(time.RFC3339))
	})
}
