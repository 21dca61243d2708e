package saml_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/saml"
)

// inflate reads a message of the redirect binding.
func inflate(t *testing.T, encoded string) string {
	t.Helper()
	packed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Bindings section 3.4.4.1: the signature is over SAMLRequest, RelayState and
// SigAlg as they were sent, in this order, and not over what else the URL of the
// provider has in its query.
func TestRedirectRequestIsSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const state = "A-state_of-256-bits"
	to := w.begin(federated.Request{State: state, CallbackURL: "https://ignored.example"})
	query, ok := strings.CutPrefix(to.URL, idpSSO+"&")
	if !ok || to.Form != nil {
		t.Fatalf("Begin = %+v, want %s", to, idpSSO)
	}
	over, signature, ok := strings.Cut(query, "&Signature=")
	if !ok {
		t.Fatalf("no signature in %s", query)
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	if q.Get("RelayState") != state || q.Get("SigAlg") != dsig.RSASHA256SignatureMethod {
		t.Errorf("query = %v", q)
	}
	text, err := url.QueryUnescape(signature)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	public, ok := w.keys.ours.Certificate().PublicKey.(*rsa.PublicKey)
	if !ok {
		t.Fatal("our key is not RSA")
	}
	sum := sha256.Sum256([]byte(over))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], raw); err != nil {
		t.Errorf("signature: %v", err)
	}
	checkRequest(t, w, parse(t, inflate(t, q.Get("SAMLRequest"))).Root(), idpSSO)
}

func checkRequest(t *testing.T, w *world, el *etree.Element, destination string) {
	t.Helper()
	for name, want := range map[string]string{
		"ID": w.request, "Version": "2.0", "IssueInstant": "2026-03-01T12:00:00Z", "Destination": destination,
		"AssertionConsumerServiceURL": ourACS, "ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "ForceAuthn": "",
	} {
		if got := el.SelectAttrValue(name, ""); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if issuer := el.SelectElement("Issuer"); issuer == nil || issuer.Text() != ourEntity {
		t.Error("the request does not name us")
	}
	policy := el.SelectElement("NameIDPolicy")
	if policy == nil || policy.SelectAttrValue("Format", "") != "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" {
		t.Error("the request does not ask for a name that lasts")
	}
}

// Bindings section 3.5.4: the message is signed inside, behind its issuer.
func TestPostRequestIsSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *saml.Config) { c.Binding = saml.ByPost })
	to := w.begin(federated.Request{State: "s"})
	if to.URL != idpSSO || to.Form.Get("RelayState") != "s" || len(to.Form) != 2 {
		t.Fatalf("Begin = %+v", to)
	}
	text, err := base64.StdEncoding.DecodeString(to.Form.Get("SAMLRequest"))
	if err != nil {
		t.Fatal(err)
	}
	root := parse(t, string(text)).Root()
	checkRequest(t, w, root, idpSSO)
	if second := root.ChildElements()[1]; second.Tag != "Signature" {
		t.Errorf("%s behind the issuer, want the signature (Core section 3.2.1)", second.Tag)
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{w.keys.ours.Certificate()}})
	v.IdAttribute = "ID"
	v.Clock = dsig.NewFakeClockAt(noon())
	if _, err := v.Validate(root); err != nil {
		t.Errorf("signature: %v", err)
	}
}

func TestRequestAsksForWhatIsWanted(t *testing.T) {
	t.Parallel()
	zero, hour := time.Duration(0), time.Hour
	message := func(w *world, r federated.Request) string {
		to := w.begin(r)
		u, err := url.Parse(to.URL)
		if err != nil {
			t.Fatal(err)
		}
		return inflate(t, u.Query().Get("SAMLRequest"))
	}
	plain := newWorld(t, nil)
	for name, c := range map[string]struct {
		r     federated.Request
		force bool
	}{
		"any login":   {federated.Request{}, false},
		"an hour old": {federated.Request{MaxAge: &hour}, false},
		"fresh":       {federated.Request{Fresh: true}, true},
		"max_age=0":   {federated.Request{MaxAge: &zero}, true},
	} {
		if got := strings.Contains(message(plain, c.r), `ForceAuthn="true"`); got != c.force {
			t.Errorf("%s: ForceAuthn = %v, want %v", name, got, c.force)
		}
	}
	classes := newWorld(t, func(c *saml.Config) { c.AuthnContexts = []string{"urn:a", "urn:b"}; c.SubjectAttribute = "uid" })
	text := message(classes, federated.Request{})
	for _, want := range []string{
		`<samlp:RequestedAuthnContext Comparison="exact"><saml:AuthnContextClassRef>urn:a</saml:AuthnContextClassRef><saml:AuthnContextClassRef>urn:b</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>`,
		`<samlp:NameIDPolicy AllowCreate="true"/>`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the request lacks %s:\n%s", want, text)
		}
	}
}

// No two requests have an ID in common, and none starts with a digit (xs:ID).
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	seen := map[string]bool{}
	for range 100 {
		w.begin(federated.Request{State: "s"})
		if seen[w.request] || !strings.HasPrefix(w.request, "_") || len(w.request) != 41 {
			t.Fatalf("ID = %q", w.request)
		}
		seen[w.request] = true
	}
}
