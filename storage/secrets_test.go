package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestSecondPasswords(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.SecondPasswords)
}

func TestRecoveryCodes(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.RecoveryCodes)
}
