package scim

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newLimiter(t *testing.T, rate, burst int) *rateLimiter {
	t.Helper()
	l, err := newRateLimiter(rate, burst)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Row 113: a token gets its burst at once, then its rate, and 429 with
// Retry-After above it; other tokens are not affected.
func TestRow113_Rate(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, 100, 200)
	now := time.Unix(1_800_000_000, 0)
	for i := range 200 {
		if err := l.allow("a", now); err != nil {
			t.Fatalf("request %d of the burst: %v", i, err)
		}
	}
	err := l.allow("a", now)
	e := AsError(err)
	if e == nil || e.Status != http.StatusTooManyRequests || e.Type != "" || e.RetryAfter <= 0 || !strings.Contains(e.Detail, "100") {
		t.Fatalf("above the burst: %v, want 429 with Retry-After and the rate", err)
	}
	if err := l.allow("b", now); err != nil {
		t.Errorf("another token: %v", err)
	}
	if err := l.allow("a", now.Add(e.RetryAfter)); err != nil {
		t.Errorf("after Retry-After: %v", err)
	}
	granted := 0
	for ms := range 1000 { // a second of requests each millisecond
		if l.allow("a", now.Add(time.Second+time.Duration(ms)*time.Millisecond)) == nil {
			granted++
		}
	}
	if granted < 195 || granted > 205 { // 100 gained by then, 100 more within
		t.Errorf("%d granted, want about 200", granted)
	}
}

func TestRateSurvivesClockStep(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, 25, 25)
	now := time.Unix(1_800_000_000, 0)
	if err := l.allow("a", now); err != nil {
		t.Fatal(err)
	}
	for range 24 {
		if err := l.allow("a", now.Add(-time.Hour)); err != nil {
			t.Fatalf("the clock stepped back: %v", err)
		}
	}
	if err := l.allow("a", now.Add(-time.Hour)); err == nil {
		t.Error("the clock stepped back and the bucket filled")
	}
}

func TestRateConfiguration(t *testing.T) {
	t.Parallel()
	for rate, ok := range map[int]bool{-1: true, 0: false, 1: false, 24: false, 25: true, 2000: true} {
		if _, err := newRateLimiter(rate, 0); (err == nil) != ok {
			t.Errorf("newRateLimiter(%d) = %v, want accepted %v", rate, err, ok)
		}
	}
	off := newLimiter(t, -1, 0)
	for range 10_000 {
		if err := off.allow("a", time.Time{}); err != nil {
			t.Fatalf("switched off: %v", err)
		}
	}
}

func TestRateForgetsIdleTokens(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, 100, 100)
	now := time.Unix(1_800_000_000, 0)
	for i := range maxIdleBuckets {
		if err := l.allow(fmt.Sprint(i), now); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.allow("new", now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := len(l.buckets); got != 1 {
		t.Errorf("%d buckets left, want the new one only", got)
	}
}

func TestRateUnderConcurrency(t *testing.T) {
	t.Parallel()
	l := newLimiter(t, 100, 100)
	now := time.Unix(1_800_000_000, 0)
	var granted atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if l.allow("a", now) == nil {
					granted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := granted.Load(); got != 100 {
		t.Errorf("%d granted at once, want 100", got)
	}
}
