package scim

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// RFC 7643 section 2.3.5: the hand-made form is that of the layout.
func TestAppendTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-62_167_219_200_000_000, 253_402_300_799_999_999).Draw(t, "at"))
		if rapid.Bool().Draw(t, "round") {
			at = at.Truncate(100 * time.Millisecond)
		}
		want := at.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
		if got := string(appendTime(nil, at)); got != want {
			t.Fatalf("appendTime(%v) = %q, want %q", at, got, want)
		}
	})
}

func BenchmarkAppendTime(b *testing.B) {
	at := time.UnixMicro(1_700_000_000_123_456)
	buf := make([]byte, 0, 64)
	for b.Loop() {
		buf = appendTime(buf[:0], at)
	}
}
