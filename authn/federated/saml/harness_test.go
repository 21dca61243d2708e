package saml_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/saml"
)

// Who is who in these tests.
const (
	ourEntity = "https://login.example/federation/corp/metadata"
	ourACS    = "https://login.example/federation/corp/acs"
	idpEntity = "https://idp.example/metadata"
	idpSSO    = "https://idp.example/sso?tenant=7"
)

// noon is when everything happens.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// signingKey is a key of an identity provider.
type signingKey struct {
	signer      crypto.Signer
	certificate *x509.Certificate
}

func certify(signer crypto.Signer, from, until time.Time) signingKey {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: from, NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return signingKey{signer: signer, certificate: certificate}
}

// keys are made once: RSA keys take their time.
type keys struct {
	ours                           saml.Key
	idp, foreign, elliptic, former signingKey
}

var makeKeys = sync.OnceValue(func() keys {
	ours, err := saml.NewKey(ourEntity, noon())
	if err != nil {
		panic(err)
	}
	newRSA := func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return key
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	from, until := noon().AddDate(-1, 0, 0), noon().AddDate(1, 0, 0)
	return keys{
		ours: ours, idp: certify(newRSA(), from, until), foreign: certify(newRSA(), from, until),
		elliptic: certify(ec, from, until), former: certify(newRSA(), from, noon().AddDate(0, 0, -1)),
	}
})

// replays is a replay store in memory.
type replays struct {
	mu    sync.Mutex
	seen  map[string]bool
	until time.Time // of the last
}

func (r *replays) SeenOnce(_ context.Context, issuer, id string, until time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := issuer + "\n" + id
	if r.seen[key] {
		return false, nil
	}
	r.seen[key], r.until = true, until
	return true, nil
}

// world is a service provider and the identity provider that it trusts.
type world struct {
	t       testing.TB
	keys    keys
	now     time.Time
	replays *replays
	cfg     saml.Config
	p       *saml.Provider
	private []byte // of the request that is answered
	request string // its ID
}

// newWorld has asked for a login. change may edit the settings.
func newWorld(t testing.TB, change func(*saml.Config)) *world {
	t.Helper()
	w := &world{t: t, keys: makeKeys(), now: noon(), replays: &replays{seen: map[string]bool{}}}
	w.cfg = saml.Config{
		EntityID: ourEntity, ACS: ourACS, Key: w.keys.ours,
		IDP:  saml.IDP{EntityID: idpEntity, SSOURL: idpSSO, Certificates: []*x509.Certificate{w.keys.idp.certificate}},
		Skew: saml.DefaultSkew, Replays: w.replays, Now: func() time.Time { return w.now },
	}
	if change != nil {
		change(&w.cfg)
	}
	p, err := saml.New(w.cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	w.p = p
	w.begin(federated.Request{State: "the-state"})
	return w
}

func (w *world) begin(r federated.Request) federated.Redirect {
	w.t.Helper()
	to, private, err := w.p.Begin(w.t.Context(), r)
	if err != nil {
		w.t.Fatalf("Begin: %v", err)
	}
	var asked struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(private, &asked); err != nil || asked.ID == "" {
		w.t.Fatalf("private = %s, %v, want an id", private, err)
	}
	w.private, w.request = private, asked.ID
	return to
}

// stamp is a time as SAML writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// document is the response that a good identity provider sends.
func (w *world) document() string {
	now := w.now
	return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"` +
		` ID="_response" Version="2.0" IssueInstant="` + stamp(now) + `" Destination="` + ourACS + `" InResponseTo="` + w.request + `">` +
		`<saml:Issuer>` + idpEntity + `</saml:Issuer>` +
		`<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>` +
		`<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_assertion" Version="2.0" IssueInstant="` + stamp(now) + `">` +
		`<saml:Issuer>` + idpEntity + `</saml:Issuer>` +
		`<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">alice-17</saml:NameID>` +
		`<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">` +
		`<saml:SubjectConfirmationData InResponseTo="` + w.request + `" Recipient="` + ourACS + `" NotOnOrAfter="` + stamp(now.Add(5*time.Minute)) + `"/>` +
		`</saml:SubjectConfirmation></saml:Subject>` +
		`<saml:Conditions NotBefore="` + stamp(now.Add(-time.Minute)) + `" NotOnOrAfter="` + stamp(now.Add(5*time.Minute)) + `">` +
		`<saml:AudienceRestriction><saml:Audience>` + ourEntity + `</saml:Audience></saml:AudienceRestriction></saml:Conditions>` +
		`<saml:AuthnStatement AuthnInstant="` + stamp(now.Add(-10*time.Second)) + `"><saml:AuthnContext>` +
		`<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>` +
		`</saml:AuthnContext></saml:AuthnStatement>` +
		`<saml:AttributeStatement>` +
		`<saml:Attribute Name="urn:oid:0.9.2342.19200300.100.1.3" FriendlyName="mail"><saml:AttributeValue>alice@corp.example</saml:AttributeValue></saml:Attribute>` +
		`<saml:Attribute Name="uid"><saml:AttributeValue>alice</saml:AttributeValue></saml:Attribute>` +
		`<saml:Attribute Name="groups"><saml:AttributeValue>staff</saml:AttributeValue><saml:AttributeValue>admins</saml:AttributeValue></saml:Attribute>` +
		`</saml:AttributeStatement></saml:Assertion></samlp:Response>`
}

// edit replaces text that must be there.
func edit(t testing.TB, text, old, with string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("nothing to replace: %q", old)
	}
	return strings.ReplaceAll(text, old, with)
}

