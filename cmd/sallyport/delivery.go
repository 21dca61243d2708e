package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/locale"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

type deliveryCmd struct {
	Test deliveryTestCmd `cmd:"" help:"Send a test message and say what the gateway answered."`
	List deliveryListCmd `cmd:"" help:"List the providers and where their settings come from."`
}

type deliveryTestCmd struct {
	To       string `required:"" placeholder:"ADDRESS" help:"E-mail address, or telephone number such as +15125550100."`
	Channel  string `enum:",email,sms,voice" default:"" placeholder:"C" help:"email, sms or voice (default: email for an address, sms for a number)."`
	Provider string `placeholder:"NAME" help:"Name of the provider (default: that of the channel)."`
	Language string `placeholder:"L" help:"Language of the message, such as de (default: delivery.language)."`
}

// Help is shown by --help.
func (*deliveryTestCmd) Help() string {
	return `Sends one message with a code that opens nothing. Limits on sends do not apply; the rules on countries and numbers do.

Examples:
  sallyport delivery test --to you@example.com
  sallyport delivery test --to +15125550100 --channel voice --language de
  sallyport delivery test --to +15125550100 --provider "Twilio SMS Provider" --json`
}

// sentView is a test message as --json shows it.
type sentView struct {
	Provider string    `json:"provider"`
	Channel  string    `json:"channel"`
	To       string    `json:"to"`
	Outcome  string    `json:"outcome"` // accepted, refused, unavailable, unknown
	Message  string    `json:"message,omitempty"`
	Answer   string    `json:"answer"`
	At       time.Time `json:"at,omitzero"`
}

// Run sends.
func (c *deliveryTestCmd) Run(ctx context.Context, a *app) error {
	if c.Language != "" && !locale.Valid(c.Language) {
		return &usageError{fmt.Sprintf("--language: %q is not a language tag such as de or en-US", c.Language)}
	}
	return a.with(ctx, func(d *server.Directory) error {
		provider, to, err := c.provider(d.Delivery)
		if err != nil {
			return err
		}
		rules := d.Delivery.Rules(provider.Channel)
		receipt, err := provider.Send(ctx, delivery.Message{
			To: to, Code: rules.Generator.New(), Language: c.Language, Purpose: delivery.Test, Validity: rules.Lifetime,
		})
		view := sentView{
			Provider: provider.Name, Channel: string(provider.Channel), To: to, Outcome: outcome(err),
			Message: receipt.ProviderID, Answer: receipt.Reply, At: receipt.At,
		}
		if err != nil {
			view.Answer = err.Error()
		}
		return a.showSent(view, err)
	})
}

func (a *app) showSent(view sentView, err error) error {
	if a.JSON {
		if perr := a.printJSON(view); perr != nil {
			return perr
		}
	} else if err == nil {
		if perr := a.print("%s accepted the message for %s: %s", view.Provider, view.To, printable(view.Answer)); perr != nil {
			return perr
		}
	}
	if err != nil {
		return fmt.Errorf("%s (%s): %w", view.Provider, view.Outcome, err)
	}
	return nil
}

// outcome names an error of a send.
func outcome(err error) string {
	switch {
	case err == nil:
		return "accepted"
	case errors.Is(err, delivery.ErrRefused):
		return "refused"
	case errors.Is(err, delivery.ErrUnknown):
		return "unknown"
	default:
		return "unavailable"
	}
}

// provider finds the provider and normalises the destination for it.
func (c *deliveryTestCmd) provider(p *delivery.Providers) (*delivery.Provider, string, error) {
	channel := delivery.Channel(c.Channel)
	if channel == "" && c.Provider == "" {
		channel = delivery.Email
		if strings.HasPrefix(c.To, "+") {
			channel = delivery.SMS
		}
	}
	provider, err := p.Default(channel)
	if c.Provider != "" {
		provider, err = p.Provider(c.Provider)
	}
	switch {
	case errors.Is(err, delivery.ErrUnknownProvider):
		return nil, "", fmt.Errorf("there is no provider %q: see sallyport delivery list", c.Provider)
	case err != nil:
		return nil, "", fmt.Errorf("no provider sends by %s: set one up (see sallyport delivery list)", channel)
	case channel != "" && provider.Channel != channel:
		return nil, "", &usageError{fmt.Sprintf("--channel: provider %q sends by %s", provider.Name, provider.Channel)}
	}
	to, err := normalise(provider.Channel, c.To)
	return provider, to, err
}

