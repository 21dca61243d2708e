package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// stock is what requests use up: it is made before a slice, outside its time.
type stock[T any] struct {
	each  float64 // how many to make for a second of a slice
	items []T
	next  atomic.Int64
}

// want is how many to make for a slice of that length; first is the guess for
// a second before a slice has told better.
func (s *stock[T]) want(done []*slice, first float64, length time.Duration) int {
	if len(done) > 0 {
		s.each = max(s.each, spareCodes*done[len(done)-1].rate())
	}
	s.each = max(s.each, first)
	return int(s.each*(length+warmUp).Seconds()) + defaultConns
}

// fill makes that many, on conns connections; 0 is as many as a slice has.
func (s *stock[T]) fill(ctx context.Context, st *stage, conns, want int, make1 func(w *worker, i int) (T, error)) error {
	s.items = make([]T, want)
	s.next.Store(0)
	workers, err := st.workers(ctx, &target{at: onServer, conns: conns, good: func(*conn) error { return nil }})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			for ctx.Err() == nil && w.failed == nil {
				i := int(s.next.Add(1)) - 1
				if i >= want {
					return
				}
				s.items[i], w.failed = make1(w, i)
			}
		})
	}
	wg.Wait()
	err = ctx.Err()
	for _, w := range workers {
		err = errors.Join(err, w.failed, w.conn.close())
	}
	s.next.Store(0)
	return err
}

// taking builds a request with the next of the stock. When it is spent the
// worker ends.
func taking[T any](s *stock[T], w *worker, build func(T) []byte) []byte {
	i := int(s.next.Add(1)) - 1
	if i >= len(s.items) {
		w.failed = errSpent
		return nil
	}
	return build(s.items[i])
}
