package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// refusal is a request that is answered with an error page.
type refusal struct {
	status int
	text   string // key: "<text>" and "<text>_title"
	retry  time.Duration
	// again is a page to go on at; "": there is none.
	again string
	// code and description are for the developer of an application.
	code, description string
	cause             error
}

// Error implements error.
func (e *refusal) Error() string { return "page " + e.text }

// Unwrap returns the cause.
func (e *refusal) Unwrap() error { return e.cause }

func refuse(status int, text string, cause error) *refusal {
	return &refusal{status: status, text: text, cause: cause}
}

// refusalOf maps an error to the page that is shown. Its last case is a bare
// 500: what is internal is told to the log alone.
func (r *request) refusalOf(err error) *refusal {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e
	}
	if e := r.web.accountRefusal(err); e != nil {
		return e
	}
	if e, ok := errors.AsType[*oidc.PageError](err); ok {
		return &refusal{
			status: http.StatusBadRequest, text: "error.request",
			code: string(e.Code), description: e.Description, cause: err,
		}
	}
	if e, ok := errors.AsType[*authn.Refusal](err); ok && e.Reason == authn.Busy {
		return &refusal{status: http.StatusServiceUnavailable, text: "error.busy", retry: e.RetryAfter, cause: err}
	}
	switch {
	case errors.Is(err, authn.ErrTxnUnknown) && r.stranger:
		return refuse(http.StatusBadRequest, "error.cookies", err)
	case errors.Is(err, authn.ErrTxnUnknown), errors.Is(err, oidc.ErrNotFound):
		return refuse(http.StatusBadRequest, "error.txn", err)
	case errors.Is(err, authn.ErrTxnExpired), errors.Is(err, authn.ErrTxnSpent):
		return refuse(http.StatusGone, "error.txn", err)
	case errors.Is(err, authn.ErrNotReady):
		return &refusal{status: http.StatusServiceUnavailable, text: "error.busy", retry: time.Second, cause: err}
	}
	if e := scim.AsError(err); e.Status == http.StatusServiceUnavailable {
		return &refusal{status: e.Status, text: "error.busy", retry: e.RetryAfter, cause: err}
	}
	return refuse(http.StatusInternalServerError, "error.internal", err)
}

// fail shows the page of an error. It is the edge at which an internal error of
// the pages is logged, once.
func (r *request) fail(err error) error {
	e := r.refusalOf(err)
	r.headers("")
	r.retryAfter(e.retry)
	if e.status == http.StatusInternalServerError {
		r.web.cfg.Logger.ErrorContext(r.ctx(), "page failed", "error", err, "request_id", r.v.RequestID)
	}
	return r.render(e.status, pageError, view{
		Title: e.text + "_title",
		Body: errorBody{
			Text: e.text, Code: e.code, Description: e.description, Request: r.v.RequestID, Again: e.again,
		},
	})
}

// retryAfter asks to wait, in whole seconds rounded up (RFC 9110 section
// 10.2.3).
func (r *request) retryAfter(d time.Duration) {
	if d > 0 {
		r.echo.Response().Header().Set("Retry-After", strconv.FormatInt(seconds(d), 10))
	}
}

// seconds rounds a wait up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// errorBody is what an error page shows.
type errorBody struct {
	Text              string
	Code, Description string
	Request           string
	Again             string
}
