package storage_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-id/sallyport/oidc/keys"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// TestKeyRotationRace has nodes rotate at once: one new key signs, no node signs
// under a kid that is not published, and each accepts the tokens of all.
func TestKeyRotationRace(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		var nodes []*keys.Ring
		for _, db := range []*storage.DB{o.Open(t), o.Open(t)} {
			for range 3 {
				ring, err := keys.New(keys.Config{Store: db, Tx: db, Now: o.Clock.Now})
				if err != nil {
					t.Fatal(err)
				}
				nodes = append(nodes, ring)
			}
		}
		each(t, nodes, func(r *keys.Ring) error { return r.Ensure(context.Background(), keys.ES256) })
		each(t, nodes, func(r *keys.Ring) error { _, err := r.Rotate(context.Background()); return err })
		wantStates(t, nodes[0], "active", "next")

		o.Clock.Advance(keys.ActiveFor)
		var won atomic.Int64
		each(t, nodes, func(r *keys.Ring) error {
			rotated, err := r.Rotate(context.Background())
			if rotated {
				won.Add(1)
			}
			return err
		})
		if won.Load() != 1 {
			t.Errorf("%d nodes rotated, want 1", won.Load())
		}
		wantStates(t, nodes[0], "active", "next", "retired")
		for i, r := range nodes {
			token, err := r.Sign(t.Context(), keys.ES256, "JWT", map[string]int{"node": i})
			if err != nil {
				t.Fatal(err)
			}
			for j, other := range nodes {
				if _, _, err := other.Verify(t.Context(), token, "JWT"); err != nil {
					t.Errorf("token of node %d at node %d: %v", i, j, err)
				}
			}
		}
	})
}

// each runs fn for all nodes at once.
func each(t *testing.T, nodes []*keys.Ring, fn func(r *keys.Ring) error) {
	t.Helper()
	var wait sync.WaitGroup
	for _, r := range nodes {
		wait.Go(func() {
			if err := fn(r); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func wantStates(t *testing.T, r *keys.Ring, want ...string) {
	t.Helper()
	list, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range list {
		got = append(got, string(k.State))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("keys are %v, want %v", got, want)
	}
}
