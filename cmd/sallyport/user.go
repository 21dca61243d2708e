package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/transfer"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

type userCmd struct {
	Create  userCreateCmd  `cmd:"" help:"Make a user."`
	Show    userShowCmd    `cmd:"" help:"Show a user."`
	List    userListCmd    `cmd:"" help:"List users."`
	Delete  userDeleteCmd  `cmd:"" help:"Delete a user."`
	Restore userRestoreCmd `cmd:"" help:"Bring back a user deleted within 30 days."`
	Invite  userInviteCmd  `cmd:"" help:"Make a link by which a user sets a password."`
	Factors userFactorsCmd `cmd:"" help:"Look after the second factors of a user."`
	Devices userDevicesCmd `cmd:"" help:"Look after the browsers that are remembered for a user."`
}

type userCreateCmd struct {
	UserName      string `required:"" placeholder:"N" help:"User name, unique."`
	Email         string `placeholder:"E" help:"Work e-mail address."`
	GivenName     string `placeholder:"N" help:"Given name."`
	FamilyName    string `placeholder:"N" help:"Family name."`
	DisplayName   string `placeholder:"N" help:"Name to display."`
	ExternalID    string `name:"external-id" placeholder:"ID" help:"Id of the user in another system."`
	Inactive      bool   `help:"Make the user unable to log in."`
	PasswordStdin bool   `help:"Read the password from the first line of standard input."`
}

// Help is shown by --help.
func (*userCreateCmd) Help() string {
	return `Prints the id of the user; with --json the whole resource.

Examples:
  sallyport user create --user-name ann --email ann@example.org --given-name Ann --family-name Example
  sallyport user create --user-name bob --password-stdin < password.txt`
}

// Run makes a user.
func (c *userCreateCmd) Run(ctx context.Context, a *app) error {
	body, err := c.body(a.stdin)
	if err != nil {
		return err
	}
	return a.with(ctx, func(d *server.Directory) error {
		rt := d.Registry.ByName("User")
		res, err := d.Service.Create(ctx, a.caller("user create"), rt, body, scim.Request{})
		if err != nil {
			return plain(err)
		}
		if a.JSON {
			return a.printRaw(res.Body)
		}
		return a.print("%s", res.ID)
	})
}

func (c *userCreateCmd) body(stdin io.Reader) (schema.Object, error) {
	body := schema.Object{"schemas": []any{schema.UserURN}, "userName": c.UserName}
	name := schema.Object{}
	for _, f := range []struct {
		in    schema.Object
		key   string
		value string
	}{
		{name, "givenName", c.GivenName},
		{name, "familyName", c.FamilyName},
		{body, "displayName", c.DisplayName},
		{body, "externalId", c.ExternalID},
	} {
		if f.value != "" {
			f.in[f.key] = f.value
		}
	}
	if len(name) > 0 {
		body["name"] = name
	}
	if c.Email != "" {
		body["emails"] = []any{schema.Object{"value": c.Email, "type": "work", "primary": true}}
	}
	if c.Inactive {
		body["active"] = false
	}
	if c.PasswordStdin {
		line, err := bufio.NewReader(stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read password: %w", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return nil, errors.New("--password-stdin: standard input has no password in its first line")
		}
		body["password"] = line
	}
	return body, nil
}

type userShowCmd struct {
	User string `arg:"" help:"User name or id."`
}

// Help is shown by --help.
func (*userShowCmd) Help() string {
	return "Examples:\n  sallyport user show ann\n  sallyport user show ann --json"
}

// Run shows a user.
func (c *userShowCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		rt := d.Registry.ByName("User")
		id, err := findUser(ctx, d, c.User)
		if err != nil {
			return err
		}
		res, err := d.Service.Get(ctx, a.caller("user show"), rt, id, scim.Request{})
		if err != nil {
			return plain(err)
		}
		if a.JSON {
			return a.printRaw(res.Body)
		}
		return a.showLeaves(res.Body)
	})
}

// showLeaves prints a resource as one "path  value" per line.
func (a *app) showLeaves(doc []byte) error {
	o, err := schema.Decode(doc, schema.Limits{})
	if err != nil {
		return fmt.Errorf("read resource: %w", err)
	}
	return a.table(leaves(nil, "", o))
}

type userListCmd struct {
	Filter string `placeholder:"F" help:"SCIM filter, such as 'active eq false'."`
	Limit  int    `default:"0" placeholder:"N" help:"At most that many (default: all)."`
}

// Help is shown by --help.
func (*userListCmd) Help() string {
	return `With --json each user is one line, the stored document.

Examples:
  sallyport user list --limit 20
  sallyport user list --filter 'userName sw "a" and active eq true'
  sallyport user list --json | jq -r .userName`
}

// Run lists users in the order of their ids.
func (c *userListCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		rt := d.Registry.ByName("User")
		where, err := bind(c.Filter, rt, a.caller("user list").Profile.Policy)
		if err != nil {
			return plain(err)
		}
		selection := transfer.Selection{Type: rt, Where: where, Limit: c.Limit}
		if a.JSON {
			return transfer.EachPage(ctx, d.Resources, selection, a.printDocuments)
		}
		list := &userTable{a: a, rows: [][]string{{"ID", "USER NAME", "NAME", "ACTIVE", "LAST MODIFIED"}}}
		if err := transfer.EachPage(ctx, d.Resources, selection, list.add); err != nil {
			return err
		}
		return list.flush()
	})
}

