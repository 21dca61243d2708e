package storage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"gorm.io/gorm"
)

// txKey finds the transaction of one database in a context: a copy from one
// database to another holds one of each.
type txKey struct{ db *DB }

// transaction is what a context carries inside InTx.
type transaction struct {
	querier
	pool    gorm.ConnPool // the same connection, for gorm
	blocks  blockChanges  // resources added and removed, settled before the commit
	touched bool          // resources or members changed
	wrote   bool          // SQLite: a statement changed something
	depth   int           // open savepoints of Savepoint
}

// transactionOf returns the transaction that ctx carries, or nil.
func (db *DB) transactionOf(ctx context.Context) *transaction {
	tx, _ := ctx.Value(txKey{db}).(*transaction)
	return tx
}

// changes returns the block bookkeeping of the transaction of ctx, or nil.
func (db *DB) changes(ctx context.Context) *blockChanges {
	if tx := db.transactionOf(ctx); tx != nil {
		return &tx.blocks
	}
	return nil
}

// InTx implements [scim.ResourceStore]. On SQLite fn runs on the writer, which
// every other change waits for: do slow work before. Inside fn the context
// cannot be canceled there, for SQLite answers an interrupted write by rolling
// back the whole transaction, neighbours included. fn must not start another
// goroutine that calls InTx and wait for it. A panic in fn rolls back and
// comes back as a [*PanicError].
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	if db.transactionOf(ctx) != nil {
		return fn(ctx)
	}
	if db.dialect == dialectSQLite {
		return db.write.do(ctx, fn)
	}
	return db.inPostgres(ctx, fn)
}

// Savepoint runs fn so that its error undoes what it did and leaves the rest of
// the transaction of ctx alive. Outside a transaction it is InTx.
func (db *DB) Savepoint(ctx context.Context, fn func(ctx context.Context) error) error {
	tx := db.transactionOf(ctx)
	if tx == nil {
		return db.InTx(ctx, fn)
	}
	tx.depth++
	defer func() { tx.depth-- }()
	name := fmt.Sprintf("inner%d", tx.depth)
	if _, err := tx.ExecContext(ctx, "SAVEPOINT "+name); err != nil {
		return db.sqlError(ctx, "set savepoint", err)
	}
	outer, touched := tx.blocks, tx.touched
	tx.blocks = blockChanges{}
	if err := contained(ctx, fn); err != nil {
		tx.blocks, tx.touched = outer, touched
		if _, undo := tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT "+name); undo != nil {
			return fmt.Errorf("undo after %w: %w", err, undo)
		}
		if _, undo := tx.ExecContext(ctx, "RELEASE SAVEPOINT "+name); undo != nil {
			return fmt.Errorf("undo after %w: %w", err, undo)
		}
		return err
	}
	if _, err := tx.ExecContext(ctx, "RELEASE SAVEPOINT "+name); err != nil {
		return db.sqlError(ctx, "release savepoint", err)
	}
	outer.merge(&tx.blocks)
	tx.blocks = outer
	return nil
}

// PanicError is a panic of a closure of InTx, with its stack.
type PanicError struct {
	Value any
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string {
	return fmt.Sprintf("panic in transaction: %v\n%s", e.Value, e.Stack)
}

// contained runs fn and turns a panic into an error: on SQLite it would take
// down the writer and with it every waiting request.
func contained(ctx context.Context, fn func(ctx context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn(ctx)
}

// retry runs fn until it succeeds, fails otherwise than again says, or limit
// has passed, with growing random pauses.
func retry(ctx context.Context, limit time.Duration, again func(error) bool, fn func() error) error {
	end := time.NewTimer(limit)
	defer end.Stop()
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		err := fn()
		if err == nil || !again(err) {
			return err
		}
		next := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // spreads retries, protects nothing
		select {
		case <-next.C:
		case <-end.C:
			next.Stop()
			return err
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		}
	}
}
