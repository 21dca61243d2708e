package config

import (
	"slices"
	"time"
)

// Delivery says how one-time codes reach people.
type Delivery struct {
	// Service is the name of the service in messages.
	Service string `koanf:"service"`
	// Language is that of messages to people whose own language is unknown or
	// has no texts: en, de, es or fr.
	Language string `koanf:"language"`
	// Templates is a folder of LANGUAGE/FILE that replace the built-in
	// templates: email.subject.txt, email.txt, email.html, sms.txt, voice.txt.
	Templates string `koanf:"templates"`
	// Countries are the countries that SMS and calls may go to, as two-letter
	// codes. Empty: those of the sending numbers.
	Countries []string `koanf:"countries" env:"COUNTRIES" file:"yes"`
	// PhoneProvider names the provider of telephone requests that name none.
	PhoneProvider string `koanf:"phone_provider"`
	// VoiceEnrolment lets a number be validated by a call.
	VoiceEnrolment bool `koanf:"voice_enrolment"`

	SMTP   SMTP   `koanf:"smtp"`
	Twilio Twilio `koanf:"twilio"`
	Email  Code   `koanf:"email"`
	SMS    Code   `koanf:"sms"`
	Voice  Code   `koanf:"voice"`

	// Providers are further ones, each with a name of its own; in the file only.
	Providers []Provider `koanf:"providers"`
}

// SMTP is the mail gateway.
type SMTP struct {
	// URL is smtp://user:password@host:587?tls=starttls|implicit|off.
	URL      Secret `koanf:"url" env:"SMTP_URL"`
	From     string `koanf:"from" env:"SMTP_FROM" file:"yes"`
	FromName string `koanf:"from_name" env:"SMTP_FROM_NAME"`

	DKIMDomain   string `koanf:"dkim_domain"`
	DKIMSelector string `koanf:"dkim_selector"`
	DKIMKey      string `koanf:"dkim_key"` // PEM file
}

// Twilio is the account that sends SMS and calls.
type Twilio struct {
	AccountSID string `koanf:"account_sid" env:"TWILIO_ACCOUNT_SID" file:"yes"`
	AuthToken  Secret `koanf:"auth_token" env:"TWILIO_AUTH_TOKEN"`
	// From is a number in E.164 form or a messaging service; calls need a number.
	From     string `koanf:"from" env:"TWILIO_FROM" file:"yes"`
	BaseURL  string `koanf:"base_url" env:"TWILIO_BASE_URL" file:"yes"`
	MaxPrice string `koanf:"max_price"` // US dollars a message
	// Lookup asks for line type and pumping risk before the first message to a
	// number; Twilio charges for it.
	Lookup bool `koanf:"lookup"`
	// MaxRisk is the greatest risk score accepted, 1 to 100.
	MaxRisk int `koanf:"max_risk"`
}

// Code is how the codes of one channel look.
type Code struct {
	// CharacterSets are further sets of characters, each "name:characters".
	CharacterSets []string `koanf:"code_character_set"`
	// Format is "name:count", several separated by commas.
	Format   string        `koanf:"code_format"`
	Lifetime time.Duration `koanf:"code_validity_duration"`
	// Provider is the default one of this channel when there are several.
	Provider string `koanf:"provider"`
}

// Provider is a named provider of one channel. With channel email the URL
// matters, with sms and voice the account.
type Provider struct {
	Name    string `koanf:"name"`
	Channel string `koanf:"channel"`

	URL      Secret `koanf:"url"`
	FromName string `koanf:"from_name"`

	From       string `koanf:"from"`
	AccountSID string `koanf:"account_sid"`
	AuthToken  Secret `koanf:"auth_token"`
	BaseURL    string `koanf:"base_url"`
	MaxPrice   string `koanf:"max_price"`
	Lookup     bool   `koanf:"lookup"`
	MaxRisk    int    `koanf:"max_risk"`
}

// Bounds of the life of a code.
const (
	minCodeLife = time.Minute
	maxCodeLife = 10 * time.Minute
)

// defaultRisk is the greatest risk that Twilio calls mild.
const defaultRisk = 74

func defaultDelivery() Delivery {
	return Delivery{
		Service: "Sallyport", Language: "en", VoiceEnrolment: true,
		Twilio: Twilio{MaxPrice: "0.50", MaxRisk: defaultRisk},
		Email:  Code{Format: "numeric:8", Lifetime: maxCodeLife},
		SMS:    Code{Format: "numeric:6", Lifetime: maxCodeLife / 2},
		Voice:  Code{Format: "numeric:6", Lifetime: maxCodeLife / 2},
	}
}

// validateDelivery checks what needs no knowledge of mail and telephones; the
// rest is checked when the providers are made.
func (c *Config) validateDelivery(v *faults) {
	d := c.Delivery
	v.unless(d.Service != "" && len(d.Service) <= 60, "delivery.service", "must be the service's name, of 60 bytes at most")
	v.oneOf("delivery.language", d.Language, "en", "de", "es", "fr")
	for _, ch := range []struct {
		key  string
		code Code
	}{{"email", d.Email}, {"sms", d.SMS}, {"voice", d.Voice}} {
		v.unless(ch.code.Lifetime >= minCodeLife && ch.code.Lifetime <= maxCodeLife,
			"delivery."+ch.key+".code_validity_duration", "must be from 1m to 10m")
	}
	s := d.SMTP
	v.unless(s.URL == "" || s.From != "", "delivery.smtp.from (SALLYPORT_SMTP_FROM)", "must be the sender's e-mail address when the mail gateway is set")
	v.unless(s.URL != "" || s.From == "", "delivery.smtp.url (SALLYPORT_SMTP_URL)", "must be set with delivery.smtp.from, or neither")
	v.unless(allOrNone(s.DKIMDomain, s.DKIMKey, s.DKIMSelector),
		"delivery.smtp.dkim_domain, dkim_selector, dkim_key", "must be given together")
	t := d.Twilio
	v.unless(allOrNone(t.AccountSID, t.AuthToken.Reveal(), t.From), "delivery.twilio (SALLYPORT_TWILIO_ACCOUNT_SID, SALLYPORT_TWILIO_AUTH_TOKEN, SALLYPORT_TWILIO_FROM)",
		"must be given together")
	v.unless(t.MaxRisk >= 1 && t.MaxRisk <= 100, "delivery.twilio.max_risk", "must be from 1 to 100")
}

// allOrNone says whether settings that belong together are all given, or none.
func allOrNone(texts ...string) bool {
	given := func(text string) bool { return text != "" }
	return slices.ContainsFunc(texts, given) != slices.Contains(texts, "")
}
