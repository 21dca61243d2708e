package flow

import "github.com/sallyport-id/sallyport/authn/acr"

// Prefixes of the URNs: those of the login API that clients know, and ours for
// what it lacks.
const (
	theirs = "urn:pingidentity:scim:api:messages:2.0:"
	ours   = "urn:sallyport:params:scim:api:messages:2.0:"
)

// Schemas of flows.
const (
	AuthenticationURN   = theirs + "AuthenticationRequest"
	ConsentURN          = theirs + "ConsentApprovalResponse"
	UsernameRecoveryURN = theirs + "AccountFlow:UsernameRecoveryRequest"
	PasswordRecoveryURN = theirs + "AccountFlow:PasswordRecoveryRequest"
	VerifyAccountURN    = theirs + "AccountFlow:VerifyAccountRequest"
	RegistrationFlowURN = ours + "AccountFlow:RegistrationRequest"
)

// Members of authenticators.
const (
	PasswordURN         = theirs + "UsernamePasswordAuthenticationRequest"
	TOTPURN             = theirs + "TOTPAuthenticationRequest"
	EmailCodeURN        = theirs + "EmailDeliveredCodeAuthenticationRequest"
	TelephonyCodeURN    = theirs + "TelephonyDeliveredCodeAuthenticationRequest"
	AccountLookupURN    = theirs + "AccountLookupRequest"
	ExternalIdentityURN = theirs + "ExternalIdentityAuthenticationRequest"
	RegistrationURN     = theirs + "RegistrationAuthenticationRequest"
	AccountSelectionURN = ours + "AccountSelectionRequest"
	PasskeyURN          = ours + "PasskeyAuthenticationRequest"
	RecoveryCodeURN     = ours + "RecoveryCodeAuthenticationRequest"
	SecondPasswordURN   = ours + "SecondPasswordAuthenticationRequest"
	// pluggedURN is followed by the name of a plugged-in factor.
	pluggedURN = ours + "PluggedInAuthenticationRequest:"
)

// Status is how an authenticator stands.
type Status string

// The states.
const (
	Unavailable Status = "unavailable" // not now, see errorDetail
	Waiting     Status = "ready"       // to be answered
	Failure     Status = "failure"     // the answer was wrong
	Success     Status = "success"
)

// Codes in the member "error" of an authenticator.
const (
	invalidCredentials = "invalidCredentials"
	mustChangePassword = "mustChangePassword"
	invalidPassword    = "invalidPassword" // a new one that breaks the rules
	codeExpired        = "codeExpired"
	tooManyAttempts    = "tooManyAttempts"
	tooManyMessages    = "tooManyMessages"
	deliveryFailed     = "deliveryFailed"
	notAvailable       = "notAvailable"
	stillWaiting       = "waiting"
	invalidAttribute   = "invalidAttribute"
)

// kind is a sort of flow; it is a segment of the URIs of its messages.
type kind string

// The kinds.
const (
	kindLogin    kind = "login"
	kindSecond   kind = "secondFactor"
	kindApprove  kind = "approve"
	kindFollowUp kind = "followUp"
	kindContinue kind = "continue"

	kindUserName kind = "Username Recovery"
	kindPassword kind = "Password Recovery"
	kindVerify   kind = "Verify Account"
	kindRegister kind = "Registration"
)

// urnOf is the member by which a factor is asked for.
func urnOf(f acr.Factor) string {
	switch f {
	case acr.Password:
		return PasswordURN
	case acr.TOTP:
		return TOTPURN
	case acr.EmailOTP:
		return EmailCodeURN
	case acr.SMSOTP, acr.VoiceOTP:
		return TelephonyCodeURN
	case acr.Passkey:
		return PasskeyURN
	case acr.Federated:
		return ExternalIdentityURN
	case acr.RecoveryCode:
		return RecoveryCodeURN
	case acr.SecondPassword:
		return SecondPasswordURN
	default:
		return pluggedURN + string(f)
	}
}

// delivered reports the factors whose codes are sent.
func delivered(f acr.Factor) bool {
	return f == acr.EmailOTP || f == acr.SMSOTP || f == acr.VoiceOTP
}
