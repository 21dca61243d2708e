package state

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// reserve is how many tokens a node counts at once, before it mints them: a
// node that ends leaves the count too high, never too low.
const reserve = 4096

// reloadPause is the least time between two readings of the keys because of an
// unknown kid, so that made-up tokens do not become queries.
const reloadPause = time.Second

// Ring is what a node knows of the state keys. It is safe for concurrent use.
type Ring struct {
	store KeyStore
	now   func() time.Time

	mu    sync.Mutex // held while reading the store
	known atomic.Pointer[keySet]
}

// keySet is one reading of the store. Only the counter changes.
type keySet struct {
	readAt  time.Time
	keys    map[string]*derived
	current *derived
	left    atomic.Int64 // tokens reserved under current and not minted yet
}

// NewRing returns a ring that reads its keys at first use. now is the clock of
// the server.
func NewRing(store KeyStore, now func() time.Time) *Ring {
	return &Ring{store: store, now: now}
}

// fresh returns keys read at most RefreshEvery ago.
func (r *Ring) fresh(ctx context.Context) (*keySet, error) {
	if set := r.known.Load(); set != nil && r.age(set) < RefreshEvery {
		return set, nil
	}
	return r.reload(ctx, RefreshEvery)
}

// age is 0 for a clock that was set back, so that it is not read all the time.
func (r *Ring) age(set *keySet) time.Duration { return max(0, r.now().Sub(set.readAt)) }

// reload reads the keys unless another goroutine has done so within atMost.
func (r *Ring) reload(ctx context.Context, atMost time.Duration) (*keySet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.known.Load()
	if old != nil && r.age(old) < atMost {
		return old, nil
	}
	readAt := r.now()
	keys, err := r.store.StateKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read state keys: %w", err)
	}
	set, err := newKeySet(keys, old)
	if err != nil {
		return nil, err
	}
	set.readAt = readAt
	r.known.Store(set)
	return set, nil
}

// newKeySet derives the keys, or takes them over from the reading before.
func newKeySet(keys []Key, old *keySet) (*keySet, error) {
	set := &keySet{keys: make(map[string]*derived, len(keys))}
	for _, k := range keys {
		d := old.find(k.ID)
		if d == nil {
			var err error
			if d, err = deriveAll(k); err != nil {
				return nil, err
			}
		}
		set.keys[k.ID] = d
		if k.State == KeyCurrent {
			set.current = d
		}
	}
	if set.current == nil {
		return nil, errors.New("no current state key")
	}
	if old != nil && old.current == set.current {
		set.left.Store(old.left.Swap(0))
	}
	return set, nil
}

func (s *keySet) find(id string) *derived {
	if s == nil {
		return nil
	}
	return s.keys[id]
}

// byID returns the key of a token, nil if there is none. An unknown id makes
// it read the keys again, once and not more often than every reloadPause.
func (r *Ring) byID(ctx context.Context, id string) (*derived, error) {
	set, err := r.fresh(ctx)
	if err != nil {
		return nil, err
	}
	if d := set.find(id); d != nil {
		return d, nil
	}
	if set, err = r.reload(ctx, reloadPause); err != nil {
		return nil, err
	}
	return set.find(id), nil
}

// mint returns the current key, with one token more counted under it.
func (r *Ring) mint(ctx context.Context) (*derived, error) {
	set, err := r.fresh(ctx)
	if err != nil {
		return nil, err
	}
	// A key that has stopped being current is one step behind, once.
	for range 3 {
		if set.left.Add(-1) >= 0 {
			return set.current, nil
		}
		still, err := r.store.CountStates(ctx, set.current.id, reserve)
		if err != nil {
			return nil, fmt.Errorf("count states: %w", err)
		}
		if still {
			set.left.Store(reserve - 1)
			return set.current, nil
		}
		if set, err = r.reload(ctx, 0); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the current state key keeps changing")
}