func (a *app) printDocuments(records []scim.Record) error {
	for i := range records {
		if err := a.print("%s", records[i].Doc); err != nil {
			return err
		}
	}
	return nil
}

// userTable prints users a page at a time, since the list may be longer than
// memory; the header stands over the first page.
type userTable struct {
	a    *app
	rows [][]string
}

func (t *userTable) add(records []scim.Record) error {
	for i := range records {
		row, err := userRow(&records[i])
		if err != nil {
			return err
		}
		t.rows = append(t.rows, row)
	}
	return t.flush()
}

func (t *userTable) flush() error {
	rows := t.rows
	t.rows = nil
	return t.a.table(rows)
}

func bind(text string, rt *schema.ResourceType, p schema.Policy) (filter.Predicate, error) {
	if text == "" {
		return nil, nil
	}
	e, err := filter.Parse(text, filter.Limits{}, p)
	if err != nil {
		return nil, err
	}
	return filter.Bind(e, rt, p)
}

func userRow(r *scim.Record) ([]string, error) {
	var u struct {
		UserName    string `json:"userName"`
		DisplayName string `json:"displayName"`
		Active      *bool  `json:"active"`
		Name        struct {
			Formatted  string `json:"formatted"`
			GivenName  string `json:"givenName"`
			FamilyName string `json:"familyName"`
		} `json:"name"`
	}
	if err := json.Unmarshal(r.Doc, &u); err != nil {
		return nil, fmt.Errorf("read user %s: %w", r.ID, err)
	}
	name := u.DisplayName
	if name == "" {
		name = u.Name.Formatted
	}
	if name == "" {
		name = strings.TrimSpace(u.Name.GivenName + " " + u.Name.FamilyName)
	}
	active := "yes"
	if u.Active != nil && !*u.Active {
		active = "no"
	}
	return []string{r.ID, u.UserName, name, active, when(r.LastModified)}, nil
}

type userDeleteCmd struct {
	User string `arg:"" help:"User name or id."`
}

// Help is shown by --help.
func (*userDeleteCmd) Help() string {
	return "The user can be restored within 30 days.\n\nExamples:\n  sallyport user delete ann"
}

// Run deletes a user.
func (c *userDeleteCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		id, err := findUser(ctx, d, c.User)
		if err != nil {
			return err
		}
		if err := d.Service.Delete(ctx, a.caller("user delete"), d.Registry.ByName("User"), id, scim.Request{}); err != nil {
			return plain(err)
		}
		if a.JSON {
			return a.printJSON(map[string]string{"id": id, "state": "deleted"})
		}
		a.note("Deleted %s. To undo this: sallyport user restore %s", c.User, id)
		return a.print("%s", id)
	})
}

type userRestoreCmd struct {
	ID string `arg:"" help:"Id of the deleted user (see sallyport audit --event user.deleted)."`
}

// Help is shown by --help.
func (*userRestoreCmd) Help() string {
	return "Brings back the user with the same id and groups, without a password.\n\nExamples:\n  sallyport user restore 01890a5d-ac96-774b-bcce-b302099a8057"
}

// Run restores a user.
func (c *userRestoreCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		res, err := d.Service.Restore(ctx, a.caller("user restore"), strings.ToLower(c.ID))
		if errors.Is(err, scim.ErrNotFound) {
			return fmt.Errorf("no user with the id %s was deleted within the last 30 days: sallyport audit --event user.deleted shows who was", c.ID)
		}
		if errors.As(err, new(*scim.ConflictError)) {
			return c.conflict(ctx, d, err)
		}
		if err != nil {
			return plain(err)
		}
		if a.JSON {
			return a.printRaw(res.Body)
		}
		return a.print("%s", res.ID)
	})
}

// conflict says why a deleted user has no place any more.
func (c *userRestoreCmd) conflict(ctx context.Context, d *server.Directory, err error) error {
	if _, gerr := d.Resources.Get(ctx, d.Registry.ByName("User"), strings.ToLower(c.ID), ""); gerr == nil {
		return fmt.Errorf("user %s is there already: nothing to restore", c.ID)
	}
	attribute := "value"
	if conflict, ok := errors.AsType[*scim.ConflictError](err); ok && conflict.Attribute != "" {
		attribute = conflict.Attribute
	}
	return fmt.Errorf("another user has the %s of the deleted user by now: change or delete that user first", attribute)
}

// findUser returns the id of the user with this id or user name.
func findUser(ctx context.Context, d *server.Directory, text string) (string, error) {
	rt := d.Registry.ByName("User")
	rec, err := d.Resources.Get(ctx, rt, strings.ToLower(text), "")
	if err == nil {
		return rec.ID, nil
	}
	if !errors.Is(err, scim.ErrNotFound) {
		return "", err
	}
	where, err := filter.Bind(&filter.Compare{
		Path: filter.AttrPath{Name: "userName"}, Op: filter.Eq, Value: filter.Value{Kind: filter.String, Text: text},
	}, rt, schema.Policy{})
	if err != nil {
		return "", plain(err)
	}
	page, err := d.Resources.Query(ctx, scim.Query{Sources: []scim.Source{{Type: rt, Where: where}}, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(page.Records) == 0 {
		return "", fmt.Errorf("there is no user %q", text)
	}
	return page.Records[0].ID, nil
}
