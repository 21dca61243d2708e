package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestDeliveries(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Deliveries)
}

func TestInbox(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Inbox)
}
