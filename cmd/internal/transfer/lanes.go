package transfer

import (
	"context"
	"sync"
)

// lanes are the goroutines that write rows. Rows that share a key (id,
// externalId or name) are written in the order in which they were put, so that
// the last of them wins and the first of two people with one name gets it.
type lanes struct {
	queues []chan *item
	next   int

	mu    sync.Mutex
	freed sync.Cond
	busy  map[string]*claim
}

// claim says which lane has rows under way with a key, and how many.
type claim struct{ lane, rows int }

// lanes starts the goroutines; wg waits for them.
func (rn *run) lanes(ctx context.Context, wg *sync.WaitGroup, do func(context.Context, *item, *habit)) *lanes {
	l := &lanes{queues: make([]chan *item, rn.Lanes), busy: map[string]*claim{}}
	l.freed.L = &l.mu
	for i := range l.queues {
		l.queues[i] = make(chan *item, laneDepth)
		wg.Go(func() {
			var h habit
			for it := range l.queues[i] {
				if ctx.Err() == nil {
					do(ctx, it, &h)
				}
				l.release(it)
			}
		})
	}
	return l
}

// put hands a row to a lane. It waits while two lanes have rows with its keys.
// One goroutine calls it.
func (l *lanes) put(it *item) {
	keys := it.keys()
	l.mu.Lock()
	lane, ok := l.laneOf(keys)
	for !ok {
		l.freed.Wait()
		lane, ok = l.laneOf(keys)
	}
	for _, key := range keys {
		c := l.busy[key]
		if c == nil {
			c = &claim{lane: lane}
			l.busy[key] = c
		}
		c.rows++
	}
	l.mu.Unlock()
	l.queues[lane] <- it
}

// laneOf returns the lane that has a row with one of the keys, else the next
// one; false when there are two.
func (l *lanes) laneOf(keys []string) (int, bool) {
	lane := -1
	for _, key := range keys {
		c := l.busy[key]
		if c == nil {
			continue
		}
		if lane >= 0 && lane != c.lane {
			return 0, false
		}
		lane = c.lane
	}
	if lane < 0 {
		l.next = (l.next + 1) % len(l.queues)
		lane = l.next
	}
	return lane, true
}

// release gives the keys of a finished row free.
func (l *lanes) release(it *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range it.keys() {
		c := l.busy[key]
		if c.rows--; c.rows == 0 {
			delete(l.busy, key)
		}
	}
	l.freed.Signal()
}

func (l *lanes) close() {
	for _, q := range l.queues {
		close(q)
	}
}
