package keys

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Times of a key.
const (
	// Lead is how long a key is published before it signs: far longer than any
	// cache of the key set, whose max-age is JWKSMaxAge.
	Lead = 24 * time.Hour
	// ActiveFor is how long a key signs.
	ActiveFor = 90 * 24 * time.Hour
	// JWKSMaxAge is how long a client may keep the key set.
	JWKSMaxAge = 15 * time.Minute
	// reloadEvery is how old the keys of a node may be.
	reloadEvery = time.Minute
	// reloadPause is the least time between two readings because of an unknown
	// kid or of a request for the key set, so that neither becomes a query each.
	reloadPause = time.Second
	// minRetired is the least time that a retired key stays published; expired
	// ID tokens still come back as hints while their session lasts.
	minRetired = 48 * time.Hour
)

// ErrTooEarly says that the key to come is not published long enough to sign.
var ErrTooEarly = errors.New("the next key has not been published for 24 hours")

// Tx runs fn in one transaction: the store joins it by its context, and an
// error undoes it. fn may run again.
type Tx interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Config is what a Ring needs.
type Config struct {
	Store Store // required
	Tx    Tx    // required
	// Longest is the life of the token that lives longest; retired keys are kept
	// at least as long, and never less than 48 hours.
	Longest time.Duration
	Now     func() time.Time // required
	// Wait waits for d or the end of ctx; nil: a timer does.
	Wait func(ctx context.Context, d time.Duration) error
}

// Ring is what a node knows of the signing keys. It is safe for concurrent use.
type Ring struct {
	store   Store
	tx      Tx
	retired time.Duration
	now     func() time.Time
	wait    func(ctx context.Context, d time.Duration) error

	mu    sync.Mutex // held while reading the store
	known atomic.Pointer[keySet]
}

// New returns a ring. It reads its keys at first use.
func New(cfg Config) (*Ring, error) {
	if cfg.Store == nil || cfg.Tx == nil || cfg.Now == nil {
		return nil, errors.New("signing keys: Store, Tx and Now are required")
	}
	// A node may sign with a key that another has retired, until it reads again.
	kept := max(minRetired, cfg.Longest+2*reloadEvery)
	if cfg.Wait == nil {
		cfg.Wait = wait
	}
	return &Ring{store: cfg.Store, tx: cfg.Tx, retired: kept, now: cfg.Now, wait: cfg.Wait}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start makes the keys that every server has, RS256 and ES256, where they are
// missing, and reads them all. It must not be called in a transaction.
func (r *Ring) Start(ctx context.Context) error {
	for _, alg := range []string{RS256, ES256} {
		if err := r.Ensure(ctx, alg); err != nil {
			return err
		}
	}
	return nil
}

// Ensure makes the first key of an algorithm unless there is one; nothing was
// signed with the algorithm before, so the key signs at once. It must not be
// called in a transaction, whose roll-back would take the key away. Any other
// algorithm than those of [Algorithms] is ErrAlgorithm.
func (r *Ring) Ensure(ctx context.Context, alg string) error {
	if !supported(alg) {
		return fmt.Errorf("%w: %q", ErrAlgorithm, alg)
	}
	set, err := r.fresh(ctx, reloadEvery)
	if err != nil {
		return err
	}
	if set.active[alg] != nil {
		return nil
	}
	if set, err = r.fresh(ctx, 0); err != nil || set.active[alg] != nil {
		return err
	}
	if err := r.insert(ctx, alg, Active); err != nil {
		return err
	}
	_, err = r.fresh(ctx, 0)
	return err
}

// insert makes and stores a key, unless another node was first.
func (r *Ring) insert(ctx context.Context, alg string, s State) error {
	der, err := generate(alg)
	if err != nil {
		return err
	}
	kid, err := kidOf(der)
	if err != nil {
		return err
	}
	now := r.stamp()
	err = r.tx.InTx(ctx, func(ctx context.Context) error {
		_, err := r.store.InsertSigningKey(ctx, Stored{
			ID: kid, Alg: alg, State: s, Private: der, CreatedAt: now, ChangedAt: now,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("store %s key: %w", alg, err)
	}
	return nil
}

// stamp is the present with the precision of the store.
func (r *Ring) stamp() time.Time { return r.now().UTC().Truncate(time.Microsecond) }

// fresh returns keys that were read at most that long ago.
func (r *Ring) fresh(ctx context.Context, atMost time.Duration) (*keySet, error) {
	if set := r.known.Load(); set != nil && r.age(set) < atMost {
		return set, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.known.Load()
	if old != nil && r.age(old) < atMost {
		return old, nil
	}
	readAt := r.now()
	stored, err := r.store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read signing keys: %w", err)
	}
	set, err := newKeySet(stored, old)
	if err != nil {
		return nil, err
	}
	set.readAt = readAt
	r.known.Store(set)
	return set, nil
}

// age is 0 for a clock that was set back, so that it is not read all the time.
func (r *Ring) age(set *keySet) time.Duration { return max(0, r.now().Sub(set.readAt)) }

// byID returns the key with this id, nil if there is none. An unknown id makes
// it read the keys again, not more often than once a second.
func (r *Ring) byID(ctx context.Context, id string) (*signingKey, error) {
	set, err := r.fresh(ctx, reloadEvery)
	if err != nil {
		return nil, err
	}
	if k := set.keys[id]; k != nil {
		return k, nil
	}
	if set, err = r.fresh(ctx, reloadPause); err != nil {
		return nil, err
	}
	return set.keys[id], nil
}

// activeKey returns the key that signs with an algorithm, made when missing.
func (r *Ring) activeKey(ctx context.Context, alg string) (*signingKey, error) {
	for range 2 {
		set, err := r.fresh(ctx, reloadEvery)
		if err != nil {
			return nil, err
		}
		if k := set.active[alg]; k != nil {
			return k, nil
		}
		if err := r.Ensure(ctx, alg); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("there is no active %s key", alg)
}
