package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"

	"github.com/beevik/etree"
	roundtrip "github.com/mattermost/xml-roundtrip-validator"
)

// Namespaces.
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsXMLEnc    = "http://www.w3.org/2001/04/xmlenc#"
	nsXMLEnc11  = "http://www.w3.org/2009/xmlenc11#"
)

// Bounds of documents that come from outside. The verifier has a bound of its
// own on the number of elements.
const (
	maxDocument = 256 << 10
	maxDepth    = 40
	maxElements = 8192
)

// isElement tells whether el is that element of that namespace.
func isElement(el *etree.Element, space, name string) bool {
	return el.Tag == name && el.NamespaceURI() == space
}

// childrenOf returns the children of that name.
func childrenOf(el *etree.Element, space, name string) []*etree.Element {
	var out []*etree.Element
	for _, child := range el.ChildElements() {
		if isElement(child, space, name) {
			out = append(out, child)
		}
	}
	return out
}

// onlyChild returns the one child of that name.
func onlyChild(el *etree.Element, space, name string) (*etree.Element, error) {
	found := childrenOf(el, space, name)
	if len(found) != 1 {
		return nil, fmt.Errorf("%d elements %s in %s", len(found), name, el.Tag)
	}
	return found[0], nil
}

// parseDocument reads a document that every reader reads alike, and refuses any
// other.
func parseDocument(text []byte) (*etree.Element, error) {
	if len(text) > maxDocument {
		return nil, fmt.Errorf("a document of more than %d bytes", maxDocument)
	}
	if err := roundtrip.Validate(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("a document that readers take differently: %w", err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, fmt.Errorf("no XML: %w", err)
	}
	root := doc.Root()
	if root == nil {
		return nil, errors.New("an empty document")
	}
	for _, token := range doc.Child {
		if err := checkTopLevel(token, root); err != nil {
			return nil, err
		}
	}
	s := scan{ids: map[string]bool{}}
	if err := s.element(root, 1); err != nil {
		return nil, err
	}
	return root, nil
}

// checkTopLevel allows the XML declaration, blanks and one element.
func checkTopLevel(token etree.Token, root *etree.Element) error {
	switch t := token.(type) {
	case *etree.ProcInst:
		if t.Target == "xml" {
			return nil
		}
	case *etree.CharData:
		if t.IsWhitespace() {
			return nil
		}
	case *etree.Element:
		if t == root {
			return nil
		}
	}
	return fmt.Errorf("a %T beside the root", token)
}

// scan walks a document once.
type scan struct {
	ids      map[string]bool
	elements int
}

func (s *scan) element(el *etree.Element, depth int) error {
	s.elements++
	if depth > maxDepth || s.elements > maxElements {
		return errors.New("a document that is too deep or has too many elements")
	}
	for _, attr := range el.Attr {
		if attr.Space != "" || attr.Key != "ID" && attr.Key != "Id" && attr.Key != "id" {
			continue
		}
		if s.ids[attr.Value] {
			return errors.New("an ID twice")
		}
		s.ids[attr.Value] = true
	}
	for _, token := range el.Child {
		switch t := token.(type) {
		case *etree.Element:
			if err := s.element(t, depth+1); err != nil {
				return err
			}
		case *etree.CharData:
		default:
			// A comment inside a name splits it in two for some readers.
			return fmt.Errorf("a %T in a document", token)
		}
	}
	return nil
}

// eachBelow calls visit for every element below el.
func eachBelow(el *etree.Element, visit func(*etree.Element) error) error {
	for _, child := range el.ChildElements() {
		if err := visit(child); err != nil {
			return err
		}
		if err := eachBelow(child, visit); err != nil {
			return err
		}
	}
	return nil
}

// decode reads an element into a struct.
func decode(el *etree.Element, into any) error {
	doc := etree.NewDocument()
	doc.SetRoot(el.Copy())
	text, err := doc.WriteToBytes()
	if err != nil {
		return fmt.Errorf("write %s: %w", el.Tag, err)
	}
	if err := xml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", el.Tag, err)
	}
	return nil
}
