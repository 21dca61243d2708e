package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestAccountSettings: each value out of bounds is named by its key (security.md
// 1), and those at the bounds work.
func TestAccountSettings(t *testing.T) {
	t.Parallel()
	for key, edits := range map[string][]func(*config.Config){
		"password.min_length": {
			func(c *config.Config) { c.Password.MinLength = 7 }, func(c *config.Config) { c.Password.MinLength = 65 },
		},
		"password.max_length": {
			func(c *config.Config) { c.Password.MaxLength = 63 }, func(c *config.Config) { c.Password.MaxLength = 1025 },
		},
		"password.history":         {func(c *config.Config) { c.Password.History = -1 }, func(c *config.Config) { c.Password.History = 25 }},
		"recovery.link_lifetime":   {func(c *config.Config) { c.Recovery.LinkLifetime = 25 * time.Hour }},
		"recovery.invite_lifetime": {func(c *config.Config) { c.Recovery.InviteLifetime = time.Minute }},
		"recovery.unvalidated_addresses": {
			func(c *config.Config) { c.SelfService.Writable = []string{"emails"} },
			func(c *config.Config) {
				c.SelfService.Writable = []string{"urn:ietf:params:scim:schemas:core:2.0:User:Emails.value"}
			},
		},
		"sign_up.attributes": {func(c *config.Config) { c.SignUp.Attributes = []string{"active"} }},
		"sign_up.domains":    {func(c *config.Config) { c.SignUp.Domains = []string{"@example.org"} }},
	} {
		for i, edit := range edits {
			c := config.Default()
			edit(&c)
			if err := c.Validate(); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s, case %d: %v", key, i, err)
			}
		}
	}
	c := config.Default()
	c.Password = config.Password{MinLength: 64, MaxLength: 64, History: 24}
	c.Recovery.LinkLifetime, c.Recovery.InviteLifetime = 24*time.Hour, 10*time.Minute
	c.SignUp.Domains = []string{"example.org"}
	c.SelfService.Writable, c.Recovery.UnvalidatedAddresses = []string{"emails"}, false
	if err := c.Validate(); err != nil {
		t.Errorf("at the bounds: %v", err)
	}
}
