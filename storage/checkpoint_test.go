package storage_test

import (
	"context"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// TestLogIsMergedBesideTheWriter: a merge moves what is committed into the
// file and waits for no transaction.
func TestLogIsMergedBesideTheWriter(t *testing.T) {
	t.Parallel()
	db := storagetest.SQLite(t).Open(t)
	add := func(ctx context.Context) {
		if err := db.Append(ctx, audit.Event{Name: audit.UserCreated, Outcome: audit.OK}); err != nil {
			t.Error(err)
		}
	}
	for range 20 {
		add(t.Context())
	}
	if err := db.InTx(t.Context(), func(ctx context.Context) error {
		add(ctx)
		pages, merged, err := db.MergeLog(ctx)
		if pages == 0 || merged != pages {
			t.Errorf("%d of %d pages merged beside a transaction", merged, pages)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(t.Context(), audit.Filter{Name: audit.UserCreated})
	if err != nil || len(events) != 21 {
		t.Errorf("%d events, %v, want 21", len(events), err)
	}
}
