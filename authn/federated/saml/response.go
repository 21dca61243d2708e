package saml

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/beevik/etree"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// Finish implements federated.Upstream.
func (p *Provider) Finish(ctx context.Context, private []byte, a federated.Answer) (federated.Identity, error) {
	var q asked
	if err := json.Unmarshal(private, &q); err != nil || q.ID == "" {
		return federated.Identity{}, errors.New("read SAML request: not what was written")
	}
	return p.finish(ctx, &q, a)
}

// BeginsLogins implements federated.Unsolicited.
func (p *Provider) BeginsLogins() bool { return p.cfg.AllowUnsolicited }

// FinishUnsolicited implements federated.Unsolicited (Profiles section 4.1.5).
func (p *Provider) FinishUnsolicited(ctx context.Context, a federated.Answer) (federated.Identity, error) {
	if !p.cfg.AllowUnsolicited {
		return federated.Identity{}, federated.Refuse(federated.NotAsked, "the provider may not begin logins (allow_idp_initiated)", nil)
	}
	return p.finish(ctx, nil, a)
}

// finish checks an answer; q nil: to no request.
func (p *Provider) finish(ctx context.Context, q *asked, a federated.Answer) (federated.Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, federated.Limit)
	defer cancel()
	idp, err := p.idp.entity(ctx)
	if err != nil {
		return federated.Identity{}, err
	}
	if q != nil && q.IDP != idp.id {
		return federated.Identity{}, federated.Refuse(federated.WrongIssuer, "the provider has another entity id since the request", nil)
	}
	root, err := readAnswer(a)
	if err != nil {
		return federated.Identity{}, err
	}
	v := verdict{cfg: p.cfg, idp: idp, asked: q, now: p.cfg.Now().UTC()}
	got, err := v.check(root)
	if err != nil {
		return federated.Identity{}, err
	}
	who, err := v.identity(got)
	if err != nil {
		return federated.Identity{}, err
	}
	// Last, so that only what would have counted is remembered.
	first, err := p.cfg.Replays.SeenOnce(ctx, idp.id, got.ID, v.lastMoment(got))
	if err != nil {
		return federated.Identity{}, fmt.Errorf("remember SAML assertion: %w", err)
	}
	if !first {
		return federated.Identity{}, federated.Refuse(federated.Replayed, "assertion", nil)
	}
	return who, nil
}

// readAnswer takes the document out of the form. Only the POST binding is ours:
// an artifact, or a response in a query, is no answer.
func readAnswer(a federated.Answer) (*etree.Element, error) {
	values := a.Params["SAMLResponse"]
	if !a.Posted || len(values) != 1 {
		return nil, federated.Refuse(federated.Malformed, "not one SAMLResponse in a POST", nil)
	}
	if len(values[0]) > 2*maxDocument {
		return nil, federated.Refuse(federated.Malformed, "a response that is too large", nil)
	}
	text, err := decodeBase64(values[0])
	if err != nil {
		return nil, federated.Refuse(federated.Malformed, "response", err)
	}
	root, err := parseDocument(text)
	if err != nil {
		return nil, federated.Refuse(federated.Malformed, "response", err)
	}
	return root, nil
}

// verdict checks one response.
type verdict struct {
	cfg   Config
	idp   entity
	asked *asked // nil: no request
	now   time.Time
}

// check returns the one assertion of a response, from signed bytes only.
func (v verdict) check(root *etree.Element) (assertion, error) {
	if !isElement(root, nsProtocol, "Response") {
		// Logout messages end here too.
		return assertion{}, federated.Refuse(federated.Malformed, "a "+root.Tag+" where a Response is wanted", nil)
	}
	if err := checkShape(root); err != nil {
		return assertion{}, federated.Refuse(federated.Malformed, "response", err)
	}
	signed := isSigned(root)
	if signed {
		var err error
		if root, err = verify(root, v.idp.certificates, v.now); err != nil {
			return assertion{}, err
		}
		// What was signed is a document of its own now.
		if err := checkShape(root); err != nil {
			return assertion{}, federated.Refuse(federated.Malformed, "response", err)
		}
	}
	if err := v.checkResponse(root, signed); err != nil {
		return assertion{}, err
	}
	el, err := v.assertionElement(root, signed)
	if err != nil {
		return assertion{}, err
	}
	var got assertion
	if err := decode(el, &got); err != nil {
		return assertion{}, federated.Refuse(federated.Malformed, "assertion", err)
	}
	return got, v.checkAssertion(got)
}

// checkShape allows at most one assertion, as a child of the response, and
// signatures only as children of what they sign.
func checkShape(root *etree.Element) error {
	assertions := 0
	return eachBelow(root, func(el *etree.Element) error {
		switch {
		case isElement(el, nsProtocol, "Response"):
			return errors.New("a response inside a response")
		case isElement(el, nsAssertion, "Assertion") || isElement(el, nsAssertion, "EncryptedAssertion"):
			assertions++
			if el.Parent() != root || assertions > 1 {
				return errors.New("an assertion beside the one assertion")
			}
		case isElement(el, nsSignature, "Signature"):
			if el.Parent() != root && (el.Parent().Parent() != root || !isElement(el.Parent(), nsAssertion, "Assertion")) {
				return errors.New("a signature in another place than below what it signs")
			}
		}
		return nil
	})
}

