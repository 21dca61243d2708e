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

func TestTokens(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Tokens)
}

func TestRemovals(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Removals)
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Passwords)
}

func TestAudit(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, storagetest.Audit)
}
