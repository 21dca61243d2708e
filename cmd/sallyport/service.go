package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/oidc"
)

type serviceCmd struct {
	Create       serviceCreateCmd       `cmd:"" help:"Register an API that takes access tokens, and print its credential, this once."`
	List         serviceListCmd         `cmd:"" help:"List the APIs with their scopes."`
	Delete       serviceDeleteCmd       `cmd:"" help:"Remove an API with its scopes."`
	RotateSecret serviceRotateSecretCmd `cmd:"" name:"rotate-secret" help:"Give an API another introspection credential."`
}

type serviceCreateCmd struct {
	Name           string            `arg:"" help:"Name of the API; also its user name for introspection."`
	Audience       string            `required:"" placeholder:"URL" help:"What stands in aud of its tokens: a URL or a name."`
	Scope          []string          `sep:" " placeholder:"S" help:"Scope of the API. May be given again."`
	Description    map[string]string `mapsep:"none" placeholder:"S=TEXT" help:"What a scope is for, for lists."`
	ConsentPrompt  map[string]string `mapsep:"none" placeholder:"S=TEXT" help:"What users read when they are asked to allow a scope."`
	RequiredACR    map[string]string `name:"required-acr" mapsep:"none" placeholder:"S=ACR" help:"ACR that a user must meet before the scope is granted."`
	FreshAtConsent []string          `sep:" " placeholder:"S" help:"Scope for which only proofs made on the consent page count."`
}

// Help is shown by --help.
func (*serviceCreateCmd) Help() string {
	return `Prints the introspection credential: the API authenticates itself at the introspection endpoint with its name and this secret (HTTP Basic). It is not stored and cannot be shown again.

Examples:
  sallyport service create bank --audience https://api.bank.example --scope accounts --scope payments --consent-prompt payments="Send money for you" --required-acr payments=MFA`
}

// service is what the flags say. A scope that only another flag names counts
// too.
func (c *serviceCreateCmd) service() (oidc.Service, error) {
	s := oidc.Service{Name: c.Name, Audience: c.Audience}
	for _, name := range c.Scope {
		s.Scopes = append(s.Scopes, oidc.ServiceScope{
			Name: name, Description: c.Description[name], ConsentPrompt: c.ConsentPrompt[name],
			RequiredACR: c.RequiredACR[name], FreshAtConsent: slices.Contains(c.FreshAtConsent, name),
		})
	}
	for _, f := range []struct {
		flag   string
		scopes []string
	}{
		{"--description", keysOf(c.Description)},
		{"--consent-prompt", keysOf(c.ConsentPrompt)},
		{"--required-acr", keysOf(c.RequiredACR)},
		{"--fresh-at-consent", c.FreshAtConsent},
	} {
		for _, name := range f.scopes {
			if !slices.Contains(c.Scope, name) {
				return s, &usageError{fmt.Sprintf("%s names the scope %q: give it with --scope %s too", f.flag, name, name)}
			}
		}
	}
	return s, nil
}

func keysOf(m map[string]string) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// serviceView is a service as --json shows it.
type serviceView struct {
	oidc.Service
	// Secret is the introspection credential, by the command that made it only.
	Secret        string `json:"introspection_secret,omitempty"`
	Issuer        string `json:"issuer"`
	Introspection string `json:"introspection_endpoint"`
	JWKS          string `json:"jwks_uri"`
}

func viewService(issuer string, s oidc.Service, secret string) serviceView {
	if s.Scopes == nil {
		s.Scopes = []oidc.ServiceScope{}
	}
	return serviceView{
		Service: s, Secret: secret, Issuer: issuer,
		Introspection: issuer + oidc.PathIntrospect, JWKS: issuer + oidc.PathJWKS,
	}
}

// Run registers a service.
func (c *serviceCreateCmd) Run(ctx context.Context, a *app) error {
	want, err := c.service()
	if err != nil {
		return err
	}
	return a.with(ctx, func(d *server.Directory) error {
		s, secret, err := d.Provider.CreateService(ctx, a.party("service create"), want)
		if err != nil {
			return serviceFault(err, want)
		}
		v := viewService(d.Provider.Issuer(), s, secret)
		if a.JSON {
			return a.printJSON(v)
		}
		a.note("Service %q is registered. Its introspection credential is shown only now.", s.Name)
		a.note("Let a client ask for its scopes: sallyport client update ID --scope …")
		return a.table([][]string{
			{"name", s.Name},
			{"introspection_secret", secret},
			{"audience", s.Audience},
			{"scopes", strings.Join(scopeNames(s), " ")},
			{"issuer", v.Issuer},
			{"introspection_endpoint", v.Introspection},
			{"jwks_uri", v.JWKS},
		})
	})
}

