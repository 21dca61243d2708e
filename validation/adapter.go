package validation

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// Front is the HTTP side of package scim, which sub-resources share.
type Front interface {
	// Authenticate returns the caller of a request; *scim.Error otherwise.
	Authenticate(c echo.Context) (scim.Caller, error)
	// Base is the public base URL that the request was sent to.
	Base(c echo.Context) string
	// ReadBody decodes the JSON body; nil for an empty one.
	ReadBody(c echo.Context, limit int64) (schema.Object, error)
	// Reply sends v as JSON that no cache stores; nil sends no body.
	Reply(c echo.Context, caller scim.Caller, status int, v any) error
}

// Freshness asks for a recent second factor or login of the session behind a
// user's own token.
type Freshness interface {
	// Check returns nil, or the *scim.Error of RFC 9470. It passes callers
	// without a user.
	Check(ctx context.Context, caller scim.Caller, userID string, user schema.Object) error
}

// bodyLimit bounds request bodies of sub-resources, in bytes: a state, two
// texts and room.
const bodyLimit = 64 << 10

// endpoint is what the adapter checks for one method of one sub-resource.
type endpoint struct {
	name   string // sub-resource, as asked
	status int    // of the answer; 204 sends no body
	// own and admin are the short names of the scopes for the own record and
	// for others; "" keeps that kind of caller out.
	own, admin string
	fresh      bool // asks for a recent second factor or login
	inactive   bool // answers for inactive users too
}

// Target is the user that a request concerns, after every check of the
// adapter.
type Target struct {
	Caller scim.Caller
	User   *scim.User
	Own    bool // the caller is that user
	Key    string
	Query  url.Values // by names in lower case, each once

	base string
	name string
}

// Location is the absolute URL of the sub-resource, below /Users also when the
// request went to /Me, with the name as asked; key "" is the collection.
func (t Target) Location(key string) string {
	l := t.base + "/Users/" + t.User.ID + "/" + t.name
	if key != "" {
		l += "/" + key
	}
	return l
}

// meta is the "meta" of every reply: nothing but what the strict clients of
// section 4 know.
type meta struct {
	ResourceType string `json:"resourceType"`
	Created      string `json:"created,omitempty"`
	LastModified string `json:"lastModified,omitempty"`
	Location     string `json:"location"`
}

// located replies name their URL for the Location header of 201.
type located interface{ location() string }

// none is the request or reply of a method without one.
type none struct{}

func noBody(*members) (none, error) { return none{}, nil }

// call adapts one method of a sub-resource to HTTP: admit, decode, call,
// encode. decode gets nil members for an empty body, and for methods without
// one.
func call[Req, Resp any](s *Service, e endpoint, decode func(*members) (Req, error), fn func(ctx context.Context, t Target, req Req) (Resp, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		t, err := s.admit(c, e)
		if err != nil {
			return err
		}
		body, err := s.body(c)
		if err != nil {
			return err
		}
		req, err := decode(body)
		if err != nil {
			return err
		}
		resp, err := fn(c.Request().Context(), t, req)
		if err != nil {
			return err
		}
		if e.status == http.StatusNoContent {
			return s.cfg.Front.Reply(c, t.Caller, e.status, nil)
		}
		if l, ok := any(resp).(located); ok && e.status == http.StatusCreated {
			c.Response().Header().Set(echo.HeaderLocation, l.location())
		}
		return s.cfg.Front.Reply(c, t.Caller, e.status, resp)
	}
}

