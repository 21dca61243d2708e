package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"gorm.io/gorm"

	"github.com/sallyport-id/sallyport/scim"
)

// groupLimit bounds how many closures share one commit, bulkLimit with
// Config.Bulk: more would hold up the writes of other processes for longer.
const (
	groupLimit = 128
	bulkLimit  = 1000
)

// groupWriter owns the only connection that writes to SQLite. It takes what is
// queued, runs the closures in one transaction, commits, and only then
// answers. Waiting to gather more does not pay: what arrives during a commit is
// the next group.
//
// A savepoint for each closure would have SQLite copy every page that it
// touches. Most closures succeed, and most of those that fail have written
// nothing, such as one that meets a taken name; so they run without. When one
// fails after a write, the transaction is undone and the group runs again, now
// and for a while with savepoints.
type groupWriter struct {
	db   *DB
	pool *sql.DB
	conn *sql.Conn
	sql  *statements
	turn *turnstile

	limit   int // closures of one group
	careful int // groups to run with savepoints

	jobs    chan *job
	closing chan struct{}
	ended   chan struct{}
	once    sync.Once
}

// States of a job: either the writer begins it or the caller gives it up.
const (
	jobWaiting int32 = iota
	jobBegun
	jobAbandoned
)

// job is one closure waiting for the writer.
type job struct {
	ctx   context.Context //nolint:containedctx // travels with the closure through the queue
	fn    func(ctx context.Context) error
	state atomic.Int32
	tx    *transaction // of the last run
	err   error
	done  chan struct{}
}

func startGroupWriter(db *DB, pool *sql.DB, conn *sql.Conn, turn *turnstile) *groupWriter {
	limit := groupLimit
	if db.cfg.Bulk {
		limit = bulkLimit
	}
	w := &groupWriter{
		db: db, pool: pool, conn: conn, sql: newStatements(conn), turn: turn, limit: limit,
		jobs:    make(chan *job, limit),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
	}
	go w.run()
	return w
}

// do queues fn and waits for its commit. A context that ends before the turn
// of fn takes it out of the queue; after that, the outcome is waited for.
func (w *groupWriter) do(ctx context.Context, fn func(ctx context.Context) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case w.jobs <- j:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.closing:
		return ErrClosed
	}
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		if j.state.CompareAndSwap(jobWaiting, jobAbandoned) {
			return ctx.Err()
		}
	case <-w.ended:
		// The writer may have ended between the two selects.
		if j.state.CompareAndSwap(jobWaiting, jobAbandoned) {
			return ErrClosed
		}
	}
	<-j.done
	return j.err
}

// run serves the queue until close.
func (w *groupWriter) run() {
	defer close(w.ended)
	batch := make([]*job, 0, w.limit)
	for {
		select {
		case j := <-w.jobs:
			batch = w.gather(append(batch[:0], j))
			w.commit(batch)
			clear(batch)
		case <-w.closing:
			w.drain()
			return
		}
	}
}

// gather adds what is queued already.
func (w *groupWriter) gather(batch []*job) []*job {
	for len(batch) < w.limit {
		select {
		case j := <-w.jobs:
			batch = append(batch, j)
		default:
			return batch
		}
	}
	return batch
}

// drain serves what was queued before close.
func (w *groupWriter) drain() {
	for {
		select {
		case j := <-w.jobs:
			w.commit([]*job{j})
		default:
			return
		}
	}
}

// commit runs the jobs in one transaction and answers them. When SQLite had to
// give up the whole transaction because of one of them, the others run again,
// each alone.
func (w *groupWriter) commit(batch []*job) {
	live := batch[:0]
	for _, j := range batch {
		if j.begin() {
			live = append(live, j)
		}
	}
	if len(live) == 0 {
		return
	}
	lost, err := w.repeat(live)
	if err != nil && lost != nil && len(live) > 1 {
		lost.answer(err)
		for _, j := range live {
			if j != lost {
				_, err := w.repeat([]*job{j})
				j.answer(err)
			}
		}
		return
	}
	for _, j := range live {
		j.answer(err)
	}
}

// begin claims the job for the writer unless its caller has left.
func (j *job) begin() bool {
	if !j.state.CompareAndSwap(jobWaiting, jobBegun) {
		return false
	}
	if err := j.ctx.Err(); err != nil {
		j.answer(err)
		return false
	}
	return true
}

// answer tells the caller: its own error before that of the transaction.
func (j *job) answer(err error) {
	if j.err == nil {
		j.err = err
	}
	close(j.done)
}

// errRunApart asks for the group to be run again with savepoints.
var errRunApart = errors.New("undo one of a group")

// carefulGroups is for how many groups savepoints are set after one was missed.
const carefulGroups = 64

// repeat runs the jobs again when one must be undone apart, and as often as the
// query side asks for it: its index set can change under a transaction, when
// another process changes it.
func (w *groupWriter) repeat(jobs []*job) (lost *job, err error) {
	w.careful = max(0, w.careful-1)
	for range 10 {
		for _, j := range jobs {
			j.err = nil
		}
		lost, err = w.transact(jobs)
		switch {
		case errors.Is(err, errRunApart):
			w.careful = carefulGroups
		case !errors.Is(err, errRetry):
			return lost, err
		}
	}
	return nil, fmt.Errorf("%w: %w", scim.ErrBusy, err)
}

