package passkey

import (
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
)

// User verification methods of the extension uvm (FIDO Registry of Predefined
// Values section 3.1), bits.
const (
	methodFingerprint      = 0x002
	methodPasscode         = 0x004
	methodVoice            = 0x008
	methodFace             = 0x010
	methodEye              = 0x040
	methodExternalPasscode = 0x800
)

// amr are the methods of a proof (RFC 8176 section 2): hwk for a key that stays
// in its device, swk for one that may be copied to other devices; user only if
// the authenticator has verified its user, and how where it says so. The
// extension is part of what the authenticator signs.
func amr(data protocol.AuthenticatorData) []string {
	out := []string{"hwk"}
	if data.Flags.HasBackupEligible() {
		out[0] = "swk"
	}
	if !data.Flags.HasUserVerified() {
		return out
	}
	out = append(out, "user")
	if data.Ext == nil {
		return out
	}
	for _, entry := range data.Ext.UVM {
		for _, m := range []struct {
			bit  uint32
			name string
		}{
			{methodFingerprint, "fpt"},
			{methodPasscode | methodExternalPasscode, "pin"},
			{methodVoice, "vbm"},
			{methodFace, "face"},
			{methodEye, "iris"},
		} {
			if entry.UserVerificationMethod&m.bit != 0 && !slices.Contains(out, m.name) {
				out = append(out, m.name)
			}
		}
	}
	return out
}
