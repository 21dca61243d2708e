package storage_test

import (
	"context"
	"flag"
	"fmt"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// queryUsers is the size of the directory of BenchmarkQuery.
var queryUsers = flag.Int("queryusers", 20_000, "users of BenchmarkQuery")

// BenchmarkQuery is the lists that performance.md bounds, next to Get, which is
// the least a look-up can cost.
func BenchmarkQuery(b *testing.B) {
	eachDatabaseB(b, func(b *testing.B, o *storagetest.Opener) {
		db, user := o.Open(b), o.Type(b, "User")
		var ids []string
		for len(ids) < *queryUsers {
			err := db.InTx(b.Context(), func(ctx context.Context) error {
				for range min(1000, *queryUsers-len(ids)) {
					r := o.Record(b, user, storagetest.FullUser(len(ids)))
					if err := db.Insert(ctx, user, r); err != nil {
						return err
					}
					ids = append(ids, r.ID)
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		middle := len(ids) / 2
		sample, err := db.Get(b.Context(), user, ids[middle], "")
		if err != nil {
			b.Fatal(err)
		}
		doc, err := user.Parse(sample.Doc)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("Get", func(b *testing.B) {
			for b.Loop() {
				if _, err := db.Get(b.Context(), user, ids[middle], ""); err != nil {
					b.Fatal(err)
				}
			}
		})
		name, _ := doc["userName"].(string)
		email, _ := doc["emails"].([]any)[0].(schema.Object)["value"].(string)
		for what, text := range map[string]string{
			"UserName": fmt.Sprintf("userName eq %q", name),
			"External": fmt.Sprintf("externalId eq %q", doc["externalId"]),
			"Email":    fmt.Sprintf(`emails[type eq "work" and value eq %q]`, email),
			"Prefix":   fmt.Sprintf("userName sw %q", name[:2]),
			"Absent":   `userName eq "nobody at all"`,
		} {
			benchQuery(b, db, what, scim.Query{Sources: []scim.Source{{Type: user, Where: bound(b, user, text)}}, Limit: 100, Total: true})
		}
		all := []scim.Source{{Type: user}}
		benchQuery(b, db, "FirstPage", scim.Query{Sources: all, Limit: 100, Total: true})
		deep := len(ids) * 9 / 10
		benchQuery(b, db, "DeepCursor", scim.Query{Sources: all, Limit: 100, After: &scim.Position{ID: ids[deep]}})
		benchQuery(b, db, "DeepIndex", scim.Query{Sources: all, Limit: 100, Offset: deep, Total: true})
	})
}

func benchQuery(b *testing.B, db *storage.DB, name string, q scim.Query) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := db.Query(b.Context(), q); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func bound(tb testing.TB, rt *schema.ResourceType, text string) filter.Predicate {
	tb.Helper()
	e, err := filter.Parse(text, filter.Limits{}, schema.Policy{})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := filter.Bind(e, rt, schema.Policy{})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
