package scim

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
)

// discovery holds the documents of RFC 7644 section 4, rendered once for every
// form that a profile and a base URL give them. Safe for concurrent use.
type discovery struct {
	registry *schema.Registry
	limits   Limits

	mu    sync.RWMutex
	forms map[discoveryForm]*documents
}

// discoveryForm is everything that the documents depend on besides the
// configuration; it takes few values.
type discoveryForm struct {
	base                                      string
	password, flatten, pagination, conformant bool
}

// documents are the discovery documents in one form.
type documents struct {
	config  document
	types   document
	schemas document
	byName  map[string]document // resource type by lower-cased name
	byURN   map[string]document // schema by lower-cased URN
}

// document is a rendered document with its entity tag.
type document struct {
	body []byte
	etag string
}

func newDiscovery(registry *schema.Registry, limits Limits) *discovery {
	return &discovery{registry: registry, limits: limits, forms: make(map[discoveryForm]*documents)}
}

// form returns the documents as a profile sees them below a base URL.
func (d *discovery) form(p *Profile, base string) (*documents, error) {
	form := discoveryForm{
		base:       base,
		password:   !p.RefusePassword,
		flatten:    p.FlattenSecondFactor,
		pagination: p.Pagination,
		conformant: p.InteropConformant,
	}
	d.mu.RLock()
	docs := d.forms[form]
	d.mu.RUnlock()
	if docs != nil {
		return docs, nil
	}
	docs, err := d.render(form)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.forms[form] = docs
	return docs, nil
}

// serviceProviderConfig answers GET /ServiceProviderConfig (RFC 7643 section 5).
func (s *Service) serviceProviderConfig(c echo.Context) error {
	return s.discover(c, func(d *documents) (document, bool) { return d.config, true })
}

// resourceTypes answers GET /ResourceTypes (RFC 7643 section 6).
func (s *Service) resourceTypes(c echo.Context) error {
	return s.discover(c, func(d *documents) (document, bool) { return d.types, true })
}

// resourceTypeByName answers GET /ResourceTypes/{name}.
func (s *Service) resourceTypeByName(c echo.Context) error {
	return s.discover(c, func(d *documents) (document, bool) {
		doc, ok := d.byName[strings.ToLower(firstParam(c))]
		return doc, ok
	})
}

// schemas answers GET /Schemas (RFC 7643 section 7).
func (s *Service) schemas(c echo.Context) error {
	return s.discover(c, func(d *documents) (document, bool) { return d.schemas, true })
}

// schemaByID answers GET /Schemas/{urn}; URNs compare without case (RFC 7643
// section 2.1).
func (s *Service) schemaByID(c echo.Context) error {
	return s.discover(c, func(d *documents) (document, bool) {
		doc, ok := d.byURN[strings.ToLower(firstParam(c))]
		return doc, ok
	})
}

// firstParam is the value of the only parameter of a discovery route.
func firstParam(c echo.Context) string {
	if values := c.ParamValues(); len(values) > 0 {
		return values[0]
	}
	return ""
}

// discover answers with a discovery document. Sorting and paging parameters
// are ignored and a filter is refused (RFC 7644 section 4).
func (s *Service) discover(c echo.Context, choose func(*documents) (document, bool)) error {
	if c.QueryParams().Has("filter") {
		return NewError(http.StatusForbidden, "",
			"Discovery endpoints take no filter; leave the filter parameter out.")
	}
	profile, err := s.discoveryProfile(c)
	if err != nil {
		return err
	}
	docs, err := s.discovery.form(profile, s.base(c))
	if err != nil {
		return err
	}
	doc, ok := choose(docs)
	if !ok {
		return NewError(http.StatusNotFound, "",
			"This server has no such schema or resource type; GET the collection to see those that it has.")
	}
	return doc.write(c, profile)
}

// discoveryProfile is the profile of the token that was sent, else the
// server's default. What may be read without a token may be read with a bad
// one, so 401 is no reason to refuse.
func (s *Service) discoveryProfile(c echo.Context) (*Profile, error) {
	if c.Request().Header.Get(echo.HeaderAuthorization) == "" {
		return s.profile, nil
	}
	caller, err := s.authenticate(c)
	if err == nil {
		return s.profileOf(caller), nil
	}
	if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusUnauthorized || e.Status == http.StatusBadRequest) {
		return s.profile, nil
	}
	return nil, err
}

// write sends the document, or 304 to a client that has it.
func (d document) write(c echo.Context, p *Profile) error {
	typ, err := replyType(c, p)
	if err != nil {
		return err
	}
	header := c.Response().Header()
	header.Set("ETag", d.etag)
	header.Set(echo.HeaderCacheControl, "private, no-cache")
	header.Set(echo.HeaderVary, "Accept, Authorization")
	if tags := c.Request().Header.Get("If-None-Match"); tags != "" && matchesTag(tags, d.etag) {
		return c.NoContent(http.StatusNotModified)
	}
	header.Set(echo.HeaderContentLength, strconv.Itoa(len(d.body)))
	header.Set(echo.HeaderContentType, typ)
	c.Response().WriteHeader(http.StatusOK)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err = c.Response().Write(d.body)
	return err
}
