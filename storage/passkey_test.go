package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestPasskeys(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Passkeys)
}
