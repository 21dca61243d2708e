package baseline

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Mark is a moment in the life of a database: what was written later can be
// told from what was there.
type Mark struct {
	seq   int64
	event string
}

// Mark returns the present moment.
func (db *DB) Mark(ctx context.Context) (Mark, error) {
	var m Mark
	err := errors.Join(
		db.read.QueryRowContext(ctx, "SELECT coalesce(max(seq), 0) FROM resources").Scan(&m.seq),
		db.read.QueryRowContext(ctx, "SELECT coalesce(max(id), '') FROM audit_events").Scan(&m.event),
	)
	return m, err
}

// table is one table as Dump writes it and Load reads it.
type table struct {
	name    string
	columns []string
	where   string // with $1 and $2, what bounds gives
	bounds  func(from, to Mark) []any
}

func seqs(from, to Mark) []any   { return []any{from.seq, to.seq} }
func events(from, to Mark) []any { return []any{from.event, to.event} }

func tables() []table {
	const ofUsers = "type = 'User' AND id IN (SELECT id FROM resources WHERE type = 'User' AND seq > $1 AND seq <= $2)"
	return []table{
		{"resources", []string{
			"seq", "type", "id", "domain", "version", "created", "last_modified", "name_key", "external_id", "doc", "keys",
		}, "type = 'User' AND seq > $1 AND seq <= $2", seqs},
		{"resource_values", []string{"type", "attr", "key", "id"}, ofUsers, seqs},
		{"audit_events", []string{
			"id", "time", "event", "outcome", "target_id", "subject_id", "actor_id", "body",
		}, "event = 'user.created' AND actor_id <> 'baseline' AND id > $1 AND id <= $2", events},
	}
}

// Dump writes the users that came after one moment and not after another into
// CSV files in dir, one a table, named after it, with their values and audit
// events. It returns how many users that are.
func (db *DB) Dump(ctx context.Context, from, to Mark, dir string) (users int, err error) {
	for _, t := range tables() {
		n, err := db.dump(ctx, t, t.bounds(from, to), filepath.Join(dir, t.name+".csv"))
		if err != nil {
			return 0, fmt.Errorf("write rows of %s: %w", t.name, err)
		}
		if t.columns[0] == "seq" {
			users = n
		}
	}
	return users, nil
}

// Files names the tables of a Dump in dir: table name and file.
func Files(dir string) [][2]string {
	var out [][2]string
	for _, t := range tables() {
		out = append(out, [2]string{t.name, filepath.Join(dir, t.name+".csv")})
	}
	return out
}

func (db *DB) dump(ctx context.Context, t table, bounds []any, path string) (n int, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // a file of bench's own folder
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	order := t.columns[0] // the order in which the rows came
	if t.name == "resource_values" {
		order = "id"
	}
	columns := strings.Join(t.columns, ", ")
	if !db.postgres {
		columns = strings.Replace(columns, "keys", "json(keys)", 1)
	}
	query := "SELECT " + columns + " FROM " + t.name + " WHERE " + t.where + " ORDER BY " + order //nolint:gosec // of constants
	rows, err := db.read.QueryContext(ctx, query, bounds...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	out := csv.NewWriter(f)
	record, dest := make([]string, len(t.columns)), make([]any, len(t.columns))
	for i := range record {
		dest[i] = &record[i]
	}
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return 0, err
		}
		if err := out.Write(record); err != nil {
			return 0, err
		}
		n++
	}
	out.Flush()
	return n, errors.Join(rows.Err(), out.Error())
}

// Load inserts the rows of the CSV files in dir in one transaction, every
// value bound as text: what the .import of SQLite's shell does, for where
// there is no shell.
func (db *DB) Load(ctx context.Context, dir string) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, t := range tables() {
		if err := load(ctx, tx, t, filepath.Join(dir, t.name+".csv")); err != nil {
			return fmt.Errorf("load %s: %w", t.name, err)
		}
	}
	return tx.Commit()
}

func load(ctx context.Context, tx *sql.Tx, t table, path string) (err error) {
	f, err := os.Open(path) //nolint:gosec // written by Dump
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	places := make([]string, len(t.columns))
	for i := range places {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	text := "INSERT INTO " + t.name + " (" + strings.Join(t.columns, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")" //nolint:gosec // of constants
	insert, err := tx.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer insert.Close()
	in := csv.NewReader(f)
	in.ReuseRecord = true
	args := make([]any, len(t.columns))
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range record {
			args[i] = record[i]
		}
		if _, err := insert.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
}
