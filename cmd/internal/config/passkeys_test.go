package config_test

import (
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

func TestPasskeys(t *testing.T) {
	t.Parallel()
	if p := config.Default().Passkeys; !p.Enabled || p.UserVerification != "required" || p.Attestation != "none" {
		t.Errorf("by default: %+v", p)
	}
	const model = "2fc0579f-8113-47ea-b116-bb5a8db9202a"
	for name, test := range map[string]struct {
		edit func(*config.Passkeys)
		want string
	}{
		"direct with models": {func(p *config.Passkeys) { p.Attestation, p.AAGUIDs = "direct", []string{model} }, ""},
		"no verification":    {func(p *config.Passkeys) { p.UserVerification = "discouraged" }, "passkeys.user_verification"},
		"other attestation":  {func(p *config.Passkeys) { p.Attestation = "indirect" }, "passkeys.attestation"},
		"models unproved":    {func(p *config.Passkeys) { p.AAGUIDs = []string{model} }, "passkeys.aaguids"},
		"roots unused":       {func(p *config.Passkeys) { p.AttestationRoots = "roots.pem" }, "passkeys.attestation_roots"},
		"a name":             {func(p *config.Passkeys) { p.Attestation, p.AAGUIDs = "direct", []string{"yubikey"} }, "passkeys.aaguids"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config.Default()
			test.edit(&c.Passkeys)
			err := c.Validate()
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Validate = %v, want %q", err, test.want)
			}
		})
	}
}
