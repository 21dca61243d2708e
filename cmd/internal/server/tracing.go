package server

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// tracing makes spans and sends them where the standard OTEL_… variables say.
// Without an endpoint nothing is traced and nothing is sent.
type tracing struct {
	enabled  bool
	tracer   trace.Tracer
	incoming propagation.TextMapPropagator
	shutdown func(context.Context) error
}

// errTraceProtocol names the only protocol that this binary carries.
var errTraceProtocol = errors.New("OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf: no other exporter is built in")

func newTracing(ctx context.Context, getenv func(string) string, version Version) (*tracing, error) {
	off := &tracing{
		tracer:   noop.NewTracerProvider().Tracer(""),
		shutdown: func(context.Context) error { return nil },
	}
	if !wantsTraces(getenv) {
		return off, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := getenv(name); p != "" && p != "http/protobuf" {
			return nil, errTraceProtocol
		}
	}
	// The exporter and the SDK read endpoint, headers, sampler and limits from
	// the environment themselves.
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("start trace exporter: %w", err)
	}
	res, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "sallyport"),
		attribute.String("service.version", version.Version),
	), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("describe this service for traces: %w", err)
	}
	return tracingWith(sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res))), nil
}

func tracingWith(provider *sdktrace.TracerProvider) *tracing {
	return &tracing{
		enabled:  true,
		tracer:   provider.Tracer("github.com/sallyport-id/sallyport"),
		incoming: propagation.TraceContext{},
		shutdown: provider.Shutdown,
	}
}

func wantsTraces(getenv func(string) string) bool {
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}
