package storage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// checkBlocks recounts every closed block and the total.
func checkBlocks(t *testing.T, db *DB, want int64) {
	t.Helper()
	rt := db.registry.ByName("User")
	rows, err := db.pool.QueryContext(t.Context(), `SELECT b.start_id, b.n, (SELECT count(*) FROM resources r
		WHERE r.type = b.type AND r.id >= b.start_id AND (r.id < (SELECT MIN(c.start_id) FROM resource_blocks c
			WHERE c.type = b.type AND c.start_id > b.start_id)))
		FROM resource_blocks b WHERE b.type = 'User' ORDER BY b.start_id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	blocks := 0
	for rows.Next() {
		var start string
		var n, real int64
		if err := rows.Scan(&start, &n, &real); err != nil {
			t.Fatal(err)
		}
		blocks++
		if n != real {
			t.Errorf("block %q says %d rows and has %d", start, n, real)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if blocks < 5 {
		t.Errorf("%d blocks: the test did not close enough of them", blocks)
	}
	if n, err := db.Count(t.Context(), rt); err != nil || n != want {
		t.Errorf("Count = %d, %v, want %d", n, err, want)
	}
}

var errUndo = errors.New("undo")

// churn creates and deletes users whose ids grow unevenly, as several nodes
// with clocks apart would make them, and gives some transactions up. It returns
// how many it left.
func churn(t *testing.T, db *DB, worker, rounds int) int64 {
	rt := db.registry.ByName("User")
	r := rand.New(rand.NewPCG(uint64(worker), 9))
	var live []string
	clock := worker * 3
	for range rounds {
		var added []string
		gone := -1
		undo := r.IntN(6) == 0
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			added, gone = added[:0], -1
			for range r.IntN(9) {
				clock += r.IntN(5)
				id := fmt.Sprintf("%08x-0000-7000-8000-%04x%08x", clock, worker, r.Uint32())
				o := schema.Object{"id": id, "userName": id}
				if err := db.Insert(ctx, rt, &scim.Record{
					ID: id, Type: "User", Version: 1, Created: db.now(), LastModified: db.now(), Doc: rt.Encode(o), Object: o,
				}); err != nil {
					return err
				}
				added = append(added, id)
			}
			if len(live) > 0 && r.IntN(2) == 0 {
				gone = r.IntN(len(live))
				if err := db.Delete(ctx, rt, live[gone]); err != nil {
					return err
				}
			}
			if undo {
				return errUndo
			}
			return nil
		})
		switch {
		case errors.Is(err, errUndo):
			continue
		case err != nil:
			t.Errorf("worker %d: %v", worker, err)
			return int64(len(live))
		}
		if gone >= 0 {
			live = slices.Delete(live, gone, gone+1)
		}
		live = append(live, added...)
	}
	return int64(len(live))
}

// TestBlocksUnderConcurrency: two nodes create and delete at once while blocks
// are closed all the time; every block keeps its right count.
func TestBlocksUnderConcurrency(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, at string) {
		nodes := []*DB{reopen(t, at, nil), reopen(t, at, nil)}
		for _, db := range nodes {
			db.ranks.size = 25
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		var want int64
		for w := range 6 {
			db := nodes[w%2]
			all.Go(func() {
				n := churn(t, db, w, 60)
				mu.Lock()
				defer mu.Unlock()
				want += n
			})
		}
		all.Wait()
		checkBlocks(t, nodes[0], want)
		checkBlocks(t, nodes[1], want)
	})
}

// TestLongTailIsSettled: a directory without blocks gets them at the start.
func TestLongTailIsSettled(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, at string) {
		db := reopen(t, at, nil)
		ids := seed(t, db, 400)
		db.ranks.size = 25
		if err := db.buildIndexes(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkBlocks(t, db, 400)
		rt := db.registry.ByName("User")
		ranks, err := db.loadRanks(t.Context(), rt)
		if err != nil {
			t.Fatal(err)
		}
		for _, offset := range []int64{0, 24, 25, 26, 399, 400, 1000} {
			start, skip := ranks.block(offset)
			if i, _ := slices.BinarySearch(ids, start); int64(i)+skip != offset {
				t.Errorf("block(%d) = %q and %d rows, which is row %d", offset, start, skip, int64(i)+skip)
			}
		}
	})
}
