package keys

import (
	"context"
	"errors"
	"fmt"
)

// errLost ends a rotation that another node has made first.
var errLost = errors.New("another node has rotated")

// Rotate moves every key on whose time has come: retired keys whose last token
// has expired are removed, an active key at the end of its time gives way to
// the next one if that has been published long enough, and an algorithm without
// a next key gets one. It reports whether another key signs now. Any number of
// nodes may call it at once, any number of times: for each step one wins. It
// must not be called in a transaction.
func (r *Ring) Rotate(ctx context.Context) (bool, error) {
	set, err := r.fresh(ctx, 0)
	if err != nil {
		return false, err
	}
	rotated := false
	for alg, active := range set.active {
		if r.now().Before(active.ChangedAt.Add(ActiveFor)) {
			continue
		}
		next := set.next[alg]
		if next == nil || r.now().Before(next.CreatedAt.Add(Lead)) {
			continue
		}
		won, err := r.promote(ctx, active, next)
		if err != nil {
			return rotated, err
		}
		rotated = rotated || won
	}
	if err := r.removeRetired(ctx, set); err != nil {
		return rotated, err
	}
	if err := r.addNext(ctx); err != nil {
		return rotated, err
	}
	_, err = r.fresh(ctx, 0)
	return rotated, err
}

// RotateNow has the next key of an algorithm sign from now on and retires the
// active one. If the next key has been published for less than Lead the answer
// is ErrTooEarly, unless early is said by [Ring.RotateEarly]. It must not be
// called in a transaction.
func (r *Ring) RotateNow(ctx context.Context, alg string) error { return r.turn(ctx, alg, false) }

// RotateEarly is RotateNow for emergencies: clients that still have an older
// key set must fetch it again when they meet the new key. It makes the next
// key if there is none.
func (r *Ring) RotateEarly(ctx context.Context, alg string) error { return r.turn(ctx, alg, true) }

func (r *Ring) turn(ctx context.Context, alg string, early bool) error {
	if !supported(alg) {
		return fmt.Errorf("%w: %q", ErrAlgorithm, alg)
	}
	if err := r.Ensure(ctx, alg); err != nil {
		return err
	}
	if err := r.addNext(ctx); err != nil {
		return err
	}
	set, err := r.fresh(ctx, 0)
	if err != nil {
		return err
	}
	active, next := set.active[alg], set.next[alg]
	if active == nil || next == nil {
		return errLost
	}
	if !early && r.now().Before(next.CreatedAt.Add(Lead)) {
		return ErrTooEarly
	}
	// Nodes that have just read their keys do not know the next one yet. A moment
	// later they publish it, and accept what it signs.
	if young := next.CreatedAt.Add(2 * reloadPause).Sub(r.now()); young > 0 {
		if err := r.wait(ctx, min(young, 2*reloadPause)); err != nil {
			return fmt.Errorf("publish %s key: %w", alg, err)
		}
	}
	won, err := r.promote(ctx, active, next)
	if err != nil {
		return err
	}
	if !won {
		return errLost
	}
	if err := r.addNext(ctx); err != nil {
		return err
	}
	_, err = r.fresh(ctx, 0)
	return err
}

// promote swaps two keys in one transaction; false when another node was first.
func (r *Ring) promote(ctx context.Context, active, next *signingKey) (bool, error) {
	now := r.stamp()
	err := r.tx.InTx(ctx, func(ctx context.Context) error {
		// The active key goes first: an algorithm has one active key at most.
		for _, step := range []struct {
			id       string
			from, to State
		}{{active.ID, Active, Retired}, {next.ID, Next, Active}} {
			moved, err := r.store.MoveSigningKey(ctx, step.id, step.from, step.to, now)
			if err != nil {
				return err
			}
			if !moved {
				return errLost
			}
		}
		return nil
	})
	if errors.Is(err, errLost) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("rotate %s key: %w", active.Alg, err)
	}
	return true, nil
}

// removeRetired removes retired keys whose last token has expired.
func (r *Ring) removeRetired(ctx context.Context, set *keySet) error {
	for _, k := range set.order {
		if k.State != Retired || r.now().Before(k.ChangedAt.Add(r.retired)) {
			continue
		}
		err := r.tx.InTx(ctx, func(ctx context.Context) error { return r.store.DeleteSigningKey(ctx, k.ID) })
		if err != nil {
			return fmt.Errorf("remove signing key %s: %w", k.ID, err)
		}
	}
	return nil
}

// addNext makes the next key of every algorithm in use that has none.
func (r *Ring) addNext(ctx context.Context) error {
	set, err := r.fresh(ctx, 0)
	if err != nil {
		return err
	}
	for alg := range set.active {
		if set.next[alg] != nil {
			continue
		}
		if err := r.insert(ctx, alg, Next); err != nil {
			return err
		}
	}
	return nil
}
