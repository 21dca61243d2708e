package storage

import (
	"context"
	"database/sql"
)

// readKey finds the read transaction of one database in a context.
type readKey struct{ db *DB }

// InRead implements [scim.ResourceStore].
func (db *DB) InRead(ctx context.Context, fn func(ctx context.Context) error) error {
	return db.inRead(ctx, fn)
}

// inRead runs fn with one view of the database: what it reads through
// db.reader belongs to one moment. It joins a transaction of ctx.
func (db *DB) inRead(ctx context.Context, fn func(ctx context.Context) error) error {
	if db.transactionOf(ctx) != nil || ctx.Value(readKey{db}) != nil {
		return fn(ctx)
	}
	var options *sql.TxOptions // SQLite: a deferred transaction is a snapshot
	if db.dialect == dialectPostgres {
		options = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	tx, err := db.pool.BeginTx(ctx, options)
	if err != nil {
		return db.sqlError(ctx, "begin read", err)
	}
	if db.prepared == nil {
		defer func() { _ = tx.Rollback() }()
		return fn(context.WithValue(ctx, readKey{db}, db.traced(tx)))
	}
	q := &readTx{tx: tx, pool: db.prepared, trace: db.cfg.Trace}
	defer q.end(ctx)
	return fn(context.WithValue(ctx, readKey{db}, q))
}

// readTx runs the cached statements of the reading pool in one transaction.
//
// A statement that is not cached yet runs unprepared: preparing it takes a
// connection of the pool, and transactions that each hold one and wait for
// another would wait for ever. It is prepared when the transaction has ended.
type readTx struct {
	tx     *sql.Tx
	pool   *statements
	trace  func(string)
	missed []string
}

// end gives the connection back and prepares what was missing.
func (r *readTx) end(ctx context.Context) {
	_ = r.tx.Rollback()
	for _, query := range r.missed {
		if st, err := r.pool.acquire(ctx, query); err == nil {
			r.pool.release(st)
		}
	}
}

// cached returns the prepared form of a statement, or nil.
func (r *readTx) cached(query string) *statement {
	if r.trace != nil {
		r.trace(query)
	}
	st := r.pool.lookUp(query)
	if st == nil {
		r.missed = append(r.missed, query)
	}
	return st
}

// ExecContext implements querier.
func (r *readTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return r.tx.ExecContext(ctx, questioned(query), args...)
}

// QueryContext implements querier.
func (r *readTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st := r.cached(query)
	if st == nil {
		return r.tx.QueryContext(ctx, questioned(query), args...) //nolint:sqlclosecheck // the caller closes the rows
	}
	defer r.pool.release(st)
	return r.tx.StmtContext(ctx, st.Stmt).QueryContext(ctx, args...) //nolint:sqlclosecheck // the end of tx closes it
}

// QueryRowContext implements querier.
func (r *readTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st := r.cached(query)
	if st == nil {
		return r.tx.QueryRowContext(ctx, questioned(query), args...)
	}
	defer r.pool.release(st)
	return r.tx.StmtContext(ctx, st.Stmt).QueryRowContext(ctx, args...) //nolint:sqlclosecheck // the end of tx closes it
}
