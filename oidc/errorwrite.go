package oidc

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// ours reports whether a path is answered by this package.
func ours(path string) bool {
	return strings.HasPrefix(path, "/oauth/") || strings.HasPrefix(path, "/.well-known/")
}

// ErrorHandler returns the handler that the server gives to echo: errors of the
// JSON endpoints are written by WriteError, all others by next. It is the edge
// at which an internal error of this package is logged, once.
func (p *Provider) ErrorHandler(next echo.HTTPErrorHandler) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		r := c.Request()
		if !ours(r.URL.Path) || pages(r.URL.Path) {
			next(err, c)
			return
		}
		e := p.asError(err)
		if e.Status == http.StatusInternalServerError {
			p.cfg.Logger.ErrorContext(r.Context(), "provider request failed", "error", err,
				"request_id", c.Response().Header().Get(echo.HeaderXRequestID))
		}
		if werr := WriteError(c, e); werr != nil {
			p.cfg.Logger.DebugContext(r.Context(), "error not delivered", slog.Any("error", werr))
		}
	}
}

// pages reports the paths of this prefix whose answers are pages.
func pages(path string) bool { return path == "/oauth/authorize" || path == "/oauth/logout" }

// asError is what a client may be told of an error.
func (p *Provider) asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if p.cfg.Busy(err) {
		return &Error{
			Code: TemporarilyUnavailable, Description: "The server is busy; try again.",
			Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
		}
	}
	if he, ok := errors.AsType[*echo.HTTPError](err); ok && he.Code < http.StatusInternalServerError {
		return &Error{Code: InvalidRequest, Description: http.StatusText(he.Code), Status: he.Code}
	}
	return (&Error{Code: ServerError, Status: http.StatusInternalServerError}).Because(err)
}

// WriteError writes an error as JSON (RFC 6749 section 5.2). The error that it
// returns says that the client could not be written to.
func WriteError(c echo.Context, e *Error) error {
	if c.Response().Committed {
		return nil
	}
	header := c.Response().Header()
	for name, value := range e.Header {
		header.Set(name, value)
	}
	if e.RetryAfter > 0 {
		seconds := int64((e.RetryAfter + time.Second - 1) / time.Second)
		header.Set(echo.HeaderRetryAfter, strconv.FormatInt(seconds, 10))
	}
	noStore(c)
	status := e.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	body := map[string]string{"error": string(e.Code)}
	if text := asDescription(e.Description); text != "" {
		body["error_description"] = text
	}
	return c.JSON(status, body)
}

// noStore forbids keeping an answer (RFC 6749 section 5.1).
func noStore(c echo.Context) {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	c.Response().Header().Set("Pragma", "no-cache")
}

// asDescription keeps the characters that an error_description may have:
// %x20-21, %x23-5B and %x5D-7E (RFC 6749 section 5.2).
func asDescription(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, text)
}
