package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestAccountFlows(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.AccountFlows)
}

func TestAccountMessages(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.AccountMessages)
}

func TestPasswordHistory(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.PasswordHistory)
}
