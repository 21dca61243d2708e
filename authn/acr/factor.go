package acr

import "slices"

// Factor is a means of proof, by the name that configuration uses.
type Factor string

// The factors.
const (
	Password       Factor = "password"
	Passkey        Factor = "passkey"
	Federated      Factor = "federated"
	TOTP           Factor = "totp"
	EmailOTP       Factor = "email_otp"
	SMSOTP         Factor = "sms_otp"
	VoiceOTP       Factor = "voice_otp"
	SecondPassword Factor = "second_password"
	RecoveryCode   Factor = "recovery_code"
	// Device is a remembered browser.
	Device Factor = "device"
	// Command is a proof that an administrator vouches for at the command line;
	// no ACR names it, so it never counts for one.
	Command Factor = "command"
)

// Factors returns every factor that an ACR may name.
func Factors() []Factor {
	return []Factor{
		Password, Passkey, Federated, TOTP, EmailOTP, SMSOTP, VoiceOTP, SecondPassword, RecoveryCode, Device,
	}
}

// First reports whether the factor can stand at the beginning of a login, when
// nothing is proved yet.
func (f Factor) First() bool {
	return slices.Contains([]Factor{Password, Passkey, Federated, EmailOTP, SMSOTP, VoiceOTP}, f)
}

// Enrolable reports whether a user may enrol the factor on the way through a
// login.
func (f Factor) Enrolable() bool {
	return slices.Contains([]Factor{Passkey, TOTP, EmailOTP, SMSOTP, VoiceOTP}, f)
}

// AMR returns what a proof of the factor is called in amr (RFC 8176 section 2).
// A passkey has more to say than its factor tells: hwk or swk, user, pin.
func (f Factor) AMR() []string {
	switch f {
	case Password, SecondPassword:
		return []string{"pwd"}
	case TOTP, EmailOTP, RecoveryCode:
		return []string{"otp"}
	case SMSOTP:
		return []string{"otp", "sms"}
	case VoiceOTP:
		return []string{"otp", "tel"}
	default:
		return nil
	}
}

// Category is what a factor rests on (NIST SP 800-63B-4 section 2.2).
type Category string

// The categories.
const (
	Knowledge  Category = "knowledge"
	Possession Category = "possession"
	Inherence  Category = "inherence"
)

// category is what a factor rests on first. A login elsewhere counts as
// knowledge: what more was proved there is not told.
func (f Factor) category() Category {
	switch f {
	case Password, SecondPassword, Federated:
		return Knowledge
	default:
		return Possession
	}
}

// second is the other category of a passkey that verified its user: inherence
// for a body feature, else knowledge, "" without verification. WebAuthn tells
// that the user was verified and seldom how. The category is then knowledge:
// beside a password it adds none that was not there, which is all that can be
// known.
func (p Proof) second() Category {
	if p.Factor != Passkey {
		return ""
	}
	for _, name := range p.AMR {
		switch name {
		case "face", "fpt", "iris", "retina", "vbm":
			return Inherence
		}
	}
	if slices.Contains(p.AMR, "user") || slices.Contains(p.AMR, "pin") {
		return Knowledge
	}
	return ""
}

// asSecond reports whether the proof may count for more than a first factor: a
// passkey only if it has verified its user (security.md section 1).
func (p Proof) asSecond() bool { return p.Factor != Passkey || p.second() != "" }

// categories are those that the proof covers.
func (p Proof) categories() []Category {
	if p.Category != "" {
		return []Category{p.Category}
	}
	out := []Category{p.Factor.category()}
	if second := p.second(); second != "" {
		out = append(out, second)
	}
	return out
}

// phone reports whether the factor reaches the user by telephone, which is
// another channel than that of the browser.
func (f Factor) phone() bool { return f == SMSOTP || f == VoiceOTP }
