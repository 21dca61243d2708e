package validation

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/validation/totp"
)

// ErrExtraExists reports that the user has this address or number already.
var ErrExtraExists = errors.New("the user has this address already")

// MostExtras is how many further credentials of one kind a user can have.
const MostExtras = 10

// ExtraAddress is a further address or number that a user has proved to hold,
// beside the attributes of the directory. Its credential is "email:" or
// "phone:" with the ID.
type ExtraAddress struct {
	ID        string // set by the store
	UserID    string
	Kind      EnrolledKind // EnrolledEmail or EnrolledPhone
	Value     string       // normalised
	CreatedAt time.Time    // when it was proved
}

// ExtraStore keeps further apps, addresses and numbers: the first of each kind
// is where SCIM sees it. Every method joins the transaction of ctx.
type ExtraStore interface {
	// ExtraApps returns the further apps of a user, oldest first, with their
	// secrets.
	ExtraApps(ctx context.Context, userID string) ([]totp.Enrolment, error)
	// AddExtraApp stores a further app and returns its id; see totp.Store about
	// LastStep.
	AddExtraApp(ctx context.Context, e totp.Enrolment) (id string, err error)
	// UseExtraStep is UseTOTPStep of totp.Store for a further app.
	UseExtraStep(ctx context.Context, e totp.Enrolment, step int64) error
	// RemoveExtraApp reports whether there was one.
	RemoveExtraApp(ctx context.Context, userID, id string) (bool, error)
	// ExtraAddresses returns the further addresses and numbers, oldest first.
	ExtraAddresses(ctx context.Context, userID string) ([]ExtraAddress, error)
	// AddExtraAddress stores a proved one and returns its id, or ErrExtraExists.
	AddExtraAddress(ctx context.Context, a ExtraAddress) (id string, err error)
	// RemoveExtraAddress reports whether there was one.
	RemoveExtraAddress(ctx context.Context, userID, id string) (bool, error)
}

// CredentialSetting is what a user has set about a credential.
type CredentialSetting struct {
	Name string // "": none
	// Off says that it is not used to log in. What was proved with it counts on.
	Off        bool
	LastUsedAt time.Time // zero: never
}

// SettingStore keeps settings of credentials, by their names in the ledger of
// proofs. Every method joins the transaction of ctx.
type SettingStore interface {
	// CredentialSettings returns those of a user, by credential; a credential
	// without any is not there.
	CredentialSettings(ctx context.Context, userID string) (map[string]CredentialSetting, error)
	// EditCredentialSetting changes one under a lock; edit may run again.
	EditCredentialSetting(ctx context.Context, userID, credential string, edit func(*CredentialSetting)) error
	// ForgetCredentialSetting removes it with its credential.
	ForgetCredentialSetting(ctx context.Context, userID, credential string) error
}
