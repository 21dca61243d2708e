package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
)

// Resources is the conformance suite of [scim.ResourceStore], Query excepted.
func Resources(t *testing.T, o *Opener) {
	db := o.Open(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, *storage.DB)
	}{
		{"what is inserted is read back", readBack},
		{"row 31: a taken value is a conflict that names the attribute", conflicts},
		{"row 8: externalId is unique within its domain only", externalIDs},
		{"row 19: user names are compared by PRECIS", foldedNames},
		{"row 42: a deleted resource is gone and its name free", deletion},
		{"row 106: an update needs the version before it", versions},
		{"row 112: a resource of another domain is not found", domains},
		{"an update moves unique values", moves},
		{"a value beyond the index limit is refused by name", longValues},
		{"TestUserNameRace: one of 50 writers wins", nameRace},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, db) })
	}
}

func get(t *testing.T, db scim.ResourceStore, rt *schema.ResourceType, id string) *scim.Record {
	t.Helper()
	r, err := db.Get(t.Context(), rt, id, "")
	if err != nil {
		t.Fatalf("Get(%s %s): %v", rt.Name, id, err)
	}
	return r
}

func wantConflict(t *testing.T, err error, attribute string) {
	t.Helper()
	conflict, ok := errors.AsType[*scim.ConflictError](err)
	if !ok {
		t.Fatalf("error = %v, want a conflict of %s", err, attribute)
	}
	if conflict.Attribute != attribute {
		t.Errorf("conflict names %q, want %q", conflict.Attribute, attribute)
	}
}

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error = %v, want %v", err, want)
	}
}

func readBack(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	r := o.Record(t, user, FullUser(1))
	r.Domain = "hr"
	Add(t, db, user, r)
	got := get(t, db, user, r.ID)
	want := *r
	want.Object = nil
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("record differs (-want +got):\n%s", diff)
	}
	group := o.Type(t, "Group")
	if _, err := db.Get(t.Context(), group, r.ID, ""); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Get of a user as a group = %v, want ErrNotFound", err)
	}
	n, err := db.Count(t.Context(), user)
	if err != nil || n != 1 {
		t.Errorf("Count = %d, %v, want 1", n, err)
	}
}

func conflicts(t *testing.T, o *Opener, db *storage.DB) {
	user, group := o.Type(t, "User"), o.Type(t, "Group")
	ctx := t.Context()
	first := Add(t, db, user, o.User(t, "conflict@example.com"))
	wantConflict(t, db.Insert(ctx, user, o.User(t, "CONFLICT@example.com")), "userName")

	second := Add(t, db, user, o.User(t, "second@example.com"))
	wantConflict(t, db.Update(ctx, user, o.Next(t, second, func(u schema.Object) {
		u["userName"] = "Conflict@Example.com"
	})), "userName")

	same := o.User(t, "third@example.com")
	same.ID = first.ID
	wantConflict(t, db.Insert(ctx, user, same), "id")

	Add(t, db, group, o.Group(t, "Conflicting"))
	wantConflict(t, db.Insert(ctx, group, o.Group(t, "conflicting")), "displayName")
	if _, err := db.Get(ctx, user, second.ID, ""); err != nil {
		t.Errorf("after conflicts the others are still there: %v", err)
	}
}

func externalIDs(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	record := func(name, domain, external string) *scim.Record {
		r := o.Record(t, user, schema.Object{"userName": name, "externalId": external})
		r.Domain = domain
		return r
	}
	Add(t, db, user, record("ext1", "hr", "E1"))
	wantConflict(t, db.Insert(t.Context(), user, record("ext2", "hr", "E1")), "externalId")
	Add(t, db, user, record("ext3", "hr", "e1")) // caseExact
	Add(t, db, user, record("ext4", "it", "E1")) // another domain
	Add(t, db, user, o.User(t, "ext5"))          // none at all, any number of times
	Add(t, db, user, o.User(t, "ext6"))
}

func foldedNames(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	Add(t, db, user, o.User(t, "J\u00fcrgen@example.com"))
	for _, name := range []string{"j\u00dcrgen@example.com", "ju\u0308rgen@example.com", "\uff2aürgen@example.com"} {
		wantConflict(t, db.Insert(t.Context(), user, o.User(t, name)), "userName")
	}
	Add(t, db, user, o.User(t, "jurgen@example.com"))
}

