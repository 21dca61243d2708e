package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/scim"
)

type tokenCmd struct {
	Create        tokenCreateCmd        `cmd:"" help:"Make a token and print it, this once."`
	List          tokenListCmd          `cmd:"" help:"List the tokens, without their secrets."`
	Revoke        tokenRevokeCmd        `cmd:"" help:"End a token."`
	AllowRemovals tokenAllowRemovalsCmd `cmd:"" help:"Confirm that a token may deactivate or delete many users."`
}

type tokenCreateCmd struct {
	Name            string            `required:"" placeholder:"NAME" help:"Name of the token, for lists and the audit trail."`
	Profile         string            `placeholder:"P" help:"Client profile: rfc, compat (default), strict or ping."`
	Set             map[string]string `placeholder:"FIELD=VALUE" help:"Set one field of the profile apart for this token."`
	Scope           []string          `placeholder:"S" help:"scim:read, scim:write or scim:admin (default: read and write). May be given again."`
	Expires         string            `placeholder:"D" help:"Life of the token, such as 90d or 12h (default: no end)."`
	Domain          string            `placeholder:"D" help:"Provisioning domain: the token sees only what was made in it."`
	IgnorePasswords bool              `help:"Drop passwords that the client sends (for placeholder passwords)."`
}

// Help is shown by --help.
func (*tokenCreateCmd) Help() string {
	return `Prints the token alone on standard output. It is not stored and cannot be shown again.

Examples:
  sallyport token create --name entra
  sallyport token create --name okta --ignore-passwords --expires 365d
  TOKEN=$(sallyport token create --name reports --scope scim:read)`
}

// Run makes a token.
func (c *tokenCreateCmd) Run(ctx context.Context, a *app) error {
	n := scim.NewToken{
		Name: c.Name, Profile: c.Profile, Overrides: c.Set, Scopes: c.Scope, Domain: c.Domain,
		IgnorePasswords: c.IgnorePasswords, By: a.party("token create"),
	}
	if c.Expires != "" {
		life, err := config.ParseDuration(c.Expires)
		if err != nil || life <= 0 {
			return &usageError{fmt.Sprintf("--expires: %q is not a time such as 12h or 90d", c.Expires)}
		}
		n.ExpiresAt = time.Now().Add(life)
	}
	cfg, err := a.settings(nil)
	if err != nil {
		return err
	}
	if n.Profile == "" {
		n.Profile = cfg.SCIM.DefaultProfile
	}
	return a.with(ctx, func(d *server.Directory) error {
		secret, token, err := d.Tokens.Issue(ctx, n)
		if errors.As(err, new(*scim.ConflictError)) {
			return fmt.Errorf("there is a token named %q: choose another name or revoke it", c.Name)
		}
		if err != nil {
			return err
		}
		if a.JSON {
			view := viewToken(token)
			view.Token = secret.Reveal()
			return a.printJSON(view)
		}
		a.note("Token %q (%s, profile %s). It is shown only now.", token.Name, strings.Join(token.Scopes, " "), token.Profile)
		return a.print("%s", secret.Reveal())
	})
}

// tokenView is a token as --json shows it.
type tokenView struct {
	ID                   string            `json:"id"`
	Name                 string            `json:"name"`
	Token                string            `json:"token,omitempty"` // by create only
	Scopes               []string          `json:"scopes"`
	Profile              string            `json:"profile"`
	Overrides            map[string]string `json:"overrides,omitempty"`
	Domain               string            `json:"domain,omitempty"`
	IgnorePasswords      bool              `json:"ignore_passwords,omitempty"`
	CreatedAt            time.Time         `json:"created_at"`
	ExpiresAt            time.Time         `json:"expires_at,omitzero"`
	RevokedAt            time.Time         `json:"revoked_at,omitzero"`
	LastUsedAt           time.Time         `json:"last_used_at,omitzero"`
	RemovalsAllowedUntil time.Time         `json:"removals_allowed_until,omitzero"`
}

func viewToken(t *scim.Token) tokenView {
	return tokenView{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes, Profile: t.Profile, Overrides: t.Overrides, Domain: t.Domain,
		IgnorePasswords: t.IgnorePasswords, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt,
		LastUsedAt: t.LastUsedAt, RemovalsAllowedUntil: t.RemovalsAllowedUntil,
	}
}

type tokenListCmd struct {
	All bool `help:"Show revoked and expired tokens too."`
}

// Help is shown by --help.
func (*tokenListCmd) Help() string {
	return "Examples:\n  sallyport token list\n  sallyport token list --all --json"
}

// Run lists tokens.
func (c *tokenListCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *server.Directory) error {
		tokens, err := d.TokenList.Tokens(ctx)
		if err != nil {
			return err
		}
		views := []tokenView{}
		rows := [][]string{{"NAME", "STATE", "SCOPES", "PROFILE", "DOMAIN", "CREATED", "EXPIRES", "LAST USED", "ID"}}
		for i := range tokens {
			t := &tokens[i]
			state := stateOf(t, time.Now())
			if state != "live" && !c.All {
				continue
			}
			views = append(views, viewToken(t))
			rows = append(rows, []string{
				t.Name, state, strings.Join(t.Scopes, " "), t.Profile, t.Domain,
				when(t.CreatedAt), when(t.ExpiresAt), when(t.LastUsedAt), t.ID,
			})
		}
		if a.JSON {
			return a.printJSON(views)
		}
		return a.table(rows)
	})
}

func stateOf(t *scim.Token, now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return "expired"
	}
	return "live"
}

type tokenRevokeCmd struct {
	Token string `arg:"" help:"Name or id of the token."`
}

// Help is shown by --help.
func (*tokenRevokeCmd) Help() string {
	return "Every server refuses the token within a second.\n\nExamples:\n  sallyport token revoke entra"
}

// Run ends a token.
func (c *tokenRevokeCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *server.Directory) error {
		t, err := d.Tokens.Revoke(ctx, c.Token, a.party("token revoke"))
		return a.changed(t, err, c.Token, "revoked")
	})
}

type tokenAllowRemovalsCmd struct {
	Token string `arg:"" help:"Name or id of the token."`
	For   string `default:"1h" placeholder:"D" help:"For how long (default 1h)."`
}

// Help is shown by --help.
func (*tokenAllowRemovalsCmd) Help() string {
	return `A token that deactivates or deletes a large share of the users within an hour is held with 429, since this is more often a mistake than a wish. After looking into it, this command lifts the hold for a while.

Examples:
  sallyport token allow-removals entra --for 2h`
}

// Run lifts the brake.
func (c *tokenAllowRemovalsCmd) Run(ctx context.Context, a *app) error {
	span, err := config.ParseDuration(c.For)
	if err != nil || span <= 0 {
		return &usageError{fmt.Sprintf("--for: %q is not a time such as 30m or 2h", c.For)}
	}
	until := time.Now().Add(span)
	return a.with(ctx, func(d *server.Directory) error {
		t, err := d.Tokens.AllowRemovals(ctx, c.Token, until, a.party("token allow-removals"))
		return a.changed(t, err, c.Token, "may remove users until "+when(until))
	})
}

// changed prints what became of a token.
func (a *app) changed(t *scim.Token, err error, name, what string) error {
	if errors.Is(err, scim.ErrNotFound) {
		return fmt.Errorf("there is no token %q: see sallyport token list --all", name)
	}
	if err != nil {
		return err
	}
	if a.JSON {
		return a.printJSON(viewToken(t))
	}
	a.note("Token %q: %s.", t.Name, what)
	return nil
}
