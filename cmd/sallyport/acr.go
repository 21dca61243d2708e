package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type acrCmd struct {
	List    acrListCmd    `cmd:"" help:"List authentication context classes."`
	Explain acrExplainCmd `cmd:"" help:"Say which one a login would end with, and why not the others."`
}

type acrListCmd struct{}

// Help is shown by --help.
func (*acrListCmd) Help() string {
	return `Shows the authentication context classes (ACRs) of the configuration: what each needs, how old a proof may be, and where it is a default or required. No database is opened.

Examples:
  sallyport acr list
  sallyport acr list --json`
}

// acrView is an ACR as --json shows it.
type acrView struct {
	Name     string     `json:"name"`
	Needs    []needView `json:"needs"`
	Distinct bool       `json:"distinct"`
	When     []string   `json:"when,omitempty"`
	// Default is its place in default_acrs, from 1; 0: it is not there.
	Default int `json:"default,omitempty"`
	// RequiredBy are the settings that make it a floor.
	RequiredBy []string `json:"required_by,omitempty"`
}

type needView struct {
	AnyOf []acr.Factor `json:"any_of,omitempty"`
	Chain string       `json:"chain,omitempty"`
	Links []linkView   `json:"links,omitempty"`
	// MaxAge is in seconds; nil: no limit.
	MaxAge *int64   `json:"max_age,omitempty"`
	Unless []string `json:"unless,omitempty"`
}

// linkView is one authenticator of a chain.
type linkView struct {
	Authenticator acr.Factor  `json:"authenticator"`
	Criteria      acr.Control `json:"criteria"`
}

// Run lists.
func (*acrListCmd) Run(_ context.Context, a *app) error {
	cfg, err := a.settings(nil)
	if err != nil {
		return err
	}
	acrs, err := server.ACRs(cfg)
	if err != nil {
		return err
	}
	views := make([]acrView, len(acrs))
	for i, one := range acrs {
		views[i] = viewOf(cfg, one)
	}
	if a.JSON {
		return a.printJSON(views)
	}
	rows := [][]string{{"NAME", "NEEDS", "DEFAULT", "REQUIRED BY"}}
	for _, v := range views {
		place := ""
		if v.Default > 0 {
			place = strconv.Itoa(v.Default)
		}
		for i, n := range v.Needs {
			row := []string{"", n.text(), "", ""}
			if i == 0 {
				row = []string{v.Name, n.text(), place, strings.Join(v.RequiredBy, ", ")}
			}
			rows = append(rows, row)
		}
		if len(v.When) > 0 {
			rows = append(rows, []string{"", "when " + strings.Join(v.When, ", and "), "", ""})
		}
	}
	return a.table(rows)
}

func viewOf(cfg config.Config, one acr.ACR) acrView {
	v := acrView{Name: one.Name, Distinct: one.Distinct, When: texts(one.When), Default: slices.Index(cfg.DefaultACRs, one.Name) + 1}
	for _, n := range one.Needs {
		view := needView{AnyOf: n.AnyOf, Chain: n.ChainName, Unless: texts(n.Unless)}
		for _, l := range n.Chain {
			view.Links = append(view.Links, linkView{l.Factor, l.Control})
		}
		if n.MaxAge != nil {
			view.MaxAge = new(int64(*n.MaxAge / time.Second))
		}
		v.Needs = append(v.Needs, view)
	}
	for _, floor := range []struct{ key, name string }{
		{"required_acr", cfg.RequiredACR}, {"console_required_acr", cfg.ConsoleRequiredACR},
	} {
		if floor.name == one.Name {
			v.RequiredBy = append(v.RequiredBy, floor.key)
		}
	}
	return v
}

func texts(list []acr.Condition) []string {
	var out []string
	for _, c := range list {
		out = append(out, c.String())
	}
	return out
}

// text is a need in one line.
func (n needView) text() string {
	text := factorList(n.AnyOf)
	if n.Chain != "" {
		links := make([]string, len(n.Links))
		for i, l := range n.Links {
			links[i] = string(l.Authenticator) + " (" + string(l.Criteria) + ")"
		}
		text = "chain " + n.Chain + ": " + strings.Join(links, ", ")
	}
	if n.MaxAge != nil {
		text += " within " + span(time.Duration(*n.MaxAge)*time.Second)
	}
	if len(n.Unless) > 0 {
		text += ", unless " + strings.Join(n.Unless, " and ")
	}
	return text
}

// span writes a time as the configuration does: 12h, not 12h0m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func factorList(factors []acr.Factor) string {
	names := make([]string, len(factors))
	for i, f := range factors {
		names[i] = string(f)
	}
	return strings.Join(names, "|")
}
