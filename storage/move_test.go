package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// filled is a database with something in every table, and what is in it.
type filled struct {
	users  []*scim.Record
	group  *scim.Record
	token  *scim.Token
	cursor []byte
}

// fill stores n users and one of everything else.
func fill(t *testing.T, o *storagetest.Opener, db *storage.DB, n int) filled {
	t.Helper()
	user, group := o.Type(t, "User"), o.Type(t, "Group")
	f := filled{group: o.Group(t, "everyone")}
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.Insert(ctx, group, f.group); err != nil {
			return err
		}
		var members []scim.Member
		for i := range n {
			r := o.Record(t, user, storagetest.FullUser(i))
			f.users = append(f.users, r)
			members = append(members, scim.Member{Value: r.ID})
			if err := db.Insert(ctx, user, r); err != nil {
				return err
			}
		}
		if _, err := db.AddMembers(ctx, f.group.ID, "", members); err != nil {
			return err
		}
		if err := db.SetPassword(ctx, f.users[0].ID, "$argon2id$hash", o.Clock.Now()); err != nil {
			return err
		}
		_, err := db.AddRemovals(ctx, "t", 2, o.Clock.Now(), o.Clock.Now())
		return errors.Join(err, db.Append(ctx, audit.Event{Name: audit.UserCreated, Target: audit.Party{ID: "u"}}))
	})
	if err != nil {
		t.Fatalf("fill: %v", err)
	}
	f.token = &scim.Token{
		ID: storagetest.NewID(t), Name: "t", Hash: []byte("hash"), Scopes: []string{scim.ScopeRead},
		IgnorePasswords: true, CreatedAt: o.Clock.Now(),
	}
	if err := db.InsertToken(t.Context(), f.token); err != nil {
		t.Fatalf("InsertToken: %v", err)
	}
	if f.cursor, err = db.ServerKey(t.Context(), seal.PurposeCursor); err != nil {
		t.Fatalf("ServerKey: %v", err)
	}
	return f
}

// check compares the content of a database with what fill put in.
func (f filled) check(t *testing.T, o *storagetest.Opener, db *storage.DB) {
	t.Helper()
	ctx := t.Context()
	user := o.Type(t, "User")
	for _, want := range f.users {
		got, err := db.Get(ctx, user, want.ID, "")
		if err != nil {
			t.Fatalf("Get: %v", err)
		}
		bare := *want
		bare.Object, bare.HasGroups = nil, true
		if diff := cmp.Diff(&bare, got); diff != "" {
			t.Fatalf("user differs (-want +got):\n%s", diff)
		}
	}
	members, err := db.Members(ctx, []string{f.group.ID}, "")
	if err != nil || len(members[f.group.ID]) != len(f.users) {
		t.Errorf("%d members, %v, want %d", len(members[f.group.ID]), err, len(f.users))
	}
	if n, err := db.Count(ctx, user); err != nil || n != int64(len(f.users)) {
		t.Errorf("Count = %d, %v, want %d", n, err, len(f.users))
	}
	token, err := db.TokenByHash(ctx, f.token.Hash)
	if err != nil {
		t.Fatalf("TokenByHash: %v", err)
	}
	if diff := cmp.Diff(f.token, token); diff != "" {
		t.Errorf("token differs (-want +got):\n%s", diff)
	}
	if key, err := db.ServerKey(ctx, seal.PurposeCursor); err != nil || !bytes.Equal(key, f.cursor) {
		t.Errorf("the cursor key has changed (%v)", err)
	}
	if list, err := db.Events(ctx, audit.Filter{Target: "u"}); err != nil || len(list) != 1 {
		t.Errorf("%d audit events, %v, want 1", len(list), err)
	}
	// What the indexes and sequences serve goes on.
	if err := db.Insert(ctx, user, o.Record(t, user, schema.Object{"userName": f.users[0].Object["userName"]})); err == nil {
		t.Error("a user name of the copied directory is free")
	}
	storagetest.Add(t, db, user, o.User(t, "the next one"))
}

// TestCopy moves a directory in every direction.
func TestCopy(t *testing.T) {
	t.Parallel()
	kinds := map[string]func(testing.TB) *storagetest.Opener{"sqlite": storagetest.SQLite, "postgres": storagetest.Postgres}
	for from, openFrom := range kinds {
		for to, openTo := range kinds {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source, target := openFrom(t), openTo(t)
				sourceDB, targetDB := source.Open(t), target.Open(t)
				f := fill(t, source, sourceDB, 1203)
				last := map[string]int64{}
				err := storage.Copy(t.Context(), sourceDB, targetDB, func(table string, rows int64) { last[table] = rows })
				if err != nil {
					t.Fatalf("Copy: %v", err)
				}
				if last["resources"] != 1204 || last["members"] != 1203 {
					t.Errorf("progress = %v", last)
				}
				f.check(t, target, target.Open(t))
				if err := storage.Copy(t.Context(), sourceDB, targetDB, nil); !errors.Is(err, storage.ErrNotEmpty) {
					t.Errorf("Copy into a full database = %v, want ErrNotEmpty", err)
				}
			})
		}
	}
}

