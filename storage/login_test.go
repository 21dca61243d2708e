package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestTxns(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Txns)
}

func TestLedgers(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Ledgers)
}

func TestLoginUsers(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.LoginUsers)
}

func TestOutbox(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Outbox)
}
