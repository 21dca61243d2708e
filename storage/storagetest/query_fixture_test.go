package storagetest_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // makes and drops the schema of a test

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// sensorSchema has an attribute of every data type, singular and multi-valued,
// and a sub-attribute that holds several values.
const sensorSchema = `{
 "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
 "id": "urn:example:schemas:2.0:Sensor", "name": "Sensor", "description": "A sensor",
 "attributes": [
  {"name":"serial","type":"string","multiValued":false,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"server"},
  {"name":"label","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"exact","type":"string","multiValued":false,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"count","type":"integer","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"ratio","type":"decimal","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"on","type":"boolean","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"seen","type":"dateTime","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"blob","type":"binary","multiValued":false,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"link","type":"reference","multiValued":false,"description":"d","required":false,"caseExact":true,"referenceTypes":["external"],"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"tags","type":"string","multiValued":true,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"counts","type":"integer","multiValued":true,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"times","type":"dateTime","multiValued":true,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"spot","type":"complex","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","subAttributes":[
   {"name":"value","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"height","type":"decimal","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"names","type":"string","multiValued":true,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"}]},
  {"name":"ports","type":"complex","multiValued":true,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none","subAttributes":[
   {"name":"value","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"type","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"number","type":"integer","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"primary","type":"boolean","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"since","type":"dateTime","multiValued":false,"description":"d","required":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
   {"name":"roles","type":"string","multiValued":true,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"}]}
 ]}`

const placeSchema = `{
 "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
 "id": "urn:example:ext:1.0:Place", "name": "Place", "description": "Where a sensor is",
 "attributes": [
  {"name":"room","type":"string","multiValued":false,"description":"d","required":false,"caseExact":false,"mutability":"readWrite","returned":"default","uniqueness":"none"},
  {"name":"doors","type":"string","multiValued":true,"description":"d","required":false,"caseExact":true,"mutability":"readWrite","returned":"default","uniqueness":"none"}]}`

const sensorType = `{
 "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
 "id": "Sensor", "name": "Sensor", "endpoint": "/Sensors", "description": "A sensor",
 "schema": "urn:example:schemas:2.0:Sensor",
 "schemaExtensions": [{"schema":"urn:example:ext:1.0:Place","required":false}]}`

const queryBase = "https://id.example.org/scim/v2"

// directory is an open database with the types of the query tests.
type directory struct {
	*storage.DB

	user, group, sensor *schema.ResourceType
	now                 time.Time
	serial              int
}

// eachDatabase runs a test on SQLite and on PostgreSQL, each empty.
func eachDatabase(t *testing.T, test func(t *testing.T, d *directory)) {
	t.Helper()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			test(t, openDirectory(t, dialect, nil))
		})
	}
}

// openDirectory opens an empty database; edit may change its configuration.
func openDirectory(tb testing.TB, dialect string, edit func(*storage.Config)) *directory {
	tb.Helper()
	return openAt(tb, databaseURL(tb, dialect), edit)
}

// openAt opens the database at url.
func openAt(tb testing.TB, url string, edit func(*storage.Config)) *directory {
	tb.Helper()
	g, err := schema.Load(
		fstest.MapFS{"sensor.json": {Data: []byte(sensorSchema)}, "place.json": {Data: []byte(placeSchema)}},
		fstest.MapFS{"sensor.json": {Data: []byte(sensorType)}},
	)
	if err != nil {
		tb.Fatalf("load schemas: %v", err)
	}
	keys, err := seal.ParseRing(strings.Repeat("ab", 32))
	if err != nil {
		tb.Fatalf("parse ring: %v", err)
	}
	cfg := storage.Config{
		URL: url, Registry: g, Keys: keys, FreeGroupNames: true, AcceptUnknownMembers: true,
		Indexed: []string{"User:title", "Sensor:label", "Sensor:tags", "Sensor:ports.number", "Sensor:seen"},
	}
	if edit != nil {
		edit(&cfg)
	}
	db, err := storage.Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatalf("open: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close: %v", err)
		}
	})
	return &directory{
		DB: db, user: g.ByName("User"), group: g.ByName("Group"), sensor: g.ByName("Sensor"),
		now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
	}
}

