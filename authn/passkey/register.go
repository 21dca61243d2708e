package passkey

import (
	"encoding/json"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Owner is the user who registers a passkey.
type Owner struct {
	ID string
	// Name and Display are what the authenticator lists the passkey under: the
	// user name and what people call the user.
	Name, Display string
}

// BeginRegistration returns the options for navigator.credentials.create, in the
// JSON form of section 5.8.2 under the member publicKey. Authenticators that
// hold one of has make no second passkey.
func (p *Party) BeginRegistration(o Owner, has []Passkey) (json.RawMessage, Ceremony, error) {
	if len(has) >= Most {
		return nil, Ceremony{}, ErrTooMany
	}
	exclude, err := descriptors(has)
	if err != nil {
		return nil, Ceremony{}, err
	}
	options, data, err := p.lib.BeginRegistration(user{id: o.ID, name: o.Name, display: o.Display},
		webauthn.WithExclusions(exclude),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: new(true),
			UserVerification: p.verification(false),
		}),
		func(o *protocol.PublicKeyCredentialCreationOptions) error {
			o.Challenge = newChallenge()
			return nil
		})
	if err != nil {
		return nil, Ceremony{}, fmt.Errorf("make options of a passkey: %w", err)
	}
	return p.begun(options, data)
}

// Register judges an answer to the ceremony of a user and returns the passkey,
// without id and name. A *Refusal says that it is not accepted (WebAuthn Level 3
// section 7.1), or that it is not what the attestation policy asks for.
func (p *Party) Register(c Ceremony, userID string, answer json.RawMessage) (Passkey, error) {
	data, err := p.open(c)
	if err != nil {
		return Passkey{}, err
	}
	if len(answer) > longestAnswer {
		return Passkey{}, &Refusal{Reason: Malformed}
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Passkey{}, &Refusal{Reason: Malformed, Err: err}
	}
	credential, err := p.lib.CreateCredential(user{id: userID}, data, parsed)
	if err != nil {
		reason := Invalid
		if data.UserVerification == protocol.VerificationRequired &&
			!parsed.Response.AttestationObject.AuthData.Flags.HasUserVerified() {
			reason = Unverified
		}
		return Passkey{}, &Refusal{Reason: reason, Err: err}
	}
	if len(credential.ID) > longestCredential {
		return Passkey{}, &Refusal{Reason: Malformed}
	}
	if err := p.attested(credential, parsed.Response.AttestationObject); err != nil {
		return Passkey{}, &Refusal{Reason: Policy, Err: err}
	}
	record, err := json.Marshal(credential)
	if err != nil {
		return Passkey{}, fmt.Errorf("write record of a passkey: %w", err)
	}
	return Passkey{UserID: userID, CredentialID: credential.ID, Record: record}, nil
}
