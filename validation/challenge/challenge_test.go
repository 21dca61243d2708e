package challenge_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/validation/challenge"
)

// TestJudge: used before superseded before expired before exhausted (section 5,
// PUT step 2), whichever are true together.
func TestJudge(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	now := begin.Add(time.Minute)
	for bits := range 16 {
		c := challenge.Challenge{CreatedAt: begin, ExpiresAt: begin.Add(10 * time.Minute), Attempts: 4, MaxAttempts: 5}
		var want error
		if bits&8 != 0 {
			c.Attempts, want = 5, challenge.ErrExhausted
		}
		if bits&4 != 0 {
			c.ExpiresAt, want = now, challenge.ErrExpired
		}
		if bits&2 != 0 {
			c.SupersededAt, want = begin, challenge.ErrSuperseded
		}
		if bits&1 != 0 {
			c.UsedAt, want = begin, challenge.ErrUsed
		}
		if got := c.Judge(now); !errors.Is(got, want) {
			t.Errorf("Judge(%+v) = %v, want %v", c, got, want)
		}
	}
}

// TestJudgeClock is case state_expired_clock: good until the instant before the
// end.
func TestJudgeClock(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	c := challenge.Challenge{CreatedAt: end.Add(-time.Minute), ExpiresAt: end, MaxAttempts: 5}
	if err := c.Judge(end.Add(-time.Microsecond)); err != nil {
		t.Errorf("just before the end: %v", err)
	}
	for _, at := range []time.Time{end, end.Add(time.Hour)} {
		if err := c.Judge(at); !errors.Is(err, challenge.ErrExpired) {
			t.Errorf("at %v: %v, want ErrExpired", at, err)
		}
	}
}
