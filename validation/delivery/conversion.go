package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// Conversion is the alarm that sees codes which nobody wants: artificially
// inflated traffic asks for many and returns few (security rule 2.4).
type Conversion struct {
	// Sample is how many of the newest messages to a country are looked at; 0
	// means 50.
	Sample int
	// Percent that must come back; 0 means 30.
	Percent int
	// Settle is the age from which a message counts, for its code may still be
	// typed before; 0 means 5 minutes.
	Settle time.Duration
	// Pause is how long the country is paused; 0 means an hour. Messages of
	// before the pause never count again.
	Pause time.Duration
}

func (c Conversion) withDefaults() Conversion {
	if c.Sample <= 0 {
		c.Sample = 50
	}
	if c.Percent <= 0 {
		c.Percent = 30
	}
	if c.Settle <= 0 {
		c.Settle = 5 * time.Minute
	}
	if c.Pause <= 0 {
		c.Pause = time.Hour
	}
	return c
}

// judgeCountry refuses a message to a country that is paused, and pauses it
// when too few codes came back. If the records cannot be read nothing is sent.
func (p *Providers) judgeCountry(ctx context.Context, pr *Provider, to string) error {
	if p.cfg.Status == nil || pr.Inbox || !pr.Channel.Telephone() {
		return nil
	}
	phone, err := ParsePhone(to)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	now := p.cfg.Now()
	until, err := p.cfg.Status.Pause(ctx, phone.Country)
	if err != nil {
		return fmt.Errorf("%w: read pause of +%s: %w", ErrUnavailable, phone.Country, err)
	}
	if now.Before(until) {
		return &PausedError{Prefix: phone.Country, RetryAfter: until.Sub(now)}
	}
	c := p.cfg.Conversion
	sent, verified, err := p.cfg.Status.Conversion(ctx, phone.Country, until, now.Add(-c.Settle), c.Sample)
	if err != nil {
		return fmt.Errorf("%w: read deliveries to +%s: %w", ErrUnavailable, phone.Country, err)
	}
	if sent < c.Sample || verified*100 >= c.Percent*sent {
		return nil
	}
	if err := p.pause(ctx, phone.Country, sent, verified, now); err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return &PausedError{Prefix: phone.Country, RetryAfter: c.Pause}
}

// pause stops a country and raises the alarm in the same transaction; of
// several nodes one does.
func (p *Providers) pause(ctx context.Context, country string, sent, verified int, now time.Time) error {
	until := now.Add(p.cfg.Conversion.Pause)
	detail, err := json.Marshal(map[string]any{
		"country": "+" + country, "sent": sent, "verified": verified, "until": until.UTC().Format(time.RFC3339),
	})
	if err != nil {
		return fmt.Errorf("encode alarm: %w", err)
	}
	return p.cfg.Status.InTx(ctx, func(ctx context.Context) error {
		began, err := p.cfg.Status.StartPause(ctx, country, now, until)
		if err != nil || !began {
			return err
		}
		p.cfg.Logger.WarnContext(ctx, "sending to a country is paused: too few codes come back",
			"country", "+"+country, "sent", sent, "verified", verified, "until", until)
		return p.cfg.Audit.Append(ctx, audit.Event{
			Name: audit.AbuseConversionAlarm, Outcome: audit.Refused, Reason: "low_conversion",
			Actor: audit.Party{Type: "server"}, Target: audit.Party{Type: "country", ID: "+" + country}, Detail: detail,
		})
	})
}
