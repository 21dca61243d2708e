package baseline

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"runtime"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that storage uses for PostgreSQL
)

// DB is a directory's database, opened without storage. Safe for concurrent
// use.
type DB struct {
	read, write *sql.DB
	postgres    bool
	document    *sql.Stmt
	page        *sql.Stmt
	insert      [3]*sql.Stmt // resource, values, audit event
}

// Open opens a database that exists and is migrated: "sqlite:PATH" or
// "postgres://…". Close it.
func Open(ctx context.Context, address string) (*DB, error) {
	db := &DB{postgres: strings.HasPrefix(address, "postgres")}
	if err := errors.Join(db.connect(address), db.prepare(ctx)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) connect(address string) error {
	var err error
	if db.postgres {
		if db.read, err = sql.Open("pgx", address); err != nil {
			return errors.New("the PostgreSQL URL is malformed")
		}
		db.read.SetMaxOpenConns(max(16, 4*runtime.GOMAXPROCS(0)))
		db.read.SetMaxIdleConns(max(16, 4*runtime.GOMAXPROCS(0)))
		db.write = db.read
		return nil
	}
	path := url.PathEscape(strings.TrimPrefix(address, "sqlite:"))
	if db.read, err = sql.Open(sqliteDriver, "file:"+path+"?"+sqliteReading); err != nil {
		return fmt.Errorf("open for reading: %w", err)
	}
	// Twice the cores is what the server uses; more is slower.
	db.read.SetMaxOpenConns(2 * runtime.GOMAXPROCS(0))
	db.read.SetMaxIdleConns(2 * runtime.GOMAXPROCS(0))
	if db.write, err = sql.Open(sqliteDriver, "file:"+path+"?"+sqliteWriting); err != nil {
		return fmt.Errorf("open for writing: %w", err)
	}
	db.write.SetMaxOpenConns(1)
	return nil
}

// Statements of the hot paths. Type User is what the server serves; what is
// inserted here has a type of its own in the same tables, so that the trees
// are as deep and the server never sees it.
const (
	documentSQL = "SELECT doc FROM resources WHERE type = 'User' AND id = $1"
	pageSQL     = `SELECT r.doc FROM resource_values v JOIN resources r ON r.type = v.type AND r.id = v.id
		WHERE v.type = 'User' AND v.attr = $1 AND v.key = $2 ORDER BY v.id LIMIT 100`
	insertSQL = `INSERT INTO resources (type, id, domain, version, created, last_modified, name_key, external_id, doc, keys)
		VALUES ('Baseline', $1, '', 1, $2, $3, $4, $5, $6, `
	valuesSQL = `INSERT INTO resource_values (type, attr, key, id) VALUES
		('Baseline', 'emails.value', $1, $2), ('Baseline', 'emails.value', $3, $4), ('Baseline', 'name.familyName', $5, $6),
		('Baseline', 'displayName', $7, $8), ('Baseline', 'employeeNumber', $9, $10)`
	eventSQL = `INSERT INTO audit_events (id, time, event, outcome, target_id, subject_id, actor_id, body)
		VALUES ($1, $2, 'user.created', 'ok', $3, '', 'baseline', $4)`
)

func (db *DB) prepare(ctx context.Context) error {
	if db.read == nil || db.write == nil {
		return nil // connect has said why
	}
	keys := "jsonb($7))"
	if db.postgres {
		keys = "$7::jsonb)"
	}
	for _, p := range []struct {
		pool *sql.DB
		text string
		into **sql.Stmt
	}{
		{db.read, documentSQL, &db.document},
		{db.read, pageSQL, &db.page},
		{db.write, insertSQL + keys, &db.insert[0]},
		{db.write, valuesSQL, &db.insert[1]},
		{db.write, eventSQL, &db.insert[2]},
	} {
		var err error
		if *p.into, err = p.pool.PrepareContext(ctx, p.text); err != nil { //nolint:sqlclosecheck // Close closes the pools and their statements
			return fmt.Errorf("prepare %.40s: %w", p.text, err)
		}
	}
	return nil
}

// Close closes every connection.
func (db *DB) Close() error {
	var errs []error
	if db.write != nil && db.write != db.read {
		errs = append(errs, db.write.Close())
	}
	if db.read != nil {
		errs = append(errs, db.read.Close())
	}
	return errors.Join(errs...)
}

// Document returns the stored JSON of a user: the limit of every read, for the
// store must be asked for it once.
func (db *DB) Document(id string) ([]byte, error) {
	var doc []byte
	// Without a context that can end: the SQLite driver starts a goroutine for
	// one that can.
	err := db.document.QueryRow(id).Scan(&doc) //nolint:noctx // see above
	return doc, err
}

// Page appends the first 100 documents with a value of an indexed attribute to
// b, separated by commas: the SQL that one would write by hand for this one
// filter.
func (db *DB) Page(b []byte, attr, key string) ([]byte, error) {
	rows, err := db.page.Query(attr, key) //nolint:noctx // as in Document
	if err != nil {
		return b, err
	}
	defer rows.Close()
	var doc sql.RawBytes
	for first := true; rows.Next(); first = false {
		if err := rows.Scan(&doc); err != nil {
			return b, err
		}
		if !first {
			b = append(b, ',')
		}
		b = append(b, doc...)
	}
	return b, rows.Err()
}

// User is a new user with the values that are indexed.
type User struct {
	ID, Name, External, Family, Display, Number string
	Emails                                      [2]string
	Doc                                         []byte
	Time                                        int64 // microseconds
}

// Insert writes the rows that a new user has, with an audit event, in one
// durable transaction: the direct commit.
func (db *DB) Insert(ctx context.Context, u User) error {
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	doc := string(u.Doc)
	for i, args := range [][]any{
		{u.ID, u.Time, u.Time, u.Name, u.External, doc, doc},
		{u.Emails[0], u.ID, u.Emails[1], u.ID, u.Family, u.ID, u.Display, u.ID, u.Number, u.ID},
		{u.ID, u.Time, u.ID, doc},
	} {
		if _, err := tx.StmtContext(ctx, db.insert[i]).ExecContext(ctx, args...); err != nil { //nolint:sqlclosecheck // the end of tx closes it
			return err
		}
	}
	return tx.Commit()
}

// Export writes every stored document, one a line, in the order of ids: the
// same rows, raw.
func (db *DB) Export(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 256<<10)
	rows, err := db.read.QueryContext(ctx, "SELECT doc FROM resources WHERE type IN ('User', 'Group') ORDER BY type, id")
	if err != nil {
		return err
	}
	defer rows.Close()
	var doc sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&doc); err != nil {
			return err
		}
		_, _ = out.Write(doc)
		_ = out.WriteByte('\n')
	}
	return errors.Join(rows.Err(), out.Flush())
}
