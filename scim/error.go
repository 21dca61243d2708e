package scim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
)

// ErrorURN is the schema of the error message (RFC 7644 section 3.12).
const ErrorURN = "urn:ietf:params:scim:api:messages:2.0:Error"

// ErrorType is the "scimType" keyword of an error (RFC 7644 section 3.12,
// RFC 9865 section 2.1). Empty when the standards give none for the case.
type ErrorType string

// The keywords of RFC 7644 section 3.12 table 9.
const (
	TypeInvalidFilter ErrorType = ErrorType(scimerrors.ScimTypeInvalidFilter)
	TypeTooMany       ErrorType = ErrorType(scimerrors.ScimTypeTooMany)
	TypeUniqueness    ErrorType = ErrorType(scimerrors.ScimTypeUniqueness)
	TypeMutability    ErrorType = ErrorType(scimerrors.ScimTypeMutability)
	TypeInvalidSyntax ErrorType = ErrorType(scimerrors.ScimTypeInvalidSyntax)
	TypeInvalidPath   ErrorType = ErrorType(scimerrors.ScimTypeInvalidPath)
	TypeNoTarget      ErrorType = ErrorType(scimerrors.ScimTypeNoTarget)
	TypeInvalidValue  ErrorType = ErrorType(scimerrors.ScimTypeInvalidValue)
	TypeInvalidVers   ErrorType = ErrorType(scimerrors.ScimTypeInvalidVersion)
	TypeSensitive     ErrorType = ErrorType(scimerrors.ScimTypeSensitive)
)

// The keywords of cursor paging (RFC 9865 section 2.1).
const (
	TypeInvalidCursor ErrorType = "invalidCursor"
	TypeExpiredCursor ErrorType = "expiredCursor"
	TypeInvalidCount  ErrorType = "invalidCount"
)

// busyRetry is what a client is asked to wait when the server, not the
// client, is the reason of the refusal.
const busyRetry = time.Second

// Error is what a client may be told about a refusal: the error message of
// RFC 7644 section 3.12 with its HTTP side. It is immutable once returned.
type Error struct {
	// Status is the HTTP status code, also printed into the body as a string.
	Status int
	// Type is the scimType keyword, "" for none.
	Type ErrorType
	// Detail is a sentence for people that names the attribute and the way
	// out. It never holds a secret or internal text. May be empty.
	Detail string
	// RetryAfter is sent as Retry-After in whole seconds, at least 1, when it
	// is above zero.
	RetryAfter time.Duration
	// Header is sent along, such as WWW-Authenticate.
	Header http.Header
	// Members are further members of the body; each is named by a URN, which
	// is listed in "schemas" too.
	Members map[string]any

	cause error
}

// NewError returns an Error with the status, keyword and sentence.
func NewError(status int, typ ErrorType, detail string) *Error {
	return &Error{Status: status, Type: typ, Detail: detail}
}

// Errorf is NewError with a formatted sentence.
func Errorf(status int, typ ErrorType, format string, args ...any) *Error {
	return NewError(status, typ, fmt.Sprintf(format, args...))
}

// Because returns a copy of e that wraps cause, for logs and errors.Is. The
// cause is never shown to the client.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// WithRetryAfter returns a copy of e that asks the client to wait for d.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := *e
	c.RetryAfter = d
	return &c
}

// WithHeader returns a copy of e that also sends one header.
func (e *Error) WithHeader(name, value string) *Error {
	c := *e
	c.Header = maps.Clone(e.Header)
	if c.Header == nil {
		c.Header = http.Header{}
	}
	c.Header.Set(name, value)
	return &c
}

// Error implements error; unlike Detail it includes the cause.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d", e.Status)
	if e.Type != "" {
		b.WriteString(" " + string(e.Type))
	}
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	return b.String()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// AsError is the one mapping from any error to what the client is told. An
// error that it does not know becomes a bare 500 whose cause is for the log
// only. nil gives nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e := documentError(err); e != nil {
		return e
	}
	if e := storeError(err); e != nil {
		return e
	}
	if e := transportError(err); e != nil {
		return e
	}
	return NewError(http.StatusInternalServerError, "", "").Because(err)
}

