package server

import (
	"fmt"

	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// nistPassword is how long a password must be that is proved alone (NIST SP
// 800-63B-4 section 3.1.1.2). Beside a second factor 8 characters do, the
// default.
const nistPassword = 15

// passwordConfig is what policy.profile asks of new passwords.
func passwordConfig(cfg config.Config) (password.Config, error) {
	if cfg.Policy.Profile != config.ProfileNIST {
		return password.Config{}, nil
	}
	acrs, err := ACRs(cfg)
	if err != nil {
		return password.Config{}, err
	}
	for _, a := range acrs {
		if a.Name != cfg.RequiredACR || !a.Distinct {
			continue
		}
		for _, n := range a.Needs[1:] {
			if len(n.Unless) == 0 {
				return password.Config{}, nil
			}
		}
	}
	return password.Config{MinLength: nistPassword}, nil
}

// newHasher makes the hashing and the rules of passwords.
func (d *Directory) newHasher() error {
	rules, err := passwordConfig(d.cfg)
	if err != nil {
		return err
	}
	if n := d.cfg.Password.MinLength; n != 0 {
		if n < rules.MinLength {
			return fmt.Errorf("password.min_length must be at least %d with policy.profile nist, unless required_acr demands a second factor at every login", rules.MinLength)
		}
		rules.MinLength = n
	}
	rules.MaxLength = d.cfg.Password.MaxLength
	if path := d.cfg.Password.BlocklistFile; path != "" {
		if d.breached, err = password.OpenHashFile(path); err != nil {
			return fmt.Errorf("password.blocklist_file: %w", err)
		}
	}
	rules.Service, rules.Breached = []string{"Sallyport", d.cfg.Branding.Name, d.cfg.Delivery.Service}, d.breached
	argon, err := password.New(rules)
	if err != nil {
		return fmt.Errorf("prepare password hashing: %w", err)
	}
	d.hasher = hasher{argon}
	return nil
}
