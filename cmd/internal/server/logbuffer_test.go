package server_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

// sink counts writes.
type sink struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	s.text.Write(p)
	return len(p), s.err
}

func (s *sink) seen() (text string, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.writes
}

func TestLogBufferGathersLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		buffer := server.NewLogBuffer(out)
		logger := server.NewLogger(config.Log{Level: "info"}, buffer)
		for range 10 {
			logger.Info("request", "status", 200)
		}
		if text, writes := out.seen(); writes != 0 {
			t.Fatalf("%d writes at once: %q", writes, text)
		}
		time.Sleep(time.Second) // the clock of the bubble
		synctest.Wait()
		text, writes := out.seen()
		if writes != 1 || strings.Count(text, "status=200") != 10 {
			t.Errorf("after a moment %d writes of %q, want 10 lines in one", writes, text)
		}
	})
}

func TestLogBufferWritesWarningsAtOnce(t *testing.T) {
	t.Parallel()
	out := &sink{}
	logger := server.NewLogger(config.Log{Level: "info", Format: "json"}, server.NewLogBuffer(out))
	logger.Info("before")
	logger.Warn("trouble")
	text, writes := out.seen()
	if writes != 1 || strings.Index(text, "before") > strings.Index(text, "trouble") || !strings.Contains(text, "before") {
		t.Errorf("%d writes of %q, want both lines in order, in one", writes, text)
	}
}

func TestLogBufferKeepsLittle(t *testing.T) {
	t.Parallel()
	out := &sink{}
	buffer := server.NewLogBuffer(out)
	line := []byte(strings.Repeat("x", 999) + "\n")
	for range 100 {
		if _, err := buffer.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if text, _ := out.seen(); len(text) < 60_000 {
		t.Errorf("%d of 100000 bytes written, want all but the last 32 KiB", len(text))
	}
	if err := buffer.Close(); err != nil {
		t.Fatal(err)
	}
	if text, _ := out.seen(); len(text) != 100_000 {
		t.Errorf("%d bytes written after Close, want 100000", len(text))
	}
}

func TestLogBufferTellsErrors(t *testing.T) {
	t.Parallel()
	out := &sink{err: errors.New("disk full")}
	buffer := server.NewLogBuffer(out)
	if _, err := buffer.Write([]byte("line\n")); err != nil {
		t.Fatalf("Write = %v before anything was written", err)
	}
	if err := buffer.Flush(); err == nil {
		t.Error("Flush hides that the line was not written")
	}
	if err := buffer.Flush(); err != nil {
		t.Errorf("second Flush = %v, want nil", err)
	}
}

func TestLoggerRedactsByName(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		out := &sink{}
		logger := server.NewLogger(config.Log{Level: "debug", Format: format}, out)
		logger = logger.With("password", "hunter2").WithGroup("outer")
		logger.Info("said", "token", "hunter2", slog.Group("inner", "secret", "hunter2", "plain", "shown"), "other", valuer{})
		text, _ := out.seen()
		if strings.Contains(text, "hunter2") || strings.Count(text, "[redacted]") != 4 || !strings.Contains(text, "shown") {
			t.Errorf("%s: %s", format, text)
		}
	}
}

// valuer is a type that shows a secret when it is resolved.
type valuer struct{}

// LogValue implements slog.LogValuer.
func (valuer) LogValue() slog.Value { return slog.GroupValue(slog.String("cookie", "hunter2")) }
