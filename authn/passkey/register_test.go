package passkey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/passkey"
)

// The options ask for what every passkey must be able to do, and exclude the
// authenticators that hold one already.
func TestRegistrationOptions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	k := b.register()
	raw, _, err := b.party.BeginRegistration(passkey.Owner{ID: "ann", Name: "ann", Display: "Ann"}, []passkey.Passkey{k})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		PublicKey struct {
			RP struct {
				ID string `json:"id"`
			} `json:"rp"`
			User struct {
				ID          string `json:"id"`
				DisplayName string `json:"displayName"`
			} `json:"user"`
			Attestation        string `json:"attestation"`
			ExcludeCredentials []struct {
				ID string `json:"id"`
			} `json:"excludeCredentials"`
			AuthenticatorSelection struct {
				ResidentKey      string `json:"residentKey"`
				UserVerification string `json:"userVerification"`
			} `json:"authenticatorSelection"`
		} `json:"publicKey"`
	}
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	p := got.PublicKey
	id, _ := base64.RawURLEncoding.DecodeString(p.User.ID)
	if p.RP.ID != "id.example.org" || string(id) != "ann" || p.User.DisplayName != "Ann" || p.Attestation != "none" ||
		p.AuthenticatorSelection.ResidentKey != "required" || p.AuthenticatorSelection.UserVerification != "required" {
		t.Errorf("options %s", raw)
	}
	if len(p.ExcludeCredentials) != 1 || p.ExcludeCredentials[0].ID != base64.RawURLEncoding.EncodeToString(k.CredentialID) {
		t.Errorf("excluded: %+v", p.ExcludeCredentials)
	}
	if _, _, err := b.party.BeginRegistration(passkey.Owner{ID: "ann", Name: "ann"}, make([]passkey.Passkey, passkey.Most)); !errors.Is(err, passkey.ErrTooMany) {
		t.Errorf("with as many as can be: %v", err)
	}
}

// Registrations are verified like logins.
func TestRegistrationRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*bench)
		want  passkey.Reason
	}{
		"origin":                  {func(b *bench) { b.rp.Origin = "https://evil.example" }, passkey.Invalid},
		"RP id":                   {func(b *bench) { b.rp.ID = "evil.example" }, passkey.Invalid},
		"not verified":            {func(b *bench) { b.auth.Options.UserNotVerified = true }, passkey.Unverified},
		"not present":             {func(b *bench) { b.auth.Options.UserNotPresent = true }, passkey.Invalid},
		"backed up but cannot be": {func(b *bench) { b.auth.Options.BackupState = true }, passkey.Invalid},
	} {
		b := newBench(t)
		c.spoil(b)
		_, err := b.tryRegister()
		refused(t, name, err, c.want)
	}
	b := newBench(t)
	_, ceremony, err := b.party.BeginRegistration(passkey.Owner{ID: "ann", Name: "ann"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.party.Register(ceremony, "ann", json.RawMessage(`{"id":`))
	refused(t, "no JSON", err, passkey.Malformed)
	_, err = b.party.Register(ceremony, "ann", json.RawMessage(strings.Repeat(" ", 65<<10)))
	refused(t, "too long", err, passkey.Malformed)
	b.now = noon.Add(5 * time.Minute)
	_, err = b.party.Register(ceremony, "ann", json.RawMessage(`{}`))
	refused(t, "too late", err, passkey.Expired)
}

// maker makes authenticators of one model, which its key vouches for.
type maker struct {
	root *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newMaker(t *testing.T) maker {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Maker"}, NotBefore: noon.AddDate(-20, 0, 0), NotAfter: noon.AddDate(60, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return maker{sign(t, template, template, &key.PublicKey, key), key}
}

func sign(t *testing.T, template, parent *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// attested registers with a statement of the maker (WebAuthn Level 3 section
// 8.2): the answer of a virtual authenticator, signed anew.
func (b *bench) attested(m maker, format string) (passkey.Passkey, error) {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	model, err := asn1.Marshal(b.auth.Aaguid[:])
	if err != nil {
		b.t.Fatal(err)
	}
	leaf := sign(b.t, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: noon.AddDate(-20, 0, 0), NotAfter: noon.AddDate(60, 0, 0), BasicConstraintsValid: true,
		Subject:         pkix.Name{Country: []string{"SE"}, Organization: []string{"Maker"}, OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "Model 1"},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}, Value: model}},
	}, m.root, &key.PublicKey, m.key)
	return b.registerWith(func(data, clientData []byte) map[string]any {
		if format == "none" {
			return map[string]any{}
		}
		hash := sha256.Sum256(clientData)
		digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			b.t.Fatal(err)
		}
		return map[string]any{"alg": -7, "sig": signature, "x5c": []any{leaf.Raw}}
	}, format)
}

