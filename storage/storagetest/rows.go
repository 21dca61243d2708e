package storagetest

import (
	"context"
	"database/sql"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
)

// PostgresRows returns every row of every table of the schema that the URL
// names, with the bytes of byte columns in place of their hexadecimal form, so
// that a test can look for what must not be there.
func PostgresRows(tb testing.TB, url string) []byte {
	tb.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		tb.Fatalf("open PostgreSQL: %v", err)
	}
	defer func() { _ = db.Close() }()
	var out strings.Builder
	tables := texts(tb, db, "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = current_schema()")
	if len(tables) == 0 {
		tb.Fatal("no tables")
	}
	for _, table := range tables {
		for _, row := range texts(tb, db, "SELECT t::text FROM "+table+" t") {
			out.WriteString(table + " " + row + "\n")
		}
	}
	// In the text of a row a byte column is "\\x0a…".
	column := regexp.MustCompile(`\\\\?x([0-9a-f]+)`)
	return []byte(column.ReplaceAllStringFunc(out.String(), func(text string) string {
		raw, err := hex.DecodeString(text[strings.IndexByte(text, 'x')+1:])
		if err != nil {
			return text
		}
		return string(raw)
	}))
}

func texts(tb testing.TB, db *sql.DB, query string) []string {
	tb.Helper()
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			tb.Fatalf("%s: %v", query, err)
		}
		out = append(out, text)
	}
	if err := rows.Err(); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return out
}
