package main

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/oidc"
)

type clientCmd struct {
	Create       clientCreateCmd       `cmd:"" help:"Register an application and print its secret, this once."`
	List         clientListCmd         `cmd:"" help:"List the applications."`
	Show         clientShowCmd         `cmd:"" help:"Show an application and what to configure in it."`
	Update       clientUpdateCmd       `cmd:"" help:"Change an application."`
	Delete       clientDeleteCmd       `cmd:"" help:"Remove an application with its tokens and consents."`
	RotateSecret clientRotateSecretCmd `cmd:"" name:"rotate-secret" help:"Give an application another secret."`
}

type clientCreateCmd struct {
	ID string `name:"id" placeholder:"ID" help:"Its client_id: letters, digits and - . _ ~ (default: one is made)."`
	clientFlags
}

// Help is shown by --help.
func (*clientCreateCmd) Help() string {
	return `Prints what to configure in the application. The secret is not stored and cannot be shown again; with --json it is client_secret. A running server knows the application at once.

Examples:
  sallyport client create --id my-app --name "My App" --redirect-uri https://app.example.com/callback
  sallyport client create --id shop --type spa --redirect-uri https://shop.example.com/callback
  sallyport client create --id phone --type native --redirect-uri com.example.phone:/callback
  sallyport client create --id tv --public --grant-type device_code --grant-type refresh_token
  sallyport client create --id bank --redirect-uri https://bank.example.com/cb --required-acr MFA
  sallyport client create --id hr --type machine --scope scim:read --scope scim:write --json`
}

// Run registers a client.
func (c *clientCreateCmd) Run(ctx context.Context, a *app) error {
	edit, err := c.edit()
	if err != nil {
		return err
	}
	return a.with(ctx, func(d *server.Directory) error {
		client := oidc.Client{ID: c.ID}
		if err := edit(&client); err != nil {
			return err
		}
		made, secret, err := d.Provider.CreateClient(ctx, a.party("client create"), client)
		if err != nil {
			return clientFault(err, c.ID, client)
		}
		if secret != "" {
			a.note("Client %q is registered. Its secret is shown only now.", made.ID)
		} else {
			a.note("Client %q is registered. It has no secret.", made.ID)
		}
		a.adviseOn(made)
		return a.showClient(d, made, secret)
	})
}

// adviseOn says what a registration lacks for the application to get anywhere.
func (a *app) adviseOn(c oidc.Client) {
	if c.Type == oidc.Machine && len(c.Scopes) == 0 {
		a.note("It may ask for no scope yet: sallyport client update %s --scope scim:read", c.ID)
	}
	if c.Public() && slices.Contains(c.GrantTypes, oidc.GrantCode) {
		a.note("The application must send a PKCE challenge (S256) with every login.")
	}
}

type clientListCmd struct{}

// Help is shown by --help.
func (*clientListCmd) Help() string {
	return "Examples:\n  sallyport client list\n  sallyport client list --json"
}

// Run lists clients.
func (*clientListCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		clients, err := d.Clients().Clients(ctx)
		if err != nil {
			return err
		}
		views := []clientView{}
		rows := [][]string{{"ID", "NAME", "TYPE", "STATE", "AUTHENTICATION", "REQUIRED ACR", "REDIRECT URIS"}}
		for _, c := range clients {
			views = append(views, viewClient(d.Provider.Issuer(), c, ""))
			state := "enabled"
			if c.Disabled {
				state = "disabled"
			}
			rows = append(rows, []string{
				c.ID, c.Name, string(c.Type), state, string(c.AuthMethod), c.RequiredACR, strings.Join(c.RedirectURIs, " "),
			})
		}
		if a.JSON {
			return a.printJSON(views)
		}
		return a.table(rows)
	})
}

type clientShowCmd struct {
	Client string `arg:"" help:"Id of the application."`
}

// Help is shown by --help.
func (*clientShowCmd) Help() string {
	return "Shows everything but the secret, which is not stored.\n\nExamples:\n  sallyport client show my-app\n  sallyport client show my-app --json"
}

// Run shows a client.
func (c *clientShowCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		client, err := findClient(ctx, d, c.Client)
		if err != nil {
			return err
		}
		return a.showClient(d, client, "")
	})
}

type clientUpdateCmd struct {
	Client string `arg:"" help:"Id of the application."`
	clientFlags
	Disable bool `xor:"state" help:"Refuse logins and tokens of the application."`
	Enable  bool `xor:"state" help:"Undo --disable."`
}

