package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

// auditPage is how many events are read at once.
const auditPage = 500

// followEvery is how often --follow looks for new events.
const followEvery = time.Second

type auditCmd struct {
	User   string `placeholder:"U" help:"Only events about this user: user name or id, also of a deleted user."`
	Event  string `placeholder:"E" help:"Only this event (user.created) or group of events (user.)."`
	Since  string `placeholder:"T" help:"From this time on: a time such as 2026-01-31T12:00:00Z, a date, or a span back from now such as 24h or 7d."`
	Until  string `placeholder:"T" help:"Before this time, in the same forms."`
	Limit  int    `placeholder:"N" help:"Only the newest N events (default 100; with --since all)."`
	Follow bool   `help:"Go on and show events as they happen."`
}

// Help is shown by --help.
func (*auditCmd) Help() string {
	return `Shows who did what to what, oldest first. With --json each event is one line with all its fields, the values before and after included.

Examples:
  sallyport audit
  sallyport audit --user ann --since 7d
  sallyport audit --event user.deleted --json
  sallyport audit --follow`
}

// Run shows events.
func (c *auditCmd) Run(ctx context.Context, a *app) error {
	f, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	return a.withExisting(ctx, func(d *server.Directory) error {
		if f.Target, err = c.target(ctx, d); err != nil {
			return err
		}
		last, err := c.past(ctx, a, d, f)
		if err == nil && last == "" && !c.Follow {
			a.note("No event matches.")
		}
		if err != nil || !c.Follow {
			return err
		}
		f.After = last
		return c.follow(ctx, a, d, f)
	})
}

func (c *auditCmd) filter(now time.Time) (audit.Filter, error) {
	f := audit.Filter{Name: audit.Name(c.Event)}
	var err error
	if f.Since, err = moment("--since", c.Since, now); err != nil {
		return f, err
	}
	if c.Until != "" && c.Follow {
		return f, &usageError{"--follow shows what is still to come: leave --until out"}
	}
	f.Until, err = moment("--until", c.Until, now)
	return f, err
}

// moment reads a time, or a span before now.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	span, err := config.ParseDuration(text)
	if err != nil {
		return time.Time{}, &usageError{fmt.Sprintf("%s: %q is neither a time such as 2026-01-31T12:00:00Z nor a span such as 24h", flag, text)}
	}
	return now.Add(-span), nil
}

// target returns the id that --user means. A deleted user is found by the
// name in the record of the deletion.
func (c *auditCmd) target(ctx context.Context, d *server.Directory) (string, error) {
	if c.User == "" {
		return "", nil
	}
	id, err := findUser(ctx, d, c.User)
	if err == nil {
		return id, nil
	}
	events, herr := d.History.Events(ctx, audit.Filter{Target: strings.ToLower(c.User), Limit: 1})
	if herr != nil {
		return "", herr
	}
	if len(events) > 0 {
		return strings.ToLower(c.User), nil
	}
	if id, herr := deletedUser(ctx, d, c.User); id != "" || herr != nil {
		return id, herr
	}
	return "", err
}

// deletedUser finds the last deleted user with that name.
func deletedUser(ctx context.Context, d *server.Directory, name string) (string, error) {
	f := audit.Filter{Name: audit.UserDeleted, Limit: auditPage}
	found := ""
	for {
		events, err := d.History.Events(ctx, f)
		if err != nil {
			return "", err
		}
		for _, e := range events {
			var detail struct {
				Document struct {
					UserName string `json:"userName"`
				} `json:"document"`
			}
			if json.Unmarshal(e.Detail, &detail) == nil && strings.EqualFold(detail.Document.UserName, name) {
				found = e.Target.ID
			}
		}
		if len(events) < auditPage {
			return found, nil
		}
		f.After = events[len(events)-1].ID
	}
}

// past prints what has happened and returns the id of the last event.
func (c *auditCmd) past(ctx context.Context, a *app, d *server.Directory, f audit.Filter) (string, error) {
	if c.Since == "" || c.Limit > 0 {
		f.Newest, f.Limit = true, c.Limit
		if f.Limit <= 0 {
			f.Limit = 100
		}
		events, err := d.History.Events(ctx, f)
		if err != nil {
			return "", err
		}
		last := ""
		for _, e := range slices.Backward(events) {
			last = e.ID
			if err := a.printEvent(e); err != nil {
				return "", err
			}
		}
		return last, nil
	}
	return c.pages(ctx, a, d, f)
}

// pages prints every event behind f.After and returns the id of the last one.
func (c *auditCmd) pages(ctx context.Context, a *app, d *server.Directory, f audit.Filter) (string, error) {
	f.Limit = auditPage
	for {
		events, err := d.History.Events(ctx, f)
		if err != nil {
			return f.After, err
		}
		for _, e := range events {
			if err := a.printEvent(e); err != nil {
				return f.After, err
			}
			f.After = e.ID
		}
		if len(events) < auditPage {
			return f.After, nil
		}
	}
}

func (c *auditCmd) follow(ctx context.Context, a *app, d *server.Directory, f audit.Filter) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		last, err := c.pages(ctx, a, d, f)
		if err != nil {
			if errors.Is(err, context.Canceled) {
				return nil
			}
			return err
		}
		f.After = last
	}
}

// printEvent prints one event on one line.
func (a *app) printEvent(e audit.Event) error {
	if a.JSON {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		return a.print("%s", text)
	}
	line := []string{e.Time.UTC().Format(time.RFC3339), string(e.Name), string(e.Outcome), "by " + partyText(e.Actor)}
	if e.Target != (audit.Party{}) {
		line = append(line, "on "+partyText(e.Target))
	}
	if e.Reason != "" {
		line = append(line, "("+e.Reason+")")
	}
	return a.print("%s", printable(strings.Join(line, "  ")))
}

func partyText(p audit.Party) string {
	var parts []string
	for _, s := range []string{p.Type, p.Name, p.ID} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return "nobody"
	}
	return strings.Join(parts, " ")
}