// transact runs the jobs in one transaction. An error means that nothing of
// any of them is stored; lost is the job that took the transaction down, if
// one did.
func (w *groupWriter) transact(jobs []*job) (lost *job, err error) {
	// No statement of the writer can be interrupted; see InTx.
	ctx := context.Background()
	w.turn.enter()
	_, err = w.sql.ExecContext(ctx, "BEGIN IMMEDIATE")
	w.turn.leave()
	if err != nil {
		w.rollback(ctx)
		return nil, w.db.sqlError(ctx, "begin", err)
	}
	group := w.newTransaction()
	run := w.chooseRun(len(jobs))
	for _, j := range jobs {
		if err := run(ctx, j); err != nil {
			w.rollback(ctx)
			if errors.Is(err, errRunApart) {
				return nil, err
			}
			return j, w.db.sqlError(ctx, "end job", err)
		}
		if j.err == nil && j.tx.touched {
			group.touched = true
			group.blocks.merge(&j.tx.blocks)
		}
	}
	if len(jobs) == 1 && jobs[0].err != nil {
		w.rollback(ctx)
		return nil, nil //nolint:nilerr // the job keeps its error; none other is lost
	}
	if err := w.finish(ctx, group); err != nil {
		w.rollback(ctx)
		return nil, err
	}
	w.db.checkpoints.note(len(jobs))
	return nil, nil
}

// finish settles the counts of the group and commits.
func (w *groupWriter) finish(ctx context.Context, group *transaction) error {
	if group.touched {
		inner := context.WithValue(ctx, txKey{w.db}, group)
		if err := w.db.flushBlocks(inner, &group.blocks); err != nil {
			return fmt.Errorf("count blocks: %w", err)
		}
	}
	if _, err := w.sql.ExecContext(ctx, "COMMIT"); err != nil {
		return w.db.sqlError(ctx, "commit", err)
	}
	return nil
}

// chooseRun is how the jobs of a group run. Each way keeps the failure of a job
// in it; an error means that the transaction is lost.
func (w *groupWriter) chooseRun(jobs int) func(context.Context, *job) error {
	_, known := transactionOpen(w.conn)
	switch {
	case jobs == 1:
		return w.runAlone
	case w.careful > 0 || !known:
		return w.runCareful
	default:
		return w.runBare
	}
}

// runAlone runs the only job of a transaction.
func (w *groupWriter) runAlone(_ context.Context, j *job) error {
	w.runJob(j) //nolint:contextcheck // a job runs under the context of its caller
	return nil
}

// runBare runs a job without a savepoint.
func (w *groupWriter) runBare(_ context.Context, j *job) error {
	w.runJob(j) //nolint:contextcheck // a job runs under the context of its caller
	// SQLite rolls back by itself after some failures. What comes next would
	// then be stored at once, statement by statement.
	if open, _ := transactionOpen(w.conn); !open {
		return errNoTransaction
	}
	if j.err != nil && j.tx.wrote {
		return errRunApart
	}
	return nil
}

// runCareful runs a job in a savepoint.
func (w *groupWriter) runCareful(ctx context.Context, j *job) error {
	if _, err := w.sql.ExecContext(ctx, "SAVEPOINT job"); err != nil {
		return err
	}
	w.runJob(j) //nolint:contextcheck // a job runs under the context of its caller
	if j.err != nil {
		if _, err := w.sql.ExecContext(ctx, "ROLLBACK TO job"); err != nil {
			return err
		}
	}
	_, err := w.sql.ExecContext(ctx, "RELEASE job")
	return err
}

// runJob runs the closure of a job.
func (w *groupWriter) runJob(j *job) {
	j.tx = w.newTransaction()
	inner := context.WithValue(context.WithoutCancel(j.ctx), txKey{w.db}, j.tx)
	j.err = contained(inner, j.fn)
}

func (w *groupWriter) newTransaction() *transaction {
	tx := &transaction{}
	pool := &writes{ConnPool: w.db.traced(w.sql), tx: tx}
	tx.querier, tx.pool = pool, pool
	return tx
}

// writes notes in a transaction that a statement has changed something. A
// statement that fails leaves nothing behind, but for those failures that take
// the whole transaction with them.
type writes struct {
	gorm.ConnPool
	tx *transaction
}

// ExecContext implements querier.
func (p *writes) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := p.ConnPool.ExecContext(ctx, query, args...)
	if err == nil && !p.tx.wrote {
		n, unknown := result.RowsAffected()
		p.tx.wrote = n > 0 || unknown != nil
	}
	return result, err
}

// PrepareContext implements gorm.ConnPool.
func (p *writes) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	p.tx.wrote = true // what is done with it is out of sight
	return p.ConnPool.PrepareContext(ctx, query)
}

// QueryContext implements querier.
func (p *writes) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p.note(query)
	return p.ConnPool.QueryContext(ctx, query, args...)
}

// QueryRowContext implements querier.
func (p *writes) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	p.note(query)
	return p.ConnPool.QueryRowContext(ctx, query, args...)
}

// note finds the queries that change something: all that return what they
// changed.
func (p *writes) note(query string) {
	p.tx.wrote = p.tx.wrote || strings.Contains(query, "RETURNING") || !strings.HasPrefix(query, "SELECT") && !strings.HasPrefix(query, "WITH")
}

// rollback undoes the transaction. It can only fail because none is open, for
// SQLite rolls back by itself after some failures, such as a full disk.
func (w *groupWriter) rollback(ctx context.Context) {
	_, _ = w.sql.ExecContext(ctx, "ROLLBACK")
}

// close ends the writer after what is queued and closes its connection.
func (w *groupWriter) close() error {
	w.once.Do(func() { close(w.closing) })
	<-w.ended
	return errors.Join(w.sql.Close(), w.conn.Close(), w.pool.Close(), w.turn.close())
}
