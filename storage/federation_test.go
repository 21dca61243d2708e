package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestFederation(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Federation)
}