func scopeNames(s oidc.Service) []string {
	names := make([]string, len(s.Scopes))
	for i, scope := range s.Scopes {
		names[i] = scope.Name
	}
	return names
}

// serviceFault turns a fault into a sentence that names the flag.
func serviceFault(err error, s oidc.Service) error {
	switch {
	case errors.Is(err, oidc.ErrNotFound):
		return fmt.Errorf("there is no service %q: see sallyport service list", s.Name)
	case errors.Is(err, oidc.ErrTaken):
		return fmt.Errorf("another service has the name %q, the audience %q or one of the scopes already: see sallyport service list", s.Name, s.Audience)
	}
	fault, ok := errors.AsType[*oidc.Error](err)
	if !ok {
		return err
	}
	text := strings.TrimSuffix(fault.Description, ".")
	if strings.Contains(text, "no ACR") {
		return fmt.Errorf("--required-acr: %s; see sallyport acr list", text)
	}
	for _, f := range []struct{ word, flag string }{
		{"audience", "--audience"}, {"scope", "--scope"}, {"name", "the name"},
	} {
		if strings.Contains(text, f.word) {
			return fmt.Errorf("%s: %s", f.flag, text)
		}
	}
	return errors.New(text)
}

type serviceListCmd struct{}

// Help is shown by --help.
func (*serviceListCmd) Help() string {
	return "Examples:\n  sallyport service list\n  sallyport service list --json"
}

// Run lists services.
func (*serviceListCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		services, err := d.Services().Services(ctx)
		if err != nil {
			return err
		}
		views := []serviceView{}
		rows := [][]string{{"NAME", "AUDIENCE", "SCOPE", "REQUIRED ACR", "DESCRIPTION"}}
		for _, s := range services {
			views = append(views, viewService(d.Provider.Issuer(), s, ""))
			if len(s.Scopes) == 0 {
				rows = append(rows, []string{s.Name, s.Audience, "", "", ""})
			}
			for i, scope := range s.Scopes {
				row := []string{s.Name, s.Audience, scope.Name, scope.RequiredACR, scope.Description}
				if i > 0 {
					row[0], row[1] = "", ""
				}
				rows = append(rows, row)
			}
		}
		if a.JSON {
			return a.printJSON(views)
		}
		return a.table(rows)
	})
}

type serviceDeleteCmd struct {
	Service string `arg:"" help:"Name of the API."`
}

// Help is shown by --help.
func (*serviceDeleteCmd) Help() string {
	return "Its scopes are no longer granted, and it can no longer introspect. A service of the configuration file comes back at the next start: remove it there too.\n\nExamples:\n  sallyport service delete bank"
}

// Run removes a service.
func (c *serviceDeleteCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		if err := d.Provider.DeleteService(ctx, a.party("service delete"), c.Service); err != nil {
			return serviceFault(err, oidc.Service{Name: c.Service})
		}
		if a.JSON {
			return a.printJSON(map[string]string{"deleted": c.Service})
		}
		a.note("Service %q is deleted.", c.Service)
		return nil
	})
}

type serviceRotateSecretCmd struct {
	Service string `arg:"" help:"Name of the API."`
}

// Help is shown by --help.
func (*serviceRotateSecretCmd) Help() string {
	return "Prints the new introspection credential alone on standard output; the former one ends at once. A service of the configuration file gets its first credential this way.\n\nExamples:\n  SECRET=$(sallyport service rotate-secret bank)"
}

// Run gives a service another credential.
func (c *serviceRotateSecretCmd) Run(ctx context.Context, a *app) error {
	return a.withExisting(ctx, func(d *server.Directory) error {
		secret, err := d.Provider.RotateServiceSecret(ctx, a.party("service rotate-secret"), c.Service)
		if err != nil {
			return serviceFault(err, oidc.Service{Name: c.Service})
		}
		if a.JSON {
			return a.printJSON(map[string]string{"name": c.Service, "introspection_secret": secret})
		}
		a.note("Service %q has another introspection credential, shown only now.", c.Service)
		return a.print("%s", secret)
	})
}