// Help is shown by --help.
func (*clientUpdateCmd) Help() string {
	return `Changes what the flags name and leaves the rest. A list replaces the one that is there: name all redirect URIs. An empty value empties it. Switches are turned off with --no-…

Examples:
  sallyport client update my-app --redirect-uri https://app.example.com/callback --redirect-uri https://new.example.com/callback
  sallyport client update my-app --required-acr MFA --no-trusted
  sallyport client update my-app --permitted-acr ""
  sallyport client update my-app --disable`
}

// Run changes a client.
func (c *clientUpdateCmd) Run(ctx context.Context, a *app) error {
	if reflect.ValueOf(c.clientFlags).IsZero() && !c.Disable && !c.Enable {
		return &usageError{"name what to change with a flag, such as --redirect-uri; see sallyport client update --help"}
	}
	edit, err := c.edit()
	if err != nil {
		return err
	}
	return a.withExisting(ctx, func(d *server.Directory) error {
		var tried oidc.Client
		by := a.party("client update")
		client, err := d.Provider.UpdateClient(ctx, by, c.Client, func(client *oidc.Client) error {
			if err := edit(client); err != nil {
				return err
			}
			client.Disabled = c.Disable || client.Disabled && !c.Enable
			tried = *client
			return nil
		})
		if err != nil {
			return clientFault(err, c.Client, tried)
		}
		// Who was public, or had a key, has no secret yet.
		secret := ""
		if needsSecret(client) && len(client.Secrets) == 0 {
			if secret, err = d.Provider.RotateSecret(ctx, by, client.ID, 0); err != nil {
				return err
			}
			a.note("The application has a secret now. It is shown only now.")
		}
		a.note("Client %q is changed.", client.ID)
		return a.showClient(d, client, secret)
	})
}

func needsSecret(c oidc.Client) bool {
	return c.AuthMethod == oidc.SecretBasic || c.AuthMethod == oidc.SecretPost
}

type clientDeleteCmd struct {
	Client string `arg:"" help:"Id of the application."`
}

// Help is shown by --help.
func (*clientDeleteCmd) Help() string {
	return "Its tokens are refused from then on, and its users' consents are forgotten. To come back later use: sallyport client update ID --disable\n\nExamples:\n  sallyport client delete my-app"
}

// Run removes a client.
func (c *clientDeleteCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		if err := d.Provider.DeleteClient(ctx, a.party("client delete"), c.Client); err != nil {
			return clientFault(err, c.Client, oidc.Client{})
		}
		if a.JSON {
			return a.printJSON(map[string]string{"deleted": c.Client})
		}
		a.note("Client %q is deleted.", c.Client)
		return nil
	})
}

type clientRotateSecretCmd struct {
	Client string `arg:"" help:"Id of the application."`
	Keep   string `default:"0" placeholder:"D" help:"How long the former secret stays good, such as 24h (default 0: it ends at once)."`
}

// Help is shown by --help.
func (*clientRotateSecretCmd) Help() string {
	return `Prints the new secret alone on standard output. With --keep the former one stays good meanwhile, so that the application can be changed without a gap.

Examples:
  sallyport client rotate-secret my-app
  SECRET=$(sallyport client rotate-secret my-app --keep 24h)`
}

// Run gives a client another secret.
func (c *clientRotateSecretCmd) Run(ctx context.Context, a *app) error {
	keep, err := config.ParseDuration(c.Keep)
	if err != nil || keep < 0 {
		return &usageError{fmt.Sprintf("--keep: %q is not a time such as 1h or 7d", c.Keep)}
	}
	return a.withExisting(ctx, func(d *server.Directory) error {
		client, err := findClient(ctx, d, c.Client)
		if err != nil {
			return err
		}
		if !needsSecret(client) {
			return fmt.Errorf("client %q does not authenticate itself with a secret but by %s: change that with sallyport client update %s --auth-method client_secret_basic",
				client.ID, client.AuthMethod, client.ID)
		}
		secret, err := d.Provider.RotateSecret(ctx, a.party("client rotate-secret"), client.ID, keep)
		if err != nil {
			return clientFault(err, c.Client, client)
		}
		if a.JSON {
			return a.showClient(d, client, secret)
		}
		if keep > 0 {
			a.note("Client %q has another secret, shown only now. The former one is good until %s.", client.ID, when(time.Now().Add(keep)))
		} else {
			a.note("Client %q has another secret, shown only now. The former one is no longer good.", client.ID)
		}
		return a.print("%s", secret)
	})
}
