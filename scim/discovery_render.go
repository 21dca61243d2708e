package scim

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// URNs of the discovery documents and of lists.
const (
	ServiceProviderConfigURN = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	ResourceTypeURN          = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	ListURN                  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
)

// configDoc is ServiceProviderConfig (RFC 7643 section 5, RFC 9865 section 4).
// What the server has no value for is left out: no null and no empty URI.
type configDoc struct {
	Schemas               []string       `json:"schemas"`
	Patch                 supported      `json:"patch"`
	Bulk                  bulkDoc        `json:"bulk"`
	Filter                filterDoc      `json:"filter"`
	ChangePassword        supported      `json:"changePassword"`
	Sort                  supported      `json:"sort"`
	ETag                  supported      `json:"etag"`
	AuthenticationSchemes []schemeDoc    `json:"authenticationSchemes"`
	Pagination            *paginationDoc `json:"pagination,omitempty"`
	InteropConformant     bool           `json:"interopProfileConformant,omitempty"`
	Meta                  metaDoc        `json:"meta"`
}

type supported struct {
	Supported bool `json:"supported"`
}

type bulkDoc struct {
	Supported      bool  `json:"supported"`
	MaxOperations  int   `json:"maxOperations"`
	MaxPayloadSize int64 `json:"maxPayloadSize"`
}

type filterDoc struct {
	Supported  bool `json:"supported"`
	MaxResults int  `json:"maxResults"`
}

type schemeDoc struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	SpecURI     string `json:"specUri"`
}

type paginationDoc struct {
	Cursor        bool   `json:"cursor"`
	Index         bool   `json:"index"`
	DefaultMethod string `json:"defaultPaginationMethod"`
	DefaultSize   int    `json:"defaultPageSize"`
	MaxSize       int    `json:"maxPageSize"`
	CursorTimeout int64  `json:"cursorTimeout"`
}

type metaDoc struct {
	ResourceType string `json:"resourceType"`
	Location     string `json:"location"`
	Version      string `json:"version,omitempty"`
}

// typeDoc is a resource type (RFC 7643 section 6).
type typeDoc struct {
	Schemas     []string       `json:"schemas"`
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Endpoint    string         `json:"endpoint"`
	Description string         `json:"description,omitempty"`
	Schema      string         `json:"schema"`
	Extensions  []extensionDoc `json:"schemaExtensions,omitempty"`
	Meta        metaDoc        `json:"meta"`
}

type extensionDoc struct {
	Schema   string `json:"schema"`
	Required bool   `json:"required"`
}

// listDoc is a ListResponse that holds everything on its only page.
type listDoc struct {
	Schemas      []string          `json:"schemas"`
	TotalResults int               `json:"totalResults"`
	ItemsPerPage int               `json:"itemsPerPage"`
	StartIndex   int               `json:"startIndex"`
	Resources    []json.RawMessage `json:"Resources"`
}

// render makes all documents of one form.
func (d *discovery) render(form discoveryForm) (*documents, error) {
	docs := &documents{byName: make(map[string]document), byURN: make(map[string]document)}
	config := d.config(form)
	var err error
	if docs.config, err = single(&config, &config.Meta); err != nil {
		return nil, err
	}
	var list []document
	for _, rt := range d.registry.Types() {
		t := resourceTypeDoc(rt, form)
		doc, err := single(&t, &t.Meta)
		if err != nil {
			return nil, err
		}
		docs.byName[strings.ToLower(t.ID)] = doc
		list = append(list, doc)
	}
	if docs.types, err = collection(list); err != nil {
		return nil, err
	}
	list = nil
	for _, sc := range d.registry.Schemas() {
		s, meta := schemaDoc(sc, form)
		doc, err := single(s, meta)
		if err != nil {
			return nil, err
		}
		docs.byURN[strings.ToLower(s.ID)] = doc
		list = append(list, doc)
	}
	docs.schemas, err = collection(list)
	return docs, err
}

