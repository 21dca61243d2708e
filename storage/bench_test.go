package storage_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// eachDatabaseB runs a benchmark on every database there is.
func eachDatabaseB(b *testing.B, run func(b *testing.B, o *storagetest.Opener)) {
	b.Run("sqlite", func(b *testing.B) { run(b, storagetest.SQLite(b)) })
	b.Run("postgres", func(b *testing.B) { run(b, storagetest.Postgres(b)) })
}

// BenchmarkInsert is a durable create of a user of about 1.2 kB by 32 clients
// at once, which share commits on SQLite.
func BenchmarkInsert(b *testing.B) {
	eachDatabaseB(b, func(b *testing.B, o *storagetest.Opener) {
		db, user := o.Open(b), o.Type(b, "User")
		records := make([]*scim.Record, b.N)
		for i := range records {
			records[i] = o.Record(b, user, storagetest.FullUser(i))
		}
		var next atomic.Int64
		b.SetParallelism(16) // times GOMAXPROCS
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := db.Insert(context.Background(), user, records[next.Add(1)-1]); err != nil {
					b.Errorf("Insert: %v", err)
				}
			}
		})
	})
}

// BenchmarkInsertAlone is the same with one client: one commit each.
func BenchmarkInsertAlone(b *testing.B) {
	eachDatabaseB(b, func(b *testing.B, o *storagetest.Opener) {
		db, user := o.Open(b), o.Type(b, "User")
		for i := 0; b.Loop(); i++ {
			if err := db.Insert(context.Background(), user, o.Record(b, user, storagetest.FullUser(i))); err != nil {
				b.Fatalf("Insert: %v", err)
			}
		}
	})
}

// BenchmarkImport inserts users in transactions of 1,000, as an import does.
func BenchmarkImport(b *testing.B) {
	eachDatabaseB(b, func(b *testing.B, o *storagetest.Opener) {
		db := o.Open(b, func(c *storage.Config) { c.Bulk = true })
		user := o.Type(b, "User")
		records := make([]*scim.Record, b.N)
		for i := range records {
			records[i] = o.Record(b, user, storagetest.FullUser(i))
		}
		b.ReportAllocs()
		b.ResetTimer()
		for len(records) > 0 {
			n := min(1000, len(records))
			err := db.InTx(context.Background(), func(ctx context.Context) error {
				for _, r := range records[:n] {
					if err := db.Insert(ctx, user, r); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatalf("InTx: %v", err)
			}
			records = records[n:]
		}
	})
}

// BenchmarkGet reads one of 10,000 users by id.
func BenchmarkGet(b *testing.B) {
	eachDatabaseB(b, func(b *testing.B, o *storagetest.Opener) {
		db, user := o.Open(b), o.Type(b, "User")
		const n = 10_000
		ids := make([]string, n)
		err := db.InTx(context.Background(), func(ctx context.Context) error {
			for i := range ids {
				r := o.Record(b, user, storagetest.FullUser(i))
				ids[i] = r.ID
				if err := db.Insert(ctx, user, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatalf("fill: %v", err)
		}
		// As a request has it: the driver must not start a goroutine for it.
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var next atomic.Int64
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := db.Get(ctx, user, ids[next.Add(7919)%n], ""); err != nil {
					b.Errorf("Get: %v", err)
				}
			}
		})
	})
}
