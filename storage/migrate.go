package storage

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrationFiles embed.FS

// migration is one numbered SQL file. Once released it is never edited, and it
// only adds: the version of the program before it keeps running on its schema.
type migration struct {
	version int
	name    string
	sql     string
}

// migrations returns the files of a dialect in order.
func migrations(d dialect) ([]migration, error) {
	dir := "migrations/" + d.String()
	entries, err := fs.ReadDir(migrationFiles, dir)
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	out := make([]migration, 0, len(entries))
	for i, entry := range entries {
		number, _, _ := strings.Cut(entry.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("migration %s: expected number %04d", entry.Name(), i+1)
		}
		text, err := fs.ReadFile(migrationFiles, dir+"/"+entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read migration: %w", err)
		}
		out = append(out, migration{version: version, name: strings.TrimSuffix(entry.Name(), ".sql"), sql: string(text)})
	}
	return out, nil
}

// NewerError reports a database that a later version of the program has
// migrated. Starting would risk what that version relies on.
type NewerError struct{ Database, Program int }

// Error implements error.
func (e *NewerError) Error() string {
	return fmt.Sprintf("the database is at schema version %d, this program knows %d: start the newer program, or restore a backup of the older database",
		e.Database, e.Program)
}

// migrate brings the schema to the version of this program, inside the
// caller's transaction and under the caller's lock.
func migrate(ctx context.Context, q querier, d dialect, now time.Time) error {
	known, err := migrations(d)
	if err != nil {
		return err
	}
	applied, err := appliedVersion(ctx, q, d)
	if err != nil {
		return err
	}
	if applied > len(known) {
		return &NewerError{Database: applied, Program: len(known)}
	}
	for _, m := range known[applied:] {
		if _, err := q.ExecContext(ctx, m.sql); err != nil {
			return fmt.Errorf("apply migration %s: %w", m.name, err)
		}
		if _, err := q.ExecContext(ctx, "INSERT INTO schema_migrations (version, name, applied_at) VALUES ($1, $2, $3)",
			m.version, m.name, micros(now)); err != nil {
			return fmt.Errorf("record migration %s: %w", m.name, err)
		}
	}
	return nil
}

// appliedVersion returns the newest applied migration, 0 for an empty database.
func appliedVersion(ctx context.Context, q querier, d dialect) (int, error) {
	text := d.pick("TEXT", `TEXT COLLATE "C"`)
	if _, err := q.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations (
		version BIGINT PRIMARY KEY, name `+text+` NOT NULL, applied_at BIGINT NOT NULL)`); err != nil {
		return 0, fmt.Errorf("make table of migrations: %w", err)
	}
	var version int
	err := q.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM schema_migrations").Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read applied migrations: %w", err)
	}
	return version, nil
}

// Migrations returns the version of the database's schema and the one that
// this program knows; they differ while a newer node serves beside this one.
func (db *DB) Migrations(ctx context.Context) (applied, known int, err error) {
	list, err := migrations(db.dialect)
	if err != nil {
		return 0, 0, err
	}
	err = db.reader(ctx).QueryRowContext(ctx, "SELECT coalesce(max(version), 0) FROM schema_migrations").Scan(&applied)
	if err != nil {
		return 0, 0, db.sqlError(ctx, "read applied migrations", err)
	}
	return applied, len(list), nil
}
