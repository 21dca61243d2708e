package storage_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// queueBehind holds up the writer, starts the closures, waits until all are
// queued, and lets go: they share one group.
func queueBehind(t *testing.T, db *storage.DB, fns ...func(ctx context.Context) error) []error {
	t.Helper()
	begun, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.InTx(context.Background(), func(context.Context) error {
			close(begun)
			<-release
			return nil
		})
		if err != nil {
			t.Errorf("InTx of the first closure: %v", err)
		}
	})
	<-begun
	errs := make([]error, len(fns))
	for i, fn := range fns {
		wg.Go(func() { errs[i] = db.InTx(context.Background(), fn) })
	}
	for db.Queued() < len(fns) {
		runtime.Gosched()
	}
	close(release)
	wg.Wait()
	return errs
}

// TestGroupOutlivesLostTransaction: when SQLite gives up the whole transaction
// in the middle of a group, only the closure that caused it fails.
func TestGroupOutlivesLostTransaction(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db, user := o.Open(t), o.Type(t, "User")
	const n = 9
	var records []*scim.Record
	var fns []func(ctx context.Context) error
	for i := range n {
		r := o.User(t, fmt.Sprintf("lost%d", i))
		records = append(records, r)
		fns = append(fns, func(ctx context.Context) error {
			if err := db.Insert(ctx, user, r); err != nil {
				return err
			}
			if i == n/2 {
				return db.ExecInTx(ctx, "ROLLBACK") // as SQLite does when the disk is full
			}
			return nil
		})
	}
	errs := queueBehind(t, db, fns...)
	for i, r := range records {
		_, err := db.Get(t.Context(), user, r.ID, "")
		if i == n/2 {
			if errs[i] == nil || !errors.Is(err, scim.ErrNotFound) {
				t.Errorf("the closure that lost the transaction: InTx %v, Get %v", errs[i], err)
			}
			continue
		}
		if errs[i] != nil || err != nil {
			t.Errorf("neighbour %d: InTx %v, Get %v", i, errs[i], err)
		}
	}
	if got, err := db.Count(t.Context(), user); err != nil || got != n-1 {
		t.Errorf("Count = %d, %v, want %d", got, err, n-1)
	}
}

// TestGroupIsOneTransaction: the closures of a group see each other's work, as
// they would one after the other.
func TestGroupIsOneTransaction(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db := o.Open(t)
	var seen []int64
	var fns []func(ctx context.Context) error
	for range 20 {
		fns = append(fns, func(ctx context.Context) error {
			n, err := db.AddRemovals(ctx, "t", 1, o.Clock.Now(), o.Clock.Now())
			seen = append(seen, n) // closures run one after the other
			return err
		})
	}
	if err := errors.Join(queueBehind(t, db, fns...)...); err != nil {
		t.Fatalf("InTx: %v", err)
	}
	for i, n := range seen {
		if n != int64(i+1) {
			t.Fatalf("counts = %v, want 1 to 20", seen)
		}
	}
}

// TestAbandonedJob: a context that ends in the queue takes its closure out.
func TestAbandonedJob(t *testing.T) {
	t.Parallel()
	db := storagetest.SQLite(t).Open(t)
	ctx, cancel := context.WithCancel(t.Context())
	ran := false
	errs := queueBehind(t, db, func(context.Context) error {
		return nil
	}, func(context.Context) error {
		// Runs on the writer while the next one waits in another group.
		done := make(chan error, 1)
		go func() { done <- db.InTx(ctx, func(context.Context) error { ran = true; return nil }) }()
		for db.Queued() < 1 {
			runtime.Gosched()
		}
		cancel()
		return <-done
	})
	if errs[0] != nil || !errors.Is(errs[1], context.Canceled) {
		t.Errorf("InTx = %v, want nil and Canceled", errs)
	}
	if err := db.InTx(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("InTx afterwards: %v", err)
	}
	if ran {
		t.Error("the abandoned closure ran")
	}
}