func deletion(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	ctx := t.Context()
	r := Add(t, db, user, o.User(t, "leaver@example.com"))
	if err := db.SetPassword(ctx, r.ID, "$argon2id$x", o.Clock.Now()); err != nil {
		t.Fatalf("SetPassword: %v", err)
	}
	before, err := db.Count(ctx, user)
	if err != nil {
		t.Fatalf("Count: %v", err)
	}
	if err := db.Delete(ctx, user, r.ID); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantIs(t, db.Delete(ctx, user, r.ID), scim.ErrNotFound)
	_, err = db.Get(ctx, user, r.ID, "")
	wantIs(t, err, scim.ErrNotFound)
	after, err := db.Count(ctx, user)
	if err != nil || after != before-1 {
		t.Errorf("Count after Delete = %d, %v, want %d", after, err, before-1)
	}
	Add(t, db, user, o.User(t, "Leaver@example.com"))
	if n := countRaw(t, o, "SELECT count(*) FROM passwords WHERE user_id = $1", r.ID); n != 0 {
		t.Errorf("%d password rows outlive the user", n)
	}
	for _, table := range []string{"resource_values", "resource_unique"} {
		if n := countRaw(t, o, "SELECT count(*) FROM "+table+" WHERE id = $1", r.ID); n != 0 {
			t.Errorf("%d rows of %s outlive the user", n, table)
		}
	}
}

// countRaw runs a counting query behind the back of package storage.
func countRaw(t *testing.T, o *Opener, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := o.Raw(t).QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func versions(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	ctx := t.Context()
	r := Add(t, db, user, o.User(t, "versions@example.com"))
	o.Clock.Advance(time.Second)
	next := o.Next(t, r, func(u schema.Object) { u["title"] = "Engineer" })
	if err := db.Update(ctx, user, next); err != nil {
		t.Fatalf("Update: %v", err)
	}
	got := get(t, db, user, r.ID)
	if got.Version != 2 || !got.LastModified.Equal(next.LastModified) || !got.Created.Equal(r.Created) {
		t.Errorf("after Update: version %d, modified %v, created %v", got.Version, got.LastModified, got.Created)
	}
	if !strings.Contains(string(got.Doc), "Engineer") {
		t.Errorf("document after Update = %s", got.Doc)
	}
	wantIs(t, db.Update(ctx, user, next), scim.ErrVersion)
	gone := o.Next(t, o.User(t, "nobody@example.com"), func(schema.Object) {})
	wantIs(t, db.Update(ctx, user, gone), scim.ErrNotFound)
}

func domains(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	r := o.User(t, "domains@example.com")
	r.Domain = "hr"
	Add(t, db, user, r)
	for domain, want := range map[string]error{"": nil, "hr": nil, "it": scim.ErrNotFound} {
		if _, err := db.Get(t.Context(), user, r.ID, domain); !errors.Is(err, want) {
			t.Errorf("Get in domain %q = %v, want %v", domain, err, want)
		}
	}
}

func moves(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	r := Add(t, db, user, o.User(t, "moves-old@example.com"))
	next := o.Next(t, r, func(u schema.Object) { u["userName"] = "moves-new@example.com" })
	if err := db.Update(t.Context(), user, next); err != nil {
		t.Fatalf("Update: %v", err)
	}
	Add(t, db, user, o.User(t, "moves-old@example.com"))
	wantConflict(t, db.Insert(t.Context(), user, o.User(t, "moves-new@example.com")), "userName")
}

func longValues(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	long := strings.Repeat("x", 2001)
	for attribute, r := range map[string]*scim.Record{
		"userName":   o.User(t, long),
		"externalId": o.Record(t, user, schema.Object{"userName": "long@example.com", "externalId": long}),
	} {
		err := db.Insert(t.Context(), user, r)
		fault, ok := errors.AsType[*schema.Error](err)
		if !ok || fault.Path != attribute || fault.Code != schema.InvalidValue {
			t.Errorf("Insert with a long %s = %v, want invalidValue of it", attribute, err)
		}
	}
	// The longest value that is taken, of what compresses badly.
	var b strings.Builder
	for i := 0; b.Len() < 2000; i++ {
		fmt.Fprintf(&b, "%d.", i*i*7919)
	}
	Add(t, db, user, o.User(t, b.String()[:2000]))
}

func nameRace(t *testing.T, o *Opener, db *storage.DB) {
	user := o.Type(t, "User")
	nodes := []*storage.DB{db, o.Open(t)}
	const writers = 50
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		r := o.User(t, "race@example.com")
		wg.Go(func() { errs[i] = nodes[i%len(nodes)].Insert(context.Background(), user, r) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantConflict(t, err, "userName")
	}
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
}
