package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

func TestRememberDevice(t *testing.T) {
	t.Parallel()
	if got := config.Default().RememberDevice.Life(); got != 30*24*time.Hour {
		t.Errorf("by default a browser is remembered for %v, want 30 days", got)
	}
	if got := (config.RememberDevice{MaxAge: time.Hour}).Life(); got != 0 {
		t.Errorf("switched off a browser is remembered for %v, want never", got)
	}
	for name, test := range map[string]struct {
		age time.Duration
		ok  bool
	}{
		"a day":           {24 * time.Hour, true},
		"a year":          {365 * 24 * time.Hour, true},
		"less than a day": {24*time.Hour - time.Second, false},
		"over a year":     {365*24*time.Hour + time.Second, false},
		"half a second":   {48*time.Hour + time.Second/2, false},
		"nothing":         {0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config.Default()
			c.Issuer = "https://id.example.org"
			c.RememberDevice.MaxAge = test.age
			err := c.Validate()
			named := err != nil && strings.Contains(err.Error(), "remember_device.max_age")
			if named == test.ok {
				t.Errorf("max_age %v: %v", test.age, err)
			}
		})
	}
}
