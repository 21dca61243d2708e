package storage

import (
	"fmt"
	"slices"
	"testing"
)

// SQLiteSettings reads pragmas of the writing and of a reading connection.
func (db *DB) SQLiteSettings(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, q := range map[string]querier{"write": db.write.conn, "read": db.pool} {
		for _, pragma := range []string{"journal_mode", "synchronous", "busy_timeout", "query_only", "wal_autocheckpoint"} {
			var value any
			if err := q.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&value); err != nil {
				t.Fatalf("PRAGMA %s: %v", pragma, err)
			}
			out[name+"."+pragma] = fmt.Sprint(value)
		}
	}
	return out
}

// CopiedColumns lists what a copy carries over, by table, sorted.
func CopiedColumns() map[string][]string {
	out := map[string][]string{}
	for _, t := range copyTables() {
		for _, c := range t.columns {
			out[t.name] = append(out[t.name], bareColumn(c))
		}
		slices.Sort(out[t.name])
	}
	return out
}
