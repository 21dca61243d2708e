package scim

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
)

// call is a decoded request on one resource or for a new one.
type call struct {
	caller Caller
	rt     *schema.ResourceType
	id     string // "" for a new one
	body   schema.Object
	req    Request
}

// operation is one operation of the service as the adapter calls it.
type operation func(ctx context.Context, in call) (*Resource, error)

// on adapts an operation on resources of a type to HTTP, for every type and
// method alike: decode, call, encode.
func (s *Service) on(rt *schema.ResourceType, op operation) handler {
	return func(c echo.Context, caller Caller) error {
		id, err := pathID(c)
		if err != nil {
			return err
		}
		return s.run(c, call{caller: caller, rt: rt, id: id}, op)
	}
}

// onMe is on for the user that the token belongs to (RFC 7644 section 3.11):
// the alias is answered directly, under the location of the real resource.
func (s *Service) onMe(op operation) handler {
	rt := s.cfg.Registry.ByName(userType)
	return func(c echo.Context, caller Caller) error {
		if caller.UserID == "" {
			return NewError(http.StatusNotImplemented, "",
				"/Me is the user that a token belongs to; this token belongs to none. Use /Users/{id}.")
		}
		return s.run(c, call{caller: caller, rt: rt, id: caller.UserID}, op)
	}
}

// run decodes what every operation takes, calls it and writes its answer.
func (s *Service) run(c echo.Context, in call, op operation) error {
	info := noteRequest(c, in.caller, in.rt.Name, in.id)
	q, err := queryParams(c)
	if err != nil {
		return err
	}
	if in.req, err = s.request(c, in.rt, q, in.caller); err != nil {
		return err
	}
	if in.body, err = s.decodeBody(c, in.rt); err != nil {
		return err
	}
	res, err := op(c.Request().Context(), in)
	if err != nil {
		return err
	}
	info.ID, info.Dropped = res.ID, res.Dropped
	notePreference(c, in.req.Prefer, res.Status)
	return writeResource(c, s.profileOf(in.caller), res)
}

// notePreference tells the client that its preference was followed (RFC 7240
// section 3). Only PATCH has a choice of answers.
func notePreference(c echo.Context, p Preference, status int) {
	if c.Request().Method != http.MethodPatch {
		return
	}
	if p == PreferMinimal && status == http.StatusNoContent || p == PreferRepresentation && status == http.StatusOK {
		c.Response().Header().Set("Preference-Applied", "return="+string(p))
	}
}

// request reads projection, preconditions and preference.
func (s *Service) request(c echo.Context, rt *schema.ResourceType, q params, caller Caller) (Request, error) {
	pr, err := s.projection(rt, q, s.profileOf(caller))
	if err != nil {
		return Request{}, err
	}
	h := c.Request().Header
	return Request{
		Projection:  pr,
		IfMatch:     joined(h, "If-Match"),
		IfNoneMatch: joined(h, "If-None-Match"),
		Base:        s.base(c),
		Prefer:      preference(h),
	}, nil
}

// joined is the value of a list header that may stand on several lines.
func joined(h http.Header, name string) string { return strings.Join(h[name], ", ") }

// decodeBody reads the body of the methods that have one.
func (s *Service) decodeBody(c echo.Context, rt *schema.ResourceType) (schema.Object, error) {
	switch c.Request().Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		return nil, nil
	}
	limit := s.limits.Body
	if rt != nil && s.types[rt].relation != nil {
		limit = s.limits.GroupBody
	}
	data, err := readBody(c, limit)
	if err != nil {
		return nil, err
	}
	return schema.Decode(data, schema.Limits{Depth: s.limits.Depth})
}

// pathID is the id in the path. An id holds no slash, escaped or not.
func pathID(c echo.Context) (string, error) {
	raw := c.Param("id")
	if raw == "" {
		return "", nil
	}
	id, err := url.PathUnescape(raw)
	if err != nil || !plausibleID(id) {
		return "", ErrNotFound
	}
	if id == ".search" {
		return "", NewError(http.StatusMethodNotAllowed, "", "A search is sent with POST.").
			WithHeader(echo.HeaderAllow, http.MethodPost)
	}
	return id, nil
}

