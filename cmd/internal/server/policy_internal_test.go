package server

import (
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// security.md 1: 8 characters; under the profile nist 15, or 8 where a second
// factor is demanded at every login.
func TestPasswordLengthOfProfile(t *testing.T) {
	t.Parallel()
	lifted := config.Condition{Device: &config.DeviceCondition{Remembered: true}}
	for name, test := range map[string]struct {
		set  func(*config.Config)
		want int
	}{
		"default":              {func(*config.Config) {}, 0},
		"nist":                 {func(c *config.Config) { c.Policy.Profile = "nist" }, 15},
		"nist, one factor":     {func(c *config.Config) { c.Policy.Profile, c.RequiredACR = "nist", "Default" }, 15},
		"nist, second factor":  {func(c *config.Config) { c.Policy.Profile, c.RequiredACR = "nist", "MFA" }, 0},
		"default, with factor": {func(c *config.Config) { c.RequiredACR = "MFA" }, 0},
		"nist, second factor that may lapse": {func(c *config.Config) {
			c.Policy.Profile, c.RequiredACR = "nist", "MFA"
			c.ACRs[1].Needs[1].Unless = []config.Condition{lifted}
		}, 15},
		"nist, a second password": {func(c *config.Config) {
			c.Policy.Profile, c.RequiredACR = "nist", "MFA"
			c.ACRs[1].Distinct = false
		}, 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			test.set(&cfg)
			if got, err := passwordConfig(cfg); err != nil || got.MinLength != test.want {
				t.Errorf("MinLength = %d, %v, want %d", got.MinLength, err, test.want)
			}
		})
	}
	faulty := config.Default()
	faulty.Policy.Profile, faulty.ACRs[0].Needs[0].AnyOf = "nist", []string{"none"}
	if got, err := passwordConfig(faulty); err == nil {
		t.Errorf("passwordConfig of a faulty ACR = %+v", got)
	}
}

// A directory under the profile nist refuses what is too short.
func TestShortPasswordUnderNIST(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Data, cfg.Policy.Profile = t.TempDir(), "nist"
	d, err := Open(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	profile, _ := scim.ProfileByName(scim.ProfileCompat)
	caller := scim.Caller{Name: "test", Scopes: []string{scim.ScopeAdmin}, Profile: &profile, ActorType: "command", Exempt: true}
	add := func(name, password string) error {
		_, err := d.Service.Create(t.Context(), caller, d.Registry.ByName("User"),
			schema.Object{"schemas": []any{schema.UserURN}, "userName": name, "password": password}, scim.Request{})
		return err
	}
	if err := add("ann", "fourteen chars"); err == nil {
		t.Error("a password of 14 characters was taken")
	}
	if err := add("bob", "fifteen charact"); err != nil {
		t.Errorf("a password of 15 characters: %v", err)
	}
}