// documentError maps the faults that package schema finds in input. With
// several faults the first one gives status and keyword and all are named.
func documentError(err error) *Error {
	if all, ok := errors.AsType[schema.Errors](err); ok && len(all) > 0 {
		details := make([]string, len(all))
		for i, one := range all {
			details[i] = one.Detail
		}
		return fromSchema(all[0], strings.Join(details, " ")).Because(err)
	}
	if one, ok := errors.AsType[*schema.Error](err); ok {
		return fromSchema(one, one.Detail).Because(err)
	}
	return nil
}

func fromSchema(e *schema.Error, detail string) *Error {
	switch e.Code {
	case schema.Sensitive:
		return NewError(http.StatusForbidden, TypeSensitive, detail)
	case schema.TooLarge:
		return NewError(http.StatusRequestEntityTooLarge, "", detail)
	default:
		return NewError(http.StatusBadRequest, ErrorType(e.Code), detail)
	}
}

// storeError maps the sentinels and typed errors of the stores.
func storeError(err error) *Error {
	if c, ok := errors.AsType[*ConflictError](err); ok {
		return Errorf(http.StatusConflict, TypeUniqueness,
			"The value of %s is already taken by another resource; choose another value.", c.Attribute).Because(err)
	}
	if u, ok := errors.AsType[*UnknownMemberError](err); ok {
		return Errorf(http.StatusBadRequest, TypeInvalidValue,
			"members names %s, which is no User or Group here; create it first or leave it out.",
			quoteSome(u.IDs)).Because(err)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return NewError(http.StatusNotFound, "", "No resource with this id exists.").Because(err)
	case errors.Is(err, ErrVersion):
		return NewError(http.StatusPreconditionFailed, "",
			"The resource has changed since the version that the request names; read it again.").Because(err)
	case errors.Is(err, ErrTooMany):
		return NewError(http.StatusBadRequest, TypeTooMany,
			"The query takes longer than this server allows; make the filter more selective.").Because(err)
	case errors.Is(err, ErrBusy):
		return NewError(http.StatusServiceUnavailable, "",
			"The server is busy; try again.").WithRetryAfter(busyRetry).Because(err)
	}
	return nil
}

// transportError maps what the HTTP layer reports.
func transportError(err error) *Error {
	if m, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(m.Limit).Because(err)
	}
	if h, ok := errors.AsType[*echo.HTTPError](err); ok {
		return fromEcho(h).Because(err)
	}
	// A client that hung up reads no answer; one that waited too long may.
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return NewError(http.StatusServiceUnavailable, "",
			"The request took too long; try again.").WithRetryAfter(busyRetry).Because(err)
	}
	return nil
}

// fromEcho keeps the status of an error of the router or of a middleware. Its
// message is not ours to show: it may quote internals.
func fromEcho(h *echo.HTTPError) *Error {
	switch h.Code {
	case http.StatusNotFound:
		return NewError(h.Code, "", "No such endpoint; GET ResourceTypes lists those of this server.")
	case http.StatusMethodNotAllowed:
		return NewError(h.Code, "", "The endpoint does not support this method; the Allow header lists those that it does.")
	case http.StatusRequestEntityTooLarge:
		return NewError(h.Code, "", "The request body is too large; send less at once.")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return NewError(h.Code, "", "Too many requests; try again later.").WithRetryAfter(busyRetry)
	}
	if h.Code < http.StatusBadRequest || h.Code >= http.StatusInternalServerError && h.Code != http.StatusNotImplemented {
		return NewError(http.StatusInternalServerError, "", "")
	}
	return NewError(h.Code, "", http.StatusText(h.Code)+".")
}

// tooLarge is the answer to a body above the limit (RFC 7644 section 3.12).
func tooLarge(limit int64) *Error {
	return Errorf(http.StatusRequestEntityTooLarge, "",
		"The request body is larger than the %d bytes that this endpoint accepts.", limit)
}

// quoteSome prints the first few values; an error message must not grow with
// the request.
func quoteSome(values []string) string {
	const most = 5
	shown := values[:min(len(values), most)]
	parts := make([]string, len(shown))
	for i, v := range shown {
		parts[i] = fmt.Sprintf("%.64q", v)
	}
	s := strings.Join(parts, ", ")
	if len(values) > most {
		s += fmt.Sprintf(" and %d more", len(values)-most)
	}
	return s
}
