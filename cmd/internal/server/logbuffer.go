package server

import (
	"errors"
	"io"
	"sync"
	"time"
)

// Bounds of what a LogBuffer keeps back.
const (
	logBufferBytes = 32 << 10
	logBufferTime  = 100 * time.Millisecond
)

// LogBuffer gathers lines for a moment, so that a busy server does not make a
// system call for each. Lines are written when there are many, after a tenth
// of a second, on Flush, and on Close. A process that is killed loses at most
// the lines of that moment. Safe for concurrent use.
type LogBuffer struct {
	w io.Writer

	mu    sync.Mutex
	lines []byte
	timer *time.Timer
	err   error // of the last write in the background
}

// NewLogBuffer returns a buffer in front of w. Close it.
func NewLogBuffer(w io.Writer) *LogBuffer {
	return &LogBuffer{w: w, lines: make([]byte, 0, logBufferBytes)}
}

// Write implements io.Writer. An error is that of an earlier line.
func (b *LogBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines)+len(line) > logBufferBytes {
		b.flush()
	}
	if len(b.lines) == 0 {
		b.arm()
	}
	b.lines = append(b.lines, line...)
	err := b.err
	b.err = nil
	return len(line), err
}

// arm has the lines written in a moment.
func (b *LogBuffer) arm() {
	if b.timer != nil {
		b.timer.Reset(logBufferTime)
		return
	}
	b.timer = time.AfterFunc(logBufferTime, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.flush()
	})
}

// flush writes what is kept. The caller holds the lock.
func (b *LogBuffer) flush() {
	if len(b.lines) == 0 {
		return
	}
	_, err := b.w.Write(b.lines)
	b.err = errors.Join(b.err, err)
	b.lines = b.lines[:0]
}

// Flush writes what is kept and returns what failed since it was last asked.
func (b *LogBuffer) Flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flush()
	err := b.err
	b.err = nil
	return err
}

// Close writes what is kept. Lines that come later are written too.
func (b *LogBuffer) Close() error { return b.Flush() }
