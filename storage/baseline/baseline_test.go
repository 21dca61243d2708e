package baseline_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/storage/baseline"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// open opens the database of o behind package storage.
func open(t *testing.T, o *storagetest.Opener) *baseline.DB {
	t.Helper()
	address := o.Config.URL
	if address == "" {
		address = "sqlite:" + filepath.Join(o.Config.DataDir, "sallyport.db")
	}
	db, err := baseline.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// The statements by hand find what the server has stored: a baseline that asks
// for something else would be unbeatable.
func TestBaselineReadsWhatIsStored(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t)
		rt := o.Type(t, "User")
		var docs []string
		var first string
		for i := range 3 {
			r := storagetest.Add(t, db, rt, o.Record(t, rt, schema.Object{
				"userName": fmt.Sprintf("u%d", i), "name": schema.Object{"familyName": "Lovelace"},
			}))
			docs = append(docs, string(r.Doc))
			if i == 0 {
				first = r.ID
			}
		}
		raw := open(t, o)
		if doc, err := raw.Document(first); err != nil || string(doc) != docs[0] {
			t.Errorf("Document = %s, %v, want %s", doc, err, docs[0])
		}
		if page, err := raw.Page(nil, "name.familyname", "lovelace"); err != nil || string(page) != strings.Join(docs, ",") {
			t.Errorf("Page = %s, %v, want %s", page, err, strings.Join(docs, ","))
		}
		var out bytes.Buffer
		if err := raw.Export(t.Context(), &out); err != nil || out.String() != strings.Join(docs, "\n")+"\n" {
			t.Errorf("Export = %s, %v", out.String(), err)
		}
	})
}

// What is inserted by hand lies in the same tables, and the server does not
// see it.
func TestBaselineInsertsBesideTheUsers(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t)
		raw := open(t, o)
		u := baseline.User{
			ID: storagetest.NewID(t), Name: "ada", External: "x1", Family: "lovelace", Display: "ada", Number: "1",
			Emails: [2]string{"a@example.com", "b@example.com"}, Doc: []byte(`{"userName":"ada"}`), Time: 1,
		}
		if err := raw.Insert(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		var rows, values int
		behind := o.Raw(t)
		if err := behind.QueryRowContext(t.Context(), "SELECT count(*) FROM resources").Scan(&rows); err != nil || rows != 1 {
			t.Errorf("%d resources, %v", rows, err)
		}
		if err := behind.QueryRowContext(t.Context(), "SELECT count(*) FROM resource_values").Scan(&values); err != nil || values != 5 {
			t.Errorf("%d values, %v", values, err)
		}
		if n, err := db.Count(t.Context(), o.Type(t, "User")); err != nil || n != 0 {
			t.Errorf("the server counts %d users, %v", n, err)
		}
	})
}

// Dump and Load carry users with all that belongs to them, and of two moments
// only what lies between.
func TestBaselineMovesRows(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t)
		rt := o.Type(t, "User")
		add := func(name string) {
			r := storagetest.Add(t, db, rt, o.Record(t, rt, schema.Object{"userName": name, "externalId": "x-" + name}))
			if err := db.Append(t.Context(), audit.Event{Name: audit.UserCreated, Outcome: audit.OK, Target: audit.Party{Type: "User", ID: r.ID}}); err != nil {
				t.Fatal(err)
			}
		}
		raw := open(t, o)
		add("before")
		from, err := raw.Mark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		add("between")
		to, err := raw.Mark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		add("after")
		dir := t.TempDir()
		if n, err := raw.Dump(t.Context(), from, to, dir); err != nil || n != 1 {
			t.Fatalf("Dump = %d, %v, want 1 user", n, err)
		}

		other := storagetest.SQLite(t)
		if o.IsPostgres() {
			other = storagetest.Postgres(t)
		}
		moved := other.Open(t)
		target := open(t, other)
		if err := target.Load(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		if n, err := moved.Count(t.Context(), rt); err != nil || n != 1 {
			t.Errorf("%d users moved, %v, want 1", n, err)
		}
		events, err := moved.Events(t.Context(), audit.Filter{Name: audit.UserCreated})
		if err != nil || len(events) != 1 {
			t.Errorf("%d events moved, %v, want 1", len(events), err)
		}
		if err := target.Load(t.Context(), dir); err == nil {
			t.Error("the same rows go in twice")
		}
	})
}

func TestBaselineNeedsADatabase(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"sqlite:" + filepath.Join(t.TempDir(), "none", "x.db"), "postgres://127.0.0.1:1/none?connect_timeout=1"} {
		if db, err := baseline.Open(t.Context(), address); err == nil {
			t.Errorf("%s opened", address)
			_ = db.Close()
		}
	}
}
