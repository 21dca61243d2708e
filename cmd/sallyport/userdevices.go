package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type userDevicesCmd struct {
	List   userDevicesListCmd   `cmd:"" help:"Show the browsers that are remembered for a user."`
	Forget userDevicesForgetCmd `cmd:"" help:"Take browsers off the list."`
}

type userDevicesListCmd struct {
	User string `arg:"" help:"User name or id."`
}

// Help is shown by --help.
func (*userDevicesListCmd) Help() string {
	return `A remembered browser stands in for a second factor where an ACR says so, until it expires or is forgotten.

Examples:
  sallyport user devices list ann
  sallyport user devices list ann --json`
}

// rememberedBrowser is a line of the list.
type rememberedBrowser struct {
	ID         string     `json:"id"`
	UserAgent  string     `json:"user_agent,omitempty"`
	IP         string     `json:"ip,omitempty"`
	CreatedAt  time.Time  `json:"created"`
	LastUsedAt *time.Time `json:"last_used,omitempty"`
	ExpiresAt  time.Time  `json:"expires"`
}

func rememberedBrowsers(all []authn.Device) []rememberedBrowser {
	out := make([]rememberedBrowser, 0, len(all))
	for _, d := range all {
		one := rememberedBrowser{ID: d.ID, UserAgent: d.UserAgent, IP: d.IP, CreatedAt: d.CreatedAt, ExpiresAt: d.ExpiresAt}
		if !d.LastUsedAt.IsZero() {
			one.LastUsedAt = &d.LastUsedAt
		}
		out = append(out, one)
	}
	return out
}

// Run lists.
func (c *userDevicesListCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		id, err := findUser(ctx, d, c.User)
		if err != nil {
			return err
		}
		all, err := d.Devices(ctx, id)
		if err != nil {
			return err
		}
		out := rememberedBrowsers(all)
		if a.JSON {
			return a.printJSON(out)
		}
		if len(out) == 0 {
			return a.print("No browser is remembered for %s.", c.User)
		}
		rows := [][]string{{"ID", "BROWSER", "ADDRESS", "REMEMBERED", "LAST USED", "EXPIRES"}}
		for _, b := range out {
			rows = append(rows, []string{b.ID, b.UserAgent, b.IP, when(b.CreatedAt), whenOr(b.LastUsedAt), when(b.ExpiresAt)})
		}
		return a.table(rows)
	})
}

type userDevicesForgetCmd struct {
	User string `arg:"" help:"User name or id."`
	ID   string `arg:"" optional:"" help:"Id of the browser, as the list shows it."`
	All  bool   `help:"Every browser of the user."`
}

// Help is shown by --help.
func (*userDevicesForgetCmd) Help() string {
	return `The next login in a browser that is forgotten asks for everything again. Sessions go on: they end with sallyport user factors reset, or when the user is deactivated.

Examples:
  sallyport user devices forget ann 01990000-0000-7000-8000-000000000001
  sallyport user devices forget ann --all`
}

// Run forgets.
func (c *userDevicesForgetCmd) Run(ctx context.Context, a *app) error {
	if (c.ID == "") != c.All {
		return errors.New("name either the id of one browser, as sallyport user devices list shows it, or --all")
	}
	return a.withExisting(ctx, func(d *server.Directory) error {
		id, err := findUser(ctx, d, c.User)
		if err != nil {
			return err
		}
		gone, err := d.ForgetDevices(ctx, a.party("user devices forget"), id, c.ID)
		if errors.Is(err, authn.ErrNoDevice) {
			return fmt.Errorf("no browser with the id %q is remembered for %s", c.ID, c.User)
		}
		if err != nil {
			return err
		}
		out := rememberedBrowsers(gone)
		if a.JSON {
			return a.printJSON(out)
		}
		if len(out) == 0 {
			return a.print("There was nothing to forget.")
		}
		for _, b := range out {
			if err := a.print("Forgotten %s", b.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
