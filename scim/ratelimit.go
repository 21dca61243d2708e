package scim

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// minRate is the least rate that may be configured, in requests per second and
// token: provisioning services are promised that much.
const minRate = 25

// maxIdleBuckets is how many buckets are kept before full ones are dropped.
const maxIdleBuckets = 4096

// rateLimiter holds each token to a number of requests per second on this
// node: a guard against a runaway client, not a throttle on a sync. It counts
// in memory, so with several nodes a token may use the rate on each. Safe for
// concurrent use.
type rateLimiter struct {
	rate  float64 // per second; 0: no limit
	burst float64

	mu      sync.Mutex
	buckets map[string]*bucket
}

// bucket is a token bucket: it gains rate per second up to burst, and each
// request takes one.
type bucket struct {
	level float64
	at    time.Time
}

// newRateLimiter returns a limiter of rate requests per second and token with
// the given burst. A negative rate switches it off.
func newRateLimiter(rate, burst int) (*rateLimiter, error) {
	if rate < 0 {
		return &rateLimiter{}, nil
	}
	if rate < minRate {
		return nil, fmt.Errorf("rate limit of %d requests per second: the least is %d, and a negative one switches it off", rate, minRate)
	}
	return &rateLimiter{
		rate:    float64(rate),
		burst:   float64(max(burst, rate)),
		buckets: make(map[string]*bucket),
	}, nil
}

// allow counts one request of the token, or refuses it with 429.
func (l *rateLimiter) allow(token string, now time.Time) error {
	if l.rate == 0 || token == "" {
		return nil
	}
	wait, ok := l.take(token, now)
	if ok {
		return nil
	}
	return Errorf(http.StatusTooManyRequests, "",
		"This token sends more than %d requests a second; wait and send fewer.", int(l.rate)).WithRetryAfter(wait)
}

// take takes one request out of the token's bucket, or returns how long it
// takes until there is one.
func (l *rateLimiter) take(token string, now time.Time) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[token]
	if b == nil {
		l.dropFull(now)
		b = &bucket{level: l.burst, at: now}
		l.buckets[token] = b
	}
	// The clock may step back; a bucket never loses what it has.
	if gone := now.Sub(b.at); gone > 0 {
		b.level = min(l.burst, b.level+gone.Seconds()*l.rate)
		b.at = now
	}
	if b.level >= 1 {
		b.level--
		return 0, true
	}
	// At least a moment, though rounding may leave the level just below one.
	return max(time.Nanosecond, time.Duration((1-b.level)/l.rate*float64(time.Second))), false
}

// dropFull forgets the buckets that are full again, once there are many: a new
// bucket starts full too.
func (l *rateLimiter) dropFull(now time.Time) {
	if len(l.buckets) < maxIdleBuckets {
		return
	}
	for token, b := range l.buckets {
		if b.level+now.Sub(b.at).Seconds()*l.rate >= l.burst {
			delete(l.buckets, token)
		}
	}
}
