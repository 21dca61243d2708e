package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// A container needs no file: the short variables, each also with _FILE.
func TestDeliveryShortVariables(t *testing.T) {
	t.Parallel()
	values := map[string]func(config.Config) string{
		"SMTP_URL":           func(c config.Config) string { return c.Delivery.SMTP.URL.Reveal() },
		"SMTP_FROM":          func(c config.Config) string { return c.Delivery.SMTP.From },
		"TWILIO_ACCOUNT_SID": func(c config.Config) string { return c.Delivery.Twilio.AccountSID },
		"TWILIO_AUTH_TOKEN":  func(c config.Config) string { return c.Delivery.Twilio.AuthToken.Reveal() },
		"TWILIO_FROM":        func(c config.Config) string { return c.Delivery.Twilio.From },
		"TWILIO_BASE_URL":    func(c config.Config) string { return c.Delivery.Twilio.BaseURL },
		"COUNTRIES":          func(c config.Config) string { return strings.Join(c.Delivery.Countries, ",") },
	}
	for name, get := range values {
		for suffix, value := range map[string]string{"": "AT", "_FILE": write(t, "value", "AT\n")} {
			cfg := load(t, config.Source{Getenv: env{"SALLYPORT_" + name + suffix: value}.get})
			if got := get(cfg); got != "AT" {
				t.Errorf("SALLYPORT_%s%s gives %q, want AT", name, suffix, got)
			}
		}
	}
}

func TestDeliveryProvidersInFile(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", fmt.Sprintf(`
delivery:
  countries: [DE, AT]
  sms: {code_format: "numeric:7", code_validity_duration: 4m, provider: Second}
  providers:
  - {name: Second, channel: sms, account_sid: AC1, auth_token_file: %s, from: "+4930123456", lookup: true, max_risk: 60}
  - {name: Backup mail, channel: email, url: "smtp://u:p@mail.example.com", from: codes@example.com}
`, write(t, "token", "secret-token\n")))
	cfg := load(t, config.Source{File: path})
	want := []config.Provider{
		{Name: "Second", Channel: "sms", AccountSID: "AC1", AuthToken: "secret-token", From: "+4930123456", Lookup: true, MaxRisk: 60},
		{Name: "Backup mail", Channel: "email", URL: "smtp://u:p@mail.example.com", From: "codes@example.com"},
	}
	if diff := cmp.Diff(want, cfg.Delivery.Providers, cmp.Comparer(func(a, b config.Secret) bool { return a == b })); diff != "" {
		t.Errorf("providers (-want +got):\n%s", diff)
	}
	if cfg.Delivery.SMS.Lifetime != 4*time.Minute || cfg.Delivery.SMS.Provider != "Second" {
		t.Errorf("sms = %+v", cfg.Delivery.SMS)
	}
	if shown := fmt.Sprintf("%v %+v", cfg, cfg.Delivery.Providers); strings.Contains(shown, "secret-token") || strings.Contains(shown, "u:p@") {
		t.Errorf("the configuration shows a secret: %s", shown)
	}
}

func TestDeliveryFaultsNameTheirKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"not a list":       {"delivery: {providers: {name: x}}", []string{"delivery.providers: wants a list of providers"}},
		"not a map":        {"delivery: {providers: [x]}", []string{"delivery.providers: entry 1: wants a map"}},
		"unknown settings": {"delivery: {providers: [{name: a, title: b, zz: 1}]}", []string{"entry 1: title is not a setting", "entry 1: zz is not"}},
		"wrong kind":       {"delivery: {providers: [{name: a}, {max_risk: high}]}", []string{"entry 2: max_risk: wants a whole number"}},
		"missing file":     {"delivery: {providers: [{auth_token_file: /nowhere/token}]}", []string{"entry 1: auth_token_file", "no such file"}},
	} {
		_, err := config.Load(config.Source{File: write(t, "c.yaml", c.file)})
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Load = %v, want %q", name, err, want)
			}
		}
	}
}

func TestDeliveryBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*config.Delivery)
		want string
	}{
		"code that lives too long":   {func(d *config.Delivery) { d.Email.Lifetime = 601 * time.Second }, "delivery.email.code_validity_duration"},
		"code that lives too short":  {func(d *config.Delivery) { d.Voice.Lifetime = 59 * time.Second }, "delivery.voice.code_validity_duration"},
		"no service":                 {func(d *config.Delivery) { d.Service = "" }, "delivery.service"},
		"language without texts":     {func(d *config.Delivery) { d.Language = "pt" }, "delivery.language"},
		"gateway without sender":     {func(d *config.Delivery) { d.SMTP.URL = "smtp://h" }, "SALLYPORT_SMTP_FROM"},
		"sender without gateway":     {func(d *config.Delivery) { d.SMTP.From = "a@example.com" }, "SALLYPORT_SMTP_URL"},
		"half a signature":           {func(d *config.Delivery) { d.SMTP.DKIMDomain = "example.com" }, "dkim_selector"},
		"account without token":      {func(d *config.Delivery) { d.Twilio.AccountSID = "AC" }, "SALLYPORT_TWILIO_AUTH_TOKEN"},
		"risk beyond the scale":      {func(d *config.Delivery) { d.Twilio.MaxRisk = 101 }, "delivery.twilio.max_risk"},
		"risk that refuses everyone": {func(d *config.Delivery) { d.Twilio.MaxRisk = 0 }, "delivery.twilio.max_risk"},
	} {
		cfg := config.Default()
		c.edit(&cfg.Delivery)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Validate = %v, want a fault of %s", name, err, c.want)
		}
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", "delivery: {service: Acme, smtp: {url_file: /x}}")
	got := config.Origins(config.Source{
		File: path, Flags: map[string]string{"listen": "x"},
		Getenv: env{"SALLYPORT_SMTP_FROM": "a@example.com", "SALLYPORT_TWILIO_AUTH_TOKEN_FILE": "/t"}.get,
	})
	for key, want := range map[string]string{
		"listen": "flag", "delivery.service": "file " + path, "delivery.smtp.url": "file " + path,
		"delivery.smtp.from":         "environment SALLYPORT_SMTP_FROM",
		"delivery.twilio.auth_token": "environment SALLYPORT_TWILIO_AUTH_TOKEN_FILE", "delivery.language": "default",
	} {
		if got[key] != want {
			t.Errorf("origin of %s = %q, want %q", key, got[key], want)
		}
	}
}
