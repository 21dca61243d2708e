package storage

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/scim"
)

// pack is what the statement does.
func pack(r scim.Record, at scim.Position) []byte {
	key := len(at.Key)
	if at.Missing {
		key = -1
	}
	groups := 0
	if r.HasGroups {
		groups = 1
	}
	return fmt.Appendf(nil, "%d %d %d %d %d %d %d %d %s%s%s%s", r.Version, micros(r.Created), micros(r.LastModified), groups,
		len(r.ID), len(r.Domain), key, len(r.Doc), r.ID, r.Domain, at.Key, r.Doc)
}

func TestUnpackReadsRecordsBehindEachOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var packed []byte
		var want []scim.Record
		var keys []scim.Position
		for range rapid.IntRange(0, 5).Draw(t, "records") {
			r := scim.Record{
				Type: "User", ID: rapid.String().Draw(t, "id"), Domain: rapid.String().Draw(t, "domain"),
				Version: rapid.Int64Range(0, 1<<50).Draw(t, "version"), HasGroups: rapid.Bool().Draw(t, "groups"),
				Created:      time.UnixMicro(rapid.Int64Range(-1<<50, 1<<50).Filter(func(n int64) bool { return n != 0 }).Draw(t, "created")).UTC(),
				LastModified: time.UnixMicro(1).UTC(), Doc: []byte(rapid.String().Draw(t, "doc")),
			}
			at := scim.Position{ID: r.ID, Missing: rapid.Bool().Draw(t, "missing")}
			if !at.Missing {
				at.Key = rapid.String().Draw(t, "key")
			}
			packed, want, keys = append(packed, pack(r, at)...), append(want, r), append(keys, at)
		}
		for i := range want {
			var got scim.Record
			var at scim.Position
			var err error
			if packed, err = unpack(packed, "User", &got, &at); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want[i], got); diff != "" {
				t.Fatalf("record (-packed +unpacked):\n%s", diff)
			}
			if diff := cmp.Diff(keys[i], at); diff != "" {
				t.Fatalf("position (-packed +unpacked):\n%s", diff)
			}
			if cap(got.Doc) != len(got.Doc) {
				t.Fatal("an append to a document would reach into the next record")
			}
		}
		if len(packed) != 0 {
			t.Fatalf("%q is left", packed)
		}
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add("1 2 3 0 1 0 -1 2 x{}")
	f.Add("-1 2 3 1 0 0 0 99999999999999999999 ")
	f.Fuzz(func(t *testing.T, text string) {
		var r scim.Record
		rest, err := unpack([]byte(text), "User", &r, nil)
		if err != nil && !errors.Is(err, errPacked) {
			t.Errorf("error %v", err)
		}
		if err == nil && !strings.HasSuffix(text, string(rest)) {
			t.Errorf("rest %q of %q", rest, text)
		}
	})
}

// SQLite prepares a statement anew for each value that is bound behind LIMIT.
func TestLimitIsNoParameterOnSQLite(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "1", 501: "501", literalLimit: "10000", literalLimit + 1: "abs(?1)"} {
		text := &sqlText{dialect: dialectSQLite}
		if got := text.limit(n); got != want {
			t.Errorf("limit(%d) = %s, want %s", n, got, want)
		}
	}
	if got := (&sqlText{dialect: dialectPostgres}).limit(7); got != "$1::bigint" {
		t.Errorf("limit on PostgreSQL = %s, want a parameter", got)
	}
}
