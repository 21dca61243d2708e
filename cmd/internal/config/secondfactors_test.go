package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestSecondFactorSettings: the defaults work, and each value out of bounds is
// named by its key.
func TestSecondFactorSettings(t *testing.T) {
	t.Parallel()
	good := config.Default()
	if err := good.Validate(); err != nil {
		t.Fatalf("defaults: %v", err)
	}
	for key, edit := range map[string]func(*config.SecondFactors){
		"second_factors.email_paths":         func(c *config.SecondFactors) { c.EmailPaths = nil },
		"second_factors.phone_paths":         func(c *config.SecondFactors) { c.PhonePaths = nil },
		"second_factors.issuer_name":         func(c *config.SecondFactors) { c.IssuerName = "a:b" },
		"second_factors.enrolment_lifetime":  func(c *config.SecondFactors) { c.Lifetime = 11 * time.Minute },
		"second_factors.limits.resend_waits": func(c *config.SecondFactors) { c.Limits.ResendWaits = []string{"soon"} },
	} {
		c := config.Default()
		edit(&c.SecondFactors)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
