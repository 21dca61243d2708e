package storagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage"
)

// Audit is the conformance suite of [audit.Log] and [audit.Reader].
func Audit(t *testing.T, o *Opener) {
	db := o.Open(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, *storage.DB)
	}{
		{"an event is read back whole", auditReadBack},
		{"row 114: an event lives and dies with its transaction", auditAtomic},
		{"filters", auditFilters},
		{"ids grow in the order of writing", auditOrder},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, db) })
	}
}

func events(t *testing.T, db *storage.DB, f audit.Filter) []audit.Event {
	t.Helper()
	out, err := db.Events(t.Context(), f)
	if err != nil {
		t.Fatalf("Events(%+v): %v", f, err)
	}
	return out
}

func appendEvents(t *testing.T, db *storage.DB, list ...audit.Event) {
	t.Helper()
	if err := db.Append(t.Context(), list...); err != nil {
		t.Fatalf("Append: %v", err)
	}
}

func auditReadBack(t *testing.T, o *Opener, db *storage.DB) {
	e := audit.Event{
		ID: NewID(t), Time: o.Clock.Now(), Name: audit.UserUpdated, Outcome: audit.OK, Reason: "sync",
		Actor:   audit.Party{Type: "token", ID: "t1", Name: "entra", Client: "c"},
		Subject: audit.Party{Type: "User", ID: "u1"}, Target: audit.Party{Type: "User", ID: "read-back"},
		Session: "s", RequestID: "r", IP: "192.0.2.1", UserAgent: strings.Repeat("é", 200),
		Detail: json.RawMessage(`{"before":{"title":"a\u0007"},"after":{"title":"b"}}`),
	}
	appendEvents(t, db, e)
	want := e
	want.UserAgent = strings.Repeat("é", 128)
	got := events(t, db, audit.Filter{Target: "read-back"})
	if diff := cmp.Diff([]audit.Event{want}, got); diff != "" {
		t.Errorf("event differs (-want +got):\n%s", diff)
	}
	appendEvents(t, db, audit.Event{Name: audit.UserDeleted, Outcome: audit.OK, Target: audit.Party{ID: "filled"}})
	filled := events(t, db, audit.Filter{Target: "filled"})
	if len(filled) != 1 || filled[0].ID == "" || !filled[0].Time.Equal(o.Clock.Now()) {
		t.Errorf("id and time are not filled in: %+v", filled)
	}
}

func auditAtomic(t *testing.T, _ *Opener, db *storage.DB) {
	e := audit.Event{Name: audit.GroupCreated, Outcome: audit.OK, Target: audit.Party{ID: "atomic"}}
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Append(ctx, e); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	if got := events(t, db, audit.Filter{Target: "atomic"}); len(got) != 0 {
		t.Errorf("event of a rolled-back change: %v", got)
	}
	// An event that cannot be written fails the action.
	appendEvents(t, db, audit.Event{ID: "same", Name: audit.GroupCreated})
	err = db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Append(ctx, e); err != nil {
			return err
		}
		return db.Append(ctx, audit.Event{ID: "same", Name: audit.GroupCreated})
	})
	if err == nil {
		t.Error("a doubled event id was accepted")
	}
	if got := events(t, db, audit.Filter{Target: "atomic"}); len(got) != 0 {
		t.Errorf("event of a failed change: %v", got)
	}
}

func auditFilters(t *testing.T, o *Opener, db *storage.DB) {
	start := o.Clock.Now().Add(24 * time.Hour)
	var ids []string
	for i, name := range []audit.Name{audit.UserCreated, audit.UserUpdated, audit.GroupUpdated, audit.UserDeleted} {
		e := audit.Event{
			ID: NewID(t), Time: start.Add(time.Duration(i) * time.Minute), Name: name, Outcome: audit.OK,
			Target: audit.Party{ID: fmt.Sprintf("f%d", i)}, Subject: audit.Party{ID: "fs"},
		}
		ids = append(ids, e.ID)
		appendEvents(t, db, e)
	}
	for name, c := range map[string]struct {
		f    audit.Filter
		want []int
	}{
		"target":     {audit.Filter{Target: "f1"}, []int{1}},
		"subject":    {audit.Filter{Target: "fs"}, []int{0, 1, 2, 3}},
		"exact name": {audit.Filter{Target: "fs", Name: audit.UserUpdated}, []int{1}},
		"name group": {audit.Filter{Target: "fs", Name: "user."}, []int{0, 1, 3}},
		"since":      {audit.Filter{Target: "fs", Since: start.Add(2 * time.Minute)}, []int{2, 3}},
		"until":      {audit.Filter{Target: "fs", Until: start.Add(2 * time.Minute)}, []int{0, 1}},
		"after":      {audit.Filter{Target: "fs", After: ids[1]}, []int{2, 3}},
		"limit":      {audit.Filter{Target: "fs", Limit: 2}, []int{0, 1}},
		"newest":     {audit.Filter{Target: "fs", Limit: 2, Newest: true}, []int{3, 2}},
		"everything": {audit.Filter{Target: "fs", Name: "user.", Since: start.Add(time.Second), After: ids[0], Limit: 1}, []int{1}},
		"nothing":    {audit.Filter{Target: "fs", Name: "client."}, nil},
	} {
		var got []int
		for _, e := range events(t, db, c.f) {
			got = append(got, slices.Index(ids, e.ID))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: Events = %v, want %v", name, got, c.want)
		}
	}
}

func auditOrder(t *testing.T, _ *Opener, db *storage.DB) {
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			target := audit.Party{ID: "order", Name: fmt.Sprint(i)}
			err := db.Append(context.Background(),
				audit.Event{Name: audit.UserCreated, Target: target}, audit.Event{Name: audit.UserDeleted, Target: target})
			if err != nil {
				t.Errorf("Append: %v", err)
			}
		})
	}
	wg.Wait()
	got := events(t, db, audit.Filter{Target: "order"})
	if len(got) != 60 {
		t.Fatalf("%d events, want 60", len(got))
	}
	seen := map[string]bool{}
	for _, e := range got {
		if e.Name == audit.UserDeleted && !seen[e.Target.Name] {
			t.Errorf("the second event of %s has the smaller id", e.Target.Name)
		}
		seen[e.Target.Name] = true
	}
}
