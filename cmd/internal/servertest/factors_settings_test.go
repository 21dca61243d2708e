package servertest_test

import (
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// TestSecondFactorSettingsStopTheStart: a value that cannot work stops the start
// with a message that names its key.
func TestSecondFactorSettingsStopTheStart(t *testing.T) {
	t.Parallel()
	for key, edit := range map[string]func(*config.SecondFactors){
		`second_factors: attribute path "nosuch"`: func(c *config.SecondFactors) { c.EmailPaths = []string{"nosuch"} },
		"second_factors: attribute path \"emails[": func(c *config.SecondFactors) {
			c.EmailPaths = []string{`emails[type eq "home"].value`} // has no key
		},
		"second_factors.totp.digits":              func(c *config.SecondFactors) { c.TOTP.Digits = 7 },
		"second_factors.totp.skew":                func(c *config.SecondFactors) { c.TOTP.Skew = 2 },
		"second_factors.totp.secret_bytes":        func(c *config.SecondFactors) { c.TOTP.SecretBytes = 10 },
		"second_factors.limits.tries":             func(c *config.SecondFactors) { c.Limits.Tries = 11 },
		"second_factors.limits.destination_hour":  func(c *config.SecondFactors) { c.Limits.DestinationHour = 6 },
		"second_factors.limits.resend_waits[0]":   func(c *config.SecondFactors) { c.Limits.ResendWaits = []string{"1s"} },
		"second_factors.limits.pause":             func(c *config.SecondFactors) { c.Limits.Pause = 1 },
		"second_factors.limits.telephone_minute ": func(c *config.SecondFactors) { c.Limits.TelephoneMinute = -1 },
	} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			cfg := servertest.Settings(t)
			edit(&cfg.SecondFactors)
			if err := cfg.Validate(); err != nil {
				t.Fatalf("settings: %v", err)
			}
			s, err := server.New(t.Context(), cfg, server.Options{})
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("start: %v, want it to name %s", err, key)
			}
		})
	}
}
