package storage

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// rowQuery is a statement for one row that many requests read, in both forms:
// column by column, and as a single value as packed.go has it.
type rowQuery struct{ plain, packed string }

// column is one of a rowQuery.
type column struct {
	sql string
	raw bool // bytes that are no text
}

// newRowQuery makes both forms; rest is what follows the columns.
func newRowQuery(rest string, columns ...column) rowQuery {
	names := make([]string, 0, len(columns))
	var lengths, parts strings.Builder
	for _, c := range columns {
		names = append(names, c.sql)
		text := c.sql
		if c.raw {
			text = "hex(" + c.sql + ")" // '' for NULL
		}
		lengths.WriteString("octet_length(" + text + "), ' ', ")
		parts.WriteString(text + ", ")
	}
	return rowQuery{
		plain:  "SELECT " + strings.Join(names, ", ") + " " + rest,
		packed: "SELECT CAST(concat(" + lengths.String() + strings.TrimSuffix(parts.String(), ", ") + ") AS BLOB) " + rest,
	}
}

// columnsOf are columns of the table with that alias; those behind "#" are raw.
func columnsOf(alias string, names ...string) []column {
	out := make([]column, len(names))
	for i, name := range names {
		bare, raw := strings.CutPrefix(name, "#")
		out[i] = column{alias + "." + bare, raw}
	}
	return out
}

// row reads the one row of a query into *string, *int64 and, for raw columns,
// *[]byte. sql.ErrNoRows without a row. It joins the transaction of ctx.
func (db *DB) row(ctx context.Context, q rowQuery, into []any, args ...any) error {
	if !db.mayPass(ctx) {
		return db.reader(ctx).QueryRowContext(db.pointContext(ctx), q.plain, args...).Scan(into...)
	}
	b, err := db.value(db.pointContext(ctx), q.packed, args...)
	if err != nil {
		return err
	}
	return unpackColumns(b, into)
}

// unpackColumns takes a packed row apart.
func unpackColumns(b []byte, into []any) error {
	lengths := make([]int64, len(into))
	var err error
	for i := range lengths {
		if lengths[i], b, err = number(b); err != nil {
			return err
		}
	}
	for i, place := range into {
		size := int(lengths[i])
		if size < 0 || size > len(b) {
			return errPacked
		}
		part := b[:size]
		b = b[size:]
		switch place := place.(type) {
		case *string:
			*place = string(part)
		case *int64:
			*place, err = strconv.ParseInt(string(part), 10, 64)
		case *[]byte:
			if *place = nil; size > 0 {
				*place, err = hex.AppendDecode(make([]byte, 0, size/2), part)
			}
		default:
			err = fmt.Errorf("column of type %T", place)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errPacked, err)
		}
	}
	if len(b) > 0 {
		return errPacked
	}
	return nil
}

// hotQueries are the rows that requests about logins read.
type hotQueries struct {
	liveGrant, liveAccess, client, service rowQuery
}

func newHotQueries(d dialect) hotQueries {
	grant := columnsOf("g", "id", "client_id", "user_id", "session_id", "doc", "key_thumbprint",
		"#code_hash", "code_expires_at", "code_used_at", "created_at", "expires_at", "revoked_at")
	access := columnsOf("a", "scopes", "audience", "created_at", "expires_at")
	rest := liveRest + activeUser(d) + "))"
	return hotQueries{
		liveGrant: newRowQuery("FROM oauth_grants g"+liveClient+" WHERE g.id = $1"+rest, grant...),
		liveAccess: newRowQuery("FROM oauth_access_tokens a JOIN oauth_grants g ON g.id = a.grant_id"+liveClient+
			" WHERE a.hash = $1 AND a.expires_at > $2"+rest, append(access, grant...)...),
		client:  newRowQuery("FROM oauth_clients c WHERE c.id = $1", columnsOf("c", "doc", "secrets", "#registration_hash")...),
		service: newRowQuery("FROM oauth_services s WHERE s.name = $1", columnsOf("s", "name", "audience", "#secret_hash", "doc", "created_at")...),
	}
}
