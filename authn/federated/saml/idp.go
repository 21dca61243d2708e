package saml

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	roundtrip "github.com/mattermost/xml-roundtrip-validator"
)

// IDP says who an identity provider is: by metadata, as a document or at a URL,
// or by its parts.
type IDP struct {
	// EntityID is its name. With metadata it may be empty if they name one provider.
	EntityID string
	// MetadataURL is where its metadata are, Metadata the document itself.
	MetadataURL string
	Metadata    []byte
	// MetadataCertificates sign the metadata; empty: the connection, or whoever
	// wrote the file, vouches for them.
	MetadataCertificates []*x509.Certificate
	// SSOURL is where requests go, by the binding of Config, and Certificates sign
	// its answers: without metadata only.
	SSOURL       string
	Certificates []*x509.Certificate
}

// entity is what we need to know of an identity provider.
type entity struct {
	id           string
	endpoints    map[Binding]string
	certificates []*x509.Certificate
	until        time.Time // of the metadata; zero: for good
	cache        time.Duration
}

// ParseCertificates reads certificates in PEM.
func ParseCertificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pemCertificate {
			return nil, fmt.Errorf("a PEM block %q where a certificate is wanted", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		out = append(out, certificate)
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate in PEM")
	}
	return out, nil
}

// explicit makes an entity of settings.
func (i IDP) explicit(binding Binding) (entity, error) {
	if i.EntityID == "" || len(i.Certificates) == 0 {
		return entity{}, errors.New("without metadata an identity provider needs its entity id, URL and certificates")
	}
	if err := checkEndpoint(i.SSOURL); err != nil {
		return entity{}, err
	}
	if binding == "" {
		binding = ByRedirect
	}
	return entity{id: i.EntityID, endpoints: map[Binding]string{binding: i.SSOURL}, certificates: i.Certificates}, nil
}

// checkEndpoint wants an absolute http or https URL: a browser is sent there.
func checkEndpoint(location string) error {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%q is no URL of an identity provider", location)
	}
	return nil
}

// parseMetadata reads metadata (SAML 2.0 Metadata section 2.3). Of a list it
// takes the provider of that entity id.
func (i IDP) parseMetadata(text []byte, now time.Time) (entity, error) {
	root, err := parseMetadataDocument(text)
	if err != nil {
		return entity{}, fmt.Errorf("metadata: %w", err)
	}
	if len(i.MetadataCertificates) > 0 {
		if root, err = verify(root, i.MetadataCertificates, now); err != nil {
			return entity{}, fmt.Errorf("metadata: %w", err)
		}
	}
	descriptor, err := i.choose(root)
	if err != nil {
		return entity{}, fmt.Errorf("metadata: %w", err)
	}
	out, err := readDescriptor(descriptor)
	if err != nil {
		return entity{}, fmt.Errorf("metadata of %s: %w", descriptor.EntityID, err)
	}
	if !out.until.IsZero() && !now.Before(out.until) {
		return entity{}, fmt.Errorf("metadata of %s: valid until %s only", out.id, out.until.UTC().Format(time.RFC3339))
	}
	return out, nil
}

