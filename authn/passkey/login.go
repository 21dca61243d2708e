package passkey

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Asks is what a login asks for.
type Asks struct {
	// Of are the passkeys that would do; nil: any that the authenticator finds
	// for us, so that nobody learns who has one.
	Of []Passkey
	// UserID is whose passkey it must be; "": anybody's.
	UserID string
	// Second asks on top of a first factor: the user must be verified.
	Second bool
}

// Proof is what a right answer proves.
type Proof struct {
	Passkey Passkey
	// Record is the credential record after this use.
	Record json.RawMessage
	// Verified tells that the authenticator has verified its user.
	Verified bool
	// AMR are the methods (RFC 8176 section 2).
	AMR []string
}

// BeginLogin returns the options for navigator.credentials.get, in the JSON
// form of section 5.8.3 under the member publicKey.
func (p *Party) BeginLogin(a Asks) (json.RawMessage, Ceremony, error) {
	opts := []webauthn.LoginOption{
		webauthn.WithChallenge(newChallenge()),
		webauthn.WithUserVerification(p.verification(a.Second)),
		webauthn.WithAssertionExtensions(webauthn.WithExtensionUVM()),
	}
	if a.Of != nil {
		list, err := descriptors(a.Of)
		if err != nil {
			return nil, Ceremony{}, err
		}
		opts = append(opts, webauthn.WithAllowedCredentials(list))
	}
	options, data, err := p.lib.BeginDiscoverableLogin(opts...)
	if err != nil {
		return nil, Ceremony{}, fmt.Errorf("make options of a passkey login: %w", err)
	}
	data.UserID = []byte(a.UserID)
	return p.begun(options, data)
}

// begun pairs the options with what is kept.
func (p *Party) begun(options any, data *webauthn.SessionData) (json.RawMessage, Ceremony, error) {
	raw, err := json.Marshal(options)
	if err != nil {
		return nil, Ceremony{}, fmt.Errorf("write options: %w", err)
	}
	c, err := p.ceremony(data)
	return raw, c, err
}

func (p *Party) verification(second bool) protocol.UserVerificationRequirement {
	if p.cfg.UnverifiedFirst && !second {
		return protocol.VerificationPreferred
	}
	return protocol.VerificationRequired
}

func descriptors(all []Passkey) ([]protocol.CredentialDescriptor, error) {
	out := make([]protocol.CredentialDescriptor, len(all))
	for i, k := range all {
		c, err := k.credential()
		if err != nil {
			return nil, err
		}
		out[i] = c.Descriptor()
	}
	return out, nil
}

// Assertion is an answer to a login, read but not judged.
type Assertion struct {
	parsed *protocol.ParsedCredentialAssertionData
	// CredentialID is which passkey it claims to be of.
	CredentialID []byte
}

// ParseAssertion reads an answer: a PublicKeyCredential in JSON. A *Refusal says
// that it is none.
func ParseAssertion(answer json.RawMessage) (Assertion, error) {
	if len(answer) > longestAnswer {
		return Assertion{}, &Refusal{Reason: Malformed}
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Assertion{}, &Refusal{Reason: Malformed, Err: err}
	}
	if len(parsed.RawID) > longestCredential {
		return Assertion{}, &Refusal{Reason: Malformed}
	}
	return Assertion{parsed: parsed, CredentialID: parsed.RawID}, nil
}

// Login judges an answer to the ceremony by the passkey that it claims to be
// of; the zero Passkey: there is none. A *Refusal says that it is not accepted:
// not one check is left out (WebAuthn Level 3 section 7.2).
func (p *Party) Login(c Ceremony, a Assertion, k Passkey) (Proof, error) {
	data, err := p.open(c)
	if err != nil {
		return Proof{}, err
	}
	if k.ID == "" {
		return Proof{}, &Refusal{Reason: Unknown}
	}
	credential, err := k.credential()
	if err != nil {
		return Proof{}, err
	}
	if !bytes.Equal(credential.ID, a.CredentialID) || len(data.UserID) > 0 && string(data.UserID) != k.UserID {
		return Proof{}, &Refusal{Reason: Unknown, Passkey: &k}
	}
	if err := allowed(data.AllowedCredentialIDs, a); err != nil {
		return Proof{}, &Refusal{Reason: Unknown, Passkey: &k, Err: err}
	}
	used, err := p.verify(data, a, k, credential)
	if err != nil {
		return Proof{}, refusalOf(err, data, &k, a)
	}
	if used.Authenticator.CloneWarning {
		return Proof{}, &Refusal{Reason: Cloned, Passkey: &k}
	}
	record, err := json.Marshal(used)
	if err != nil {
		return Proof{}, fmt.Errorf("write record of passkey %s: %w", k.ID, err)
	}
	flags := a.parsed.Response.AuthenticatorData.Flags
	return Proof{Passkey: k, Record: record, Verified: flags.HasUserVerified(), AMR: amr(a.parsed.Response.AuthenticatorData)}, nil
}

// verify is the verification of the library for one credential. Whether a
// credential was offered is judged before: the user may have removed another of
// the offered ones meanwhile, which the library takes for a mistake.
func (p *Party) verify(data webauthn.SessionData, a Assertion, k Passkey, c webauthn.Credential) (*webauthn.Credential, error) {
	owner := user{id: k.UserID, credentials: []webauthn.Credential{c}}
	data.AllowedCredentialIDs = nil
	if len(a.parsed.Response.UserHandle) == 0 {
		// An authenticator may leave the handle out when it was told which
		// credentials would do (section 7.2, step 6); then the user is known.
		if len(data.UserID) == 0 {
			return nil, errors.New("the user handle is missing")
		}
		return p.lib.ValidateLogin(owner, data, a.parsed)
	}
	data.UserID = nil
	_, used, err := p.lib.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return owner, nil }, data, a.parsed)
	return used, err
}

func allowed(list [][]byte, a Assertion) error {
	if len(list) == 0 {
		return nil
	}
	for _, id := range list {
		if bytes.Equal(id, a.CredentialID) {
			return nil
		}
	}
	return errors.New("it was not asked for")
}

// refusalOf names why the verification failed.
func refusalOf(err error, data webauthn.SessionData, k *Passkey, a Assertion) *Refusal {
	out := &Refusal{Reason: Invalid, Passkey: k, Err: err}
	if data.UserVerification == protocol.VerificationRequired && !a.parsed.Response.AuthenticatorData.Flags.HasUserVerified() {
		out.Reason = Unverified
	}
	return out
}

// user is a user as the library wants to see one.
type user struct {
	id, name, display string
	credentials       []webauthn.Credential
}

func (u user) WebAuthnID() []byte                         { return []byte(u.id) }
func (u user) WebAuthnName() string                       { return u.name }
func (u user) WebAuthnDisplayName() string                { return u.display }
func (u user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }
