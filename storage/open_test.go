package storage_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestOpenTogether opens one new database from several nodes at once: the
// migrations run once and every node serves.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		const nodes = 6
		dbs, errs := make([]*storage.DB, nodes), make([]error, nodes)
		var wg sync.WaitGroup
		for i := range nodes {
			wg.Go(func() { dbs[i], errs[i] = o.Try(t) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("Open: %v", err)
		}
		user := o.Type(t, "User")
		for i, db := range dbs {
			storagetest.Add(t, db, user, o.User(t, fmt.Sprintf("node%d", i)))
			applied, known, err := db.Migrations(t.Context())
			if err != nil || applied != known || known == 0 {
				t.Errorf("Migrations = %d, %d, %v, want all", applied, known, err)
			}
		}
		var n int
		if err := o.Raw(t).QueryRow("SELECT count(*) FROM schema_migrations WHERE version = 1").Scan(&n); err != nil || n != 1 {
			t.Errorf("migration 1 is recorded %d times, %v", n, err)
		}
	})
}

// TestNewerDatabase refuses a database that a later version has migrated, and
// says what to do.
func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		o.Open(t)
		if _, err := o.Raw(t).Exec("INSERT INTO schema_migrations (version, name, applied_at) VALUES (9999, 'later', 0)"); err != nil {
			t.Fatal(err)
		}
		_, err := o.Try(t)
		newer, ok := errors.AsType[*storage.NewerError](err)
		if !ok || newer.Database != 9999 {
			t.Fatalf("Open = %v, want NewerError", err)
		}
		if !strings.Contains(err.Error(), "start the newer program") {
			t.Errorf("the error names no way out: %v", err)
		}
	})
}

// columnsOf lists "table.column" of every table.
func columnsOf(t *testing.T, o *storagetest.Opener) []string {
	t.Helper()
	query := `SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`
	if o.IsPostgres() {
		query = `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema()`
	}
	return texts(t, o.Raw(t), query)
}

// indexesOf lists the indexes that were made by name.
func indexesOf(t *testing.T, o *storagetest.Opener) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_autoindex%'`
	if o.IsPostgres() {
		query = `SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()
			AND indexname NOT LIKE '%_pkey' AND indexname <> 'resource_unique_key'`
	}
	return texts(t, o.Raw(t), query)
}

func texts(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// TestSchemasAgree compares what the migrations of both dialects make with
// each other and with the expected schema.
func TestSchemasAgree(t *testing.T) {
	t.Parallel()
	sqlite, postgres := storagetest.SQLite(t), storagetest.Postgres(t)
	sqlite.Open(t)
	postgres.Open(t)
	if diff := cmp.Diff(columnsOf(t, sqlite), columnsOf(t, postgres)); diff != "" {
		t.Errorf("columns differ (-sqlite +postgres):\n%s", diff)
	}
	if diff := cmp.Diff(indexesOf(t, sqlite), indexesOf(t, postgres)); diff != "" {
		t.Errorf("indexes differ (-sqlite +postgres):\n%s", diff)
	}
	golden := filepath.Join("testdata", "schema.txt")
	got := strings.Join(append(columnsOf(t, sqlite), indexesOf(t, sqlite)...), "\n") + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("schema differs from %s (-want +got):\n%s", golden, diff)
	}
}

// TestPostgresSortsBytewise: every text that is compared is COLLATE "C", else
// evaluator, sort and cursor would disagree.
func TestPostgresSortsBytewise(t *testing.T) {
	t.Parallel()
	o := storagetest.Postgres(t)
	o.Open(t)
	got := texts(t, o.Raw(t), `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`)
	if diff := cmp.Diff([]string{"audit_events.body", "resources.doc"}, got); diff != "" {
		t.Errorf("columns in the database's own order (-want +got):\n%s", diff)
	}
}