// TestBegunJobIsNotInterrupted: once it runs, a closure is not cut short, for
// that would cost its neighbours their work.
func TestBegunJobIsNotInterrupted(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db, user := o.Open(t), o.Type(t, "User")
	ctx, cancel := context.WithCancel(t.Context())
	r := o.User(t, "uninterrupted")
	err := db.InTx(ctx, func(ctx context.Context) error {
		cancel()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("the context of a running closure ended: %w", err)
		}
		return db.Insert(ctx, user, r)
	})
	if err != nil {
		t.Fatalf("InTx: %v", err)
	}
	if _, err := db.Get(t.Context(), user, r.ID, ""); err != nil {
		t.Errorf("Get: %v", err)
	}
}

// TestWritersTakeTurns: a process that writes now and then gets its turn beside
// one that never stops.
func TestWritersTakeTurns(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	busy, guest := o.Open(t), o.Open(t)
	stop := make(chan struct{})
	var commits atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := busy.AddRemovals(context.Background(), "busy", 1, o.Clock.Now(), o.Clock.Now()); err != nil {
					t.Errorf("busy process: %v", err)
				}
				commits.Add(1)
			}
		})
	}
	for commits.Load() < 10 {
		runtime.Gosched()
	}
	before := commits.Load()
	const turns = 30
	for i := range turns {
		if _, err := guest.AddRemovals(t.Context(), "guest", 1, o.Clock.Now(), o.Clock.Now()); err != nil {
			t.Fatalf("turn %d of the guest: %v", i, err)
		}
	}
	between := commits.Load() - before
	close(stop)
	wg.Wait()
	// In turn, at most a few groups of 8 go between two of the guest; without
	// turns it is hundreds.
	if between > turns*8*10 {
		t.Errorf("%d commits of the busy process went between %d of the guest", between, turns)
	}
}

// TestBusySQLite: another process holds the file for longer than we wait.
func TestBusySQLite(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db := o.Open(t, func(c *storage.Config) { c.BusyTimeout = 20 * time.Millisecond })
	conn, err := o.Raw(t).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	user, r := o.Type(t, "User"), o.User(t, "busy")
	if err := db.Insert(t.Context(), user, r); !errors.Is(err, scim.ErrBusy) {
		t.Errorf("Insert while another process writes = %v, want ErrBusy", err)
	}
	if _, err := db.Get(t.Context(), user, r.ID, ""); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Get while another process writes = %v, want ErrNotFound", err)
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	storagetest.Add(t, db, user, r)
}

