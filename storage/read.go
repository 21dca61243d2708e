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
	defer func() { _ = tx.Rollback() }()
	var q querier = db.traced(tx)
	if db.prepared != nil {
		q = &readTx{tx: tx, pool: db.prepared, trace: db.cfg.Trace}
	}
	return fn(context.WithValue(ctx, readKey{db}, q))
}

// readTx runs the cached statements of the reading pool in one transaction.
type readTx struct {
	tx    *sql.Tx
	pool  *statements
	trace func(string)
}

// ExecContext implements querier.
func (r *readTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return r.tx.ExecContext(ctx, query, args...)
}

// QueryContext implements querier.
func (r *readTx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if r.trace != nil {
		r.trace(query)
	}
	st, err := r.pool.acquire(ctx, query)
	if err != nil {
		return nil, err
	}
	defer r.pool.release(st)
	return r.tx.StmtContext(ctx, st.Stmt).QueryContext(ctx, args...)
}

// QueryRowContext implements querier.
func (r *readTx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if r.trace != nil {
		r.trace(query)
	}
	st, err := r.pool.acquire(ctx, query)
	if err != nil {
		// Running the text unprepared fails the same way, inside a *sql.Row.
		return r.tx.QueryRowContext(ctx, query, args...)
	}
	defer r.pool.release(st)
	return r.tx.StmtContext(ctx, st.Stmt).QueryRowContext(ctx, args...)
}
