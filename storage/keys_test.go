package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func withKeys(tb testing.TB, kids ...string) func(*storage.Config) {
	return func(c *storage.Config) { c.Keys = storagetest.Ring(tb, kids...) }
}

// TestServerKeyIsShared: every node gets the same key, also when they ask for
// the first time together.
func TestServerKeyIsShared(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		nodes := []*storage.DB{o.Open(t), o.Open(t)}
		keys := make([][]byte, 8)
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				var err error
				if keys[i], err = nodes[i%2].ServerKey(context.Background(), seal.PurposeCursor); err != nil {
					t.Errorf("ServerKey: %v", err)
				}
			})
		}
		wg.Wait()
		for _, key := range keys {
			if len(key) != seal.KeySize || !bytes.Equal(key, keys[0]) {
				t.Fatalf("keys differ or are not %d bytes", seal.KeySize)
			}
		}
		other, err := nodes[0].ServerKey(t.Context(), "another purpose")
		if err != nil || bytes.Equal(other, keys[0]) {
			t.Errorf("two purposes share a key (%v)", err)
		}
		created, err := nodes[0].Events(t.Context(), audit.Filter{Name: audit.KeyCreated})
		if err != nil || len(created) != 3 {
			t.Errorf("%d events of created keys, %v, want 3: the master key and two more", len(created), err)
		}
	})
}

// TestKeyRotation goes through the life of a master key: added in front, all
// rows sealed anew, the old one dropped.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		before := map[string][]byte{}
		db := o.Open(t, withKeys(t, "old"))
		for i := range 7 {
			purpose := fmt.Sprintf("purpose %d", i)
			key, err := db.ServerKey(t.Context(), purpose)
			if err != nil {
				t.Fatalf("ServerKey: %v", err)
			}
			before[purpose] = key
		}
		wantKeyError(t, o, "old", seal.ErrUnknownKid, "new")

		db = o.Open(t, withKeys(t, "new", "old"))
		// Resumable: three rows a call, until none is left.
		var steps []int64
		for {
			n, err := db.Reseal(t.Context(), 3)
			if err != nil {
				t.Fatalf("Reseal: %v", err)
			}
			steps = append(steps, n)
			if n == 0 {
				break
			}
			wantKeyError(t, o, "old", seal.ErrUnknownKid, "new") // not yet
		}
		if diff := cmp.Diff([]int64{3, 3, 1, 0}, steps); diff != "" {
			t.Errorf("rows per call (-want +got):\n%s", diff)
		}
		rows, err := db.SealedRows(t.Context())
		if diff := cmp.Diff(map[string]int64{"new": 7}, rows); diff != "" || err != nil {
			t.Errorf("SealedRows, %v (-want +got):\n%s", err, diff)
		}

		o.Open(t, withKeys(t, "new", "old")) // the retired key may stay a while
		db = o.Open(t, withKeys(t, "new"))
		for purpose, want := range before {
			got, err := db.ServerKey(t.Context(), purpose)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what it was before the rotation (%v)", purpose, err)
			}
		}
		for name, want := range map[audit.Name]int{audit.SealReencrypted: 3, audit.KeyRetired: 1, audit.KeyCreated: 9} {
			list, err := db.Events(t.Context(), audit.Filter{Name: name})
			if err != nil || len(list) != want {
				t.Errorf("%d events %s, %v, want %d", len(list), name, err, want)
			}
		}
	})
}

// TestSpareMasterKeyMayGo: a key that stood behind the first and never sealed a
// row may be taken away again; once it has sealed, it may not.
func TestSpareMasterKeyMayGo(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		o.Open(t, withKeys(t, "first"))
		o.Open(t, withKeys(t, "first", "spare"))
		o.Open(t, withKeys(t, "first"))
		db := o.Open(t, withKeys(t, "spare", "first"))
		if _, err := db.ServerKey(t.Context(), "purpose"); err != nil {
			t.Fatalf("ServerKey: %v", err)
		}
		wantKeyError(t, o, "spare", seal.ErrUnknownKid, "first")
		list, err := db.Events(t.Context(), audit.Filter{Name: audit.KeyActivated, Target: "spare"})
		if err != nil || len(list) != 1 {
			t.Errorf("%d events of the spare key taking over, %v, want 1", len(list), err)
		}
	})
}

// wantKeyError opens the database with those keys and wants a refusal that
// names the key and the way out.
func wantKeyError(t *testing.T, o *storagetest.Opener, kid string, reason error, kids ...string) {
	t.Helper()
	_, err := o.Try(t, withKeys(t, kids...))
	keyError, ok := errors.AsType[*storage.KeyError](err)
	if !ok || keyError.Kid != kid || !errors.Is(err, reason) {
		t.Fatalf("Open with keys %v = %v, want a KeyError of %q", kids, err, kid)
	}
	if !strings.Contains(err.Error(), kid) {
		t.Errorf("the error does not name the key: %v", err)
	}
}

// TestWrongMasterKey: another key under the same id, or a database whose
// values were sealed with a key that is not given, stop the start.
func TestWrongMasterKey(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		o.Open(t, withKeys(t, "k"))
		other, err := seal.ParseRing("k:" + strings.Repeat("ab", 32))
		if err != nil {
			t.Fatal(err)
		}
		_, err = o.Try(t, func(c *storage.Config) { c.Keys = other })
		if !errors.Is(err, seal.ErrOpen) {
			t.Errorf("Open with another key of the same id = %v, want ErrOpen", err)
		}
		wantKeyError(t, o, "k", seal.ErrUnknownKid, "k2")
	})
}

// TestSealedValueIsBoundToItsRow swaps two sealed keys behind the back of the
// program: neither opens.
func TestSealedValueIsBoundToItsRow(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t)
		for _, purpose := range []string{"a", "b"} {
			if _, err := db.ServerKey(t.Context(), purpose); err != nil {
				t.Fatal(err)
			}
		}
		raw := o.Raw(t)
		sealed := map[string][]byte{}
		for from, to := range map[string]string{"a": "b", "b": "a"} {
			var value []byte
			if err := raw.QueryRow("SELECT sealed FROM server_keys WHERE purpose = $1", from).Scan(&value); err != nil {
				t.Fatal(err)
			}
			sealed[to] = value
		}
		for purpose, value := range sealed {
			if _, err := raw.Exec("UPDATE server_keys SET sealed = $1 WHERE purpose = $2", value, purpose); err != nil {
				t.Fatal(err)
			}
		}
		for _, purpose := range []string{"a", "b"} {
			if _, err := db.ServerKey(t.Context(), purpose); !errors.Is(err, seal.ErrOpen) {
				t.Errorf("swapped key %s = %v, want ErrOpen", purpose, err)
			}
		}
	})
}
