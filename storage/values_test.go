package storage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// eachDialect runs a test for a fresh place on both databases.
func eachDialect(t *testing.T, test func(t *testing.T, at string)) {
	t.Helper()
	for _, kind := range []dialect{dialectSQLite, dialectPostgres} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			test(t, plainURL(t, kind))
		})
	}
}

// storedRows reads the value rows of an attribute as "key id".
func storedRows(t *testing.T, db *DB, attr string) []string {
	t.Helper()
	rows, err := db.pool.QueryContext(t.Context(),
		"SELECT key, id FROM resource_values WHERE type = 'User' AND attr = $1 ORDER BY key, id", attr)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var key, id string
		if err := rows.Scan(&key, &id); err != nil {
			t.Fatal(err)
		}
		out = append(out, key+" "+id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// wantedRows computes from the documents what storedRows should give.
func wantedRows(t *testing.T, db *DB, attr string) []string {
	t.Helper()
	rt := db.registry.ByName("User")
	ref, err := resolvePath(rt, attr)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for after := ""; ; {
		found, err := db.documents(t.Context(), db.pool, rt, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			o, err := rt.Parse(d.doc)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range indexRows([]indexedAttr{{attr: attr, ref: ref}}, o) {
				out = append(out, row.key+" "+d.id)
			}
			after = d.id
		}
		if len(found) == 0 {
			slices.Sort(out)
			return out
		}
	}
}

// retitle changes the title of users, one transaction each.
func retitle(ctx context.Context, db *DB, ids []string, title string) error {
	rt := db.registry.ByName("User")
	for _, id := range ids {
		err := db.InTx(ctx, func(ctx context.Context) error {
			r, err := db.Get(ctx, rt, id, "")
			if err != nil {
				return err
			}
			o, err := rt.Parse(r.Doc)
			if err != nil {
				return err
			}
			o["title"] = title
			r.Object, r.Doc = o, rt.Encode(o)
			r.Version++
			return db.Update(ctx, rt, r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// await waits until the index is built.
func await(t *testing.T, db *DB, attr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !db.indexed("User", attr) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the index of %s was not built in a minute", attr)
		}
	}
}

// TestNewIndexIsBuiltWhileWriting: an attribute that the configuration adds is
// indexed in the background, while another node that was started without it
// goes on writing; only the complete index is used.
func TestNewIndexIsBuiltWhileWriting(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, at string) {
		old := reopen(t, at, nil)
		ids := seed(t, old, 1300)
		if old.indexed("User", "title") {
			t.Fatal("title is indexed without being configured")
		}
		var writer sync.WaitGroup
		writer.Go(func() {
			if err := retitle(t.Context(), old, ids[400:520], "Changed"); err != nil {
				t.Errorf("change titles: %v", err)
			}
		})
		fresh := reopen(t, at, func(c *Config) { c.Indexed = []string{"User:title", "nickName"} })
		await(t, fresh, "title")
		await(t, fresh, "nickname")
		writer.Wait()
		if err := retitle(t.Context(), old, ids[:3], "last"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantedRows(t, fresh, "title"), storedRows(t, fresh, "title")); diff != "" {
			t.Errorf("value rows of title (-want +got):\n%s", diff)
		}
		rt := fresh.registry.ByName("User")
		for text, want := range map[string]int64{`title eq "CHANGED"`: 120, `title eq "last"`: 3, `title eq "t7"`: 1300/50 - 3} {
			page, err := fresh.Query(t.Context(), scim.Query{
				Sources: []scim.Source{source(t, rt, text, "")}, Limit: 1, Total: true,
			})
			if err != nil || page.Total != want {
				t.Errorf("%s: total %d, %v, want %d", text, page.Total, err, want)
			}
		}
	})
}

// TestValueRowsFollowTheDocument: changes write the difference only, deletion
// leaves nothing, and a key too long for an index entry is still found.
func TestValueRowsFollowTheDocument(t *testing.T) {
	t.Parallel()
	eachDialect(t, func(t *testing.T, at string) {
		var mu sync.Mutex
		var seen []string
		db := reopen(t, at, func(c *Config) {
			c.Indexed = []string{"User:title"}
			c.Trace = func(text string) {
				mu.Lock()
				defer mu.Unlock()
				if strings.Contains(text, "resource_values") {
					seen = append(seen, text)
				}
			}
		})
		rt := db.registry.ByName("User")
		ids := seed(t, db, 3)
		seen = nil
		if err := retitle(t.Context(), db, ids[:1], "T0"); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 0 {
			t.Errorf("the same key took %d statements, want none: %v", len(seen), seen)
		}
		if err := retitle(t.Context(), db, ids[:1], "new"); err != nil {
			t.Fatal(err)
		}
		if len(seen) != 2 {
			t.Errorf("another key took %d statements, want a DELETE and an INSERT: %v", len(seen), seen)
		}
		long := strings.Repeat("Ünlimited ", 900)
		if err := retitle(t.Context(), db, ids[1:2], long); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			`title eq "` + long[:7000] + `"`, `title sw "` + long[:7000] + `"`, `title ge "` + long[:3000] + `"`, `title gt "` + long[:3000] + `"`,
		} {
			found, err := db.Query(t.Context(), scim.Query{Sources: []scim.Source{source(t, rt, text, "")}, Limit: 5, Total: true})
			want := 1
			if strings.HasPrefix(text, "title eq") {
				want = 0
			}
			if err != nil || len(found.Records) != want || found.Total != int64(want) {
				t.Errorf("%.12s… = %+v, %v, want %d", text, found, err, want)
			}
		}
		for _, id := range ids {
			if err := db.Delete(t.Context(), rt, id); err != nil {
				t.Fatal(err)
			}
		}
		var left int
		if err := db.pool.QueryRowContext(t.Context(), "SELECT count(*) FROM resource_values").Scan(&left); err != nil || left != 0 {
			t.Errorf("%d value rows are left, %v", left, err)
		}
	})
}

// TestIndexedSettings: the configuration names attributes that exist.
func TestIndexedSettings(t *testing.T) {
	t.Parallel()
	db := openPlain(t, dialectSQLite, nil)
	for entry, want := range map[string][]string{
		"User:title":              {"User title"},
		"displayName":             {"Group displayname", "User displayname"},
		"User:emails":             {"User emails.value"},
		"user:phoneNumbers.value": {"User phonenumbers.value"},
		"User:" + schema.EnterpriseUserURN + ":department": {"User " + strings.ToLower(schema.EnterpriseUserURN) + ":department"},
		schema.EnterpriseUserURN + ":costCenter":           {"User " + strings.ToLower(schema.EnterpriseUserURN) + ":costcenter"},
		"User:nothing":                                     nil,
		"User:password":                                    nil,
		"User:groups":                                      nil,
		"User:name":                                        nil,
		"User:":                                            nil,
		"":                                                 nil,
	} {
		found, err := db.configuredIndex(entry)
		var got []string
		for _, f := range found {
			got = append(got, f.typ+" "+f.attr)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("Indexed %q: %v (-want +got):\n%s", entry, err, diff)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("%q", entry)) {
			t.Errorf("Indexed %q: the error does not name the entry: %v", entry, err)
		}
	}
}

// TestDifference: what only one side has, of any two sets.
func TestDifference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := rapid.MapOf(rapid.StringMatching("[ab]{0,2}"), rapid.Just(true))
		a, b := set.Draw(t, "a"), set.Draw(t, "b")
		rows := func(m map[string]bool) []valueRow {
			var out []valueRow
			for _, key := range slices.Sorted(maps.Keys(m)) {
				out = append(out, valueRow{"x", key})
			}
			return out
		}
		drop, add := difference(rows(a), rows(b))
		for _, row := range drop {
			delete(a, row.key)
		}
		for _, row := range add {
			if a[row.key] {
				t.Fatalf("%v is added although it is there", row)
			}
			a[row.key] = true
		}
		if !maps.Equal(a, b) {
			t.Fatalf("applied difference gives %v, want %v", a, b)
		}
	})
}