// TestCopyInterrupted ends a copy in its middle: the target does not serve,
// and a new copy begins again.
func TestCopyInterrupted(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, target *storagetest.Opener) {
		source := storagetest.SQLite(t)
		sourceDB := source.Open(t)
		f := fill(t, source, sourceDB, 1203)
		ctx, cancel := context.WithCancel(t.Context())
		err := storage.Copy(ctx, sourceDB, target.Open(t), func(string, int64) { cancel() })
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted Copy = %v, want Canceled", err)
		}
		if _, err := target.Try(t); !errors.Is(err, storage.ErrHalfCopy) {
			t.Fatalf("Open of half a copy = %v, want ErrHalfCopy", err)
		}
		again := target.Open(t, func(c *storage.Config) { c.CopyTarget = true })
		if err := storage.Copy(t.Context(), sourceDB, again, nil); err != nil {
			t.Fatalf("second Copy: %v", err)
		}
		f.check(t, target, target.Open(t))
	})
}

// TestCopyNeedsTheKeys: sealed values that the target's keys do not open stop
// the copy.
func TestCopyNeedsTheKeys(t *testing.T) {
	t.Parallel()
	source, target := storagetest.SQLite(t), storagetest.SQLite(t)
	sourceDB := source.Open(t)
	fill(t, source, sourceDB, 1)
	err := storage.Copy(t.Context(), sourceDB, target.Open(t, withKeys(t, "other")), nil)
	if !errors.Is(err, seal.ErrUnknownKid) {
		t.Errorf("Copy without the master key = %v, want ErrUnknownKid", err)
	}
}

// TestCopyKnowsEveryTable: a table of a later migration must be carried over.
func TestCopyKnowsEveryTable(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	o.Open(t)
	want := map[string]bool{"schema_migrations": true, "keyring": true, "leases": true, "resource_changes": true}
	for table, columns := range storage.CopiedColumns() {
		want[table] = true
		got := texts(t, o.Raw(t), "SELECT name FROM pragma_table_info('"+table+"')")
		if diff := cmp.Diff(got, columns); diff != "" {
			t.Errorf("columns of %s (-table +copied):\n%s", table, diff)
		}
	}
	for _, table := range texts(t, o.Raw(t), "SELECT name FROM sqlite_master WHERE type = 'table'") {
		if !want[table] {
			t.Errorf("table %s is neither copied nor listed as local", table)
		}
	}
}

// TestBackup takes a backup during writes: it opens, and holds everything that
// was acknowledged before it began.
func TestBackup(t *testing.T) {
	t.Parallel()
	o := storagetest.SQLite(t)
	db, user := o.Open(t), o.Type(t, "User")
	f := fill(t, o, db, 50)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := db.Insert(context.Background(), user, o.User(t, fmt.Sprintf("during%d-%d", w, i))); err != nil {
					t.Errorf("Insert during backup: %v", err)
					return
				}
			}
		})
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "sallyport.db")
	err := db.Backup(t.Context(), path)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Fatalf("Backup: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v, %v, want mode 0600", info, err)
	}
	if left, _ := filepath.Glob(filepath.Join(folder, ".backup*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := db.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Backup onto a file = %v, want ErrExist", err)
	}
	restored := o.Open(t, func(c *storage.Config) { c.DataDir = folder })
	for _, r := range f.users {
		if _, err := restored.Get(t.Context(), user, r.ID, ""); err != nil {
			t.Errorf("user %s is not in the backup: %v", r.ID, err)
		}
	}
	var verdict string
	raw := &storagetest.Opener{Config: storage.Config{DataDir: folder}}
	if err := raw.Raw(t).QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check = %q, %v", verdict, err)
	}
}

func TestBackupOfPostgres(t *testing.T) {
	t.Parallel()
	db := storagetest.Postgres(t).Open(t)
	if err := db.Backup(t.Context(), filepath.Join(t.TempDir(), "x")); !errors.Is(err, storage.ErrNoBackup) {
		t.Errorf("Backup = %v, want ErrNoBackup", err)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t)
		fill(t, o, db, 3)
		s, err := db.Stats(t.Context())
		if err != nil {
			t.Fatalf("Stats: %v", err)
		}
		if s.Dialect != db.Dialect() || s.Driver == "" || s.Version == "" || s.Bytes == 0 || s.Applied != s.Known {
			t.Errorf("Stats = %+v", s)
		}
		if diff := cmp.Diff(map[string]int64{"User": 3, "Group": 1}, s.Resources); diff != "" {
			t.Errorf("resources (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int64{"k1": 1}, s.Sealed); diff != "" {
			t.Errorf("sealed rows (-want +got):\n%s", diff)
		}
	})
}
