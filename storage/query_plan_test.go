package storage

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// openPlain opens an empty database of this test's own.
func openPlain(t *testing.T, kind dialect, edit func(*Config)) *DB {
	t.Helper()
	return reopen(t, plainURL(t, kind), edit)
}

// reopen opens the database at a URL once more.
func reopen(t *testing.T, at string, edit func(*Config)) *DB {
	t.Helper()
	g, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.ParseRing(strings.Repeat("cd", 32))
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{URL: at, Registry: g, Keys: keys}
	if edit != nil {
		edit(&cfg)
	}
	db, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func plainURL(t *testing.T, kind dialect) string {
	t.Helper()
	if kind == dialectSQLite {
		return filepath.Join(t.TempDir(), "plan.db")
	}
	dsn := os.Getenv("SALLYPORT_TEST_POSTGRES")
	if dsn == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("SALLYPORT_TEST_POSTGRES is not set")
		}
		t.Skip("SALLYPORT_TEST_POSTGRES is not set")
	}
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := "p" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := admin.ExecContext(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Autovacuum may hold a table of it and be chosen the winner of a deadlock.
		_, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE")
		for range 5 {
			if err != nil {
				_, err = admin.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE")
			}
		}
		if err != nil {
			t.Error(err)
		}
		_ = admin.Close()
	})
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	values := u.Query()
	values.Set("search_path", name)
	u.RawQuery = values.Encode()
	return u.String()
}