// TestCutKeysLoseNothing: whatever a comparison selects, the range over cut keys
// selects too.
func TestCutKeysLoseNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tail := rapid.StringOfN(rapid.SampledFrom([]rune("aü😀")), 0, 40, -1)
		lengths := rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(240, 255), rapid.IntRange(480, 505))
		key := strings.Repeat("é", lengths.Draw(t, "key length")) + tail.Draw(t, "key")
		operand := strings.Repeat("é", lengths.Draw(t, "operand length")) + tail.Draw(t, "operand")
		cut, bound := cutKey(key), boundKey(operand)
		switch {
		case !strings.HasPrefix(key, cut) || len(cut) > cutLength || !utf8.ValidString(cut):
			t.Fatalf("cutKey(%q) = %q", key, cut)
		case key >= operand && cut < bound:
			t.Fatalf("%q is not below %q, but its rows are", key, operand)
		case key <= operand && cut > operand:
			t.Fatalf("%q is not above %q, but its rows are", key, operand)
		case strings.HasPrefix(key, operand) && !strings.HasPrefix(cut, bound):
			t.Fatalf("%q begins with %q, but its rows do not", key, operand)
		case bound == operand && (key > operand) != (cut > operand):
			t.Fatalf("the rows of %q do not count right against %q", key, operand)
		case (uniqueKey(key) == uniqueKey(operand)) != (key == operand):
			t.Fatalf("uniqueKey confuses %q and %q", key, operand)
		}
	})
}

// TestSuccessor: the least text behind every text with a prefix.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"a": "b", "az": "a{", "a\u007f": "a\u0080", "a\ud7ff": "a\ue000", "a\U0010ffff": "b", "é": "ê",
	} {
		if got, ok := successor(prefix); !ok || got != want {
			t.Errorf("successor(%q) = %q, %v, want %q", prefix, got, ok, want)
		}
	}
	for _, prefix := range []string{"", "\U0010ffff", "\U0010ffff\U0010ffff"} {
		if got, ok := successor(prefix); ok {
			t.Errorf("successor(%q) = %q, want none", prefix, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		prefix, rest := rapid.String().Draw(t, "prefix"), rapid.String().Draw(t, "rest")
		if end, ok := successor(prefix); ok && prefix+rest >= end {
			t.Fatalf("%q is not below successor(%q) = %q", prefix+rest, prefix, end)
		}
	})
}
