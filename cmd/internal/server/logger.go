package server

import (
	"context"
	"io"
	"log/slog"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// NewLogger returns the logger that the settings ask for, writing to w. If w
// has a method Flush, as a LogBuffer has, it is called behind every warning
// and error.
func NewLogger(settings config.Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: level(settings.Level)}
	out := &lockedWriter{w: w}
	var inner slog.Handler = slog.NewTextHandler(out, options)
	if settings.Format == "json" {
		inner = slog.NewJSONHandler(out, options)
	}
	kept, _ := w.(flusher)
	return slog.New(&redactor{Handler: inner, out: kept, lines: &lineWriter{json: settings.Format == "json", out: out}})
}

// logRequest writes the line of a request.
func logRequest(ctx context.Context, logger *slog.Logger, l *requestLine) {
	if !logger.Enabled(ctx, l.level) {
		return
	}
	h, ok := logger.Handler().(*redactor)
	if ok && h.lines != nil && l.level < slog.LevelWarn && h.lines.write(l) {
		return
	}
	_ = logger.Handler().Handle(ctx, l.record()) // as the logger does
}

func level(name string) slog.Level {
	switch name {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// flusher is a writer that keeps something back.
type flusher interface{ Flush() error }

// redactor is the second net under the types that redact themselves: an
// attribute named like a secret is never logged, whatever its type. It looks
// at the names only; a replacement function of slog would have every line
// built the slow way.
type redactor struct {
	slog.Handler
	out   flusher     // nil: nothing is kept back
	lines *lineWriter // nil: the handler says more than the record
}

// Handle implements slog.Handler.
func (h *redactor) Handle(ctx context.Context, r slog.Record) error {
	secret := false
	r.Attrs(func(a slog.Attr) bool {
		secret = hidesSecret(a)
		return !secret
	})
	if secret {
		clean := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
		r.Attrs(func(a slog.Attr) bool {
			clean.AddAttrs(redact(a))
			return true
		})
		r = clean
	}
	err := h.Handler.Handle(ctx, r)
	if h.out != nil && r.Level >= slog.LevelWarn {
		if flushed := h.out.Flush(); err == nil {
			err = flushed
		}
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h *redactor) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = redact(a)
	}
	return &redactor{Handler: h.Handler.WithAttrs(clean), out: h.out}
}

// WithGroup implements slog.Handler.
func (h *redactor) WithGroup(name string) slog.Handler {
	return &redactor{Handler: h.Handler.WithGroup(name), out: h.out}
}

// hidesSecret says whether redact would change the attribute, or may.
func hidesSecret(a slog.Attr) bool {
	switch a.Value.Kind() {
	case slog.KindGroup, slog.KindLogValuer:
		return true
	default:
		return secretKey(a.Key)
	}
}

func redact(a slog.Attr) slog.Attr {
	if secretKey(a.Key) {
		return slog.String(a.Key, "[redacted]")
	}
	a.Value = a.Value.Resolve()
	if a.Value.Kind() != slog.KindGroup {
		return a
	}
	group := a.Value.Group()
	clean := make([]slog.Attr, len(group))
	for i, inner := range group {
		clean[i] = redact(inner)
	}
	return slog.Attr{Key: a.Key, Value: slog.GroupValue(clean...)}
}

func secretKey(key string) bool {
	switch key {
	case "password", "secret", "token", "authorization", "cookie", "master_key", "database_url":
		return true
	}
	return false
}
