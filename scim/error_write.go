package scim

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// prefix is the path below which every answer is SCIM, errors of the router
// and of middleware included.
const prefix = "/scim"

// WriteError writes err as a SCIM error message (RFC 7644 section 3.12): the
// status that AsError gives it, the media type that the client accepts, and
// the headers of the refusal. Nothing of an internal error is shown. The error
// that it returns says that the client could not be written to. A response
// that has begun is left alone.
func WriteError(c echo.Context, err error) error {
	if err == nil || c.Response().Committed {
		return nil
	}
	e := AsError(err)
	header := c.Response().Header()
	for name, values := range e.Header {
		header[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if e.Status == http.StatusUnauthorized && header.Get(echo.HeaderWWWAuthenticate) == "" {
		header.Set(echo.HeaderWWWAuthenticate, challenge)
	}
	if e.RetryAfter > 0 {
		header.Set(echo.HeaderRetryAfter, retrySeconds(e.RetryAfter))
	}
	header.Set(echo.HeaderCacheControl, "no-store")
	header.Set(echo.HeaderContentType, errorMediaType(c))
	// RFC 9110 section 9.3.2: the answer to HEAD has no content.
	if c.Request().Method == http.MethodHead {
		c.Response().WriteHeader(e.Status)
		return nil
	}
	body := e.body()
	header.Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	c.Response().WriteHeader(e.Status)
	_, werr := c.Response().Write(body)
	return werr
}

// ErrorHandler returns the handler that the server gives to echo: errors below
// /scim are written by WriteError, all others by next. It is the edge at which
// an internal error of this package is logged, once.
func ErrorHandler(logger *slog.Logger, next echo.HTTPErrorHandler) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		path := c.Request().URL.Path
		if path != prefix && !strings.HasPrefix(path, prefix+"/") {
			next(err, c)
			return
		}
		if e := AsError(err); e.Status == http.StatusInternalServerError {
			logger.ErrorContext(c.Request().Context(), "scim request failed",
				"error", err, "request_id", requestID(c))
		}
		if werr := WriteError(c, err); werr != nil {
			logger.DebugContext(c.Request().Context(), "scim error not delivered", "error", werr)
		}
	}
}

// errorMediaType is the media type of an error: what the client accepts, and
// the SCIM type for a client that accepts neither.
func errorMediaType(c echo.Context) string {
	var profile *Profile
	if caller, ok := CallerOf(c); ok {
		profile = caller.Profile
	}
	typ, err := replyType(c, profile)
	if err != nil {
		return MediaType
	}
	return typ
}

// retrySeconds prints a wait as Retry-After takes it: whole seconds, rounded
// up, at least one (RFC 9110 section 10.2.3).
func retrySeconds(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}

// body renders the error message; "status" is a string (RFC 7644 section 3.12).
func (e *Error) body() []byte {
	names := slices.Sorted(maps.Keys(e.Members))
	var b bytes.Buffer
	b.WriteString(`{"schemas":`)
	appendJSON(&b, append([]string{ErrorURN}, names...))
	b.WriteString(`,"status":`)
	appendJSON(&b, strconv.Itoa(e.Status))
	if e.Type != "" {
		b.WriteString(`,"scimType":`)
		appendJSON(&b, string(e.Type))
	}
	if e.Detail != "" {
		b.WriteString(`,"detail":`)
		appendJSON(&b, e.Detail)
	}
	for _, name := range names {
		b.WriteByte(',')
		appendJSON(&b, name)
		b.WriteByte(':')
		appendJSON(&b, e.Members[name])
	}
	b.WriteByte('}')
	return b.Bytes()
}

// appendJSON writes v without the escapes that only HTML needs. A value that
// JSON cannot hold is a bug of ours and becomes null.
func appendJSON(b *bytes.Buffer, v any) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		b.WriteString("null")
		return
	}
	b.Truncate(b.Len() - 1) // the newline of Encode
}
