package storage

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// A gate leaves connections to those who do not pass through it.
func TestScanGateLeavesConnections(t *testing.T) {
	t.Parallel()
	for conns, want := range map[int]int{1: 1, 2: 1, 3: 2, 4: 3, 8: 6, 16: 12} {
		if got := cap(newScanGate(conns)); got != want {
			t.Errorf("newScanGate(%d) admits %d, want %d", conns, got, want)
		}
	}
	for _, kind := range []dialect{dialectSQLite, dialectPostgres} {
		db := openPlain(t, kind, nil)
		conns := db.cfg.MaxConns
		if kind == dialectSQLite {
			conns = db.cfg.ReadConns
		}
		if n := cap(db.scans); n < 1 || n >= conns {
			t.Errorf("dialect %v: %d scans at once on %d connections", kind, n, conns)
		}
	}
}

// Row 69: while filters that read everything take all the time they may, a
// look-up by name, a single resource, a write and the readiness check go on;
// a further scan is told to come again, which is not the fault of its filter.
func TestRow69_ScansDoNotStarveLookups(t *testing.T) {
	t.Parallel()
	for _, kind := range []dialect{dialectSQLite, dialectPostgres} {
		db := openPlain(t, kind, func(c *Config) { c.QueryTimeout = 50 * time.Millisecond })
		user := db.registry.ByName("User")
		id := insertPlain(t, db, user, "ann")
		query := func(text string) scim.Query {
			return scim.Query{Sources: []scim.Source{source(t, user, text, "")}, Limit: 10, Total: true}
		}
		lookup, scan := query(`userName eq "ann"`), query(`title co "x"`)
		for range cap(db.scans) {
			db.scans <- struct{}{}
		}
		if page, err := db.Query(t.Context(), lookup); err != nil || len(page.Records) != 1 {
			t.Errorf("dialect %v: look-up: %v, %v", kind, page, err)
		}
		if _, err := db.Get(t.Context(), user, id, ""); err != nil {
			t.Errorf("dialect %v: Get: %v", kind, err)
		}
		if err := db.Ping(t.Context()); err != nil {
			t.Errorf("dialect %v: Ping: %v", kind, err)
		}
		insertPlain(t, db, user, "bob")
		if _, err := db.Query(t.Context(), scan); !errors.Is(err, scim.ErrBusy) || errors.Is(err, scim.ErrTooMany) {
			t.Errorf("dialect %v: scan: %v, want %v", kind, err, scim.ErrBusy)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := db.Query(gone, scan); !errors.Is(err, context.Canceled) {
			t.Errorf("dialect %v: scan of a client that has gone: %v, want %v", kind, err, context.Canceled)
		}
		// Who holds a connection does not wait for those who need one.
		err := db.InRead(t.Context(), func(ctx context.Context) error {
			_, err := db.Query(ctx, scan)
			return err
		})
		if err != nil {
			t.Errorf("dialect %v: scan inside a read: %v", kind, err)
		}
		err = db.InTx(t.Context(), func(ctx context.Context) error {
			_, err := db.Query(ctx, scan)
			return err
		})
		if err != nil {
			t.Errorf("dialect %v: scan inside a transaction: %v", kind, err)
		}
		db.scans.leave()
		for range 3 { // each gives its place back
			if _, err := db.Query(t.Context(), scan); err != nil {
				t.Errorf("dialect %v: scan with a free place: %v", kind, err)
			}
		}
	}
}

// Row 69: a list that shows members passes the gate before it takes the
// connection that its one view needs; a look-up does not wait there.
func TestRow69_ListsWithMembersPassTheGate(t *testing.T) {
	t.Parallel()
	for _, kind := range []dialect{dialectSQLite, dialectPostgres} {
		db := openPlain(t, kind, func(c *Config) { c.QueryTimeout = 50 * time.Millisecond })
		user := db.registry.ByName("User")
		insertPlain(t, db, user, "ann")
		errThen := errors.New("then")
		for text, lookUp := range map[string]bool{`userName eq "ann"`: true, `userName co "nn"`: false} {
			seen := 0
			q := scim.Query{Sources: []scim.Source{source(t, user, text, "")}, Limit: 10, Total: true}
			q.Then = func(ctx context.Context, page *scim.Page) error {
				seen += len(page.Records)
				if !db.holding(ctx) {
					t.Errorf("dialect %v, %s: Then runs outside the view of the page", kind, text)
				}
				return errThen
			}
			for range cap(db.scans) {
				db.scans <- struct{}{}
			}
			want, records := scim.ErrBusy, 0
			if lookUp {
				want, records = errThen, 1
			}
			if _, err := db.Query(t.Context(), q); !errors.Is(err, want) || seen != records {
				t.Errorf("dialect %v, %s, gate full: %d records, %v; want %d, %v", kind, text, seen, err, records, want)
			}
			for range cap(db.scans) {
				db.scans.leave()
			}
			if _, err := db.Query(t.Context(), q); !errors.Is(err, errThen) || seen != records+1 {
				t.Errorf("dialect %v, %s, gate free: %d records, %v; want %d, %v", kind, text, seen, err, records+1, errThen)
			}
			if n := len(db.scans); n != 0 {
				t.Errorf("dialect %v, %s: %d places not given back", kind, text, n)
			}
		}
	}
}

// Row 69: the groups of a whole page are a query like others: it has a time
// limit and passes the gate. Those of one resource are a look-up.
func TestRow69_GroupsOfManyHaveALimit(t *testing.T) {
	t.Parallel()
	for _, kind := range []dialect{dialectSQLite, dialectPostgres} {
		db := openPlain(t, kind, nil)
		user := db.registry.ByName("User")
		ids := []string{insertPlain(t, db, user, "ann"), insertPlain(t, db, user, "bob")}
		link(t, db, ids)
		if got, err := db.Groups(t.Context(), ids, ""); err != nil {
			t.Errorf("dialect %v: Groups: %v, %v", kind, got, err)
		}
		db.queryTimeout = time.Nanosecond
		if _, err := db.Groups(t.Context(), ids, ""); !errors.Is(err, scim.ErrTooMany) {
			t.Errorf("dialect %v: Groups past the time limit: %v, want %v", kind, err, scim.ErrTooMany)
		}
		for range cap(db.scans) {
			db.scans <- struct{}{}
		}
		if _, err := db.Groups(t.Context(), ids, ""); !errors.Is(err, scim.ErrBusy) {
			t.Errorf("dialect %v: Groups at a full gate: %v, want %v", kind, err, scim.ErrBusy)
		}
		if _, err := db.Groups(t.Context(), ids[:1], ""); err != nil {
			t.Errorf("dialect %v: groups of one user at a full gate: %v", kind, err)
		}
	}
}

// insertPlain makes a user of that name and returns its id.
func insertPlain(t *testing.T, db *DB, rt *schema.ResourceType, name string) string {
	t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	o := schema.Object{"userName": name, "active": true}
	rt.SetSchemas(o)
	now := time.Now().UTC().Truncate(time.Microsecond)
	err := db.Insert(t.Context(), rt, &scim.Record{
		ID: id, Type: rt.Name, Version: 1, Created: now, LastModified: now, Doc: rt.Encode(o), Object: o,
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}
