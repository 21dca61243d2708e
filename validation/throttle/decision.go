package throttle

import (
	"errors"
	"time"
)

// ErrInTransaction reports that the context of a method that commits by itself
// carries a transaction, which is a bug of the caller.
var ErrInTransaction = errors.New("a failure cannot be counted inside a transaction")

// Decision is the answer to "may this happen now".
type Decision struct {
	Allowed    bool
	RetryAfter time.Duration // if not allowed: how long until it may be, more than 0
	Limit      string        // if not allowed: which limit, for audit and metrics, never for the client
	Last       bool          // allowed, and if it fails none is allowed after it: the ceiling is reached now
}

// Seconds returns RetryAfter for the header of that name (RFC 9110 section
// 10.2.3): whole seconds, rounded up, at least 1.
func (d Decision) Seconds() int {
	return max(1, int((d.RetryAfter+time.Second-1)/time.Second))
}

func allowed() Decision { return Decision{Allowed: true} }

func refused(limit string, wait time.Duration) Decision {
	return Decision{RetryAfter: max(wait, time.Microsecond), Limit: limit}
}
