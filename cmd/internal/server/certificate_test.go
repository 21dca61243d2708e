package server

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

// A half-finished renewal leaves the pair in use and is logged once; a missing
// file does not stop the server either.
func TestBrokenRenewalKeepsTheCertificate(t *testing.T) {
	t.Parallel()
	pair := NewPair(t, "test")
	cert, key := pair.Cert, pair.Key
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	c, err := newCertificate(cert, key, slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	first, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := c.get(nil); got != first {
		t.Error("the files were read again within a second")
	}
	for range 3 {
		now = now.Add(2 * time.Second)
		if got, err := c.get(nil); err != nil || got != first {
			t.Errorf("get = %v, %v, want the pair in use", got, err)
		}
	}
	if n := strings.Count(log.String(), "not reloaded"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, log.String())
	}
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	if got, err := c.get(nil); err != nil || got != first {
		t.Errorf("get without file = %v, %v, want the pair in use", got, err)
	}
}
