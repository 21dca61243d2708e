package storage

import (
	"fmt"
	"os"
	"time"
)

// turnstile lets processes that write to one SQLite file begin their
// transactions in turn. SQLite itself is unfair: a waiting process looks for
// the lock now and then, and a busy server takes it again within microseconds,
// so a command beside it could wait for ever. Whoever wants to begin holds the
// turnstile while it waits, and whoever has just committed has to pass it again.
//
// It is a courtesy: when it cannot be passed in time, SQLite's own lock
// decides alone.
type turnstile struct {
	file  *os.File
	limit time.Duration
}

// openTurnstile opens the file beside the database that the lock is on.
func openTurnstile(database string, limit time.Duration) (*turnstile, error) {
	f, err := os.OpenFile(database+"-turn", os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the operator's file
	if err != nil {
		return nil, fmt.Errorf("open turnstile: %w", err)
	}
	return &turnstile{file: f, limit: limit}, nil
}

// enter waits until this process may begin.
func (t *turnstile) enter() {
	if lockFile(t.file) {
		return
	}
	end := time.NewTimer(t.limit)
	defer end.Stop()
	poll := time.NewTicker(500 * time.Microsecond)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if lockFile(t.file) {
				return
			}
		case <-end.C:
			return
		}
	}
}

// leave lets the next one begin. Leaving without having entered is harmless.
func (t *turnstile) leave() { unlockFile(t.file) }

func (t *turnstile) close() error { return t.file.Close() }
