package storage_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// Every node gets the key of whichever made one first, whatever the others made.
func TestFederationKeyIsOneForAll(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		db := o.Open(t)
		const nodes = 8
		got := make([][]byte, nodes)
		var wg sync.WaitGroup
		for i := range nodes {
			wg.Go(func() {
				var err error
				got[i], err = db.FederationKey(t.Context(), "corp", func() ([]byte, error) { return []byte{byte(i), 1}, nil })
				if err != nil {
					t.Errorf("FederationKey: %v", err)
				}
			})
		}
		wg.Wait()
		for _, key := range got {
			if len(key) != 2 || !bytes.Equal(key, got[0]) {
				t.Errorf("FederationKey = %v and %v, want one", key, got[0])
			}
		}
		again, err := db.FederationKey(t.Context(), "corp", func() ([]byte, error) { return nil, errors.New("made again") })
		if err != nil || !bytes.Equal(again, got[0]) {
			t.Errorf("FederationKey = %v, %v, want the first", again, err)
		}
		other, err := db.FederationKey(t.Context(), "other", func() ([]byte, error) { return []byte("of another"), nil })
		if err != nil || string(other) != "of another" {
			t.Errorf("FederationKey of another provider = %q, %v", other, err)
		}
		broken := errors.New("no entropy")
		if _, err := db.FederationKey(t.Context(), "third", func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
			t.Errorf("FederationKey = %v, want %v", err, broken)
		}
	})
}
