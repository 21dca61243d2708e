package config

import "regexp"

// Passkeys are public keys that devices and password managers of users hold.
type Passkeys struct {
	// Enabled lets users register passkeys and log in with them.
	Enabled bool `koanf:"enabled"`
	// UserVerification is required, or preferred: then a security key without a PIN
	// logs in too, as one factor and never as the second.
	UserVerification string `koanf:"user_verification"`
	// Attestation is none, or direct: then only authenticators that prove what they
	// are can be registered.
	Attestation string `koanf:"attestation"`
	// AAGUIDs are the models that can be registered; empty: all.
	AAGUIDs []string `koanf:"aaguids"`
	// AttestationRoots is a PEM file of the authorities that vouch for
	// authenticators; empty: what they say of themselves counts.
	AttestationRoots string `koanf:"attestation_roots"`
}

// defaultPasskeys are on, verify their users and are asked for no attestation.
func defaultPasskeys() Passkeys {
	return Passkeys{Enabled: true, UserVerification: "required", Attestation: "none"}
}

var aaguid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func (p Passkeys) validate(v *faults) {
	v.unless(p.UserVerification == "required" || p.UserVerification == "preferred", "passkeys.user_verification",
		"must be required or preferred")
	v.unless(p.Attestation == "none" || p.Attestation == "direct", "passkeys.attestation", "must be none or direct")
	if p.Attestation != "direct" {
		v.unless(len(p.AAGUIDs) == 0, "passkeys.aaguids", "needs passkeys.attestation: direct, without which no model is known")
		v.unless(p.AttestationRoots == "", "passkeys.attestation_roots", "needs passkeys.attestation: direct")
	}
	for _, id := range p.AAGUIDs {
		v.unless(aaguid.MatchString(id), "passkeys.aaguids", "must be UUIDs, such as 2fc0579f-8113-47ea-b116-bb5a8db9202a, not "+id)
	}
}