// parseMetadataDocument is more patient than parseDocument: metadata have
// comments, and whoever may write them need not hide anything.
func parseMetadataDocument(text []byte) (*etree.Element, error) {
	if err := roundtrip.Validate(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("a document that readers take differently: %w", err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, fmt.Errorf("no XML: %w", err)
	}
	if doc.Root() == nil {
		return nil, errors.New("no XML document")
	}
	return doc.Root(), nil
}

// choose finds the descriptor of the identity provider.
func (i IDP) choose(root *etree.Element) (crewjam.EntityDescriptor, error) {
	all, err := descriptors(root)
	if err != nil {
		return crewjam.EntityDescriptor{}, err
	}
	var found []crewjam.EntityDescriptor
	for _, d := range all {
		if len(d.IDPSSODescriptors) > 0 && (i.EntityID == "" || d.EntityID == i.EntityID) {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 1 && found[0].EntityID != "":
		return found[0], nil
	case len(found) == 0 && i.EntityID != "":
		return crewjam.EntityDescriptor{}, fmt.Errorf("no identity provider %q in it", i.EntityID)
	case len(found) == 0:
		return crewjam.EntityDescriptor{}, errors.New("no identity provider in it")
	}
	return crewjam.EntityDescriptor{}, errors.New("several identity providers in it: set entity_id")
}

func descriptors(root *etree.Element) ([]crewjam.EntityDescriptor, error) {
	if isElement(root, nsMetadata, "EntityDescriptor") {
		var one crewjam.EntityDescriptor
		if err := decode(root, &one); err != nil {
			return nil, err
		}
		return []crewjam.EntityDescriptor{one}, nil
	}
	if !isElement(root, nsMetadata, "EntitiesDescriptor") {
		return nil, fmt.Errorf("its root is %s", root.Tag)
	}
	var list crewjam.EntitiesDescriptor
	if err := decode(root, &list); err != nil {
		return nil, err
	}
	return flatten(list), nil
}

func flatten(list crewjam.EntitiesDescriptor) []crewjam.EntityDescriptor {
	out := list.EntityDescriptors
	for i := range out {
		// A list that ends before its parts ends them too.
		if list.ValidUntil != nil && (out[i].ValidUntil.IsZero() || list.ValidUntil.Before(out[i].ValidUntil)) {
			out[i].ValidUntil = *list.ValidUntil
		}
	}
	for _, inner := range list.EntitiesDescriptors {
		out = append(out, flatten(inner)...)
	}
	return out
}

// readDescriptor takes what we need from a descriptor.
func readDescriptor(d crewjam.EntityDescriptor) (entity, error) {
	out := entity{id: d.EntityID, endpoints: map[Binding]string{}, until: d.ValidUntil, cache: d.CacheDuration}
	for _, role := range d.IDPSSODescriptors {
		for _, endpoint := range role.SingleSignOnServices {
			if err := out.addEndpoint(endpoint); err != nil {
				return entity{}, err
			}
		}
		for _, key := range role.KeyDescriptors {
			if key.Use != "" && key.Use != "signing" {
				continue
			}
			if err := out.addKeys(key); err != nil {
				return entity{}, err
			}
		}
	}
	if len(out.endpoints) == 0 {
		return entity{}, errors.New("no single sign-on service by HTTP-Redirect or HTTP-POST")
	}
	if len(out.certificates) == 0 {
		return entity{}, errors.New("no signing certificate")
	}
	return out, nil
}

func (e *entity) addEndpoint(endpoint crewjam.Endpoint) error {
	var binding Binding
	switch endpoint.Binding {
	case crewjam.HTTPRedirectBinding:
		binding = ByRedirect
	case crewjam.HTTPPostBinding:
		binding = ByPost
	default:
		return nil
	}
	if err := checkEndpoint(endpoint.Location); err != nil {
		return err
	}
	if e.endpoints[binding] == "" {
		e.endpoints[binding] = endpoint.Location
	}
	return nil
}

func (e *entity) addKeys(key crewjam.KeyDescriptor) error {
	for _, text := range key.KeyInfo.X509Data.X509Certificates {
		der, err := decodeBase64(text.Data)
		if err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
		e.certificates = append(e.certificates, certificate)
	}
	return nil
}

// endpoint returns where a request goes and how. wanted "": redirect first.
func (e *entity) endpoint(wanted Binding) (string, Binding, error) {
	order := []Binding{ByRedirect, ByPost}
	if wanted != "" {
		order = []Binding{wanted}
	}
	for _, binding := range order {
		if location := e.endpoints[binding]; location != "" {
			return location, binding, nil
		}
	}
	return "", "", fmt.Errorf("%s takes no requests by HTTP-%s", e.id, map[Binding]string{ByRedirect: "Redirect", ByPost: "POST"}[wanted])
}

// marshalXML writes a descriptor with the declaration in front.
func marshalXML(v any) ([]byte, error) {
	out, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write metadata: %w", err)
	}
	return append([]byte(xml.Header), append(out, '\n')...), nil
}
