package storage_test

import (
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// TestNewColumnUnderOpenNode adds a column to every table, as the migrations of
// the next release may, while this one has statements prepared: a statement
// that reads "*" would fail once on each connection.
func TestNewColumnUnderOpenNode(t *testing.T) {
	t.Parallel()
	o := storagetest.Postgres(t)
	db := o.Open(t)
	ctx := t.Context()
	token := &scim.Token{ID: "01a20d83-7352-7831-b93e-e2a7c405a417", Name: "before", Hash: []byte("hash"), Profile: "compat", CreatedAt: time.Unix(1, 0).UTC()}
	if err := db.InsertToken(ctx, token); err != nil {
		t.Fatal(err)
	}
	read := func(when string) {
		t.Helper()
		for range 50 { // on every connection of the pool
			if _, err := db.TokenByHash(ctx, token.Hash); err != nil {
				t.Fatalf("%s the migration: %v", when, err)
			}
			if _, err := db.Tokens(ctx); err != nil {
				t.Fatalf("%s the migration: %v", when, err)
			}
		}
	}
	read("before")

	raw := o.Raw(t)
	rows, err := raw.QueryContext(ctx, `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil || len(tables) == 0 {
		t.Fatalf("tables: %v, %v", tables, err)
	}
	for _, table := range tables {
		if _, err := raw.ExecContext(ctx, `ALTER TABLE "`+table+`" ADD COLUMN next_release TEXT`); err != nil {
			t.Fatal(err)
		}
	}
	read("after")
}
