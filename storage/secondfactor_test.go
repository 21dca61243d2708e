package storage_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/storage/storagetest"
)

func TestStateKeys(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.StateKeys)
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Challenges)
}

func TestTOTP(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.TOTP)
}

func TestUserSecurity(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.UserSecurity)
}

func TestSends(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Sends)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Failures)
}
