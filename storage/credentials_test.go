package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Credentials)
}

func TestDevices(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Devices)
}
