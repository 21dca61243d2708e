package server

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestRequestLineIsThatOfSlog: whatever is written the fast way reads as if
// slog had written it.
func TestRequestLineIsThatOfSlog(t *testing.T) {
	t.Parallel()
	zones := []*time.Location{time.UTC, time.FixedZone("east", 5400), time.FixedZone("west", -3600)}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`[a-zA-Z0-9/:._*-]{0,20}`), rapid.String())
		l := &requestLine{
			level: rapid.SampledFrom([]slog.Level{slog.LevelInfo, slog.LevelError}).Draw(t, "level"),
			at: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanos")).
				In(rapid.SampledFrom(zones).Draw(t, "zone")),
			method: text.Draw(t, "method"), route: text.Draw(t, "route"), status: rapid.IntRange(100, 599).Draw(t, "status"),
			took: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "took")), bytes: rapid.Int64Range(0, 1e9).Draw(t, "bytes"),
			requestID: text.Draw(t, "request_id"), ip: text.Draw(t, "ip"), resourceID: text.Draw(t, "resource_id"),
			tokenID: text.Draw(t, "token_id"), traceID: text.Draw(t, "trace_id"), fault: text.Draw(t, "error"),
		}
		for _, format := range []string{"text", "json"} {
			var fast, slow bytes.Buffer
			if err := NewLogger(config.Log{Format: format}, &slow).Handler().Handle(t.Context(), l.record()); err != nil {
				t.Fatal(err)
			}
			w := &lineWriter{json: format == "json", out: &fast}
			if !w.write(l) {
				if fast.Len() > 0 {
					t.Fatalf("refused, and written: %q", fast.String())
				}
				continue
			}
			if diff := cmp.Diff(slow.String(), fast.String()); diff != "" {
				t.Fatalf("%s line (-slog +fast):\n%s", format, diff)
			}
		}
	})
}

// TestRequestLineTakesTheFastWay: a line as almost all are needs no slog, and
// one that holds what a client made up does.
func TestRequestLineTakesTheFastWay(t *testing.T) {
	t.Parallel()
	l := requestLine{method: "GET", route: "/scim/v2/Users/:id", requestID: "0123456789abcdef", ip: "2001:db8::1", tokenID: "018bcfe5-6809-789f-82aa-fb42be4a1ce9"}
	w := &lineWriter{out: new(bytes.Buffer)}
	if !w.write(&l) {
		t.Error("a common line is not written")
	}
	l.fault = "disk is full"
	if w.write(&l) {
		t.Error("a text with spaces is written as it is")
	}
}
