package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// target is one kind of request to one server.
type target struct {
	name   string
	at     func(*stage) *service
	conns  int // 0 is defaultConns
	status int
	// least is the least size of an answer, in bytes: a wrong question is
	// answered faster than a right one.
	least int
	// good looks at the header lines that the connection has kept; nil keeps
	// none.
	good func(c *conn) error
	// before makes what the requests of a slice need; its time is not counted.
	before func(ctx context.Context, length time.Duration) error
	// next builds the next request of a connection. After nil, with the reason
	// in failed, there is none.
	next func(s *stage, w *worker) []byte
	// pairs are requests of which every second undoes the first: a connection
	// stops only after an even number.
	pairs bool
	// durable targets wait for the disk.
	durable bool
	// writes keeps a slow writer at work beside the readers.
	writes bool
}

// defaultConns is the number of connections of a client under load.
const defaultConns = 32

// warmUp is the part of a slice before counting starts: caches fill and
// connections are made.
const warmUp = 150 * time.Millisecond

// worker is one connection of the load generator.
type worker struct {
	site   site
	conn   *conn
	index  int
	rng    *rand.Rand
	buf    []byte
	body   []byte
	count  int // requests sent
	took   []time.Duration
	failed error
}

// slice is what one target did in one round.
type slice struct {
	requests int
	wall     time.Duration
	took     []time.Duration // sorted
	cpu      time.Duration   // of the serving process
	others   float64         // share of the machine that other processes used
}

func (s *slice) rate() float64 {
	if s.wall <= 0 {
		return 0
	}
	return float64(s.requests) / s.wall.Seconds()
}

// cpuEach is the processor time of the serving process for one request.
func (s *slice) cpuEach() time.Duration {
	if s.requests == 0 {
		return 0
	}
	return s.cpu / time.Duration(s.requests)
}

func (s *slice) quantile(q float64) time.Duration {
	if len(s.took) == 0 {
		return 0
	}
	return s.took[min(len(s.took)-1, int(q*float64(len(s.took))))]
}

// run gives a target its slice. pace is the number of requests a second, 0
// for as many as go.
func (st *stage) run(ctx context.Context, t *target, length time.Duration, pace float64) (*slice, error) {
	if t.before != nil {
		if err := t.before(ctx, length); err != nil {
			return nil, fmt.Errorf("prepare %s: %w", t.name, err)
		}
	}
	workers, err := st.workers(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	var recording, stopping atomic.Bool
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { w.work(st, t, &recording, &stopping, interval(pace, len(workers))) })
	}
	if t.writes {
		wg.Go(func() { st.trickle(ctx, &stopping) })
	}
	began, counted := time.Time{}, counters{}
	err = wait(ctx, warmUp)
	if err == nil {
		counted, err = st.counters(t)
		began = time.Now()
		recording.Store(true)
	}
	if err == nil {
		err = wait(ctx, length)
	}
	recording.Store(false)
	out := &slice{wall: time.Since(began)}
	end, ferr := st.counters(t)
	stopping.Store(true)
	wg.Wait()
	var failed error
	for _, w := range workers {
		out.requests += len(w.took)
		out.took = append(out.took, w.took...)
		if failed == nil { // the others say the same
			failed = w.failed
		}
		err = errors.Join(err, w.conn.close())
	}
	err = errors.Join(err, failed)
	if err = errors.Join(err, ferr); err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	slices.Sort(out.took)
	out.cpu = end.server - counted.server
	own := end.own - counted.own
	machine := out.wall * time.Duration(cores())
	out.others = max(0, float64(end.all-counted.all-own)/float64(machine))
	return out, nil
}

func interval(pace float64, workers int) time.Duration {
	if pace <= 0 {
		return 0
	}
	return time.Duration(float64(workers) / pace * float64(time.Second))
}

func (st *stage) workers(ctx context.Context, t *target) ([]*worker, error) {
	n := t.conns
	if n == 0 {
		n = defaultConns
	}
	at := t.at(st)
	out := make([]*worker, 0, n)
	for i := range n {
		c, err := dial(ctx, at.site.address)
		if err != nil {
			for _, w := range out {
				err = errors.Join(err, w.conn.close())
			}
			return nil, err
		}
		if err := c.c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
			return nil, err
		}
		st.seed++
		c.keep = t.good != nil
		out = append(out, &worker{
			site: at.site, conn: c, index: i, rng: rand.New(rand.NewPCG(1, st.seed)), //nolint:gosec // chooses test data
		})
	}
	return out, nil
}

// work sends requests until it is to stop. Only those that begin while
// recording are counted.
func (w *worker) work(st *stage, t *target, recording, stopping *atomic.Bool, every time.Duration) {
	var pause *time.Timer
	due := time.Now()
	if every > 0 {
		due = due.Add(time.Duration(w.rng.Int64N(int64(every))))
		pause = time.NewTimer(time.Until(due))
		defer pause.Stop()
	}
	for !stopping.Load() || t.pairs && w.count%2 == 1 {
		if pause != nil {
			<-pause.C
			due = due.Add(every)
		}
		request := t.next(st, w)
		if request == nil {
			return
		}
		counted := recording.Load()
		began := time.Now()
		status, err := w.conn.do(request, nil)
		took := time.Since(began)
		if err == nil {
			err = t.check(request, status, w.conn.size)
		}
		if err == nil && t.good != nil {
			err = t.good(w.conn)
		}
		if err != nil {
			w.failed = err
			return
		}
		w.count++
		if counted && recording.Load() {
			w.took = append(w.took, took)
		}
		if pause != nil {
			pause.Reset(time.Until(due))
		}
	}
}

// check says what is wrong with an answer of that status and size.
func (t *target) check(request []byte, status, size int) error {
	request, _, _ = bytes.Cut(request, []byte("\r\n")) // the rest holds a credential
	if status != t.status {
		return fmt.Errorf("status %d instead of %d for %.200q", status, t.status, request)
	}
	if size < t.least {
		return fmt.Errorf("%d bytes instead of at least %d for %.200q", size, t.least, request)
	}
	return nil
}

// counters are the processor times at one moment.
type counters struct{ server, own, all time.Duration }

func (st *stage) counters(t *target) (counters, error) {
	var c counters
	var err error
	if c.all, err = machineTime(); err != nil {
		return c, fmt.Errorf("processor time (Linux only): %w", err)
	}
	pids := []int{os.Getpid()}
	for _, s := range st.services {
		pids = append(pids, s.pid())
	}
	for _, pid := range pids {
		used, err := processTime(pid)
		if err != nil {
			return c, err
		}
		c.own += used
		if pid == t.at(st).pid() {
			c.server = used
		}
	}
	return c, nil
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
