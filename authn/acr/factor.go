package acr

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

// Category is what a factor rests on (NIST SP 800-63B-4 section 2.2).
type Category string

// The categories.
const (
	Knowledge  Category = "knowledge"
	Possession Category = "possession"
	Inherence  Category = "inherence"
)
