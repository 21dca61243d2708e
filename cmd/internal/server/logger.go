package server

import (
	"io"
	"log/slog"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// NewLogger returns the logger that the settings ask for, writing to w.
func NewLogger(settings config.Log, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: level(settings.Level), ReplaceAttr: redact}
	if settings.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
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

// redact is the second net under the types that redact themselves: an
// attribute named like a secret is never logged, whatever its type.
func redact(_ []string, a slog.Attr) slog.Attr {
	switch a.Key {
	case "password", "secret", "token", "authorization", "cookie", "master_key", "database_url":
		return slog.String(a.Key, "[redacted]")
	}
	return a
}
