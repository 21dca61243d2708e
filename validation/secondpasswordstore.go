package validation

import (
	"context"
	"errors"
	"time"
)

// ErrNoSecondPassword says that a user has no second password.
var ErrNoSecondPassword = errors.New("there is no second password")

// SecondPassword is a password on top of another factor. It is knowledge like
// the password itself, with a hash and counters of its own.
type SecondPassword struct {
	ID        string // another one for every password
	UserID    string
	Hash      string // encoded
	ChangedAt time.Time
}

// SecondPasswordStore keeps second passwords. Every method joins the transaction
// of ctx. Whoever sets or removes one locks the user first.
type SecondPasswordStore interface {
	// SecondPassword returns that of a user, or ErrNoSecondPassword.
	SecondPassword(ctx context.Context, userID string) (SecondPassword, error)
	// SetSecondPassword stores a new one in place of the former and returns its id;
	// the ID given is not read.
	SetSecondPassword(ctx context.Context, p SecondPassword) (id string, err error)
	// ReplaceSecondHash stores another hash of the same password. It changes
	// nothing when the hash is no longer old.
	ReplaceSecondHash(ctx context.Context, userID, old, hash string) error
	// DeleteSecondPassword removes it and reports whether there was one. Its
	// setting goes with it.
	DeleteSecondPassword(ctx context.Context, userID string) (bool, error)
}

// SecondPasswordCredential is the name of a second password in the ledger of
// proofs.
func SecondPasswordCredential(id string) string { return factorSecondPassword + ":" + id }

// RecoveryCredential is the name of a set of recovery codes in the ledger of
// proofs.
func RecoveryCredential(setID string) string { return "recovery:" + setID }