// config takes every number from the limits that are enforced.
func (d *discovery) config(form discoveryForm) configDoc {
	doc := configDoc{
		Schemas:        []string{ServiceProviderConfigURN},
		Patch:          supported{true},
		Bulk:           bulkDoc{Supported: true, MaxOperations: d.limits.BulkOperations, MaxPayloadSize: d.limits.BulkBody},
		Filter:         filterDoc{Supported: true, MaxResults: d.limits.MaxCount},
		ChangePassword: supported{form.password},
		Sort:           supported{true},
		ETag:           supported{true},
		AuthenticationSchemes: []schemeDoc{{
			Type:        "oauthbearertoken",
			Name:        "OAuth Bearer Token",
			Description: "Send the token of this client as Authorization: Bearer.",
			SpecURI:     "https://www.rfc-editor.org/info/rfc6750",
		}},
		InteropConformant: form.conformant,
		Meta:              metaDoc{ResourceType: "ServiceProviderConfig", Location: form.base + "/ServiceProviderConfig"},
	}
	if form.pagination {
		doc.Pagination = &paginationDoc{
			Cursor:        true,
			Index:         true,
			DefaultMethod: "index",
			DefaultSize:   d.limits.DefaultCount,
			MaxSize:       d.limits.MaxCount,
			CursorTimeout: int64(d.limits.CursorTimeout.Seconds()),
		}
	}
	return doc
}

func resourceTypeDoc(rt *schema.ResourceType, form discoveryForm) typeDoc {
	doc := typeDoc{
		Schemas:     []string{ResourceTypeURN},
		ID:          rt.Name,
		Name:        rt.Name,
		Endpoint:    rt.Endpoint,
		Description: rt.Description,
		Schema:      rt.Schema.ID,
		Meta:        metaDoc{ResourceType: "ResourceType", Location: form.base + "/ResourceTypes/" + rt.Name},
	}
	for _, e := range rt.Extensions {
		doc.Extensions = append(doc.Extensions, extensionDoc{Schema: form.urn(e.Schema.ID), Required: e.Required})
	}
	return doc
}

// urn is the name under which clients of this form know a schema.
func (form discoveryForm) urn(id string) string {
	if form.flatten && id == schema.SecondFactorURN {
		return schema.PingUserURN
	}
	return id
}

// schemaDoc is a schema as this form shows it; the password is hidden where it
// cannot be set.
func schemaDoc(sc *schema.Schema, form discoveryForm) (schema.Document, *metaDoc) {
	doc := sc.Document(func(a *schema.Attribute) bool {
		return sc.ID == schema.UserURN && a.Name == "password" && !form.password
	})
	if id := form.urn(sc.ID); id != sc.ID {
		doc.ID, doc.Name = id, "User"
		doc.Description = "Core attributes of a User; they stand at the top level of the resource"
	}
	meta := &metaDoc{ResourceType: "Schema", Location: form.base + "/Schemas/" + doc.ID}
	doc.Meta = meta
	return doc, meta
}

// single renders a document whose meta.version equals its entity tag (RFC 7643
// section 3.1): a hash of the rest of it.
func single(doc any, meta *metaDoc) (document, error) {
	body, err := encode(doc)
	if err != nil {
		return document{}, err
	}
	meta.Version = hashTag(body)
	if body, err = encode(doc); err != nil {
		return document{}, err
	}
	return document{body: body, etag: meta.Version}, nil
}

// collection renders the list of documents (RFC 7644 section 4).
func collection(docs []document) (document, error) {
	list := listDoc{
		Schemas:      []string{ListURN},
		TotalResults: len(docs),
		ItemsPerPage: len(docs),
		StartIndex:   1,
		Resources:    []json.RawMessage{},
	}
	for _, doc := range docs {
		list.Resources = append(list.Resources, doc.body)
	}
	body, err := encode(list)
	if err != nil {
		return document{}, err
	}
	return document{body: body, etag: hashTag(body)}, nil
}

// encode is JSON without the escapes that only HTML needs.
func encode(doc any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, fmt.Errorf("render discovery document: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// hashTag is a weak entity tag over the bytes of a document.
func hashTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}
