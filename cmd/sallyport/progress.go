package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/transfer"
)

// How often progress is shown: often on a terminal, seldom in a log.
const (
	barEvery  = 200 * time.Millisecond
	lineEvery = 10 * time.Second
	barWidth  = 24
)

// countingReader counts what is read through it.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

// Read implements io.Reader.
func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// sample is the state of a long piece of work.
type sample struct {
	done, total int64 // in any unit; total 0: unknown
	rows        int64
	elapsed     time.Duration
	tail        string
}

// line renders a sample: a bar with rate and time left when the end is known.
func (s sample) line() string {
	rate := float64(s.rows) / max(s.elapsed.Seconds(), 0.001)
	text := fmt.Sprintf("%d rows, %.0f/s", s.rows, rate)
	if s.total > 0 {
		share := min(float64(s.done)/float64(s.total), 1)
		full := int(share * barWidth)
		text = fmt.Sprintf("[%s%s] %3.0f %% %s", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), share*100, text)
		if share > 0 && share < 1 {
			left := time.Duration(float64(s.elapsed) * (1 - share) / share)
			text += ", " + left.Round(time.Second).String() + " left"
		}
	}
	if s.tail != "" {
		text += ", " + s.tail
	}
	return text
}

// show prints samples until the returned function is called: one line that is
// written over on a terminal, a line now and then elsewhere.
func (a *app) show(take func(elapsed time.Duration) sample) (stop func()) {
	bar := terminal(a.stderr)
	every := lineEvery
	if bar {
		every = barEvery
	}
	began := time.Now()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				if bar {
					_, _ = fmt.Fprint(a.stderr, "\r\x1b[K")
				}
				return
			case <-tick.C:
			}
			text := take(time.Since(began)).line()
			if bar {
				_, _ = fmt.Fprint(a.stderr, "\r", text, "\x1b[K")
				continue
			}
			a.note("%s", text)
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

func (a *app) showImport(p *transfer.Progress, read *countingReader, size int64) (stop func()) {
	return a.show(func(elapsed time.Duration) sample {
		s := sample{done: read.n.Load(), total: size, rows: p.Rows.Load(), elapsed: elapsed}
		if groups := p.Groups.Load(); groups > 0 {
			s.tail = fmt.Sprintf("groups %d/%d", p.GroupsDone.Load(), groups)
		}
		if rejected := p.Rejected.Load(); rejected > 0 {
			s.tail = strings.TrimPrefix(s.tail+fmt.Sprintf(", %d rejected", rejected), ", ")
		}
		return s
	})
}
