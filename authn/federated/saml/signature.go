package saml

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// signatureMethods are those that count: no SHA-1, no MAC.
func signatureMethods() []string {
	return []string{
		dsig.RSASHA256SignatureMethod, dsig.RSASHA384SignatureMethod, dsig.RSASHA512SignatureMethod,
		dsig.ECDSASHA256SignatureMethod, dsig.ECDSASHA384SignatureMethod, dsig.ECDSASHA512SignatureMethod,
	}
}

// digestMethods are those that count.
func digestMethods() []string {
	return []string{
		"http://www.w3.org/2001/04/xmlenc#sha256",
		"http://www.w3.org/2001/04/xmldsig-more#sha384",
		"http://www.w3.org/2001/04/xmlenc#sha512",
	}
}

// transforms are those that SAML allows (Core section 5.4.4): the signature
// itself is left out, then the rest is written in one way.
func transforms() []string {
	return []string{
		dsig.EnvelopedSignatureAltorithmId.String(),
		dsig.CanonicalXML10ExclusiveAlgorithmId.String(),
		dsig.CanonicalXML10ExclusiveWithCommentsAlgorithmId.String(),
	}
}

// isSigned tells whether el has a signature of its own.
func isSigned(el *etree.Element) bool {
	return len(childrenOf(el, nsSignature, "Signature")) > 0
}

// verify checks the signature of el and returns what was signed, rebuilt from
// the bytes that were hashed. Only keys of the configuration or of the metadata
// count: a key that the document brings is not looked at.
func verify(el *etree.Element, certificates []*x509.Certificate, now time.Time) (*etree.Element, error) {
	if err := checkSignature(el); err != nil {
		return nil, err
	}
	detached, err := detach(el)
	if err != nil {
		return nil, federated.Refuse(federated.Malformed, "namespaces", err)
	}
	dropKeyInfo(detached)
	clock := dsig.NewFakeClockAt(now)
	var last error
	for _, certificate := range certificates {
		v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{certificate}})
		v.IdAttribute = "ID"
		v.Clock = clock
		signed, err := v.Validate(detached)
		if err != nil {
			last = err
			continue
		}
		if signed == nil || !isElement(signed, el.NamespaceURI(), el.Tag) || id(signed) != id(el) {
			return nil, federated.Refuse(federated.BadSignature, "the signature is of another element", nil)
		}
		return signed, nil
	}
	return nil, federated.Refuse(federated.BadSignature, "no key of the provider made the signature of "+el.Tag, last)
}

// id is the ID of an element.
func id(el *etree.Element) string { return el.SelectAttrValue("ID", "") }

// detach copies an element with the namespaces that it inherits.
func detach(el *etree.Element) (*etree.Element, error) {
	ctx, err := etreeutils.NSBuildParentContext(el)
	if err != nil {
		return nil, fmt.Errorf("read namespaces: %w", err)
	}
	ctx, err = ctx.SubContext(el)
	if err != nil {
		return nil, fmt.Errorf("read namespaces: %w", err)
	}
	out, err := etreeutils.NSDetatch(ctx, el)
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", el.Tag, err)
	}
	return out, nil
}

// dropKeyInfo removes the key that the signature names. It is not signed, and
// the verifier would otherwise ask it which key to try.
func dropKeyInfo(el *etree.Element) {
	for _, sig := range childrenOf(el, nsSignature, "Signature") {
		for _, info := range childrenOf(sig, nsSignature, "KeyInfo") {
			sig.RemoveChild(info)
		}
	}
}

// checkSignature holds the one signature of el to the form of SAML 2.0 Core
// section 5.4: one reference, to el itself, and nothing else inside.
func checkSignature(el *etree.Element) error {
	malformed := func(err error) error {
		return federated.Refuse(federated.Malformed, "signature of "+el.Tag, err)
	}
	if id(el) == "" {
		return malformed(errors.New("what it signs has no ID"))
	}
	sig, err := onlyChild(el, nsSignature, "Signature")
	if err != nil {
		return malformed(err)
	}
	info, err := checkParts(sig)
	if err != nil {
		return malformed(err)
	}
	ref, err := onlyChild(info, nsSignature, "Reference")
	if err != nil {
		return malformed(err)
	}
	if ref.SelectAttrValue("URI", "") != "#"+id(el) {
		return malformed(errors.New("it refers to another element"))
	}
	return checkAlgorithms(info, ref)
}

// checkParts allows SignedInfo, SignatureValue and KeyInfo, in particular no
// Object, in which anything could hide.
func checkParts(sig *etree.Element) (*etree.Element, error) {
	for _, child := range sig.ChildElements() {
		if child.NamespaceURI() != nsSignature || !slices.Contains([]string{"SignedInfo", "SignatureValue", "KeyInfo"}, child.Tag) {
			return nil, fmt.Errorf("a %s in it", child.Tag)
		}
	}
	if _, err := onlyChild(sig, nsSignature, "SignatureValue"); err != nil {
		return nil, err
	}
	if len(childrenOf(sig, nsSignature, "KeyInfo")) > 1 {
		return nil, errors.New("two elements KeyInfo in it")
	}
	return onlyChild(sig, nsSignature, "SignedInfo")
}

func checkAlgorithms(info, ref *etree.Element) error {
	for _, check := range []struct {
		in      *etree.Element
		name    string
		allowed []string
	}{
		{info, "CanonicalizationMethod", transforms()[1:]},
		{info, "SignatureMethod", signatureMethods()},
		{ref, "DigestMethod", digestMethods()},
	} {
		el, err := onlyChild(check.in, nsSignature, check.name)
		if err != nil {
			return federated.Refuse(federated.Malformed, "signature", err)
		}
		algorithm := el.SelectAttrValue("Algorithm", "")
		if !slices.Contains(check.allowed, algorithm) {
			return federated.Refuse(federated.WrongAlgorithm, fmt.Sprintf("%s %q", check.name, algorithm), nil)
		}
	}
	return checkTransforms(ref)
}

// checkTransforms wants the signature left out first, then at most one way to
// write the rest.
func checkTransforms(ref *etree.Element) error {
	list, err := onlyChild(ref, nsSignature, "Transforms")
	if err != nil {
		return federated.Refuse(federated.Malformed, "signature", err)
	}
	steps := childrenOf(list, nsSignature, "Transform")
	if len(steps) != 2 || len(list.ChildElements()) != 2 {
		return federated.Refuse(federated.WrongAlgorithm, "the transforms are not the two that SAML has", nil)
	}
	if first := steps[0].SelectAttrValue("Algorithm", ""); first != transforms()[0] {
		return federated.Refuse(federated.WrongAlgorithm, fmt.Sprintf("first transform %q", first), nil)
	}
	if second := steps[1].SelectAttrValue("Algorithm", ""); !slices.Contains(transforms()[1:], second) {
		return federated.Refuse(federated.WrongAlgorithm, fmt.Sprintf("second transform %q", second), nil)
	}
	return nil
}
