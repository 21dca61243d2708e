package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type idpCmd struct {
	List idpListCmd `cmd:"" help:"List the providers elsewhere at which people log in."`
	Test idpTestCmd `cmd:"" help:"Ask a provider elsewhere whether it answers and is set up."`
}

type idpListCmd struct{}

// Help is shown by --help.
func (*idpListCmd) Help() string {
	return `Lists identity_providers of the configuration, with the address to register at each provider.

Examples:
  sallyport idp list
  sallyport idp list --json`
}

// idpView is a provider as --json shows it.
type idpView struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Name     string `json:"name"`
	Disabled bool   `json:"disabled"`
	Callback string `json:"callback"`
	Metadata string `json:"metadata,omitempty"`
	Links    string `json:"links"`
	Creates  bool   `json:"creates_users"`
}

func viewIDP(p federated.Provider) idpView {
	v := idpView{
		ID: p.ID, Type: string(p.Kind), Name: p.Name, Disabled: p.Disabled, Callback: p.CallbackURL,
		Links: "login", Creates: p.Create != nil,
	}
	if p.Kind == federated.SAML {
		base := strings.TrimSuffix(p.CallbackURL, "/callback")
		v.Callback, v.Metadata = base+"/acs", base+"/metadata"
	}
	if p.LinkByEmail {
		v.Links = "verified_email"
	}
	return v
}

// Run lists providers.
func (*idpListCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		views := []idpView{}
		rows := [][]string{{"ID", "TYPE", "NAME", "STATE", "LINKS BY", "CREATES USERS", "CALL-BACK"}}
		for _, p := range d.IdentityProviders() {
			v := viewIDP(p)
			views = append(views, v)
			rows = append(rows, []string{v.ID, v.Type, v.Name, word(!v.Disabled, "on", "off"), v.Links, word(v.Creates, "yes", "no"), v.Callback})
		}
		if a.JSON {
			return a.printJSON(views)
		}
		if len(views) == 0 {
			a.note("There are no providers elsewhere: see identity_providers in docs/federation.md.")
			return nil
		}
		return a.table(rows)
	})
}

func word(yes bool, one, other string) string {
	if yes {
		return one
	}
	return other
}

type idpTestCmd struct {
	ID string `arg:"" help:"Id of the provider in the configuration."`
}

// Help is shown by --help.
func (*idpTestCmd) Help() string {
	return `Fetches what the provider publishes, as a login does, and says what is wrong. Nobody is logged in, and a client secret is not tried but at Facebook.

Examples:
  sallyport idp test google`
}

// Run asks one provider.
func (c *idpTestCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		for _, p := range d.IdentityProviders() {
			if p.ID == c.ID {
				return a.probe(ctx, p)
			}
		}
		return fmt.Errorf("there is no provider %q: see sallyport idp list", c.ID)
	})
}

// idpProbe is what a test has found, as --json shows it.
type idpProbe struct {
	idpView
	OK       bool     `json:"ok"`
	Findings []string `json:"findings"`
	Error    string   `json:"error,omitempty"`
}

func (a *app) probe(ctx context.Context, p federated.Provider) error {
	prober, ok := p.Upstream.(federated.Prober)
	if !ok {
		return fmt.Errorf("providers of type %s cannot be tested", p.Kind)
	}
	found, err := prober.Probe(ctx)
	if err != nil {
		err = fmt.Errorf("provider %s does not work: %s", p.ID, faultText(err))
	}
	if a.JSON {
		out := idpProbe{idpView: viewIDP(p), OK: err == nil, Findings: append([]string{}, found...)}
		if err != nil {
			out.Error = err.Error()
		}
		return errors.Join(a.printJSON(out), err)
	}
	for _, line := range found {
		if err := a.print("%s", printable(line)); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	v := viewIDP(p)
	a.note("Provider %q answers. Register this address there: %s", p.ID, v.Callback)
	if v.Metadata != "" {
		a.note("Metadata for it: %s", v.Metadata)
	}
	if p.Disabled {
		a.note("It is switched off in the configuration.")
	}
	return nil
}

// faultText says what is wrong at a provider.
func faultText(err error) string {
	r, ok := errors.AsType[*federated.Refusal](err)
	if !ok {
		return err.Error()
	}
	text := r.Detail
	if text == "" {
		text = string(r.Reason)
	}
	if r.Cause != nil {
		text += ": " + r.Cause.Error()
	}
	return text
}
