package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
)

// errOwn is the failure of a closure.
var errOwn = errors.New("closure failed")

// Transactions is the conformance suite of InTx and Savepoint.
func Transactions(t *testing.T, o *Opener) {
	db := o.Open(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, *storage.DB)
	}{
		{"an error rolls back everything", rollsBack},
		{"a panic rolls back and becomes an error", panics},
		{"nested calls join", nested},
		{"a failing closure does not harm those that share its commit", neighbours},
		{"what InTx acknowledged another handle sees", acknowledged},
		{"a context that has ended is not served", ended},
		{"a savepoint undoes its own part", savepoints},
		{"concurrent read-modify-write loses nothing", counters},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, db) })
	}
}

func rollsBack(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	r := o.User(t, "rollback@example.com")
	before, err := db.Count(t.Context(), user)
	if err != nil {
		t.Fatalf("Count: %v", err)
	}
	err = db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Insert(ctx, user, r); err != nil {
			return err
		}
		if _, err := db.Get(ctx, user, r.ID, ""); err != nil {
			t.Errorf("the transaction does not see its own row: %v", err)
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	_, err = db.Get(t.Context(), user, r.ID, "")
	wantIs(t, err, scim.ErrNotFound)
	after, err := db.Count(t.Context(), user)
	if err != nil || after != before {
		t.Errorf("Count after rollback = %d, %v, want %d", after, err, before)
	}
}

func panics(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	r := o.User(t, "panic@example.com")
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Insert(ctx, user, r); err != nil {
			return err
		}
		panic("a bug")
	})
	if p, ok := errors.AsType[*storage.PanicError](err); !ok || p.Value != "a bug" || len(p.Stack) == 0 {
		t.Fatalf("InTx = %v, want a PanicError with its stack", err)
	}
	_, err = db.Get(t.Context(), user, r.ID, "")
	wantIs(t, err, scim.ErrNotFound)
	Add(t, db, user, o.User(t, "after-panic@example.com"))
}

func nested(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	r := o.User(t, "nested@example.com")
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.InTx(ctx, func(ctx context.Context) error { return db.Insert(ctx, user, r) }); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	_, err = db.Get(t.Context(), user, r.ID, "")
	wantIs(t, err, scim.ErrNotFound)
}

// neighbours lets closures of three kinds run together, so that on SQLite they
// share commits: those that succeed, those that fail after writing, and those
// that violate an index.
func neighbours(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	const each = 60
	Add(t, db, user, o.User(t, "taken@example.com"))
	type outcome struct {
		r   *scim.Record
		err error
	}
	outcomes := make([]outcome, 3*each)
	var wg sync.WaitGroup
	for i := range outcomes {
		name := fmt.Sprintf("neighbour%d@example.com", i)
		r, extra := o.User(t, name), o.User(t, "taken@example.com")
		wg.Go(func() {
			outcomes[i].r = r
			outcomes[i].err = db.InTx(context.Background(), func(ctx context.Context) error {
				if err := db.Insert(ctx, user, r); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return errOwn
				case 2:
					return db.Insert(ctx, user, extra)
				}
				return nil
			})
		})
	}
	wg.Wait()
	for i, out := range outcomes {
		_, err := db.Get(t.Context(), user, out.r.ID, "")
		switch i % 3 {
		case 0:
			if out.err != nil || err != nil {
				t.Errorf("closure %d: InTx %v, Get %v, want both nil", i, out.err, err)
			}
		case 1:
			wantIs(t, out.err, errOwn)
			wantIs(t, err, scim.ErrNotFound)
		case 2:
			wantConflict(t, out.err, "userName")
			wantIs(t, err, scim.ErrNotFound)
		}
	}
}

func acknowledged(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	other := o.Open(t)
	var wg sync.WaitGroup
	for i := range 40 {
		r := o.User(t, fmt.Sprintf("durable%d@example.com", i))
		wg.Go(func() {
			if err := db.Insert(context.Background(), user, r); err != nil {
				t.Errorf("Insert: %v", err)
				return
			}
			if _, err := other.Get(context.Background(), user, r.ID, ""); err != nil {
				t.Errorf("acknowledged row is not in the database: %v", err)
			}
		})
	}
	wg.Wait()
}

func ended(t *testing.T, _ *Opener, db *storage.DB) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ran := false
	err := db.InTx(ctx, func(context.Context) error { ran = true; return nil })
	wantIs(t, err, context.Canceled)
	if ran {
		t.Error("the closure ran although its context had ended")
	}
}

func savepoints(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	kept, dropped, inner := o.User(t, "kept@example.com"), o.User(t, "dropped@example.com"), o.User(t, "inner@example.com")
	before, err := db.Count(t.Context(), user)
	if err != nil {
		t.Fatalf("Count: %v", err)
	}
	err = db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Insert(ctx, user, kept); err != nil {
			return err
		}
		err := db.Savepoint(ctx, func(ctx context.Context) error {
			if err := db.Insert(ctx, user, dropped); err != nil {
				return err
			}
			return db.Insert(ctx, user, o.User(t, "KEPT@example.com"))
		})
		wantConflict(t, err, "userName")
		return db.Savepoint(ctx, func(ctx context.Context) error {
			return db.Savepoint(ctx, func(ctx context.Context) error { return db.Insert(ctx, user, inner) })
		})
	})
	if err != nil {
		t.Fatalf("InTx: %v", err)
	}
	get(t, db, user, kept.ID)
	get(t, db, user, inner.ID)
	_, err = db.Get(t.Context(), user, dropped.ID, "")
	wantIs(t, err, scim.ErrNotFound)
	if after, err := db.Count(t.Context(), user); err != nil || after != before+2 {
		t.Errorf("Count = %d, %v, want %d", after, err, before+2)
	}
}

// counters raises one version from two nodes: Get inside InTx must keep the
// row from changing until the transaction ends.
func counters(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	r := Add(t, db, user, o.User(t, "counter@example.com"))
	nodes := []*storage.DB{db, o.Open(t)}
	const turns = 40
	var wg sync.WaitGroup
	for i := range turns {
		wg.Go(func() {
			node := nodes[i%len(nodes)]
			err := node.InTx(context.Background(), func(ctx context.Context) error {
				stored, err := node.Get(ctx, user, r.ID, "")
				if err != nil {
					return err
				}
				next := *r
				next.Version = stored.Version + 1
				return node.Update(ctx, user, &next)
			})
			if err != nil {
				t.Errorf("InTx: %v", err)
			}
		})
	}
	wg.Wait()
	if got := get(t, db, user, r.ID).Version; got != turns+1 {
		t.Errorf("version = %d after %d updates, want %d", got, turns, turns+1)
	}
}