// TestSQLiteIsDurable asks the connections for the settings that durability
// and reading rest on.
func TestSQLiteIsDurable(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db := o.Open(t)
	settings := db.SQLiteSettings(t)
	want := map[string]string{
		"write.journal_mode": "wal", "write.synchronous": "2", "write.busy_timeout": "5000",
		"write.query_only": "0", "write.wal_autocheckpoint": "4000",
		"read.journal_mode": "wal", "read.synchronous": "2", "read.busy_timeout": "5000", "read.query_only": "1",
		"read.wal_autocheckpoint": "1000",
	}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("settings differ (-want +got):\n%s", diff)
	}
	path := filepath.Join(o.Config.DataDir, "sallyport.db")
	for _, name := range []string{path, path + "-wal"} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
	}
}

// TestOpenRefuses lists configurations that cannot serve.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit func(*storage.Config)
		want string
	}{
		"no place":        {func(c *storage.Config) { c.DataDir = "" }, "neither a database URL nor a data folder"},
		"no registry":     {func(c *storage.Config) { c.Registry = nil }, "no schema registry"},
		"no key":          {func(c *storage.Config) { c.Keys = nil }, "key ring is empty"},
		"unknown scheme":  {func(c *storage.Config) { c.URL = "mysql://x" }, "use postgres:// or sqlite:"},
		"SQLite options":  {func(c *storage.Config) { c.URL = "sqlite:x.db?_synchronous=OFF" }, "takes no options"},
		"memory":          {func(c *storage.Config) { c.URL = "sqlite::memory:" }, "must name a file"},
		"short retention": {func(c *storage.Config) { c.AuditRetention = 1 }, "can be restored"},
		"secret in URL":   {func(c *storage.Config) { c.URL = "postgres://u:hunter2@h:port/d" }, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := storagetest.SQLite(t).Try(t, c.edit)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("Open = %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// A database that is not there is named, with what to do.
func TestNoSuchDatabase(t *testing.T) {
	t.Parallel()
	o := storagetest.Postgres(t)
	u, err := url.Parse(o.Config.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/nowhere_to_be_found"
	_, err = o.Try(t, func(c *storage.Config) { c.URL = u.String() })
	if err == nil || !strings.Contains(err.Error(), `database_url: there is no database "nowhere_to_be_found"`) {
		t.Fatalf("Open = %v, want the name of the setting and of the database", err)
	}
}

// TestClosed: a closed database refuses work instead of hanging.
func TestClosed(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db, err := storage.Open(t.Context(), o.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	err = db.InTx(t.Context(), func(context.Context) error { return nil })
	if !errors.Is(err, storage.ErrClosed) {
		t.Errorf("InTx after Close = %v, want ErrClosed", err)
	}
	if err := db.Ping(t.Context()); err == nil {
		t.Error("Ping after Close succeeded")
	}
}

// TestURLForms opens a database by each form of its URL.
func TestURLForms(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"%s", "sqlite:%s", "sqlite://%s", "file:%s"} {
		o := storagetest.SQLite(t)
		path := filepath.Join(t.TempDir(), "a folder", "dir#1?.db")
		if strings.Contains(form, ":") {
			path = strings.ReplaceAll(path, "?", "%3F")
			path = strings.ReplaceAll(path, " ", "%20")
		}
		o.Open(t, func(c *storage.Config) { c.URL = fmt.Sprintf(form, path) })
		path = strings.NewReplacer("%3F", "?", "%20", " ").Replace(path)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// TestMigrationsOnlyAdd: the version before keeps serving on the new schema
// while nodes are replaced one by one.
func TestMigrationsOnlyAdd(t *testing.T) {
	t.Parallel()
	adds := regexp.MustCompile(`^(CREATE (TABLE|INDEX|UNIQUE INDEX) |ALTER TABLE \w+ ADD COLUMN |INSERT INTO )`)
	for _, dialect := range []string{"sqlite", "postgres"} {
		files, err := filepath.Glob(filepath.Join("migrations", dialect, "*.sql"))
		if err != nil || len(files) == 0 {
			t.Fatalf("migrations of %s: %v, %v", dialect, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			bare := regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(string(text), "")
			for statement := range strings.SplitSeq(bare, ";") {
				if statement = strings.TrimSpace(statement); statement != "" && !adds.MatchString(statement) {
					t.Errorf("%s does more than add: %.60s", file, statement)
				}
			}
		}
	}
}
