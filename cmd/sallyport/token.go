package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	Name            string            `placeholder:"NAME" help:"Name of the token, for lists and the audit trail. Required without --user."`
	Profile         string            `placeholder:"P" help:"Client profile: rfc, compat (default), strict or ping."`
	Set             map[string]string `placeholder:"FIELD=VALUE" help:"Set one field of the profile apart for this token."`
	Scope           []string          `placeholder:"S" help:"Scope, such as scim:read, scim:write or scim:admin (default: read and write; with --user: all of self-service). May be given again."`
	Expires         string            `placeholder:"D" help:"Life of the token, such as 90d or 12h (default: no end; with --user: 12h)."`
	Domain          string            `placeholder:"D" help:"Provisioning domain: the token sees only what was made in it."`
	IgnorePasswords bool              `help:"Drop passwords that the client sends (for placeholder passwords)."`

	User         string `placeholder:"USERNAME" help:"Make this user's own token, which counts as a login now."`
	SecondFactor bool   `help:"With --user: it counts as a second factor now, too."`
	Client       string `placeholder:"NAME" help:"With --user: the application that will hold the token (default: account)."`
	Public       bool   `help:"With --user: the application cannot keep a secret."`
}

// Help is shown by --help.
func (*tokenCreateCmd) Help() string {
	return `Prints the token alone on standard output. It is not stored and cannot be shown again.

Examples:
  sallyport token create --name entra
  sallyport token create --name okta --ignore-passwords --expires 365d
  TOKEN=$(sallyport token create --name reports --scope scim:read)
  TOKEN=$(sallyport token create --user dr.veil --second-factor)`
}

// Run makes a token.
func (c *tokenCreateCmd) Run(ctx context.Context, a *app) error {
	if err := c.check(); err != nil {
		return err
	}
	expires, err := c.expiry(time.Now())
	if err != nil {
		return err
	}
	cfg, err := a.settings(nil)
	if err != nil {
		return err
	}
	if c.Profile == "" {
		c.Profile = cfg.SCIM.DefaultProfile
	}
	return a.with(ctx, func(d *server.Directory) error {
		secret, token, err := c.issue(ctx, a, d, expires)
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
		a.note("Token %q (%s, profile %s). It is shown only now.", token.Name, shortScopes(token), token.Profile)
		return a.print("%s", secret.Reveal())
	})
}

// check refuses flags that do not go together.
func (c *tokenCreateCmd) check() error {
	switch {
	case c.User == "" && c.Name == "":
		return &usageError{"--name or --user is required"}
	case c.User == "" && (c.SecondFactor || c.Public || c.Client != ""):
		return &usageError{"--second-factor, --client and --public go with --user"}
	case c.User != "" && (c.Domain != "" || c.IgnorePasswords || len(c.Set) > 0):
		return &usageError{"--domain, --ignore-passwords and --set do not go with --user"}
	}
	return nil
}

// ownTokenLife is that of a user's own token unless --expires says otherwise.
const ownTokenLife = 12 * time.Hour

// expiry is when the token ends; zero: never.
func (c *tokenCreateCmd) expiry(now time.Time) (time.Time, error) {
	if c.Expires == "" {
		if c.User == "" {
			return time.Time{}, nil
		}
		return now.Add(ownTokenLife), nil
	}
	life, err := config.ParseDuration(c.Expires)
	if err != nil || life <= 0 {
		return time.Time{}, &usageError{fmt.Sprintf("--expires: %q is not a time such as 12h or 90d", c.Expires)}
	}
	return now.Add(life), nil
}

func (c *tokenCreateCmd) issue(ctx context.Context, a *app, d *server.Directory, expires time.Time) (scim.TokenSecret, *scim.Token, error) {
	by := a.party("token create")
	if c.User == "" {
		return d.Tokens.Issue(ctx, scim.NewToken{
			Name: c.Name, Profile: c.Profile, Overrides: c.Set, Scopes: c.Scope, Domain: c.Domain,
			IgnorePasswords: c.IgnorePasswords, ExpiresAt: expires, By: by,
		})
	}
	id, err := findUser(ctx, d, c.User)
	if err != nil {
		return scim.TokenSecret{}, nil, err
	}
	client := c.Client
	if client == "" {
		client = "account"
	}
	secret, token, err := d.IssueUserToken(ctx, server.UserToken{
		UserID: id, Name: c.Name, Client: client, Public: c.Public, SecondFactor: c.SecondFactor,
		Scopes: c.Scope, Profile: c.Profile, ExpiresAt: expires, By: by,
	})
	if errors.Is(err, server.ErrInactive) {
		return secret, nil, fmt.Errorf("user %q is not active: a token would open nothing", c.User)
	}
	return secret, token, err
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
	UserID               string            `json:"user_id,omitempty"`
	SessionID            string            `json:"session_id,omitempty"`
	Client               string            `json:"client,omitempty"`
	Public               bool              `json:"public,omitempty"`
}

func viewToken(t *scim.Token) tokenView {
	return tokenView{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes, Profile: t.Profile, Overrides: t.Overrides, Domain: t.Domain,
		IgnorePasswords: t.IgnorePasswords, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt,
		LastUsedAt: t.LastUsedAt, RemovalsAllowedUntil: t.RemovalsAllowedUntil,
		UserID: t.UserID, SessionID: t.SessionID, Client: t.ClientID, Public: t.PublicClient,
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
	return a.withExisting(ctx, func(d *server.Directory) error {
		tokens, err := d.TokenList.Tokens(ctx)
		if err != nil {
			return err
		}
		views := []tokenView{}
		rows := [][]string{{"NAME", "STATE", "SCOPES", "PROFILE", "DOMAIN", "CREATED", "EXPIRES", "LAST USED", "USER", "ID"}}
		for i := range tokens {
			t := &tokens[i]
			state := stateOf(t, time.Now())
			if state != "live" && !c.All {
				continue
			}
			views = append(views, viewToken(t))
			rows = append(rows, []string{
				t.Name, state, shortScopes(t), t.Profile, t.Domain,
				when(t.CreatedAt), when(t.ExpiresAt), when(t.LastUsedAt), t.UserID, t.ID,
			})
		}
		if a.JSON {
			return a.printJSON(views)
		}
		return a.table(rows)
	})
}

// shortScopes are the scopes as a table shows them; all of self-service is one
// word.
func shortScopes(t *scim.Token) string {
	if t.UserID != "" && slices.Equal(t.Scopes, scim.OwnScopes()) {
		return "self-service"
	}
	return strings.Join(t.Scopes, " ")
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
	return a.withExisting(ctx, func(d *server.Directory) error {
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
	return a.withExisting(ctx, func(d *server.Directory) error {
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
