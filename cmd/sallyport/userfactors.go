package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/validation"
)

type userFactorsCmd struct {
	List    userFactorsListCmd    `cmd:"" help:"Show what a user logs in with."`
	Reset   userFactorsResetCmd   `cmd:"" help:"Remove second factors of a user."`
	Require userFactorsRequireCmd `cmd:"" help:"Switch second factors on for a user, or off."`
	Set     userFactorsSetCmd     `cmd:"" help:"Give a user an address or number as second factor."`
}

// factorMethods are what the commands call the kinds of credentials.
func factorMethods() map[string]validation.CredentialKind {
	return map[string]validation.CredentialKind{
		"totp": validation.CredentialTOTP, "email": validation.CredentialEmail,
		"phone": validation.CredentialPhone, "sms": validation.CredentialPhone, "voice": validation.CredentialPhone,
		"passkey": validation.CredentialPasskey, "second_password": validation.CredentialSecondPassword,
		"recovery_code": validation.CredentialRecovery,
	}
}

func factorMethod(name string) (validation.CredentialKind, error) {
	kind, ok := factorMethods()[name]
	if !ok {
		return "", fmt.Errorf("--method %q is not known: use totp, email, phone, passkey, second_password or recovery_code", name)
	}
	return kind, nil
}

// onUser runs fn about the credentials of a user.
func (a *app) onUser(ctx context.Context, user string, fn func(c *validation.Credentials, id string) error) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		c, id, err := credentialsOf(ctx, d, user)
		if err != nil {
			return err
		}
		return plain(fn(c, id))
	})
}

func credentialsOf(ctx context.Context, d *server.Directory, user string) (*validation.Credentials, string, error) {
	id, err := findUser(ctx, d, user)
	if err != nil {
		return nil, "", err
	}
	c, err := d.Credentials()
	return c, id, err
}

type userFactorsListCmd struct {
	User string `arg:"" help:"User name or id."`
}

// Help is shown by --help.
func (*userFactorsListCmd) Help() string {
	return `Addresses and numbers are masked; only those that are validated stand in the list. Accounts at providers elsewhere and the number of remembered browsers follow; sallyport user devices list shows the browsers.

Examples:
  sallyport user factors list ann
  sallyport user factors list ann --json`
}

// heldFactor is a line of the list.
type heldFactor struct {
	Method     string     `json:"method"`
	Credential string     `json:"credential"`
	Name       string     `json:"name,omitempty"`
	Masked     string     `json:"destination,omitempty"`
	Off        bool       `json:"off"`
	Left       *int       `json:"left,omitempty"` // recovery codes
	CreatedAt  *time.Time `json:"created,omitempty"`
	LastUsedAt *time.Time `json:"last_used,omitempty"`
}

// linkedAccount is an account at a provider elsewhere.
type linkedAccount struct {
	Provider    string     `json:"provider"`
	Name        string     `json:"name,omitempty"` // there
	LinkedAt    time.Time  `json:"linked"`
	LastLoginAt *time.Time `json:"last_login,omitempty"`
}

type heldFactors struct {
	ID           string          `json:"id"`
	Password     bool            `json:"password"`
	SecondFactor bool            `json:"second_factor"`
	Factors      []heldFactor    `json:"factors"`
	Linked       []linkedAccount `json:"linked_accounts"`
	Devices      int             `json:"remembered_browsers"`
}

// Run lists.
func (c *userFactorsListCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		all, id, err := credentialsOf(ctx, d, c.User)
		if err != nil {
			return err
		}
		v, err := all.ListOf(ctx, a.caller("user factors list"), id)
		if err != nil {
			return plain(err)
		}
		out := heldFactors{ID: id, Password: v.Password, SecondFactor: v.Enabled, Factors: []heldFactor{}, Linked: []linkedAccount{}}
		for _, one := range v.Credentials {
			out.Factors = append(out.Factors, heldFactorOf(one))
		}
		if err := out.besides(ctx, d); err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(out)
		}
		return out.print(a)
	})
}

// besides adds the linked accounts and the number of remembered browsers.
func (h *heldFactors) besides(ctx context.Context, d *server.Directory) error {
	linked, err := d.LinkedAccounts(ctx, h.ID)
	if err != nil {
		return err
	}
	for _, one := range linked {
		if one.Link == nil {
			continue
		}
		l := linkedAccount{Provider: one.Provider.ID, Name: one.Link.Display, LinkedAt: one.Link.LinkedAt}
		if !one.Link.LastLogin.IsZero() {
			l.LastLoginAt = &one.Link.LastLogin
		}
		h.Linked = append(h.Linked, l)
	}
	devices, err := d.Devices(ctx, h.ID)
	h.Devices = len(devices)
	return err
}

func heldFactorOf(one validation.Credential) heldFactor {
	f := heldFactor{Method: methodOf(one.Kind), Credential: one.ID, Name: one.Name, Masked: one.Masked, Off: one.Off}
	if one.Kind == validation.CredentialRecovery {
		f.Left = &one.Left
	}
	if !one.CreatedAt.IsZero() {
		f.CreatedAt = &one.CreatedAt
	}
	if !one.LastUsedAt.IsZero() {
		f.LastUsedAt = &one.LastUsedAt
	}
	return f
}

func methodOf(kind validation.CredentialKind) string {
	if kind == validation.CredentialRecovery {
		return "recovery_code"
	}
	return string(kind)
}

