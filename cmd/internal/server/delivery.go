package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// newDelivery makes the providers of one-time codes from the settings. Faults
// name their key.
func (d *Directory) newDelivery() (*delivery.Providers, error) {
	c, faults := deliveryConfig(d.cfg.Delivery, d.issuer)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	c.Status, c.Logger, c.Now = d.db, d.logger, d.now
	if !slices.ContainsFunc(append([]string{d.issuer}, d.cfg.PublicURLs...), reachable) {
		c.Inbox = d.db
	}
	p, err := delivery.New(c)
	if err != nil {
		return nil, fmt.Errorf("delivery: %w", err)
	}
	return p, nil
}

// reachable reports whether others than who sits at the machine can be meant to
// use the server at this URL; then it has no development inbox.
func reachable(base string) bool { return !delivery.InboxAllowed(base) }

func deliveryConfig(c config.Delivery, issuer string) (delivery.Config, []error) {
	out := delivery.Config{
		Service: c.Service, Language: c.Language, Countries: c.Countries, DefaultPhone: c.PhoneProvider,
		Rules: map[delivery.Channel]delivery.Rules{}, Defaults: map[delivery.Channel]string{},
	}
	var faults []error
	if c.Templates != "" {
		if _, err := os.ReadDir(c.Templates); err != nil {
			faults = append(faults, fmt.Errorf("delivery.templates: folder %s cannot be read: %w", c.Templates, cause(err)))
		}
		out.Templates = os.DirFS(c.Templates)
	}
	for ch, code := range map[delivery.Channel]config.Code{delivery.Email: c.Email, delivery.SMS: c.SMS, delivery.Voice: c.Voice} {
		g, err := delivery.ParseGenerator(code.CharacterSets, code.Format)
		if err != nil {
			faults = append(faults, fmt.Errorf("delivery.%s.code_format: %w", ch, err))
		}
		out.Rules[ch] = delivery.Rules{Generator: g, Lifetime: code.Lifetime}
		out.Defaults[ch] = code.Provider
	}
	mail, err := mailProvider(c.SMTP)
	faults = append(faults, err)
	out.Providers = slices.Concat(mail, twilioProviders(c.Twilio, issuer))
	for i, p := range c.Providers {
		named, err := namedProvider(p, issuer)
		if err != nil {
			faults = append(faults, fmt.Errorf("delivery.providers, entry %d: %w", i+1, err))
		}
		out.Providers = append(out.Providers, named)
	}
	if err := errors.Join(faults...); err != nil {
		return out, []error{err}
	}
	return out, nil
}

func mailProvider(c config.SMTP) ([]delivery.ProviderConfig, error) {
	if c.URL == "" {
		return nil, nil
	}
	gateway, err := delivery.ParseSMTPURL(c.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("delivery.smtp.url (SALLYPORT_SMTP_URL): %w", err)
	}
	gateway.From, gateway.FromName = c.From, c.FromName
	if c.DKIMDomain != "" {
		gateway.DKIM = &delivery.DKIMConfig{Domain: c.DKIMDomain, Selector: c.DKIMSelector, KeyFile: c.DKIMKey}
	}
	return []delivery.ProviderConfig{{Name: delivery.SMTPGateway, Channel: delivery.Email, SMTP: &gateway}}, nil
}

// twilioProviders are the two shipped names. A sender that is no number sends
// SMS but cannot call.
func twilioProviders(c config.Twilio, issuer string) []delivery.ProviderConfig {
	if c.AccountSID == "" {
		return nil
	}
	account := delivery.TwilioConfig{
		AccountSID: c.AccountSID, AuthToken: delivery.Credential(c.AuthToken.Reveal()), From: c.From, BaseURL: c.BaseURL,
		MaxPrice: c.MaxPrice, Lookup: c.Lookup, MaxRisk: c.MaxRisk, CallbackURL: callbackBase(issuer, c.BaseURL),
	}
	out := []delivery.ProviderConfig{{Name: delivery.TwilioSMS, Channel: delivery.SMS, Twilio: &account}}
	if _, err := delivery.ParsePhone(c.From); err == nil {
		out = append(out, delivery.ProviderConfig{Name: delivery.TwilioVoice, Channel: delivery.Voice, Twilio: &account})
	}
	return out
}

func namedProvider(c config.Provider, issuer string) (delivery.ProviderConfig, error) {
	out := delivery.ProviderConfig{Name: c.Name, Channel: delivery.Channel(c.Channel)}
	if out.Channel == delivery.Email {
		gateway, err := delivery.ParseSMTPURL(c.URL.Reveal())
		if err != nil {
			return out, fmt.Errorf("url: %w", err)
		}
		gateway.From, gateway.FromName = c.From, c.FromName
		out.SMTP = &gateway
		return out, nil
	}
	out.Twilio = &delivery.TwilioConfig{
		AccountSID: c.AccountSID, AuthToken: delivery.Credential(c.AuthToken.Reveal()), From: c.From, BaseURL: c.BaseURL,
		MaxPrice: c.MaxPrice, Lookup: c.Lookup, MaxRisk: c.MaxRisk, CallbackURL: callbackBase(issuer, c.BaseURL),
	}
	return out, nil
}

// callbackBase is where Twilio reports what became of a message. It cannot
// reach a loopback host, unless it is one itself, as in tests.
func callbackBase(issuer, base string) string {
	if delivery.InboxAllowed(issuer) && !delivery.InboxAllowed(base) {
		return ""
	}
	return issuer + delivery.CallbackPath
}

// deliveryRoutes are the development inbox, where it is allowed, and the
// call-backs of Twilio, which carry their own signature.
func (s *Server) deliveryRoutes(e *echo.Echo) error {
	page, err := delivery.NewInboxPage(s.dir.Delivery)
	if err != nil {
		return err
	}
	page.Register(e)
	delivery.NewStatusHandler(s.dir.Delivery).Register(e)
	return nil
}

// Deliveries counts the messages since a time by provider and status.
func (d *Directory) Deliveries(ctx context.Context, since time.Time) (map[string]map[delivery.Status]int64, error) {
	return d.db.Statuses(ctx, since)
}
