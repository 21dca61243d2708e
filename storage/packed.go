package storage

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/sallyport-id/sallyport/scim"
)

// A call into SQLite costs more than the work behind it, and a row takes one
// call for the step and two or three for each column. Hot reads therefore ask
// for a single value: the records of a page, packed one behind the other by
// the statement itself. Below database/sql the value arrives in one piece.

// errPacked is a bug: a packed value that unpack does not understand.
var errPacked = errors.New("packed record is malformed")

// A packed record r: numbers, each with a space behind it, then the texts whose
// lengths are among them. Between the parts stand whether r may be a member
// and the sort key.
const (
	packedOpen    = "concat(r.version, ' ', r.created, ' ', r.last_modified, ' ', "
	packedLengths = ", ' ', octet_length(r.id), ' ', octet_length(r.domain), ' ', "
	packedTexts   = ", ' ', octet_length(r.doc), ' ', r.id, r.domain, "
	packedClose   = "r.doc)"

	packedMember = "EXISTS (SELECT 1 FROM members g WHERE g.member_id = r.id)"
	packedUser   = packedOpen + packedMember + packedLengths + "-1" + packedTexts + packedClose
	packedOther  = packedOpen + "0" + packedLengths + "-1" + packedTexts + packedClose

	// What makes one value of a statement that yields packed records p.
	packOpen  = "SELECT CAST(coalesce(group_concat(p, ''), '') AS BLOB) FROM (SELECT "
	packClose = ")"
)

// packed is SQL for one record r with its sort key, "" for none; member says
// whether r may be a member of a group.
func packed(member, key string) string {
	if key == "" {
		return packedOpen + member + packedLengths + "-1" + packedTexts + packedClose
	}
	return packedOpen + member + packedLengths + "coalesce(octet_length(" + key + "), -1)" + packedTexts + key + ", " + packedClose
}

// unpack reads one record from the front of b and returns the rest. The
// document stays where it is.
func unpack(b []byte, typ string, rec *scim.Record, at *scim.Position) (rest []byte, err error) {
	var n [8]int64
	for i := range n {
		if n[i], b, err = number(b); err != nil {
			return nil, err
		}
	}
	var parts [4][]byte
	for i, length := range n[4:] {
		size := int(max(length, 0))
		if size > len(b) {
			return nil, errPacked
		}
		// No append may reach into the next part.
		parts[i], b = b[:size:size], b[size:]
	}
	*rec = scim.Record{
		Type: typ, ID: string(parts[0]), Domain: string(parts[1]), Version: n[0],
		Created: fromMicros(n[1]), LastModified: fromMicros(n[2]), HasGroups: n[3] != 0, Doc: parts[3],
	}
	if at != nil {
		*at = scim.Position{ID: rec.ID, Key: string(parts[2]), Missing: n[6] < 0}
	}
	return b, nil
}

// number reads a decimal number and the space behind it.
func number(b []byte) (int64, []byte, error) {
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		b = b[1:]
	}
	var n int64
	for i, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = 10*n + int64(c-'0')
		case c == ' ' && i > 0:
			if negative {
				n = -n
			}
			return n, b[i+1:], nil
		default:
			return 0, nil, errPacked
		}
	}
	return 0, nil, errPacked
}

// value runs a statement that returns one value of bytes: in the transaction
// of ctx, or below database/sql on a connection of its own. Nil for NULL,
// sql.ErrNoRows without a row.
func (db *DB) value(ctx context.Context, query string, args ...any) ([]byte, error) {
	if !db.mayPass(ctx) {
		var out []byte
		err := db.reader(ctx).QueryRowContext(ctx, query, args...).Scan(&out)
		return out, err
	}
	if db.cfg.Trace != nil {
		db.cfg.Trace(query)
	}
	return db.direct.value(ctx, query, args)
}

// mayPass reports whether a read of one value may pass by database/sql: not in
// a transaction or a snapshot, which have a connection.
func (db *DB) mayPass(ctx context.Context) bool {
	return db.direct != nil && db.transactionOf(ctx) == nil && ctx.Value(readKey{db}) == nil
}

