package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestResources(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Resources)
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Transactions)
}

func TestMembers(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Members)
}
