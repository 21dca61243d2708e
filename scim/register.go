package scim

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
)

// Root is the path below which the service answers.
const Root = prefix + "/v2"

// handler is a handler of an authenticated request.
type handler func(c echo.Context, caller Caller) error

// Register adds the routes of the service to e, each with the given
// middleware. Handlers return their errors: e.HTTPErrorHandler must be
// ErrorHandler or call WriteError.
func (s *Service) Register(e *echo.Echo, mw ...echo.MiddlewareFunc) {
	e.Pre(tidyPaths)
	r := routes{s: s, e: e, mw: mw}
	r.public(Root+"/ServiceProviderConfig", s.serviceProviderConfig)
	r.public(Root+"/Schemas", s.schemas)
	r.public(Root+"/Schemas/:id", s.schemaByID)
	r.public(Root+"/ResourceTypes", s.resourceTypes)
	r.public(Root+"/ResourceTypes/:id", s.resourceTypeByName)

	r.read(Root, s.list(nil))
	r.handle(http.MethodPost, Root+"/.search", ScopeRead, s.search(nil))
	r.handle(http.MethodPost, Root+"/Bulk", ScopeWrite, s.bulk)
	for _, rt := range s.cfg.Registry.Types() {
		all := Root + rt.Endpoint
		r.read(all, s.list(rt))
		r.handle(http.MethodPost, all, ScopeWrite, s.on(rt, s.create))
		r.handle(http.MethodPost, all+"/.search", ScopeRead, s.search(rt))
		r.resource(all+"/:id", checkerOf(rt), func(op operation) handler { return s.on(rt, op) })
	}
	r.resource(Root+"/Me", checkRecord, s.onMe)
	r.handle(http.MethodPost, Root+"/Me", ScopeWrite, func(echo.Context, Caller) error {
		return NewError(http.StatusNotImplemented, "", "A user is created with POST on /Users, not on /Me.")
	})
}

// routes adds routes; there is no other way to add one, so none can miss the
// authentication.
type routes struct {
	s  *Service
	e  *echo.Echo
	mw []echo.MiddlewareFunc
}

// handle adds a route for callers with the scope.
func (r routes) handle(method, path, scope string, fn handler) {
	r.add(method, path, scope, byScope, fn)
}

// checker decides whether the caller of a request may use a route, given the
// scope that it asks for.
type checker func(c echo.Context, caller Caller, scope string) error

func byScope(_ echo.Context, caller Caller, scope string) error { return checkScope(caller, scope) }

// checkerOf returns the checker for single resources of a type.
func checkerOf(rt *schema.ResourceType) checker {
	if rt.Name == userType {
		return checkRecord
	}
	return byScope
}

// add adds a route for callers that the checker lets pass.
func (r routes) add(method, path, scope string, check checker, fn handler) {
	s := r.s
	r.e.Add(method, path, func(c echo.Context) error {
		caller, err := s.authenticate(c)
		if err != nil {
			return err
		}
		if err := check(c, caller, scope); err != nil {
			return err
		}
		// RFC 7644 section 3.8: before anything is changed, know that the
		// client can read the answer.
		if _, err := replyType(c, s.profileOf(caller)); err != nil {
			return err
		}
		return fn(c, caller)
	}, r.mw...)
}

// read adds GET and HEAD.
func (r routes) read(path string, fn handler) {
	r.handle(http.MethodGet, path, ScopeRead, fn)
	r.handle(http.MethodHead, path, ScopeRead, fn)
}

// resource adds the methods of a single resource (RFC 7644 section 3.2).
func (r routes) resource(path string, check checker, on func(operation) handler) {
	r.add(http.MethodGet, path, ScopeRead, check, on(r.s.get))
	r.add(http.MethodHead, path, ScopeRead, check, on(r.s.get))
	r.add(http.MethodPut, path, ScopeWrite, check, on(r.s.put))
	r.add(http.MethodPatch, path, ScopeWrite, check, on(r.s.patch))
	r.add(http.MethodDelete, path, ScopeWrite, check, on(r.s.delete))
}

// public adds GET and HEAD for discovery, which needs no token (RFC 7644
// section 4).
func (r routes) public(path string, fn echo.HandlerFunc) {
	r.e.Add(http.MethodGet, path, fn, r.mw...)
	r.e.Add(http.MethodHead, path, fn, r.mw...)
}

// tidyPaths lets the router see the path without what clients add to it.
func tidyPaths(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if strings.HasPrefix(u.Path, Root) {
			u.Path = tidy(u.Path)
			if u.RawPath != "" {
				u.RawPath = tidy(u.RawPath)
			}
		}
		return next(c)
	}
}