func (h *heldFactors) print(a *app) error {
	yes := map[bool]string{true: "yes", false: "no"}
	if err := a.table([][]string{
		{"password", yes[h.Password]},
		{"second factor", map[bool]string{true: "on", false: "off"}[h.SecondFactor]},
		{"remembered browsers", strconv.Itoa(h.Devices)},
	}); err != nil {
		return err
	}
	if len(h.Factors)+len(h.Linked) == 0 {
		return nil
	}
	rows := [][]string{{"METHOD", "NAME", "DESTINATION", "STATE", "CREATED", "LAST USED"}}
	for _, f := range h.Factors {
		state := map[bool]string{true: "off", false: "on"}[f.Off]
		if f.Left != nil {
			state = fmt.Sprintf("%d left", *f.Left)
		}
		rows = append(rows, []string{f.Method, f.Name, f.Masked, state, whenOr(f.CreatedAt), whenOr(f.LastUsedAt)})
	}
	for _, l := range h.Linked {
		rows = append(rows, []string{"linked account", l.Name, l.Provider, "on", when(l.LinkedAt), whenOr(l.LastLoginAt)})
	}
	return a.table(rows)
}

func whenOr(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return when(*at)
}

type userFactorsResetCmd struct {
	User   string   `arg:"" help:"User name or id."`
	Method []string `placeholder:"M" help:"totp, email, phone, passkey, second_password or recovery_code; may be given again (default: all)."`
	Reason string   `required:"" placeholder:"TEXT" help:"Why, for the audit trail."`
}

// Help is shown by --help.
func (*userFactorsResetCmd) Help() string {
	return `Removes the factors with all that was proved by them, ends the user's sessions and remembered browsers, and tells the user at the validated addresses. The password stays. Addresses and numbers are cleared from the user's record.

Make sure first that it is the user who asks: whoever can have factors removed can take an account over.

Examples:
  sallyport user factors reset ann --reason "lost telephone, seen in person"
  sallyport user factors reset ann --method totp --method passkey --reason "ticket 4711"`
}

// Run resets.
func (c *userFactorsResetCmd) Run(ctx context.Context, a *app) error {
	r := validation.ResetFactors{Reason: strings.TrimSpace(c.Reason)}
	for _, name := range c.Method {
		kind, err := factorMethod(name)
		if err != nil {
			return err
		}
		r.Kinds = append(r.Kinds, kind)
	}
	if r.Reason == "" {
		return errors.New("--reason must say why the factors are removed")
	}
	return a.onUser(ctx, c.User, func(all *validation.Credentials, id string) error {
		r.UserID = id
		gone, err := all.Reset(ctx, a.caller("user factors reset"), r)
		if err != nil {
			return err
		}
		out := make([]heldFactor, 0, len(gone))
		for _, one := range gone {
			out = append(out, heldFactorOf(one))
		}
		if a.JSON {
			return a.printJSON(out)
		}
		if len(gone) == 0 {
			return a.print("There was nothing to remove.")
		}
		for _, f := range out {
			if err := a.print("Removed %s", strings.TrimSpace(f.Method+" "+f.Masked)); err != nil {
				return err
			}
		}
		return nil
	})
}

type userFactorsRequireCmd struct {
	User string `arg:"" help:"User name or id."`
	Off  bool   `help:"Switch second factors off instead."`
}

// Help is shown by --help.
func (*userFactorsRequireCmd) Help() string {
	return `Sets secondFactorEnabled in the user's record: a login then asks for one of the second factors that the user has. Whether an application lets a user in who has none is up to its rules.

Examples:
  sallyport user factors require ann
  sallyport user factors require ann --off`
}

// Run switches.
func (c *userFactorsRequireCmd) Run(ctx context.Context, a *app) error {
	to := "on"
	if c.Off {
		to = "off"
	}
	return a.onUser(ctx, c.User, func(all *validation.Credentials, id string) error {
		if err := all.Require(ctx, a.caller("user factors require"), id, to); err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(map[string]any{"id": id, "second_factor": !c.Off})
		}
		return a.print("Second factors of %s are %s.", c.User, to)
	})
}

type userFactorsSetCmd struct {
	User   string `arg:"" help:"User name or id."`
	Method string `required:"" placeholder:"M" help:"email or phone (sms and voice are the same)."`
	Value  string `required:"" placeholder:"V" help:"The e-mail address, or the number in E.164 form such as +15125550100."`
}

// Help is shown by --help.
func (*userFactorsSetCmd) Help() string {
	return `Writes the attribute and switches second factors on. The value does not count as validated: only the user proves that, by a code that goes there. Until then no code for a login goes to it.

An authenticator app, a passkey, a second password and recovery codes are set up by the user alone.

Examples:
  sallyport user factors set ann --method email --value ann@example.org
  sallyport user factors set ann --method phone --value +15125550100`
}

// Run sets.
func (c *userFactorsSetCmd) Run(ctx context.Context, a *app) error {
	kind, err := factorMethod(c.Method)
	if err != nil {
		return err
	}
	if kind != validation.CredentialEmail && kind != validation.CredentialPhone {
		return fmt.Errorf("--method %s cannot be set for a user: only the user sets it up; use email or phone", c.Method)
	}
	return a.onUser(ctx, c.User, func(all *validation.Credentials, id string) error {
		value, err := all.SetValue(ctx, a.caller("user factors set"), id, validation.EnrolledKind(kind), c.Value)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.printJSON(map[string]any{"id": id, "method": string(kind), "value": value, "validated": false})
		}
		a.note("It is not validated yet: invite %s to confirm it, with sallyport user invite %s, or let them confirm it on the page of their account.", c.User, c.User)
		return a.print("%s", value)
	})
}
