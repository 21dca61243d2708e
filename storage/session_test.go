package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Sessions)
}

func TestPasswordStates(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.PasswordStates)
}
