package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sallyport-id/sallyport/scim"
)

// groupLimit bounds how many closures share one commit.
const groupLimit = 128

// groupWriter owns the only connection that writes to SQLite. It takes what is
// queued, runs each closure in a savepoint of one transaction, commits, and
// only then answers. Waiting to gather more does not pay: what arrives during
// a commit is the next group.
type groupWriter struct {
	db   *DB
	pool *sql.DB
	conn *sql.Conn
	sql  *statements
	turn *turnstile

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
	w := &groupWriter{
		db: db, pool: pool, conn: conn, sql: newStatements(conn), turn: turn,
		jobs:    make(chan *job, groupLimit),
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
	batch := make([]*job, 0, groupLimit)
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
	for len(batch) < groupLimit {
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

// repeat runs the jobs again as often as the query side asks for it: its index
// set can change under a transaction, when another process changes it.
func (w *groupWriter) repeat(jobs []*job) (lost *job, err error) {
	for range 10 {
		for _, j := range jobs {
			j.err = nil
		}
		if lost, err = w.transact(jobs); !errors.Is(err, errRetry) {
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
	for _, j := range jobs {
		if err := w.runJob(ctx, j, len(jobs) > 1); err != nil {
			w.rollback(ctx)
			return j, w.db.sqlError(ctx, "end savepoint", err)
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

// runJob runs one closure, in a savepoint unless it is alone. Its own failure
// is kept in the job; an error means that the transaction is lost.
func (w *groupWriter) runJob(ctx context.Context, j *job, savepoint bool) error {
	if savepoint {
		if _, err := w.sql.ExecContext(ctx, "SAVEPOINT job"); err != nil {
			return err
		}
	}
	j.tx = w.newTransaction()
	inner := context.WithValue(context.WithoutCancel(j.ctx), txKey{w.db}, j.tx)
	j.err = contained(inner, j.fn) //nolint:contextcheck // a job runs under the context of its caller
	if !savepoint {
		return nil
	}
	if j.err != nil {
		if _, err := w.sql.ExecContext(ctx, "ROLLBACK TO job"); err != nil {
			return err
		}
	}
	_, err := w.sql.ExecContext(ctx, "RELEASE job")
	return err
}

func (w *groupWriter) newTransaction() *transaction {
	pool := w.db.traced(w.sql)
	return &transaction{querier: pool, pool: pool}
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
