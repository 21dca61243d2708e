package storagetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// PostgresVariable names the environment variable with the URL of a
// PostgreSQL database in which tests may make schemas.
const PostgresVariable = "SALLYPORT_TEST_POSTGRES"

// Opener is one fresh database. Every Open is one more handle on it, as
// another process or node would have.
type Opener struct {
	Config storage.Config // of every handle; edit before Open
	Clock  *Clock
}

// Open opens the database; it is closed when the test ends.
func (o *Opener) Open(tb testing.TB, edits ...func(*storage.Config)) *storage.DB {
	tb.Helper()
	db, err := o.Try(tb, edits...)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	return db
}

// Try is Open for tests that expect an error.
func (o *Opener) Try(tb testing.TB, edits ...func(*storage.Config)) (*storage.DB, error) {
	tb.Helper()
	cfg := o.Config
	for _, edit := range edits {
		edit(&cfg)
	}
	db, err := storage.Open(context.Background(), cfg)
	if err == nil {
		tb.Cleanup(func() {
			if err := db.Close(); err != nil {
				tb.Errorf("Close: %v", err)
			}
		})
	}
	return db, err
}

// Raw opens the database without package storage, to look behind it.
func (o *Opener) Raw(tb testing.TB) *sql.DB {
	tb.Helper()
	driver, dsn := "pgx", o.Config.URL
	if o.Config.URL == "" {
		driver, dsn = sqliteDriver, "file:"+filepath.Join(o.Config.DataDir, "sallyport.db")+"?mode=rw"
	}
	raw, err := sql.Open(driver, dsn)
	if err != nil {
		tb.Fatalf("open raw database: %v", err)
	}
	tb.Cleanup(func() { _ = raw.Close() })
	return raw
}

// IsPostgres reports which kind the database is.
func (o *Opener) IsPostgres() bool { return o.Config.URL != "" }

// EachDatabase runs a test on a fresh database of every kind. PostgreSQL is
// left out where no URL is set, except on CI, where that is a failure.
func EachDatabase(t *testing.T, run func(t *testing.T, o *Opener)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, SQLite(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, Postgres(t))
	})
}

// SQLite is a database in a new folder.
func SQLite(tb testing.TB) *Opener {
	tb.Helper()
	o := newOpener(tb)
	o.Config.DataDir = tb.TempDir()
	return o
}

// Postgres is a new schema, dropped when the test ends.
func Postgres(tb testing.TB) *Opener {
	tb.Helper()
	base := os.Getenv(PostgresVariable)
	if base == "" {
		if os.Getenv("CI") != "" {
			tb.Fatalf("%s is not set: CI must test PostgreSQL", PostgresVariable)
		}
		tb.Skipf("%s is not set", PostgresVariable)
	}
	place, err := url.Parse(base)
	if err != nil {
		tb.Fatalf("%s is no URL", PostgresVariable)
	}
	admin, err := sql.Open("pgx", base)
	if err != nil {
		tb.Fatalf("open PostgreSQL: %v", err)
	}
	var random [8]byte
	_, _ = rand.Read(random[:])
	name := "test_" + hex.EncodeToString(random[:])
	if _, err := admin.ExecContext(context.Background(), "CREATE SCHEMA "+name); err != nil {
		tb.Fatalf("create schema: %v", err)
	}
	tb.Cleanup(func() {
		dropSchema(tb, admin, name)
		_ = admin.Close()
	})
	query := place.Query()
	query.Set("search_path", name)
	place.RawQuery = query.Encode()
	o := newOpener(tb)
	o.Config.URL = place.String()
	o.Config.MaxConns = 8
	return o
}

// dropSchema tries again when PostgreSQL finds a deadlock: schemas that are
// dropped at the same time lock the catalogue in each other's way.
func dropSchema(tb testing.TB, admin *sql.DB, name string) {
	tb.Helper()
	var err error
	for range 10 {
		_, err = admin.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE")
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "40P01" {
			break
		}
	}
	if err != nil {
		tb.Errorf("drop schema: %v", err)
	}
}

func newOpener(tb testing.TB) *Opener {
	tb.Helper()
	registry, err := schema.Load(nil, nil)
	if err != nil {
		tb.Fatalf("load schemas: %v", err)
	}
	clock := NewClock()
	return &Opener{
		Clock: clock,
		Config: storage.Config{
			Registry: registry,
			Keys:     Ring(tb, "k1"),
			Now:      clock.Now,
			Logger:   slog.New(slog.NewTextHandler(tb.Output(), nil)),
		},
	}
}

// Ring is a key ring with one key per id. An id always gives the same key.
func Ring(tb testing.TB, kids ...string) *seal.Ring {
	tb.Helper()
	lines := make([]string, len(kids))
	for i, kid := range kids {
		key := make([]byte, seal.KeySize)
		copy(key, "test key "+kid)
		lines[i] = kid + ":" + hex.EncodeToString(key)
	}
	ring, err := seal.ParseRing(strings.Join(lines, ","))
	if err != nil {
		tb.Fatalf("ParseRing: %v", err)
	}
	return ring
}

// ClockStart is the first time that a new Clock shows.
const ClockStart = "2026-01-02T03:04:05.678901Z"

// Clock is a clock that a test sets. It is safe for concurrent use.
type Clock struct{ micros chan int64 }

// NewClock returns a clock that shows ClockStart.
func NewClock() *Clock {
	start, err := time.Parse(time.RFC3339Nano, ClockStart)
	if err != nil {
		panic(err)
	}
	c := &Clock{micros: make(chan int64, 1)}
	c.micros <- start.UnixMicro()
	return c
}

// Now returns the time of the clock.
func (c *Clock) Now() time.Time {
	us := <-c.micros
	c.micros <- us
	return time.UnixMicro(us).UTC()
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) { c.micros <- <-c.micros + d.Microseconds() }