// seed stores n users in batches and returns their ids.
func seed(t *testing.T, db *DB, n int) []string {
	t.Helper()
	rt := db.registry.ByName("User")
	var ids []string
	for len(ids) < n {
		err := db.InTx(t.Context(), func(ctx context.Context) error {
			for range min(500, n-len(ids)) {
				i := len(ids)
				id := fmt.Sprintf("01980000-0000-7000-8000-%012x", i)
				o := schema.Object{
					"id": id, "userName": fmt.Sprintf("u%d", i), "title": fmt.Sprintf("t%d", i%50), "externalId": fmt.Sprintf("x%d", i),
					"displayName": fmt.Sprintf("User %d", i), "name": schema.Object{"familyName": fmt.Sprintf("f%d", i)},
					"emails": []any{schema.Object{"type": "work", "value": fmt.Sprintf("e%d@x.org", i)}},
				}
				rt.SetSchemas(o)
				at := time.UnixMicro(int64(i))
				if err := db.Insert(ctx, rt, &scim.Record{
					ID: id, Type: "User", Version: 1, Created: at, LastModified: at, Doc: rt.Encode(o), Object: o,
				}); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// link makes users members of groups, which need not exist.
func link(t *testing.T, db *DB, users []string) {
	t.Helper()
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		q, err := db.writer(ctx)
		for i, user := range users {
			if err != nil {
				return err
			}
			_, err = q.ExecContext(ctx, "INSERT INTO members (group_id, member_id, member_type) VALUES ($1, $2, 'User')",
				fmt.Sprintf("g%d", i%300), user)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func source(t *testing.T, rt *schema.ResourceType, text, sort string) scim.Source {
	t.Helper()
	p := schema.Policy{BareExtensionNames: true}
	s := scim.Source{Type: rt}
	if text != "" {
		e, err := filter.Parse(text, filter.Limits{}, p)
		if err != nil {
			t.Fatal(err)
		}
		if s.Where, err = filter.Bind(e, rt, p); err != nil {
			t.Fatal(err)
		}
	}
	if sort != "" {
		ref, err := rt.LookupPath(sort, p)
		if err != nil {
			t.Fatal(err)
		}
		s.Sort = &ref
	}
	return s
}

// explain returns the plan of the page of a query.
func explain(t *testing.T, db *DB, q scim.Query) string {
	t.Helper()
	text, err := db.newRun(q).pageText(t.Context(), blockStart{}, asked{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := db.pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	prefix := "EXPLAIN QUERY PLAN "
	if db.dialect == dialectPostgres {
		prefix = "EXPLAIN "
	}
	rows, err := conn.QueryContext(t.Context(), prefix+text.String(), text.args...)
	if err != nil {
		t.Fatalf("explain %s: %v", text.String(), err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var line string
		if db.dialect == dialectPostgres {
			err = rows.Scan(&line)
		} else {
			err = rows.Scan(&id, &parent, &unused, &line)
		}
		if err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

// TestIndexedFiltersUseTheirIndex: what the specification wants indexed always
// (section 5) is found by an index, never by reading the resources of a type.
func TestIndexedFiltersUseTheirIndex(t *testing.T) {
	t.Parallel()
	const values = "(type=? AND attr=? AND key=?)"
	const byID = "resources_id (type=? AND id=?)"
	cases := []struct {
		typ, filter, sort string
		after             bool
		sqlite, postgres  []string
	}{
		{typ: "User", filter: `id eq "x"`, sqlite: []string{byID}, postgres: []string{"resources_id"}},
		{typ: "User", filter: `userName eq "u7"`, sqlite: []string{"resources_name_key (type=? AND name_key=?)"}, postgres: []string{"resources_name_key"}},
		{typ: "User", filter: `externalId eq "x7"`, sqlite: []string{"resources_external_id (type=? AND external_id=?)"}, postgres: []string{"resources_external_id"}},
		{typ: "User", filter: `emails.value eq "e7@x.org"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `emails eq "e7@x.org"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `emails[type eq "work" and value eq "e7@x.org"]`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `emails[type eq "work"].value eq "e7@x.org"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `title co "x" and emails.value eq "e7@x.org"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `userName eq "u7" or emails.value eq "e7@x.org"`, sqlite: []string{values, byID, "resources_name_key (type=? AND name_key=?)"}, postgres: []string{"resource_values_pkey", "resources_name_key"}},
		{typ: "User", filter: `manager eq "m"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `employeeNumber eq "7"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `name.familyName eq "f7"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `displayName sw "User 77"`, sqlite: []string{"(type=? AND attr=? AND key>? AND key<?)", byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `title eq "t7"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "User", filter: `meta.lastModified gt "2026-01-01T00:00:00Z"`, sqlite: []string{"resources_last_modified (type=? AND last_modified>?)"}, postgres: []string{"resources_last_modified"}},
		{typ: "User", filter: `groups.value eq "g"`, sqlite: []string{byID}, postgres: []string{"resources_id", "members_pkey"}},
		{typ: "Group", filter: `displayName eq "g"`, sqlite: []string{values, byID}, postgres: []string{"resource_values_pkey"}},
		{typ: "Group", filter: `members.value eq "m"`, sqlite: []string{"members_member (member_id=?)", byID}, postgres: []string{"members_member"}},
		{typ: "User", after: true, sqlite: []string{"resources_id (type=? AND id>?)"}, postgres: []string{"resources_id"}},
		{typ: "User", sort: "userName", after: true, sqlite: []string{"resources_name_key (type=? AND name_key>?)"}, postgres: []string{"resources_name_key"}},
		{typ: "User", sort: "meta.lastModified", after: true, sqlite: []string{"resources_last_modified (type=? AND (last_modified,id)>(?,?))"}, postgres: []string{"resources_last_modified"}},
	}
	for _, kind := range []dialect{dialectSQLite, dialectPostgres} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			db := openPlain(t, kind, func(c *Config) { c.Indexed = []string{"User:title"} })
			link(t, db, seed(t, db, 3000))
			if kind == dialectPostgres {
				if _, err := db.pool.ExecContext(t.Context(), "ANALYZE"); err != nil {
					t.Fatal(err)
				}
			}
			for _, c := range cases {
				q := scim.Query{Sources: []scim.Source{source(t, db.registry.ByName(c.typ), c.filter, c.sort)}, Limit: 100}
				if c.after {
					q.After = &scim.Position{Key: "1", ID: "01980000-0000-7000-8000-000000000b00"}
				}
				plan := explain(t, db, q)
				want := c.sqlite
				if kind == dialectPostgres {
					want = c.postgres
				}
				for _, w := range want {
					if !strings.Contains(plan, w) {
						t.Errorf("%s %s %s: the plan does not use %s:\n%s", c.typ, c.filter, c.sort, w, plan)
					}
				}
				for _, bad := range []string{"Seq Scan on resources", "SCAN r\n", "(type=?)\n"} {
					if strings.Contains(plan, bad) {
						t.Errorf("%s %s %s: the plan reads every resource:\n%s", c.typ, c.filter, c.sort, plan)
					}
				}
				if strings.Contains(plan, "TEMP B-TREE FOR ORDER BY") && c.sort != "" {
					t.Errorf("%s sorted by %s: the plan sorts:\n%s", c.typ, c.sort, plan)
				}
			}
		})
	}
}
