package storage_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// TestNotices: what was added is claimed once, by one node, comes back when it
// is given back or its claim is over, and ends with its transaction.
func TestNotices(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		ctx, db, other := t.Context(), o.Open(t), o.Open(t)
		now := o.Clock.Now().UTC().Truncate(time.Microsecond)
		want := validation.Notice{
			UserID: storagetest.NewID(t), Kind: delivery.NoticeTOTPRemoved, To: "ann@example.com",
			Language: "de", At: now, IP: "192.0.2.7", Own: true, Attempts: 1,
		}
		errUndo := errors.New("undo")
		err := db.InTx(ctx, func(ctx context.Context) error {
			if err := db.AddNotices(ctx, want); err != nil {
				return err
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) || len(claim(t, db, now)) != 0 {
			t.Fatalf("a notice outlives its transaction (%v)", err)
		}
		if err := db.AddNotices(ctx, want); err != nil {
			t.Fatal(err)
		}
		got := race(t, now, db, other)
		if len(got) != 1 {
			t.Fatalf("two nodes claim %d notices, want 1", len(got))
		}
		want.ID = got[0].ID
		if diff := cmp.Diff(want, got[0]); diff != "" {
			t.Errorf("notice (-want +got):\n%s", diff)
		}
		if got := claim(t, db, now.Add(time.Minute-time.Microsecond)); len(got) != 0 {
			t.Errorf("claimed twice: %+v", got)
		}
		if got := claim(t, other, now.Add(time.Minute)); len(got) != 1 || got[0].Attempts != 2 {
			t.Errorf("after the claim of a node that is gone: %+v", got)
		}
		if err := db.PostponeNotice(ctx, want.ID, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if early, due := claim(t, db, now.Add(time.Hour-time.Microsecond)), claim(t, db, now.Add(time.Hour)); len(early) != 0 || len(due) != 1 {
			t.Errorf("postponed: %d before its time, %d at it", len(early), len(due))
		}
		if err := db.RemoveNotice(ctx, want.ID); err != nil || len(claim(t, db, now.Add(24*time.Hour))) != 0 {
			t.Errorf("a removed notice comes back (%v)", err)
		}
	})
}

func claim(t *testing.T, db *storage.DB, now time.Time) []validation.Notice {
	t.Helper()
	got, err := db.ClaimNotices(t.Context(), now, now.Add(time.Minute), 10)
	if err != nil {
		t.Errorf("claim: %v", err)
	}
	return got
}

// race claims on all nodes at once.
func race(t *testing.T, now time.Time, nodes ...*storage.DB) []validation.Notice {
	t.Helper()
	var mu sync.Mutex
	var all []validation.Notice
	var claims sync.WaitGroup
	for _, node := range nodes {
		claims.Go(func() {
			got := claim(t, node, now)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, got...)
		})
	}
	claims.Wait()
	return all
}