// checkResponse checks the envelope. If it is not signed it is only the word of
// whoever brought it, but a wrong one is wrong all the same.
func (v verdict) checkResponse(root *etree.Element, signed bool) error {
	var r response
	if err := decode(root, &r); err != nil {
		return federated.Refuse(federated.Malformed, "response", err)
	}
	if r.Version != "2.0" || r.ID == "" {
		return federated.Refuse(federated.Malformed, "response: version or ID", nil)
	}
	if err := v.checkRequest(r.InResponseTo); err != nil {
		return err
	}
	// Bindings section 3.5.5.2: a signed response must say where it goes.
	if r.Destination != v.cfg.ACS && (signed || r.Destination != "") {
		return federated.Refuse(federated.WrongDestination, fmt.Sprintf("destination %.200q", r.Destination), nil)
	}
	if r.Issuer != nil && !r.Issuer.is(v.idp.id) {
		return federated.Refuse(federated.WrongIssuer, fmt.Sprintf("issuer %.200q", r.Issuer.Value), nil)
	}
	if err := checkStatus(r.Status); err != nil {
		return err
	}
	return v.checkIssued(r.IssueInstant.Time, "response")
}

// checkRequest holds an InResponseTo against our request.
func (v verdict) checkRequest(inResponseTo string) error {
	switch {
	case v.asked == nil && inResponseTo != "":
		return federated.Refuse(federated.WrongNonce, "an answer to a request that is not known here", nil)
	case v.asked != nil && inResponseTo == "":
		return federated.Refuse(federated.NotAsked, "an answer to no request", nil)
	case v.asked != nil && inResponseTo != v.asked.ID:
		return federated.Refuse(federated.WrongNonce, "an answer to another request", nil)
	}
	return nil
}

// Status codes (Core section 3.2.2.2).
const (
	statusPrefix  = "urn:oasis:names:tc:SAML:2.0:status:"
	statusSuccess = statusPrefix + "Success"
)

// checkStatus sorts what an identity provider says instead of a name.
func checkStatus(s status) error {
	if s.Code.Value == statusSuccess {
		return nil
	}
	detail := fmt.Sprintf("status %.100q", s.Code.Value)
	inner := ""
	if s.Code.Inner != nil {
		inner = s.Code.Inner.Value
		detail += fmt.Sprintf(" %.100q", inner)
	}
	if s.Message != "" {
		detail += fmt.Sprintf(": %.200q", s.Message)
	}
	switch inner {
	case statusPrefix + "AuthnFailed", statusPrefix + "RequestDenied", statusPrefix + "NoPassive",
		statusPrefix + "NoAuthnContext", statusPrefix + "UnknownPrincipal":
		return federated.Refuse(federated.Denied, detail, nil)
	}
	switch s.Code.Value {
	case statusPrefix + "Requester", statusPrefix + "VersionMismatch":
		return federated.Refuse(federated.Refused, detail, nil)
	case statusPrefix + "Responder":
		return federated.Refuse(federated.Denied, detail, nil)
	}
	return federated.Refuse(federated.Malformed, detail, nil)
}

// checkIssued wants an instant in the last IssueDelay.
func (v verdict) checkIssued(at time.Time, what string) error {
	if at.IsZero() || v.now.After(at.Add(IssueDelay)) || at.After(v.now.Add(v.cfg.Skew)) {
		return federated.Refuse(federated.Expired, what+" issued at "+at.UTC().Format(time.RFC3339), nil)
	}
	return nil
}

// assertionElement finds the assertion and sees that it is signed, by itself or
// with the response.
func (v verdict) assertionElement(root *etree.Element, signed bool) (*etree.Element, error) {
	el, err := v.plain(root)
	if err != nil {
		return nil, err
	}
	if isSigned(el) {
		return verify(el, v.idp.certificates, v.now)
	}
	if !signed {
		return nil, federated.Refuse(federated.BadSignature, "neither response nor assertion is signed", nil)
	}
	return el, nil
}

// plain returns the assertion in clear text.
func (v verdict) plain(root *etree.Element) (*etree.Element, error) {
	clear := childrenOf(root, nsAssertion, "Assertion")
	hidden := childrenOf(root, nsAssertion, "EncryptedAssertion")
	if len(clear)+len(hidden) != 1 {
		return nil, federated.Refuse(federated.Malformed, "no assertion", nil)
	}
	if len(clear) == 1 {
		if v.cfg.WantEncrypted {
			return nil, federated.Refuse(federated.Malformed, "the assertion is not encrypted (want_encrypted)", nil)
		}
		return clear[0], nil
	}
	el, err := v.cfg.Key.openAssertion(hidden[0])
	if err != nil {
		return nil, federated.Refuse(federated.Malformed, "encrypted assertion", err)
	}
	if !isElement(el, nsAssertion, "Assertion") {
		return nil, federated.Refuse(federated.Malformed, "what was encrypted is no assertion", nil)
	}
	// The same shape as in a response, of which it now is the only child.
	outer := etree.NewElement("Response")
	outer.AddChild(el)
	if err := checkShape(outer); err != nil {
		return nil, federated.Refuse(federated.Malformed, "encrypted assertion", err)
	}
	return el, nil
}
