package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/oidc"
)

type acrExplainCmd struct {
	User      string            `arg:"" help:"User name, id, or e-mail address."`
	Client    string            `arg:"" help:"Id of the client."`
	ACRValues string            `name:"acr-values" placeholder:"A B" help:"acr_values of the request, separated by spaces."`
	MaxAge    string            `name:"max-age" placeholder:"S" help:"max_age of the request, in seconds or as 5m."`
	IP        string            `name:"ip" placeholder:"ADDR" help:"Address of the browser, for conditions."`
	Header    map[string]string `placeholder:"NAME=VALUE" help:"Header that a trusted proxy sets, for conditions."`
}

// Help is shown by --help.
func (*acrExplainCmd) Help() string {
	return `Says which authentication context class a login of the user to the client would end with, which factors the user would be asked for, and of every other class why it is not chosen: candidates, floors of server and client, the floor of the user, and scopes of the client. The user is taken to come without a session.

Examples:
  sallyport acr explain ann my-app
  sallyport acr explain ann my-app --acr-values "MFA Default" --max-age 300
  sallyport acr explain ann@example.org my-app --ip 192.0.2.7 --json`
}

// Run explains.
func (c *acrExplainCmd) Run(ctx context.Context, a *app) error {
	login, err := c.login()
	if err != nil {
		return err
	}
	return a.withExisting(ctx, func(d *server.Directory) error {
		e, err := d.ExplainLogin(ctx, login)
		switch {
		case errors.Is(err, authn.ErrNoUser):
			return fmt.Errorf("there is no user %s; see: sallyport user list", c.User)
		case errors.Is(err, oidc.ErrNotFound):
			return fmt.Errorf("there is no client %s; see: sallyport client list", c.Client)
		case err != nil:
			return err
		case a.JSON:
			return a.printJSON(e)
		}
		return a.showExplanation(e)
	})
}

func (c *acrExplainCmd) login() (server.Login, error) {
	out := server.Login{User: c.User, Client: c.Client, ACRValues: strings.Fields(c.ACRValues), Header: map[string]string{}}
	if c.MaxAge != "" {
		seconds, err := strconv.ParseInt(c.MaxAge, 10, 64)
		if err != nil {
			var age time.Duration
			age, err = config.ParseDuration(c.MaxAge)
			seconds = int64(age / time.Second)
		}
		if err != nil || seconds < 0 {
			return out, &usageError{"--max-age must be seconds, such as 300, or a time such as 5m"}
		}
		out.MaxAge = &seconds
	}
	if c.IP != "" {
		ip, err := netip.ParseAddr(c.IP)
		if err != nil {
			return out, &usageError{"--ip must be an address, such as 192.0.2.7"}
		}
		out.IP = ip
	}
	for name, value := range c.Header {
		out.Header[http.CanonicalHeaderKey(name)] = value
	}
	return out, nil
}

func (a *app) showExplanation(e server.Explanation) error {
	verdict := "acr " + e.ACR
	if e.Fails != "" {
		verdict = "fails: " + failure(e.Fails)
	}
	var asked []string
	for _, step := range e.Asked {
		asked = append(asked, factorList(step))
	}
	rows := [][]string{
		{"User", e.User},
		{"Client", e.Client},
		{"Factors", orNone(factorList(e.Enrolled))},
		{"Result", verdict},
		{"Asked for", orNone(strings.Join(asked, ", then "))},
	}
	if err := a.table(rows); err != nil {
		return err
	}
	if err := a.print(""); err != nil {
		return err
	}
	rows = [][]string{{"ACR", "ROLE", "CHOSEN", "WHY"}}
	for _, f := range e.Findings {
		chosen := ""
		if f.Chosen {
			chosen = "yes"
		}
		role := strings.ReplaceAll(string(f.Role), "_", " ")
		if f.Scope != "" {
			role += " " + f.Scope
		}
		rows = append(rows, []string{f.ACR, role, chosen, f.Why})
	}
	return a.table(rows)
}

func failure(r acr.Reason) string {
	switch r {
	case acr.Unreachable:
		return "the user has no usable factor for any candidate, or for a floor"
	case acr.ContextUnmet:
		return "the conditions of every candidate, or of a floor, do not hold"
	case acr.NotPermitted:
		return "nothing that is asked for is known or permitted"
	default:
		return string(r)
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
