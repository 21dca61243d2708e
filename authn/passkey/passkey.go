package passkey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"
)

// Bounds of what a user may hold.
const (
	// Most is how many passkeys a user may have.
	Most = 25
	// longestCredential is the longest id of a credential, in bytes (section
	// 7.1, step 25).
	longestCredential = 1023
)

var (
	// ErrNotFound says that there is no such passkey.
	ErrNotFound = errors.New("there is no such passkey")
	// ErrTaken says that a credential is registered already, whoever has it.
	ErrTaken = errors.New("passkey is registered already")
	// ErrChanged says that a passkey was used by somebody else meanwhile.
	ErrChanged = errors.New("passkey was used meanwhile")
	// ErrTooMany says that a user has Most passkeys.
	ErrTooMany = errors.New("user has too many passkeys")
)

// Passkey is a credential of a user. Times are UTC with microseconds.
type Passkey struct {
	ID     string // UUIDv7; ours, not that of the credential
	UserID string
	// CredentialID is how the authenticator finds it.
	CredentialID []byte
	// Record is the credential record (WebAuthn Level 3 section 4).
	Record json.RawMessage
	Name   string // what its user calls it
	// CreatedAt and LastUsedAt are when it was registered and when it logged in
	// last, zero: never.
	CreatedAt, LastUsedAt time.Time
}

// Credential names a passkey in the ledger of proofs.
func (p Passkey) Credential() string { return CredentialOf(p.ID) }

// CredentialOf names the passkey with this id in the ledger of proofs.
func CredentialOf(id string) string { return "passkey:" + id }

// credential reads the record.
func (p Passkey) credential() (webauthn.Credential, error) {
	var c webauthn.Credential
	if err := json.Unmarshal(p.Record, &c); err != nil {
		return c, fmt.Errorf("read record of passkey %s: %w", p.ID, err)
	}
	return c, nil
}

// Store keeps passkeys and the ceremonies of registrations. Every method joins
// the transaction of ctx.
type Store interface {
	// Passkeys returns those of a user, oldest first.
	Passkeys(ctx context.Context, userID string) ([]Passkey, error)
	// PasskeyByCredential returns the passkey with this credential, whoever has
	// it, or ErrNotFound.
	PasskeyByCredential(ctx context.Context, credentialID []byte) (Passkey, error)
	// AddPasskey stores a new one: ErrTaken when the credential is registered,
	// ErrTooMany when the user has Most.
	AddPasskey(ctx context.Context, p Passkey) error
	// UsePasskey writes record and time of a use, if the record is still old:
	// else ErrChanged, or ErrNotFound when the passkey is gone.
	UsePasskey(ctx context.Context, id string, old, record json.RawMessage, at time.Time) error
	// RenamePasskey calls a passkey of a user something else, or returns
	// ErrNotFound.
	RenamePasskey(ctx context.Context, userID, id, name string) error
	// RemovePasskey removes a passkey of a user, or returns ErrNotFound.
	RemovePasskey(ctx context.Context, userID, id string) error
	// HoldCeremony keeps the ceremony of a registration for a session, in place
	// of an earlier one.
	HoldCeremony(ctx context.Context, sessionID, userID string, c Ceremony) error
	// TakeCeremony removes and returns it: exactly one caller gets it, the others
	// ErrNotFound.
	TakeCeremony(ctx context.Context, sessionID, userID string) (Ceremony, error)
}
