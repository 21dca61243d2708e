package validation

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/scim"
)

// Register adds the routes of the sub-resources to e, each with the given
// middleware. What a sub-resource does not offer, the router answers with 405
// and Allow. Handlers return their errors to the handler of package scim.
func (s *Service) Register(e *echo.Echo, mw ...echo.MiddlewareFunc) {
	r := routes{s: s, e: e, mw: mw}
	for _, kind := range s.kinds {
		r.addresses(kind)
	}
	for _, name := range []string{"totp", "totpSharedSecret"} {
		r.totp(name)
	}
	r.password()
	r.secondPassword()
	r.recoveryCodes()
	r.sessions()
	r.consents()
	r.passkeys()
	r.identities()
	r.account()
}

// routes adds routes below /Users/{id} and /Me alike.
type routes struct {
	s  *Service
	e  *echo.Echo
	mw []echo.MiddlewareFunc
}

// add adds one method of a sub-resource; GET answers HEAD too. path is the name
// of the sub-resource, with "/:key" for its items.
func (r routes) add(method, path string, h echo.HandlerFunc) {
	for _, parent := range []string{scim.Root + "/Users/:id/", scim.Root + "/Me/"} {
		r.e.Add(method, parent+path, h, r.mw...)
		if method == http.MethodGet {
			r.e.Add(http.MethodHead, parent+path, h, r.mw...)
		}
	}
}

func (r routes) addresses(k *addressKind) {
	s := r.s
	e := endpoint{name: k.resource, status: http.StatusOK, own: k.own, admin: k.admin}
	r.add(http.MethodGet, e.name, call(s, e, noBody, on(s.listAddresses, k)))
	r.add(http.MethodGet, e.name+"/:key", call(s, e, noBody, on(s.showAddress, k)))
	r.add(http.MethodPut, e.name+"/:key", call(s, e, k.decode, on(s.finishAddress, k)))
	e.status, e.fresh = http.StatusCreated, true
	r.add(http.MethodPost, e.name, call(s, e, k.decode, on(s.startAddress, k)))
}

func (r routes) totp(name string) {
	s := r.s
	e := endpoint{name: name, status: http.StatusOK, own: "manage_totp", admin: "totp"}
	r.add(http.MethodGet, name, call(s, e, noBody, s.showTOTP))
	r.add(http.MethodPut, name, call(s, e, decodeTOTP, s.finishTOTP))
	e.fresh = true
	e.status = http.StatusCreated
	r.add(http.MethodPost, name, call(s, e, decodeTOTP, s.startTOTP))
	e.status = http.StatusNoContent
	r.add(http.MethodDelete, name, call(s, e, noBody, s.removeTOTP))
}