func normalise(ch delivery.Channel, text string) (string, error) {
	if ch.Telephone() {
		phone, err := delivery.ParsePhone(text)
		if err != nil {
			return "", &usageError{fmt.Sprintf("--to: %q is %s, such as +15125550100", text, err)}
		}
		return phone.E164, nil
	}
	to, err := delivery.ParseEmail(text)
	if err != nil {
		return "", &usageError{fmt.Sprintf("--to: %q is %s (a telephone number begins with +)", text, err)}
	}
	return to, nil
}

type deliveryListCmd struct{}

// Help is shown by --help.
func (*deliveryListCmd) Help() string {
	return `Shows every provider with what became of its messages in the last 24 hours, the countries that SMS and calls may go to, and where each setting of section delivery comes from. Secrets are not shown.

Examples:
  sallyport delivery list
  sallyport delivery list --json`
}

// providerView is a provider as --json shows it.
type providerView struct {
	Name    string                    `json:"name"`
	Channel string                    `json:"channel"`
	Default bool                      `json:"default"`
	Inbox   bool                      `json:"inbox"`
	LastDay map[delivery.Status]int64 `json:"last_day,omitempty"`
}

type deliveryView struct {
	Providers []providerView    `json:"providers"`
	Countries []string          `json:"countries"`
	Settings  map[string]string `json:"settings"` // key -> origin
}

// Run lists.
func (*deliveryListCmd) Run(ctx context.Context, a *app) error {
	return a.with(ctx, func(d *server.Directory) error {
		counts, err := d.Deliveries(ctx, time.Now().Add(-24*time.Hour))
		if err != nil {
			return err
		}
		view := deliveryView{Providers: []providerView{}, Countries: d.Delivery.Countries(), Settings: a.deliveryOrigins()}
		for _, p := range d.Delivery.List() {
			first, err := d.Delivery.Default(p.Channel)
			view.Providers = append(view.Providers, providerView{
				Name: p.Name, Channel: string(p.Channel), Default: err == nil && first == p, Inbox: p.Inbox, LastDay: counts[p.Name],
			})
		}
		if a.JSON {
			return a.printJSON(view)
		}
		return a.showDelivery(view)
	})
}

func (a *app) showDelivery(view deliveryView) error {
	rows := [][]string{{"PROVIDER", "CHANNEL", "GOES TO", "DEFAULT", "SENT", "DELIVERED", "UNDELIVERED", "FAILED"}}
	for _, p := range view.Providers {
		to, first := "gateway", ""
		if p.Inbox {
			to = "development inbox"
		}
		if p.Default {
			first = "yes"
		}
		row := []string{p.Name, p.Channel, to, first}
		for _, s := range []delivery.Status{delivery.Sent, delivery.Delivered, delivery.Undelivered, delivery.Failed} {
			row = append(row, numeral(p.LastDay[s]))
		}
		rows = append(rows, row)
	}
	if err := a.table(rows); err != nil {
		return err
	}
	countries := strings.Join(view.Countries, " ")
	if countries == "" {
		countries = "none (set SALLYPORT_COUNTRIES, or a sending number)"
	}
	if err := a.print("\nCountries: %s\n", countries); err != nil {
		return err
	}
	rows = [][]string{{"SETTING", "FROM"}}
	for _, key := range config.Keys() {
		if origin, ok := view.Settings[key]; ok {
			rows = append(rows, []string{key, origin})
		}
	}
	return a.table(rows)
}

// deliveryOrigins says where the settings of delivery come from.
func (a *app) deliveryOrigins() map[string]string {
	out := map[string]string{}
	for key, origin := range config.Origins(config.Source{File: a.Config, Getenv: a.getenv}) {
		if strings.HasPrefix(key, "delivery.") {
			out[key] = origin
		}
	}
	return out
}
