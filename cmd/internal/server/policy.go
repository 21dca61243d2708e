package server

import (
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
