package storage_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestLease(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		nodes := []*storage.DB{o.Open(t), o.Open(t)}
		take := func(holder string, ttl time.Duration) bool {
			t.Helper()
			got, err := nodes[0].Lease(t.Context(), "job", holder, ttl)
			if err != nil {
				t.Fatalf("Lease: %v", err)
			}
			return got
		}
		for i, step := range []struct {
			holder string
			ttl    time.Duration
			wait   time.Duration
			want   bool
		}{
			{holder: "a", ttl: time.Minute, want: true},
			{holder: "b", ttl: time.Minute, want: false},
			{holder: "a", ttl: 2 * time.Minute, want: true}, // prolonged
			{holder: "b", ttl: time.Minute, wait: time.Minute, want: false},
			{holder: "b", ttl: time.Minute, wait: time.Minute, want: true}, // over
			{holder: "b", ttl: 0, want: true},                              // given back
			{holder: "a", ttl: time.Minute, want: true},
		} {
			o.Clock.Advance(step.wait)
			if got := take(step.holder, step.ttl); got != step.want {
				t.Errorf("step %d: %s got the lease: %v, want %v", i, step.holder, got, step.want)
			}
		}
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				got, err := nodes[i%2].Lease(context.Background(), "raced", fmt.Sprint(i), time.Minute)
				if err != nil {
					t.Errorf("Lease: %v", err)
				}
				if got {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%d holders got one lease", won.Load())
		}
	})
}

// TestSweep ages rows of every kind and looks at what is left.
func TestSweep(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t, func(c *storage.Config) { c.AuditRetention = 40 * day })
		ctx := t.Context()
		token := func(name string, expires time.Time) {
			t.Helper()
			err := db.InsertToken(ctx, &scim.Token{
				ID: storagetest.NewID(t), Name: name, Hash: []byte(name), CreatedAt: o.Clock.Now(), ExpiresAt: expires,
			})
			if err != nil {
				t.Fatalf("InsertToken: %v", err)
			}
		}
		token("forever", time.Time{})
		token("expired", o.Clock.Now().Add(time.Hour))
		token("revoked", time.Time{})
		if _, err := db.UpdateToken(ctx, "revoked", func(tk *scim.Token) error { tk.RevokedAt = o.Clock.Now(); return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := db.AddRemovals(ctx, "x", 1, o.Clock.Now(), o.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Lease(ctx, "job", "a", time.Minute); err != nil {
			t.Fatal(err)
		}
		const old = 1200 // more than two batches, with the event of the master key
		list := make([]audit.Event, old-1)
		for i := range list {
			list[i] = audit.Event{Name: audit.UserCreated, Target: audit.Party{ID: "old"}}
		}
		if err := db.Append(ctx, list...); err != nil {
			t.Fatal(err)
		}
		sweep := func(want storage.Swept) {
			t.Helper()
			got, err := db.Sweep(ctx)
			if err != nil {
				t.Fatalf("Sweep: %v", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Sweep (-want +got):\n%s", diff)
			}
		}
		sweep(storage.Swept{})
		o.Clock.Advance(3 * time.Hour)
		sweep(storage.Swept{Removals: 1})
		o.Clock.Advance(29 * day) // an ended token stays listed for 30 days
		sweep(storage.Swept{Leases: 1})
		o.Clock.Advance(day)
		sweep(storage.Swept{Tokens: 2})
		o.Clock.Advance(10 * day)
		sweep(storage.Swept{Events: old})
		left, err := db.Tokens(ctx)
		if err != nil || len(left) != 1 || left[0].Name != "forever" {
			t.Errorf("tokens left = %v, %v", left, err)
		}
		pruned, err := db.Events(ctx, audit.Filter{})
		if err != nil || len(pruned) != 3 {
			t.Errorf("%d events after pruning, %v, want one per batch of 500", len(pruned), err)
		}
		for _, e := range pruned {
			if e.Name != audit.AuditPruned {
				t.Errorf("event left: %s", e.Name)
			}
		}
	})
}

// TestJanitorStops: the janitor works on its tick and ends with its context.
func TestJanitorStops(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db := o.Open(t)
	if _, err := db.AddRemovals(t.Context(), "x", 1, o.Clock.Now().Add(-24*time.Hour), o.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	swept := make(chan struct{})
	var once sync.Once
	watcher := o.Open(t, func(c *storage.Config) {
		c.Trace = func(sql string) {
			if len(sql) > 20 && sql[:20] == "DELETE FROM removals" {
				once.Do(func() { close(swept) })
			}
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		watcher.RunJanitor(ctx, time.Millisecond)
		close(done)
	}()
	<-swept
	cancel()
	<-done
}