// databaseURL is a new place of its own for a test.
func databaseURL(tb testing.TB, dialect string) string {
	tb.Helper()
	if dialect == "sqlite" {
		return filepath.Join(tb.TempDir(), "query.db")
	}
	dsn := os.Getenv("SALLYPORT_TEST_POSTGRES")
	if dsn == "" {
		if os.Getenv("CI") != "" {
			tb.Fatal("SALLYPORT_TEST_POSTGRES is not set")
		}
		tb.Skip("SALLYPORT_TEST_POSTGRES is not set")
	}
	name := "q" + strings.ReplaceAll(uuid.NewString(), "-", "")
	admin, err := sql.Open("pgx", dsn)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	if _, err := admin.ExecContext(tb.Context(), "CREATE SCHEMA "+name); err != nil {
		tb.Fatalf("create schema: %v", err)
	}
	tb.Cleanup(func() {
		// Autovacuum may hold a table of it and be chosen the winner of a deadlock.
		_, err := admin.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE")
		for range 5 {
			if err != nil {
				_, err = admin.ExecContext(context.Background(), "DROP SCHEMA "+name+" CASCADE")
			}
		}
		if err != nil {
			tb.Errorf("drop schema: %v", err)
		}
		_ = admin.Close()
	})
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatalf("parse SALLYPORT_TEST_POSTGRES: %v", err)
	}
	values := u.Query()
	values.Set("search_path", name)
	u.RawQuery = values.Encode()
	return u.String()
}

// nextID is an id that sorts behind all before it.
func (d *directory) nextID() string {
	d.serial++
	return fmt.Sprintf("01980000-%04x-7%03x-8000-%012x", d.serial>>12, d.serial&0xfff, d.serial)
}

// object decodes JSON and fills in what a stored resource has.
func (d *directory) object(tb testing.TB, rt *schema.ResourceType, text string) schema.Object {
	tb.Helper()
	in, err := schema.Decode([]byte(text), schema.Limits{})
	if err != nil {
		tb.Fatalf("decode %s: %v", text, err)
	}
	o, _, err := rt.Accept(in, schema.Policy{SchemasOptional: true}, schema.Limits{})
	if err != nil {
		tb.Fatalf("accept %s: %v", text, err)
	}
	return o
}

// record prepares a new resource; each is a second younger than the last.
func (d *directory) record(tb testing.TB, rt *schema.ResourceType, text string) *scim.Record {
	tb.Helper()
	o := d.object(tb, rt, text)
	id := d.nextID()
	o["id"] = id
	d.now = d.now.Add(time.Second)
	return &scim.Record{
		ID: id, Type: rt.Name, Version: 1, Created: d.now, LastModified: d.now, Doc: rt.Encode(o), Object: o,
	}
}

// add stores a resource and returns its id.
func (d *directory) add(tb testing.TB, rt *schema.ResourceType, text string) string {
	tb.Helper()
	r := d.record(tb, rt, text)
	d.insert(tb, rt, r)
	return r.ID
}

func (d *directory) insert(tb testing.TB, rt *schema.ResourceType, r *scim.Record) {
	tb.Helper()
	if err := d.Insert(tb.Context(), rt, r); err != nil {
		tb.Fatalf("insert %s: %v", r.Doc, err)
	}
}

// addMembers makes ids members of a group.
func (d *directory) addMembers(tb testing.TB, group string, members ...scim.Member) {
	tb.Helper()
	err := d.InTx(tb.Context(), func(ctx context.Context) error {
		_, err := d.AddMembers(ctx, group, "", members)
		return err
	})
	if err != nil {
		tb.Fatalf("add members to %s: %v", group, err)
	}
}

// bind parses and binds a filter as profile compat would.
func bind(tb testing.TB, rt *schema.ResourceType, text string) filter.Predicate {
	tb.Helper()
	p := schema.Policy{BareExtensionNames: true, StringBooleans: true}
	e, err := filter.Parse(text, filter.Limits{}, p)
	if err != nil {
		tb.Fatalf("parse %s: %v", text, err)
	}
	bound, err := filter.Bind(e, rt, p)
	if err != nil {
		tb.Fatalf("bind %s: %v", text, err)
	}
	return bound
}

// sortBy resolves a sort attribute.
func sortBy(tb testing.TB, rt *schema.ResourceType, path string) *schema.Ref {
	tb.Helper()
	ref, err := rt.LookupPath(path, schema.Policy{BareExtensionNames: true})
	if err != nil {
		tb.Fatalf("look up %s: %v", path, err)
	}
	return &ref
}

// list asks for everything that satisfies a filter, "" for all.
func (d *directory) list(tb testing.TB, rt *schema.ResourceType, text string) *scim.Page {
	tb.Helper()
	s := scim.Source{Type: rt}
	if text != "" {
		s.Where = bind(tb, rt, text)
	}
	return d.query(tb, scim.Query{Sources: []scim.Source{s}, Limit: 500, Total: true, BaseURL: queryBase})
}

func (d *directory) query(tb testing.TB, q scim.Query) *scim.Page {
	tb.Helper()
	page, err := d.Query(tb.Context(), q)
	if err != nil {
		tb.Fatalf("query: %v", err)
	}
	return page
}

// ids of a page.
func ids(page *scim.Page) []string {
	out := make([]string, 0, len(page.Records))
	for _, r := range page.Records {
		out = append(out, r.ID)
	}
	return out
}
