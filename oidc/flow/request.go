package flow

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// maxMessage bounds a message, in bytes.
const maxMessage = 64 << 10

// CORS headers of answers to scripts of an application.
const (
	corsMethods = "GET, PUT"
	corsHeaders = "Accept, Content-Type"
	corsExposed = "Retry-After"
	corsMaxAge  = "600"
)

// request is one request about a flow.
type request struct {
	flows  *Flows
	echo   echo.Context
	kind   kind
	place  place
	client oidc.Client
	v      authn.Visitor
	txn    authn.Txn
}

func (r *request) ctx() context.Context { return r.echo.Request().Context() }
func (r *request) http() *http.Request  { return r.echo.Request() }

// handle wraps a route of a kind.
func (f *Flows) handle(k kind, do func(*request) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := &request{flows: f, echo: c, kind: k}
		if err := r.serve(do); err != nil {
			return f.fail(c, err)
		}
		return nil
	}
}

// serve finds the place and the application, holds the caller against it, and
// finds the transaction.
func (r *request) serve(do func(*request) error) error {
	r.echo.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	r.echo.Response().Header().Add(echo.HeaderVary, echo.HeaderOrigin)
	if err := r.find(); err != nil {
		return err
	}
	if err := r.caller(); err != nil {
		return err
	}
	if r.http().Method == http.MethodOptions { // carries no cookies
		return do(r)
	}
	if err := r.load(); err != nil {
		return err
	}
	return do(r)
}

// find reads the place and looks the application up, which must be first-party
// now.
func (r *request) find() error {
	var err error
	if r.place, err = r.flows.sealer.open(r.kind, r.echo.Param("state")); err != nil {
		return err
	}
	r.client, err = r.flows.cfg.Provider.ClientOf(r.ctx(), authn.Txn{ClientID: r.place.Client})
	if err != nil {
		return err
	}
	if !r.client.FirstParty || r.client.Disabled {
		return scim.NewError(http.StatusForbidden, "", "The application may not ask for logins itself; the operator can allow it with --first-party.")
	}
	return nil
}

// caller refuses scripts of origins that the application has not registered. A
// browser names the origin of every PUT (Fetch, section "append a request Origin
// header"), so one without is no browser's, unless the browser says otherwise.
func (r *request) caller() error {
	req, header := r.http(), r.echo.Response().Header()
	origin := req.Header.Get(echo.HeaderOrigin)
	if origin == "" {
		if req.Method != http.MethodGet && !slices.Contains([]string{"", "same-origin", "none"}, req.Header.Get("Sec-Fetch-Site")) {
			return foreign()
		}
		return nil
	}
	if origin == r.flows.origin {
		return nil
	}
	if !slices.Contains(r.client.PageOrigins(), origin) {
		return foreign()
	}
	header.Set(echo.HeaderAccessControlAllowOrigin, origin)
	header.Set(echo.HeaderAccessControlAllowCredentials, "true")
	header.Set(echo.HeaderAccessControlExposeHeaders, corsExposed)
	return nil
}

func foreign() error {
	return scim.NewError(http.StatusForbidden, "", "Scripts of this origin may not take part in logins of the application; register it with --origin or --login-uri.")
}

// preflight answers whether a script may call (Fetch, section "CORS-preflight
// fetch").
func (r *request) preflight() error {
	header := r.echo.Response().Header()
	if r.http().Header.Get(echo.HeaderOrigin) == "" {
		return foreign()
	}
	header.Set(echo.HeaderAccessControlAllowMethods, corsMethods)
	header.Set(echo.HeaderAccessControlAllowHeaders, corsHeaders)
	header.Set(echo.HeaderAccessControlMaxAge, corsMaxAge)
	return r.echo.NoContent(http.StatusNoContent)
}

// load finds who asks and the transaction.
func (r *request) load() error {
	var err error
	if r.v, err = r.flows.visitor(r.echo, r.place.Key); err != nil {
		return err
	}
	return r.reload()
}

// visitor is who asks: by the cookies of a browser, or by a flow key.
func (f *Flows) visitor(c echo.Context, key *keyed) (authn.Visitor, error) {
	v, err := f.browsers.Visitor(c)
	if err != nil || key == nil {
		return v, err
	}
	text := c.Request().Header.Get(KeyHeader)
	if !hmac.Equal(session.Hash(text), key.Hash) {
		return authn.Visitor{}, authn.ErrTxnUnknown
	}
	v.Browser, v.Sessions, v.Known, v.Devices = text, key.Sessions, key.Known, key.Devices
	return v, nil
}

