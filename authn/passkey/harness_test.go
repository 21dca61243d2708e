package passkey_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/sallyport-id/sallyport/authn/passkey"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// bench is a relying party with an authenticator of ann.
type bench struct {
	t     *testing.T
	now   time.Time
	party *passkey.Party
	rp    virtualwebauthn.RelyingParty
	auth  virtualwebauthn.Authenticator
	key   virtualwebauthn.Credential
}

func newBench(t *testing.T, edits ...func(*passkey.Config)) *bench {
	t.Helper()
	b := &bench{t: t, now: noon, key: newKey()}
	cfg := passkey.Config{
		ID: "id.example.org", Name: "Example", Origins: []string{"https://id.example.org"}, Now: func() time.Time { return b.now },
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	var err error
	if b.party, err = passkey.New(cfg); err != nil {
		t.Fatalf("New: %v", err)
	}
	b.rp = virtualwebauthn.RelyingParty{ID: cfg.ID, Name: cfg.Name, Origin: cfg.Origins[0]}
	b.auth = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte("ann")})
	return b
}

// register makes a passkey of ann.
func (b *bench) register() passkey.Passkey {
	b.t.Helper()
	p, err := b.tryRegister()
	if err != nil {
		b.t.Fatalf("Register: %v", err)
	}
	p.ID, p.Name = "k1", "phone"
	return p
}

func (b *bench) tryRegister() (passkey.Passkey, error) {
	b.t.Helper()
	options, c, err := b.party.BeginRegistration(passkey.Owner{ID: "ann", Name: "ann", Display: "Ann"}, nil)
	if err != nil {
		b.t.Fatalf("BeginRegistration: %v", err)
	}
	return b.party.Register(c, "ann", b.attestation(options))
}

// attestation is the answer of the authenticator to the options of a
// registration.
func (b *bench) attestation(options json.RawMessage) json.RawMessage {
	b.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		b.t.Fatal(err)
	}
	return json.RawMessage(virtualwebauthn.CreateAttestationResponse(b.rp, b.auth, b.key, *o))
}

// begin begins a login.
func (b *bench) begin(a passkey.Asks) (*virtualwebauthn.AssertionOptions, passkey.Ceremony) {
	b.t.Helper()
	options, c, err := b.party.BeginLogin(a)
	if err != nil {
		b.t.Fatalf("BeginLogin: %v", err)
	}
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		b.t.Fatal(err)
	}
	return o, c
}

// answer is what the authenticator says, with the counter moved on.
func (b *bench) answer(o *virtualwebauthn.AssertionOptions) json.RawMessage {
	b.key.Counter++
	return json.RawMessage(virtualwebauthn.CreateAssertionResponse(b.rp, b.auth, b.key, *o))
}

// login judges an answer by a passkey.
func (b *bench) login(c passkey.Ceremony, answer json.RawMessage, k passkey.Passkey) (passkey.Proof, error) {
	a, err := passkey.ParseAssertion(answer)
	if err != nil {
		return passkey.Proof{}, err
	}
	return b.party.Login(c, a, k)
}

// refused checks that an answer was refused, and why.
func refused(t *testing.T, what string, err error, want passkey.Reason) {
	t.Helper()
	r, ok := errors.AsType[*passkey.Refusal](err)
	if !ok || r.Reason != want {
		t.Errorf("%s: %v, want refusal %q", what, err, want)
	}
}

// edited changes members of an answer in JSON.
func edited(t *testing.T, answer json.RawMessage, edit func(top, response map[string]any)) json.RawMessage {
	t.Helper()
	var top map[string]any
	if err := json.Unmarshal(answer, &top); err != nil {
		t.Fatal(err)
	}
	response, _ := top["response"].(map[string]any)
	edit(top, response)
	out, err := json.Marshal(top)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wholeKey is the length of a COSE key on P-256 whose coordinates both fill their
// 32 bytes (RFC 9053 section 7.1.1).
const wholeKey = 77

// newKey makes a key. The authenticator of these tests cuts leading zeros of
// coordinates, which nobody may take; such a key is made again.
func newKey() virtualwebauthn.Credential {
	for {
		if made := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(made.Key.AttestationData()) == wholeKey {
			return made
		}
	}
}