func (b *bench) registerWith(statement func(data, clientData []byte) map[string]any, format string) (passkey.Passkey, error) {
	b.t.Helper()
	options, ceremony, err := b.party.BeginRegistration(passkey.Owner{ID: "ann", Name: "ann"}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	answer := edited(b.t, b.attestation(options), func(_, response map[string]any) {
		clientData, _ := base64.RawURLEncoding.DecodeString(response["clientDataJSON"].(string))
		raw, _ := base64.RawURLEncoding.DecodeString(response["attestationObject"].(string))
		var object struct {
			AuthData []byte `cbor:"authData"`
		}
		if err := webauthncbor.Unmarshal(raw, &object); err != nil {
			b.t.Fatal(err)
		}
		raw, err := webauthncbor.Marshal(map[string]any{"fmt": format, "authData": object.AuthData, "attStmt": statement(object.AuthData, clientData)})
		if err != nil {
			b.t.Fatal(err)
		}
		response["attestationObject"] = base64.RawURLEncoding.EncodeToString(raw)
	})
	return b.party.Register(ceremony, "ann", answer)
}

// TestPeer_8 holds the attestation policy against what comes back, not against
// what was asked for.
func TestPeer_8(t *testing.T) {
	t.Parallel()
	m, other := newMaker(t), newMaker(t)
	roots := x509.NewCertPool()
	roots.AddCert(m.root)
	admitted := uuid.MustParse("2fc0579f-8113-47ea-b116-bb5a8db9202a")
	policy := func(c *passkey.Config) {
		c.Attestation, c.AAGUIDs, c.Roots = passkey.Direct, []string{admitted.String()}, roots
	}
	bench := func(model uuid.UUID) *bench {
		b := newBench(t, policy)
		b.auth.Aaguid = model
		return b
	}
	p, err := bench(admitted).attested(m, "packed")
	if err != nil || len(p.CredentialID) == 0 {
		t.Fatalf("an admitted model that its maker vouches for: %v", err)
	}
	_, err = bench(admitted).attested(m, "none")
	refused(t, "fmt none", err, passkey.Policy)
	_, err = bench(admitted).tryRegister()
	refused(t, "signed by the passkey itself", err, passkey.Policy)
	_, err = bench(uuid.MustParse("ee882879-721c-4913-9775-3dfcce97072a")).attested(m, "packed")
	refused(t, "another model", err, passkey.Policy)
	_, err = bench(uuid.Nil).attested(m, "packed")
	refused(t, "no model", err, passkey.Policy)
	_, err = bench(admitted).attested(other, "packed")
	refused(t, "somebody else vouches", err, passkey.Policy)
	expired := bench(admitted)
	expired.now = noon.AddDate(61, 0, 0)
	_, err = expired.attested(m, "packed")
	refused(t, "the certificate has expired", err, passkey.Policy)

	if _, err := newBench(t).attested(other, "packed"); err != nil {
		t.Errorf("where nothing is asked for: %v", err)
	}
	if _, err := newBench(t).attested(m, "none"); err != nil {
		t.Errorf("where nothing is asked for, fmt none: %v", err)
	}
}

// What cannot work is refused at the start.
func TestNewChecks(t *testing.T) {
	t.Parallel()
	good := passkey.Config{ID: "example.org", Name: "E", Origins: []string{"https://example.org", "https://id.example.org:8443"}, Now: time.Now}
	if _, err := passkey.New(good); err != nil {
		t.Fatalf("New: %v", err)
	}
	for name, spoil := range map[string]func(*passkey.Config){
		"IP address":             func(c *passkey.Config) { c.ID = "192.0.2.1" },
		"IPv6 address":           func(c *passkey.Config) { c.ID = "::1" },
		"no name":                func(c *passkey.Config) { c.Name = "" },
		"no origin":              func(c *passkey.Config) { c.Origins = nil },
		"no clock":               func(c *passkey.Config) { c.Now = nil },
		"origin elsewhere":       func(c *passkey.Config) { c.Origins = []string{"https://notexample.org"} },
		"unknown attestation":    func(c *passkey.Config) { c.Attestation = "indirect" },
		"models without a proof": func(c *passkey.Config) { c.AAGUIDs = []string{uuid.NewString()} },
		"no UUID": func(c *passkey.Config) {
			c.Attestation, c.AAGUIDs = passkey.Direct, []string{"yubikey"}
		},
	} {
		bad := good
		spoil(&bad)
		if _, err := passkey.New(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