// writeResource encodes the answer of an operation.
func writeResource(c echo.Context, p *Profile, res *Resource) error {
	h := c.Response().Header()
	if res.Version != "" {
		// The canonical form is "Etag"; the map is set directly to spare its
		// computation on every request.
		h["Etag"] = []string{res.Version}
		h["Location"] = []string{res.Location}
	}
	if res.Body == nil {
		c.Response().WriteHeader(res.Status)
		return nil
	}
	// RFC 7643 section 3.1: meta.location is the same as Content-Location.
	h["Content-Location"] = []string{res.Location}
	return writeBody(c, p, res.Status, res.Body)
}

// writeBody sends JSON in the media type that the client accepts. What a
// directory says is nobody else's to keep, so no cache may store it.
func writeBody(c echo.Context, p *Profile, status int, body []byte) error {
	typ, err := replyType(c, p)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentType, typ)
	h.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	h.Set(echo.HeaderCacheControl, "private, no-cache")
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err = c.Response().Write(body)
	return err
}

func (s *Service) create(ctx context.Context, in call) (*Resource, error) {
	return s.Create(ctx, in.caller, in.rt, in.body, in.req)
}

func (s *Service) get(ctx context.Context, in call) (*Resource, error) {
	return s.Get(ctx, in.caller, in.rt, in.id, in.req)
}

func (s *Service) put(ctx context.Context, in call) (*Resource, error) {
	return s.Replace(ctx, in.caller, in.rt, in.id, in.body, in.req)
}

func (s *Service) patch(ctx context.Context, in call) (*Resource, error) {
	return s.Patch(ctx, in.caller, in.rt, in.id, in.body, in.req)
}

func (s *Service) delete(ctx context.Context, in call) (*Resource, error) {
	err := s.Delete(ctx, in.caller, in.rt, in.id, in.req)
	return &Resource{Status: http.StatusNoContent, ID: in.id}, err
}

// list answers GET on a type, or on all of them when rt is nil.
func (s *Service) list(rt *schema.ResourceType) handler {
	return func(c echo.Context, caller Caller) error {
		noteRequest(c, caller, typeName(rt), "")
		params, err := queryParams(c)
		if err != nil {
			return err
		}
		q, err := listQuery(params)
		if err != nil {
			return err
		}
		return s.writeList(c, caller, rt, q)
	}
}

// search answers POST /.search, which says the same as GET without putting
// filters into URLs and logs (RFC 7644 sections 3.4.3 and 7.5.2).
func (s *Service) search(rt *schema.ResourceType) handler {
	return func(c echo.Context, caller Caller) error {
		noteRequest(c, caller, typeName(rt), "")
		params, err := queryParams(c)
		if err != nil {
			return err
		}
		// RFC 7644 section 3.4.2.2: a filter is never ignored.
		if _, ok := params[paramFilter]; ok {
			return NewError(http.StatusBadRequest, TypeInvalidFilter,
				"A search takes its filter from the body; leave filter out of the URL.")
		}
		body, err := s.decodeBody(c, nil)
		if err != nil {
			return err
		}
		q, err := searchQuery(body, s.profileOf(caller))
		if err != nil {
			return err
		}
		return s.writeList(c, caller, rt, q)
	}
}

// writeList answers with the page that q asks for.
func (s *Service) writeList(c echo.Context, caller Caller, rt *schema.ResourceType, q ListQuery) error {
	list, err := s.List(c.Request().Context(), caller, rt, q, s.base(c))
	if err != nil {
		return err
	}
	defer s.buffers.release(list)
	return writeBody(c, s.profileOf(caller), http.StatusOK, list.Body)
}

func typeName(rt *schema.ResourceType) string {
	if rt == nil {
		return ""
	}
	return rt.Name
}

// RequestInfo is what a SCIM request adds to the access log. It never holds
// filters, attribute values or other personal data (RFC 7644 section 7.5.2).
type RequestInfo struct {
	ResourceType string
	ID           string // of the resource
	TokenID      string
	Dropped      int // attributes of the input that no schema defines
}

// infoKey is where a RequestInfo stands in the echo context.
const infoKey = "sallyport.scim.info"

// noteRequest records the request for the access log.
func noteRequest(c echo.Context, caller Caller, resourceType, id string) *RequestInfo {
	info := &RequestInfo{ResourceType: resourceType, ID: id, TokenID: caller.TokenID}
	c.Set(infoKey, info)
	return info
}

// InfoOf returns what the request adds to the access log, or nil.
func InfoOf(c echo.Context) *RequestInfo {
	info, _ := c.Get(infoKey).(*RequestInfo)
	return info
}