// directReader keeps reading connections with their prepared statements in the
// form of the driver, without the layers of database/sql between.
type directReader struct {
	pool *sql.DB
	idle chan *directConn // nil elements are connections not opened yet
	all  int
}

// directConn is one connection. Whoever holds it uses it alone.
type directConn struct {
	conn   *sql.Conn
	cached map[string]driver.Stmt
}

func newDirectReader(pool *sql.DB, conns int) *directReader {
	d := &directReader{pool: pool, idle: make(chan *directConn, conns), all: conns}
	for range conns {
		d.idle <- &directConn{cached: map[string]driver.Stmt{}}
	}
	return d
}

func (d *directReader) value(ctx context.Context, query string, args []any) (out []byte, err error) {
	var c *directConn
	select {
	case c = <-d.idle:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { d.idle <- c }()
	if c.conn == nil {
		if c.conn, err = d.pool.Conn(context.WithoutCancel(ctx)); err != nil {
			return nil, fmt.Errorf("open reading connection: %w", err)
		}
	}
	// Raw only guards the driver's connection; nobody else has this one.
	err = c.conn.Raw(func(raw any) (err error) {
		out, err = c.run(ctx, raw, query, args)
		return err
	})
	return out, err
}

func (c *directConn) run(ctx context.Context, raw any, query string, args []any) (out []byte, err error) {
	st, err := c.statement(ctx, raw, query)
	if err != nil {
		return nil, err
	}
	named := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	rows, err := st.(driver.StmtQueryContext).QueryContext(ctx, named) //nolint:forcetypeassert // both drivers have it
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var dest [1]driver.Value
	if err := rows.Next(dest[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, sql.ErrNoRows
		}
		return nil, err
	}
	switch v := dest[0].(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil // the driver's copy is ours
	default:
		return nil, fmt.Errorf("%w: it is a %T", errPacked, v)
	}
}

// statement returns the prepared statement of a text, of which a bounded
// number is kept for each connection.
func (c *directConn) statement(ctx context.Context, raw any, query string) (driver.Stmt, error) {
	if st := c.cached[query]; st != nil {
		return st, nil
	}
	st, err := raw.(driver.ConnPrepareContext).PrepareContext(context.WithoutCancel(ctx), questioned(query)) //nolint:forcetypeassert // both drivers have it
	if err != nil {
		return nil, err
	}
	if len(c.cached) >= directLimit {
		for text, old := range c.cached { // any one: a hot one comes back
			delete(c.cached, text)
			_ = old.Close()
			break
		}
	}
	c.cached[query] = st
	return st, nil
}

// directLimit bounds the statements kept for one connection.
const directLimit = 128

// close waits for the readers and closes the connections.
func (d *directReader) close() error {
	var errs []error
	for range d.all {
		c := <-d.idle
		if c.conn == nil {
			continue
		}
		errs = append(errs, c.conn.Raw(func(any) error {
			for _, st := range c.cached {
				errs = append(errs, st.Close())
			}
			return nil
		}), c.conn.Close())
	}
	return errors.Join(errs...)
}

// packedPage reads the records of a page, behind what else was asked.
func (r *run) packedPage(b []byte, ask asked, page *scim.Page) (seen told, err error) {
	if ask.version {
		var n int64
		if n, b, err = number(b); err != nil {
			return told{}, err
		}
		seen.version = strconv.FormatInt(n, 10)
	}
	if ask.total {
		if seen.total, b, err = number(b); err != nil {
			return told{}, err
		}
	}
	typ := r.Sources[0].Type.Name
	for len(b) > 0 {
		var rec scim.Record
		var at scim.Position
		if b, err = unpack(b, typ, &rec, &at); err != nil {
			return told{}, err
		}
		if len(page.Records) == r.Limit {
			page.More = true
			break
		}
		at.Missing = at.Missing && r.sorted
		page.Records = append(page.Records, rec)
		page.Keys = append(page.Keys, at)
	}
	return seen, nil
}
