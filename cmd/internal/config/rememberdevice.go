package config

import "time"

// rememberFor is how long a browser stays remembered unless the settings say so.
const rememberFor = 30 * day

// RememberDevice lets people have a browser remembered after a second factor. It
// does nothing where no ACR names the factor device, or a condition about it.
type RememberDevice struct {
	Enabled bool `koanf:"enabled"`
	// MaxAge is how long a browser stays remembered; an ACR may ask for less.
	MaxAge time.Duration `koanf:"max_age"`
}

// Life returns how long a browser stays remembered; 0: none is.
func (r RememberDevice) Life() time.Duration {
	if !r.Enabled {
		return 0
	}
	return r.MaxAge
}

func (r RememberDevice) validate(v *faults) {
	v.unless(r.MaxAge >= day && r.MaxAge <= 365*day && r.MaxAge%time.Second == 0, "remember_device.max_age",
		"must be whole seconds from 1d to 365d; remember_device.enabled: false remembers no browser")
}
