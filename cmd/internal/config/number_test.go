package config_test

import (
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestNumbersThatYAMLWouldRewriteAreRefused: without quotes YAML reads 0123 as 83
// and forty digits as a float; the secret would be another than the one written,
// and the fault would show at the first login.
func TestNumbersThatYAMLWouldRewriteAreRefused(t *testing.T) {
	t.Parallel()
	const provider = "identity_providers: [{id: a, type: facebook, client_id: %C, client_secret: %S}]"
	for _, c := range []struct{ id, secret, fault string }{
		{"1234567890123456", `"0123"`, ""},
		{"1234567890123456", "0123", "client_secret: wants text in quotes"},
		{"1234567890123456", "1234", "client_secret: wants text in quotes"},
		{"1234567890123456", "12345678901234567890123456789012", "client_secret: wants text in quotes"},
		{"1234567890123456", "123e10", "client_secret: wants text in quotes"},
		{"1234567890123456789012345", "s", "client_id: wants text in quotes"},
	} {
		text := strings.NewReplacer("%C", c.id, "%S", c.secret).Replace(provider)
		cfg, err := config.Load(config.Source{File: write(t, "c.yaml", text)})
		if c.fault == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			} else if p := cfg.IdentityProviders[0]; p.ClientID != c.id || p.ClientSecret.Reveal() != strings.Trim(c.secret, `"`) {
				t.Errorf("%s: id %s, secret %s", text, p.ClientID, p.ClientSecret.Reveal())
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", text, err, c.fault)
		} else if len(c.secret) > 3 && strings.Contains(err.Error(), c.secret) {
			t.Errorf("the fault shows the secret: %v", err)
		}
	}
	cfg, err := config.Load(config.Source{Getenv: env{"SALLYPORT_REGISTRATION_INITIAL_ACCESS_TOKEN": "0123456789012345678901234"}.get})
	if err != nil || cfg.Registration.InitialAccessToken.Reveal() != "0123456789012345678901234" {
		t.Errorf("digits from the environment: %v", err)
	}
}

// TestNoWarningForRememberedBrowsers: a need that a remembered browser meets
// outlives the session, which is what it is for.
func TestNoWarningForRememberedBrowsers(t *testing.T) {
	t.Parallel()
	cfg := load(t, config.Source{File: write(t, "c.yaml", `
acrs:
  - name: Portal
    needs:
      - {any_of: [password], max_age: 12h}
      - {any_of: [device, totp, email_otp], max_age: 10d}
`)})
	if w := cfg.Warnings(); len(w) != 0 {
		t.Errorf("warnings: %q", w)
	}
}