// reload reads the transaction anew. It must be of the application of the place.
func (r *request) reload() error {
	t, err := r.flows.cfg.Engine.Load(r.ctx(), r.v, r.place.Txn)
	if err != nil {
		return err
	}
	if t.ClientID != r.place.Client || t.Purpose != oidc.PurposeAuthorize {
		return authn.ErrTxnUnknown
	}
	r.txn = t
	return nil
}

// grant hands out what a step gives, and goes on with it, since secrets are
// replaced at every proof.
func (r *request) grant(g authn.Grants) {
	if r.place.Key == nil {
		r.flows.browsers.Grant(r.echo, g)
	}
	if g.Sessions != nil {
		r.v.Sessions = g.Sessions
	}
	if g.Known != nil {
		r.v.Known = g.Known
	}
	if g.Devices != nil {
		r.v.Devices = g.Devices
	}
	if r.place.Key != nil {
		r.place.Key = &keyed{Hash: r.place.Key.Hash, Sessions: r.v.Sessions, Known: r.v.Known, Devices: r.v.Devices}
	}
}

// uri is the URI at which the flow goes on.
func (r *request) uri(k kind, edit func(*place)) (string, error) {
	p := place{Txn: r.place.Txn, Client: r.place.Client, Number: r.txn.Progress.Message, Login: r.place.Login, Key: r.place.Key}
	if edit != nil {
		edit(&p)
	}
	return r.flows.uri(k, p)
}

// body reads a message. Only media types that no form can send are taken.
func (r *request) body() ([]byte, error) {
	media, _, err := mime.ParseMediaType(r.http().Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationJSON && media != "application/scim+json" {
		return nil, scim.NewError(http.StatusUnsupportedMediaType, "", "Send the message as application/json.")
	}
	data, err := io.ReadAll(http.MaxBytesReader(r.echo.Response(), r.http().Body, maxMessage))
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return nil, scim.Errorf(http.StatusRequestEntityTooLarge, "", "The message is longer than %d bytes.", maxMessage)
	}
	if err != nil {
		return nil, scim.NewError(http.StatusBadRequest, scim.TypeInvalidSyntax, "The message could not be read.").Because(err)
	}
	return data, nil
}

// answer writes a message.
func answer(c echo.Context, m map[string]any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, []byte(b.String()))
}

// timedOut is what is told of a flow that is lost, whatever the reason.
const timedOut = "The request has timed out. Begin again at the application."

// fail writes an error. It is the edge at which an internal error of the flows
// is logged, once.
func (f *Flows) fail(c echo.Context, err error) error {
	told := tell(err)
	if e := scim.AsError(told); e.Status >= http.StatusInternalServerError {
		f.cfg.Logger.ErrorContext(c.Request().Context(), "login flow failed", "error", err,
			"request_id", c.Response().Header().Get(echo.HeaderXRequestID))
	}
	return scim.WriteError(c, told)
}

// tell is an error as clients are told it.
func tell(err error) error {
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
		if refusal.Reason == authn.OutOfStep {
			return scim.NewError(http.StatusBadRequest, scim.TypeInvalidValue,
				"The message is out of date: another has been taken meanwhile. GET it for the present one.").Because(err)
		}
		return scim.NewError(http.StatusServiceUnavailable, "", "The server is busy. Try again.").WithRetryAfter(refusal.RetryAfter).Because(err)
	}
	if page, ok := errors.AsType[*oidc.PageError](err); ok {
		return scim.NewError(http.StatusBadRequest, scim.TypeInvalidValue, page.Description).Because(err)
	}
	for _, lost := range []error{errNoPlace, authn.ErrTxnUnknown, authn.ErrTxnExpired, authn.ErrTxnSpent, oidc.ErrNotFound} {
		if errors.Is(err, lost) {
			return scim.NewError(http.StatusBadRequest, scim.TypeInvalidValue, timedOut).Because(err)
		}
	}
	if errors.Is(err, authn.ErrNotReady) {
		return scim.NewError(http.StatusServiceUnavailable, "", "The login has moved on meanwhile. Try again.").WithRetryAfter(time.Second).Because(err)
	}
	if http, ok := errors.AsType[*echo.HTTPError](err); ok {
		return scim.NewError(http.Code, "", "").Because(err)
	}
	return err
}

// retryAfter asks to wait, in whole seconds rounded up (RFC 9110 section 10.2.3).
func (r *request) retryAfter(d time.Duration) {
	if d > 0 {
		r.echo.Response().Header().Set(echo.HeaderRetryAfter, strconv.FormatInt(seconds(d), 10))
	}
}

// seconds rounds a wait up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