// admit finds the user of a request and makes the checks in their order: token,
// visibility, scope, active, step-up.
func (s *Service) admit(c echo.Context, e endpoint) (Target, error) {
	caller, err := s.cfg.Front.Authenticate(c)
	if err != nil {
		return Target{}, err
	}
	t := Target{Caller: caller, name: e.name, base: s.cfg.Front.Base(c), Key: segment(c, "key")}
	id, err := s.subject(c, caller)
	if err != nil {
		return Target{}, err
	}
	ctx := c.Request().Context()
	if t.User, err = s.visible(ctx, caller, id); err != nil {
		return Target{}, err
	}
	t.Own = caller.UserID == t.User.ID
	if err := e.permit(t); err != nil {
		return Target{}, err
	}
	if !e.inactive && !t.User.Active() {
		return Target{}, inactive()
	}
	if e.fresh && s.cfg.Freshness != nil {
		if err := s.cfg.Freshness.Check(ctx, caller, t.User.ID, t.User.Object); err != nil {
			return Target{}, err
		}
	}
	t.Query, err = query(c)
	return t, err
}

// query reads the query of the URL. A repeated parameter is refused: choosing
// one of two filters would answer another question.
func query(c echo.Context) (url.Values, error) {
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, scim.NewError(http.StatusBadRequest, scim.TypeInvalidSyntax,
			"The query of the URL is not well formed; percent-encode its values.").Because(err)
	}
	out := make(url.Values, len(values))
	for name, all := range values {
		key := strings.ToLower(name)
		if len(all) > 1 || out[key] != nil {
			return nil, invalidValue("A query parameter is given more than once.")
		}
		out[key] = all
	}
	return out, nil
}

// subject is the id of the user that the path names. An empty id is nobody's:
// the route alone says who is meant by /Me.
func (s *Service) subject(c echo.Context, caller scim.Caller) (string, error) {
	if !strings.HasPrefix(c.Path(), scim.Root+"/Me/") {
		return segment(c, "id"), nil
	}
	if caller.UserID == "" {
		return "", scim.NewError(http.StatusNotImplemented, "",
			"/Me is the user that a token belongs to; this token belongs to none. Use /Users/{id}.")
	}
	return caller.UserID, nil
}

// segment is one parameter of the path, decoded.
func segment(c echo.Context, name string) string {
	text, err := url.PathUnescape(c.Param(name))
	if err != nil {
		return c.Param(name)
	}
	return text
}

// visible returns the user if the caller may know of it. Users without a right
// over others see themselves only: for any other id their own record is read,
// so that the answer costs the same whether the id exists or not.
func (s *Service) visible(ctx context.Context, caller scim.Caller, id string) (*scim.User, error) {
	asked := id
	if foreign := caller.UserID != "" && caller.UserID != id; foreign && !administers(caller) {
		asked = caller.UserID
	}
	user, err := s.cfg.Directory.User(ctx, caller, asked)
	if errors.Is(err, scim.ErrNotFound) || err == nil && asked != id {
		return nil, notFound()
	}
	return user, err
}

// administers reports whether a user's token carries any right over the records
// of others.
func administers(caller scim.Caller) bool {
	if caller.Has(scim.ScopeRead) || caller.Has(scim.ScopeWrite) {
		return true
	}
	return slices.ContainsFunc(scim.AdminScopes(), caller.Has)
}

// permit judges the scope: the own one for the own record, the administrator's
// for every record.
func (e endpoint) permit(t Target) error {
	if t.Own && e.own != "" && t.Caller.Has(scim.OwnScope(e.own)) {
		return nil
	}
	if e.admin != "" && t.Caller.Has(scim.AdminScope(e.admin)) {
		return nil
	}
	if t.Own && e.own != "" {
		return missingScope(scim.OwnScope(e.own))
	}
	if e.admin == "" {
		return missingScope("")
	}
	return missingScope(scim.AdminScope(e.admin))
}

// body reads the body of the methods that have one.
func (s *Service) body(c echo.Context) (*members, error) {
	switch c.Request().Method {
	case http.MethodPost, http.MethodPut:
	default:
		return nil, nil
	}
	o, err := s.cfg.Front.ReadBody(c, bodyLimit)
	if err != nil || o == nil {
		return nil, err
	}
	return newMembers(o), nil
}
