package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// observed is a router with the middleware around routes of the test.
type observed struct {
	*echo.Echo
	log   bytes.Buffer
	spans *tracetest.SpanRecorder
	m     *metrics
}

func newObserved(t *testing.T, proxies ...netip.Prefix) *observed {
	t.Helper()
	o := &observed{Echo: echo.New(), spans: tracetest.NewSpanRecorder(), m: newMetrics(Version{})}
	s := &Server{logger: slog.New(slog.NewTextHandler(&o.log, nil))}
	o.HTTPErrorHandler = s.errorHandler()
	mw := &observer{
		logger: s.logger, now: time.Now, trust: proxies, headers: newSecurityHeaders(false), metrics: o.m,
		tracing: tracingWith(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(o.spans))),
	}
	o.Use(mw.middleware)
	return o
}

func (o *observed) get(t *testing.T, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	o.ServeHTTP(rec, req)
	return rec
}

func TestPanicIsABareInternalError(t *testing.T) {
	t.Parallel()
	o := newObserved(t)
	o.GET("/boom", func(echo.Context) error { panic("secret of the panic") })
	rec := o.get(t, "/boom")
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "secret") || !strings.Contains(rec.Body.String(), rec.Header().Get("X-Request-Id")) {
		t.Errorf("answer %d %q", rec.Code, rec.Body)
	}
	log := o.log.String()
	if !strings.Contains(log, "secret of the panic") || !strings.Contains(log, "observe_test.go") {
		t.Errorf("the log does not say what panicked where:\n%s", log)
	}
	if n := strings.Count(log, "msg=request "); n != 1 {
		t.Errorf("%d request lines, want 1", n)
	}
}

func TestAbortPasses(t *testing.T) {
	t.Parallel()
	o := newObserved(t)
	o.GET("/abort", func(echo.Context) error { panic(http.ErrAbortHandler) })
	defer func() {
		if v := recover(); v == nil {
			t.Error("http.ErrAbortHandler was caught: the connection would not be cut")
		}
	}()
	o.get(t, "/abort")
}

func TestInternalErrorIsLoggedNotShown(t *testing.T) {
	t.Parallel()
	o := newObserved(t)
	o.GET("/fail", func(echo.Context) error { return errors.New("table users is missing") })
	rec := o.get(t, "/fail")
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "table") {
		t.Errorf("answer %d %q", rec.Code, rec.Body)
	}
	if !strings.Contains(o.log.String(), "table users is missing") {
		t.Errorf("log:\n%s", o.log.String())
	}
}

func TestSpansAreNamedByRoute(t *testing.T) {
	t.Parallel()
	o := newObserved(t)
	o.GET("/things/:id", func(c echo.Context) error { return c.NoContent(204) })
	o.GET("/fail", func(echo.Context) error { return errors.New("no") })
	o.get(t, "/things/marker?filter=marker", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	o.get(t, "/fail")
	spans := o.spans.Ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans, want 2", len(spans))
	}
	if spans[0].Name() != "GET /things/:id" || spans[0].SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("span %q of trace %s", spans[0].Name(), spans[0].SpanContext().TraceID())
	}
	for _, a := range spans[0].Attributes() {
		if strings.Contains(a.Value.String(), "marker") {
			t.Errorf("attribute %s shows the URL: %s", a.Key, a.Value.String())
		}
	}
	if spans[1].Status().Code != codes.Error {
		t.Errorf("status of a failed request: %v", spans[1].Status())
	}
	if !strings.Contains(o.log.String(), "trace_id=0af7651916cd43dd8448eb211c80319c") {
		t.Errorf("no trace id in the log:\n%s", o.log.String())
	}
}

func TestRequestIDFromTrustedProxyOnly(t *testing.T) {
	t.Parallel()
	// httptest requests come from 192.0.2.1.
	tests := []struct {
		name, given string
		proxies     []netip.Prefix
		kept        bool
	}{
		{"trusted", "abc-123", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, true},
		{"not trusted", "abc-123", nil, false},
		{"not plain", "abc 123\n", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, false},
		{"too long", strings.Repeat("a", 65), []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newObserved(t, tt.proxies...)
			o.GET("/", func(c echo.Context) error { return c.NoContent(204) })
			got := o.get(t, "/", "X-Request-Id", tt.given).Header().Get("X-Request-Id")
			if (got == tt.given) != tt.kept || len(got) == 0 {
				t.Errorf("id %q of %q", got, tt.given)
			}
		})
	}
}

func TestSchemeOfTrustedProxyOnly(t *testing.T) {
	t.Parallel()
	trusted := trust{netip.MustParsePrefix("192.0.2.0/24")}
	for _, tt := range []struct {
		trust       trust
		given, want string
	}{
		{trusted, "https", "https"},
		{trusted, "HTTPS", "https"},
		{trusted, "gopher", "http"},
		{trusted, "", "http"},
		{nil, "https", "http"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("X-Forwarded-Proto", tt.given)
		if got := tt.trust.schemeExtractor()(r); got != tt.want {
			t.Errorf("scheme of %q from %v = %s, want %s", tt.given, tt.trust, got, tt.want)
		}
	}
}

func TestWantsTraces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, false},
	} {
		if got := wantsTraces(func(k string) string { return tt.env[k] }); got != tt.want {
			t.Errorf("wantsTraces(%v) = %v, want %v", tt.env, got, tt.want)
		}
	}
	_, err := newTracing(t.Context(), func(k string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}[k]
	}, Version{})
	if !errors.Is(err, errTraceProtocol) {
		t.Errorf("grpc: %v, want a clear refusal", err)
	}
}

// Spans really leave the process, by the standard variables. Not parallel: the
// exporter reads the environment itself.
func TestTracesAreExported(t *testing.T) {
	received := make(chan string, 8)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received <- r.URL.Path + " " + r.Header.Get("Content-Type")
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	tr, err := newTracing(t.Context(), func(k string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": collector.URL}[k]
	}, Version{})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tr.tracer.Start(t.Context(), "GET /scim/v2/Users/:id")
	span.End()
	if err := tr.shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-received; got != "/v1/traces application/x-protobuf" {
		t.Errorf("the collector got %q", got)
	}
}

func TestRedactByName(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	logger := NewLogger(config.Log{Format: "json"}, &b)
	logger.Info("x", "password", "hush", "authorization", "hush", "user", "ann")
	if strings.Contains(b.String(), "hush") || !strings.Contains(b.String(), "ann") {
		t.Errorf("logged %s", b.String())
	}
}

func TestVersionOf(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-01T00:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	v := versionOf(info)
	if v.Version != "v1.2.3" || v.Revision != "abc" || v.Time != "2026-01-01T00:00:00Z" || !v.Modified {
		t.Errorf("versionOf = %+v", v)
	}
	if v := versionOf(&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}); v.Version != "devel" {
		t.Errorf("version of a working copy = %q", v.Version)
	}
}
