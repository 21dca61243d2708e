package saml

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// asked is what an answer is held against.
type asked struct {
	ID    string        `json:"id"`
	At    time.Time     `json:"at"`
	IDP   string        `json:"idp"`
	Fresh bool          `json:"fresh,omitempty"`
	Old   time.Duration `json:"old,omitempty"` // how old the login there may be
	Aged  bool          `json:"aged,omitempty"`
}

// Begin implements federated.Upstream.
func (p *Provider) Begin(ctx context.Context, r federated.Request) (federated.Redirect, []byte, error) {
	idp, err := p.idp.entity(ctx)
	if err != nil {
		return federated.Redirect{}, nil, err
	}
	location, binding, err := idp.endpoint(p.cfg.Binding)
	if err != nil {
		return federated.Redirect{}, nil, federated.Refuse(federated.Unavailable, "binding", err)
	}
	q := asked{ID: newID(), At: p.cfg.Now().UTC().Truncate(time.Millisecond), IDP: idp.id, Fresh: r.Fresh}
	if r.MaxAge != nil {
		q.Aged, q.Old = true, *r.MaxAge
	}
	private, err := json.Marshal(q)
	if err != nil {
		return federated.Redirect{}, nil, fmt.Errorf("write SAML request: %w", err)
	}
	message := p.authnRequest(q, r, location)
	to, err := p.send(message, binding, location, r.State)
	if err != nil {
		return federated.Redirect{}, nil, fmt.Errorf("write SAML request: %w", err)
	}
	return to, private, nil
}

// newID returns an xs:ID of 160 random bits (Core section 1.3.4).
func newID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails, says crypto/rand
	return "_" + hex.EncodeToString(b[:])
}

// authnRequest makes the message (Core section 3.4.1).
func (p *Provider) authnRequest(q asked, r federated.Request, location string) *crewjam.AuthnRequest {
	format := string(crewjam.PersistentNameIDFormat)
	if p.cfg.SubjectAttribute != "" {
		// An attribute says who it is: the identity provider may name the person as
		// it likes.
		format = ""
	}
	create := true
	message := &crewjam.AuthnRequest{
		ID: q.ID, Version: "2.0", IssueInstant: q.At, Destination: location,
		AssertionConsumerServiceURL: p.cfg.ACS,
		ProtocolBinding:             crewjam.HTTPPostBinding,
		Issuer:                      &crewjam.Issuer{Value: p.cfg.EntityID},
		NameIDPolicy:                &crewjam.NameIDPolicy{Format: &format, AllowCreate: &create},
	}
	if r.Fresh || r.MaxAge != nil && *r.MaxAge == 0 {
		fresh := true
		message.ForceAuthn = &fresh
	}
	return message
}

// element writes the message. RequestedAuthnContext of the library holds one
// class only, and Subject goes unused: who is asked for is not told.
func (p *Provider) element(message *crewjam.AuthnRequest) *etree.Element {
	el := message.Element()
	if len(p.cfg.AuthnContexts) == 0 {
		return el
	}
	contexts := el.CreateElement("samlp:RequestedAuthnContext")
	contexts.CreateAttr("Comparison", "exact")
	for _, class := range p.cfg.AuthnContexts {
		contexts.CreateElement("saml:AuthnContextClassRef").SetText(class)
	}
	return el
}

// send signs the message and puts it on its way.
func (p *Provider) send(message *crewjam.AuthnRequest, binding Binding, location, state string) (federated.Redirect, error) {
	signer, err := p.signer()
	if err != nil {
		return federated.Redirect{}, err
	}
	if binding == ByPost {
		return p.byPost(message, signer, location, state)
	}
	return p.byRedirect(message, signer, location, state)
}

func (p *Provider) signer() (*dsig.SigningContext, error) {
	signer, err := dsig.NewSigningContext(p.cfg.Key.private, [][]byte{p.cfg.Key.certificate.Raw})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	signer.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := signer.SetSignatureMethod(dsig.RSASHA256SignatureMethod); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signer, nil
}

// byRedirect follows Bindings section 3.4.4.1: the signature is over SAMLRequest,
// RelayState and SigAlg as they stand in the query, and nothing of what else the
// URL may have there.
func (p *Provider) byRedirect(message *crewjam.AuthnRequest, signer *dsig.SigningContext, location, state string) (federated.Redirect, error) {
	text, err := writeElement(p.element(message))
	if err != nil {
		return federated.Redirect{}, err
	}
	packed, err := deflate(text)
	if err != nil {
		return federated.Redirect{}, err
	}
	query := "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(packed)) +
		"&RelayState=" + url.QueryEscape(state) +
		"&SigAlg=" + url.QueryEscape(dsig.RSASHA256SignatureMethod)
	signature, err := signer.SignString(query)
	if err != nil {
		return federated.Redirect{}, fmt.Errorf("sign: %w", err)
	}
	query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return federated.Redirect{URL: location + separator + query}, nil
}

// byPost signs the message itself (Bindings section 3.5).
func (p *Provider) byPost(message *crewjam.AuthnRequest, signer *dsig.SigningContext, location, state string) (federated.Redirect, error) {
	signature, err := signer.ConstructSignature(p.element(message), true)
	if err != nil {
		return federated.Redirect{}, fmt.Errorf("sign: %w", err)
	}
	// The signature stands behind the issuer (Core section 3.2.1).
	message.Signature = signature
	text, err := writeElement(p.element(message))
	if err != nil {
		return federated.Redirect{}, err
	}
	form := url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(text)}, "RelayState": {state}}
	return federated.Redirect{URL: location, Form: form}, nil
}

func writeElement(el *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.SetRoot(el)
	text, err := doc.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", el.Tag, err)
	}
	return text, nil
}

func deflate(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return out.Bytes(), nil
}