// TestBusyPostgres: another client holds a row for longer than we wait.
func TestBusyPostgres(t *testing.T) {
	t.Parallel()
	o := storagetest.Postgres(t)
	db := o.Open(t, func(c *storage.Config) { c.BusyTimeout = 20 * time.Millisecond })
	user := o.Type(t, "User")
	r := storagetest.Add(t, db, user, o.User(t, "busy"))
	tx, err := o.Raw(t).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec("SELECT 1 FROM resources WHERE id = $1 FOR UPDATE", r.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.Delete(t.Context(), user, r.ID); !errors.Is(err, scim.ErrBusy) {
		t.Errorf("Delete of a locked row = %v, want ErrBusy", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := db.Delete(t.Context(), user, r.ID); err != nil {
		t.Errorf("Delete afterwards: %v", err)
	}
}

// TestDeadlockIsRetried lets two transactions lock two rows crosswise:
// PostgreSQL ends one, which runs again.
func TestDeadlockIsRetried(t *testing.T) {
	t.Parallel()
	o := storagetest.Postgres(t)
	db, user := o.Open(t), o.Type(t, "User")
	a := storagetest.Add(t, db, user, o.User(t, "a"))
	b := storagetest.Add(t, db, user, o.User(t, "b"))
	var both sync.WaitGroup // each has its first row
	both.Add(2)
	var runs [2]int
	cross := func(who int, first, second string) error {
		return db.InTx(context.Background(), func(ctx context.Context) error {
			runs[who]++
			if _, err := db.Get(ctx, user, first, ""); err != nil {
				return err
			}
			if runs[who] == 1 {
				both.Done()
				both.Wait()
			}
			_, err := db.Get(ctx, user, second, "")
			return err
		})
	}
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { errs[0] = cross(0, a.ID, b.ID) })
	wg.Go(func() { errs[1] = cross(1, b.ID, a.ID) })
	wg.Wait()
	if errs[0] != nil || errs[1] != nil {
		t.Errorf("InTx = %v", errs)
	}
	// A slow machine may see the retry meet the other once more.
	if runs[0]+runs[1] < 3 {
		t.Errorf("the closures ran %v times, want at least 3 in all", runs)
	}
}

// TestStatementCacheForgets: endless different texts neither fail nor pile up.
func TestStatementCacheForgets(t *testing.T) {
	t.Parallel()
	db := storagetest.SQLite(t).Open(t)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 400 {
				want := w*1000 + i
				got, err := db.ReadInt(context.Background(), fmt.Sprintf("SELECT %d", want))
				if err != nil || got != want {
					t.Errorf("SELECT %d = %d, %v", want, got, err)
				}
				// A hot one is dropped and prepared again in between.
				if got, err := db.ReadInt(context.Background(), "SELECT 42"); err != nil || got != 42 {
					t.Errorf("SELECT 42 = %d, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if n := db.CachedStatements(); n > 512 {
		t.Errorf("%d statements are cached", n)
	}
}

// TestReadTransactionNeedsOneConnection: preparing a statement inside a read
// transaction must not wait for a second connection, or a pool full of such
// transactions would wait for ever.
func TestReadTransactionNeedsOneConnection(t *testing.T) {
	t.Parallel()
	db := storagetest.SQLite(t).Open(t, func(c *storage.Config) { c.ReadConns = 1 })
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 20 {
				err := db.InRead(context.Background(), func(ctx context.Context) error {
					for range 2 {
						want := w*100 + i
						if got, err := db.ReadInt(ctx, fmt.Sprintf("SELECT %d", want)); err != nil || got != want {
							return fmt.Errorf("SELECT %d = %d: %w", want, got, err)
						}
					}
					return nil
				})
				if err != nil {
					t.Errorf("InRead: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// TestGroupUndoesOneOfItsClosures: what a closure wrote before it failed is
// undone, in groups that run without savepoints and in those that follow, and
// its neighbours keep what is theirs, once.
func TestGroupUndoesOneOfItsClosures(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db, user := o.Open(t), o.Type(t, "User")
	refused := errors.New("refused after a write")
	for round := range 3 {
		var records []*scim.Record
		var fns []func(ctx context.Context) error
		for i := range 6 {
			r := o.User(t, fmt.Sprintf("undo%d-%d", round, i))
			records = append(records, r)
			fns = append(fns, func(ctx context.Context) error {
				if _, err := db.AddRemovals(ctx, "t", 1, o.Clock.Now(), o.Clock.Now()); err != nil {
					return err
				}
				if err := db.Insert(ctx, user, r); err != nil || i != 3 {
					return err
				}
				return refused
			})
		}
		// A taken name fails before anything of its closure is written.
		fns = append(fns, func(ctx context.Context) error {
			return db.Insert(ctx, user, o.User(t, fmt.Sprintf("undo%d-0", round)))
		})
		errs := queueBehind(t, db, fns...)
		if !errors.As(errs[6], new(*scim.ConflictError)) && errs[0] == nil {
			t.Errorf("round %d: a taken name: %v", round, errs[6])
		}
		for i, r := range records {
			_, err := db.Get(t.Context(), user, r.ID, "")
			switch {
			case i == 3 && (!errors.Is(errs[i], refused) || !errors.Is(err, scim.ErrNotFound)):
				t.Errorf("round %d: the closure that failed: InTx %v, Get %v", round, errs[i], err)
			case i != 3 && i != 0 && (errs[i] != nil || err != nil):
				t.Errorf("round %d: neighbour %d: InTx %v, Get %v", round, i, errs[i], err)
			}
		}
	}
	// 5 of 6 in each round, and one more if the taken name came first in its
	// group; all closures of a round counted once or not at all.
	n, err := db.AddRemovals(t.Context(), "t", 0, o.Clock.Now(), o.Clock.Now())
	if err != nil || n < 12 || n > 15 {
		t.Errorf("%d closures counted, %v, want 4 or 5 a round", n, err)
	}
}
