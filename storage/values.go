package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// cutLength bounds a key in the value rows, in bytes: PostgreSQL refuses index
// entries beyond about 2,700. A cut key still finds its resource, since the
// exact comparison follows.
const cutLength = 1000

// cutKey shortens a key to about cutLength.
func cutKey(key string) string { return cutAt(key, cutLength) }

// boundKey shortens an operand that bounds keys from below so far that every
// cut key above it is still above it.
func boundKey(key string) string { return cutAt(key, cutLength/2) }

// cutAt shortens a text to at most n bytes at the end of a character.
func cutAt(key string, n int) string {
	if len(key) <= n {
		return key
	}
	for !utf8.RuneStart(key[n]) {
		n--
	}
	return key[:n]
}

// uniqueKey shortens a unique key without letting two become one.
func uniqueKey(key string) string {
	if len(key) <= cutLength {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return cutKey(key) + "\x01" + hex.EncodeToString(sum[:])
}

// valueRow is one row of resource_values or resource_unique of a resource.
type valueRow struct{ attr, key string }

// writeValues brings the value rows of a resource from what old had to what
// new has, touching only what differs. old nil: there were none; new nil: the
// resource goes. *scim.ConflictError when another resource of the type has the
// value of an attribute with uniqueness server or global.
func (db *DB) writeValues(ctx context.Context, rt *schema.ResourceType, old, new schema.Object, id string) error {
	q, err := db.writer(ctx)
	if err != nil {
		return err
	}
	set := db.index.load()
	if changes := db.changes(ctx); changes != nil {
		set = changes.indexesOr(set)
	}
	drop, add := difference(indexRows(set.of(rt), old), indexRows(set.of(rt), new))
	for _, row := range drop {
		if _, err := q.ExecContext(ctx, "DELETE FROM resource_values WHERE type = $1 AND attr = $2 AND key = $3 AND id = $4",
			rt.Name, row.attr, row.key, id); err != nil {
			return db.sqlError(ctx, "delete value of "+row.attr, err)
		}
	}
	if err := db.insertValues(ctx, q, rt, id, add); err != nil {
		return err
	}
	return db.writeUnique(ctx, q, rt, old, new, id)
}

// insertChunk bounds the rows of one INSERT, so that few statement texts exist.
const insertChunk = 8

func (db *DB) insertValues(ctx context.Context, q querier, rt *schema.ResourceType, id string, rows []valueRow) error {
	for chunk := range slices.Chunk(rows, insertChunk) {
		args := []any{rt.Name, id}
		var b strings.Builder
		b.WriteString("INSERT INTO resource_values (type, id, attr, key) VALUES ")
		for i, row := range chunk {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString("($1, $2, $" + strconv.Itoa(len(args)+1) + ", $" + strconv.Itoa(len(args)+2) + ")")
			args = append(args, row.attr, row.key)
		}
		b.WriteString(" ON CONFLICT DO NOTHING")
		if _, err := q.ExecContext(ctx, b.String(), args...); err != nil {
			return db.sqlError(ctx, "insert values of "+rt.Name, err)
		}
	}
	return nil
}

// writeUnique claims and releases unique values. Releasing comes first, so a
// value may move within one resource; the primary key decides races.
func (db *DB) writeUnique(ctx context.Context, q querier, rt *schema.ResourceType, old, new schema.Object, id string) error {
	refs := uniqueRefs(rt)
	if len(refs) == 0 {
		return nil
	}
	drop, add := difference(uniqueRows(refs, old), uniqueRows(refs, new))
	for _, row := range drop {
		if _, err := q.ExecContext(ctx, "DELETE FROM resource_unique WHERE type = $1 AND attr = $2 AND key = $3 AND id = $4",
			rt.Name, row.attr, row.key, id); err != nil {
			return db.sqlError(ctx, "release value of "+row.attr, err)
		}
	}
	for _, row := range add {
		result, err := q.ExecContext(ctx,
			"INSERT INTO resource_unique (type, attr, key, id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			rt.Name, row.attr, row.key, id)
		if err != nil {
			return db.sqlError(ctx, "claim value of "+row.attr, err)
		}
		if n, err := result.RowsAffected(); err != nil {
			return fmt.Errorf("claim value of %s: %w", row.attr, err)
		} else if n == 0 {
			return &scim.ConflictError{Attribute: row.attr}
		}
	}
	return nil
}

// uniqueRefs is the attributes whose uniqueness value rows hold: all but those
// with a column of their own.
func uniqueRefs(rt *schema.ResourceType) []schema.Ref {
	var out []schema.Ref
	for _, ref := range rt.Attributes() {
		if isCommon(ref, "id") || isCommon(ref, "externalId") || isCommon(ref, "meta") || isUserName(rt, ref) ||
			ref.Attr.Relation || ref.Attr.Derived {
			continue
		}
		if isUnique(ref.Attr) {
			out = append(out, ref)
		}
		for _, sub := range ref.Attr.Sub {
			if isUnique(sub) {
				out = append(out, schema.Ref{URN: ref.URN, Attr: ref.Attr, Sub: sub})
			}
		}
	}
	return out
}

func isUnique(a *schema.Attribute) bool {
	return a.Type != schema.Complex &&
		(a.Uniqueness == schema.UniquenessServer || a.Uniqueness == schema.UniquenessGlobal)
}

func uniqueRows(refs []schema.Ref, o schema.Object) []valueRow {
	var out []valueRow
	for _, ref := range refs {
		for _, key := range keysAt(o, ref) {
			out = append(out, valueRow{attr: ref.String(), key: uniqueKey(key)})
		}
	}
	return sorted(out)
}

func indexRows(attrs []indexedAttr, o schema.Object) []valueRow {
	var out []valueRow
	for _, a := range attrs {
		for _, key := range keysAt(o, a.ref) {
			out = append(out, valueRow{attr: a.attr, key: cutKey(key)})
		}
	}
	return sorted(out)
}

// sorted orders rows and drops doubles.
func sorted(rows []valueRow) []valueRow {
	slices.SortFunc(rows, compareRows)
	return slices.Compact(rows)
}

func compareRows(a, b valueRow) int {
	if n := strings.Compare(a.attr, b.attr); n != 0 {
		return n
	}
	return strings.Compare(a.key, b.key)
}

// difference returns what only a has and what only b has; both are sorted.
func difference(a, b []valueRow) (onlyA, onlyB []valueRow) {
	for len(a) > 0 && len(b) > 0 {
		switch n := compareRows(a[0], b[0]); {
		case n == 0:
			a, b = a[1:], b[1:]
		case n < 0:
			onlyA, a = append(onlyA, a[0]), a[1:]
		default:
			onlyB, b = append(onlyB, b[0]), b[1:]
		}
	}
	return append(onlyA, a...), append(onlyB, b...)
}

// keysAt returns the comparison keys of every value of an attribute.
func keysAt(o schema.Object, ref schema.Ref) []string {
	if ref.URN != "" {
		inner, _ := o[ref.URN].(schema.Object)
		o = inner
	}
	v, ok := o[ref.Attr.Name]
	if !ok {
		return nil
	}
	if ref.Sub == nil {
		return appendKeys(nil, ref.Attr, v)
	}
	elements, ok := v.([]any)
	if !ok {
		elements = []any{v}
	}
	var out []string
	for _, e := range elements {
		if inner, ok := e.(schema.Object); ok {
			if v, ok := inner[ref.Sub.Name]; ok {
				out = appendKeys(out, ref.Sub, v)
			}
		}
	}
	return out
}

// appendKeys adds the key of a simple value, or of each value of an array.
func appendKeys(out []string, a *schema.Attribute, v any) []string {
	values, ok := v.([]any)
	if !ok {
		values = []any{v}
	}
	for _, v := range values {
		if key, ok := a.Key(v); ok {
			out = append(out, key)
		}
	}
	return out
}
