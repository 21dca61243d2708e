package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sallyport-id/sallyport/scim"
)

// unmatched is the route of a request that no route matches.
const unmatched = "unmatched"

// observer is the one middleware that every request passes, outermost.
type observer struct {
	logger  *slog.Logger
	now     func() time.Time
	trust   trust
	headers *securityHeaders
	metrics *metrics
	tracing *tracing
}

// middleware gives the request its id and headers, runs it, writes the error
// if there is one, and records what happened.
func (o *observer) middleware(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := o.now()
		o.metrics.inFlight.Inc()
		defer o.metrics.inFlight.Dec()
		header := c.Response().Header()
		o.headers.apply(header)
		header[echo.HeaderXRequestID] = []string{o.requestID(c.Request())}

		span := o.start(c)
		err := o.run(next, c)
		if err != nil {
			c.Error(err)
		}
		o.end(c, span, o.now().Sub(began), err)
		return nil
	}
}

// run calls the handler and turns a panic into an error, which is answered as
// a bare 500. http.ErrAbortHandler passes: it asks for the connection to be
// cut.
func (o *observer) run(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if e, ok := value.(error); ok && errors.Is(e, http.ErrAbortHandler) {
			panic(value)
		}
		o.metrics.panics.Inc()
		err = &panicError{value: value, stack: debug.Stack()}
		o.logger.ErrorContext(c.Request().Context(), "handler panicked", "error", err, "stack", string(debug.Stack()),
			"request_id", c.Response().Header().Get(echo.HeaderXRequestID))
	}()
	return next(c)
}

// panicError is what a panic of a handler becomes.
type panicError struct {
	value any
	stack []byte
}

// Error implements error.
func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// requestID returns the id that a trusted proxy gave the request, if it is a
// plain one, else a new one of 128 bits.
func (o *observer) requestID(r *http.Request) string {
	if id := r.Header.Get(echo.HeaderXRequestID); id != "" && o.trust.peer(r) && plainID(id) {
		return id
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return hex.EncodeToString(b[:])
}

func plainID(id string) bool {
	if len(id) > 64 {
		return false
	}
	for _, r := range id {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
		default:
			return false
		}
	}
	return true
}

func (o *observer) start(c echo.Context) trace.Span {
	r := c.Request()
	if !o.tracing.enabled {
		return trace.SpanFromContext(context.Background())
	}
	ctx := o.tracing.incoming.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := o.tracing.tracer.Start(ctx, knownMethod(r.Method)+" "+route(c),
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", knownMethod(r.Method)), attribute.String("http.route", route(c))))
	c.SetRequest(r.WithContext(ctx))
	return span
}

// end records the request: metrics, span, and one line that names the route
// and the resource, never the URL, which may hold personal data in a filter
// (RFC 7644 section 7.5.2).
func (o *observer) end(c echo.Context, span trace.Span, took time.Duration, err error) {
	r, w := c.Request(), c.Response()
	pattern := route(c)
	o.metrics.observe(r.Method, pattern, w.Status, took)
	if o.tracing.enabled {
		span.SetAttributes(attribute.Int("http.response.status_code", w.Status))
		if w.Status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
	l := requestLine{
		level: slog.LevelInfo, method: knownMethod(r.Method), route: pattern, status: w.Status, took: took, bytes: w.Size,
		requestID: w.Header().Get(echo.HeaderXRequestID), ip: c.RealIP(), at: o.now(),
	}
	if id := c.Param("id"); plainID(id) {
		l.resourceID = id
	}
	if caller, ok := scim.CallerOf(c); ok {
		l.tokenID = caller.TokenID
	}
	if span.SpanContext().HasTraceID() {
		l.traceID = span.SpanContext().TraceID().String()
	}
	if w.Status >= http.StatusInternalServerError {
		l.level = slog.LevelError
		if err != nil {
			l.fault = err.Error()
		}
	}
	logRequest(r.Context(), o.logger, &l)
}

func route(c echo.Context) string {
	if p := c.Path(); p != "" {
		return p
	}
	return unmatched
}