// parse reads a document of these tests.
func parse(t testing.TB, text string) *etree.Document {
	t.Helper()
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		t.Fatalf("parse: %v", err)
	}
	return doc
}

func write(t testing.TB, doc *etree.Document) string {
	t.Helper()
	text, err := doc.WriteToString()
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return text
}

// sign puts a signature behind the issuer of an element.
func sign(t testing.TB, key signingKey, el *etree.Element, method string) {
	t.Helper()
	ctx, err := dsig.NewSigningContext(key.signer, [][]byte{key.certificate.Raw})
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := ctx.SetSignatureMethod(method); err != nil {
		t.Fatalf("sign: %v", err)
	}
	// Of a copy: the library canonicalizes what it is given.
	signature, err := ctx.ConstructSignature(el.Copy(), true)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	el.InsertChildAt(1, signature)
}

// assertionOf finds the first assertion below a root.
func assertionOf(doc *etree.Document) *etree.Element { return doc.Root().SelectElement("Assertion") }

// signed signs the assertion of a document with the key of the provider.
func (w *world) signed(text string) string {
	w.t.Helper()
	doc := parse(w.t, text)
	sign(w.t, w.keys.idp, assertionOf(doc), dsig.RSASHA256SignatureMethod)
	return write(w.t, doc)
}

// signedWhole signs the response instead.
func (w *world) signedWhole(text string) string {
	w.t.Helper()
	doc := parse(w.t, text)
	sign(w.t, w.keys.idp, doc.Root(), dsig.RSASHA256SignatureMethod)
	return write(w.t, doc)
}

// answer is a document as a browser posts it.
func answer(text string) federated.Answer {
	return federated.Answer{
		Provider: "corp", State: "the-state", Posted: true, URL: ourACS,
		Params: url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(text))}, "RelayState": {"the-state"}},
	}
}

// finish brings the answer back.
func (w *world) finish(text string) (federated.Identity, error) {
	return w.p.Finish(context.Background(), w.private, answer(text))
}

// refused wants an answer to be refused for a reason.
func (w *world) refused(text string, want federated.Reason) {
	w.t.Helper()
	who, err := w.finish(text)
	if err == nil {
		w.t.Fatalf("Finish = %+v, want it refused", who)
	}
	if got, ok := federated.ReasonOf(err); !ok || got != want {
		w.t.Errorf("Finish = %v, want %s", err, want)
	}
	if len(w.replays.seen) != 0 {
		w.t.Error("an answer that was refused was remembered as if it had counted")
	}
}

// accepted wants alice.
func (w *world) accepted(text string) federated.Identity {
	w.t.Helper()
	who, err := w.finish(text)
	if err != nil {
		w.t.Fatalf("Finish: %v", err)
	}
	if who.Issuer != idpEntity || who.Subject != "alice-17" {
		w.t.Errorf("Finish = %q at %q, want alice-17 at %s", who.Subject, who.Issuer, idpEntity)
	}
	return who
}

// forget lets every assertion be new again.
func (r *replays) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.seen)
}

// idpMetadata are those of the provider of these tests.
func idpMetadata(k keys) string {
	key := func(use string, of signingKey) string {
		return `<md:KeyDescriptor` + use + `><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>` +
			base64.StdEncoding.EncodeToString(of.certificate.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
	}
	return `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="` + idpEntity + `" ID="_metadata"><!-- made by hand -->` +
		`<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
		key(` use="signing"`, k.idp) + key(` use="encryption"`, k.foreign) +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://idp.example/soap"/>` +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example/post"/>` +
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + idpSSO + `"/>` +
		`</md:IDPSSODescriptor></md:EntityDescriptor>`
}
