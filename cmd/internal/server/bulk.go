package server

import (
	"context"
	"fmt"
	"sync"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
)

// bulkRows is how many changes of an import share one commit. A larger share
// would hold up the writes of running servers for longer.
const bulkRows = 1000

// bulkWriters is how many transactions of an import are under way at once on
// PostgreSQL. SQLite has one writer.
const bulkWriters = 3

// BulkLanes is how many changes should be under way at once so that commits
// are full.
const BulkLanes = 2 * bulkRows

// bulkStore is a ResourceStore whose transactions share commits: what waits
// while one commits becomes the next, each change in a savepoint, so that one
// that is refused takes nothing of the others with it. On SQLite the writer of
// the database does this itself.
type bulkStore struct {
	scim.ResourceStore
	db     *storage.DB
	shared bool // by the database itself
	queue  chan *bulkJob
	wg     sync.WaitGroup
}

type bulkJob struct {
	fn   func(context.Context) error
	done chan error
}

// bulkKey marks the context of a shared transaction.
type bulkKey struct{}

func newBulkStore(db *storage.DB) *bulkStore {
	b := &bulkStore{ResourceStore: db, db: db, queue: make(chan *bulkJob, BulkLanes)}
	if b.shared = db.Dialect() != "postgres"; b.shared {
		return b
	}
	for range bulkWriters {
		b.wg.Go(b.run)
	}
	return b
}

// InTx implements scim.ResourceStore. Nested calls join.
func (b *bulkStore) InTx(ctx context.Context, fn func(context.Context) error) error {
	if b.shared || ctx.Value(bulkKey{}) != nil {
		return b.db.InTx(ctx, fn)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	job := &bulkJob{fn: fn, done: make(chan error, 1)}
	b.queue <- job
	return <-job.done
}

// close waits for what is queued.
func (b *bulkStore) close() {
	close(b.queue)
	b.wg.Wait()
}

func (b *bulkStore) run() {
	for job := range b.queue {
		jobs := []*bulkJob{job}
	gather:
		for len(jobs) < bulkRows {
			select {
			case next, open := <-b.queue:
				if !open {
					break gather
				}
				jobs = append(jobs, next)
			default:
				break gather
			}
		}
		b.commit(jobs)
	}
}

// commit runs the jobs in one transaction and answers when it is durable.
func (b *bulkStore) commit(jobs []*bulkJob) {
	outcomes := make([]error, len(jobs))
	// A job that waits here was begun: it is finished whatever its caller
	// wishes meanwhile, so that the answer is always known.
	err := b.db.InTx(context.WithValue(context.Background(), bulkKey{}, true), func(ctx context.Context) error {
		for i, job := range jobs {
			outcomes[i] = b.db.Savepoint(ctx, job.fn)
		}
		return nil
	})
	for i, job := range jobs {
		if err != nil && outcomes[i] == nil {
			outcomes[i] = fmt.Errorf("commit: %w", err)
		}
		job.done <- outcomes[i]
	}
}

// Bulk is a way into the directory for many changes at once, which share
// commits. The rules are those of Directory.Service. Transactions of its two
// parts nest in each other, and in no other part of the Directory.
type Bulk struct {
	Service   *scim.Service
	Resources scim.ResourceStore
	store     *bulkStore
}

// Bulk opens one. Close it when all changes are answered.
func (d *Directory) Bulk(ctx context.Context) (*Bulk, error) {
	store := newBulkStore(d.db)
	service, err := d.newService(ctx, d.issuer, store)
	if err != nil {
		store.close()
		return nil, err
	}
	return &Bulk{Service: service, Resources: store, store: store}, nil
}

// Close waits for what is under way.
func (b *Bulk) Close() { b.store.close() }
