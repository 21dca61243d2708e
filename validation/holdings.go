package validation

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/validation/totp"
)

// ErrExtraExists says that the user has this very address or number already.
var ErrExtraExists = errors.New("the user has this address already")

// MostExtras is how many further credentials of one kind a user can have.
const MostExtras = 10

// Holdings is what a user has to prove who they are, beside the password and the
// values of attributes: no secrets, only that they exist and how they are set.
// It is read in one go, for every step of every login needs all of it.
type Holdings struct {
	// App is the authenticator app that SCIM sees; nil: there is none.
	App *HeldApp
	// Apps and Addresses are further ones, oldest first.
	Apps      []HeldApp
	Addresses []ExtraAddress
	Passkeys  []HeldPasskey // oldest first
	// SecondPassword and RecoverySet are ids; "": there is none. RecoveryLeft is
	// how many codes of the set are not used.
	SecondPassword string
	RecoverySet    string
	RecoveryLeft   int
	// External are the accounts elsewhere that are linked.
	External []HeldIdentity
	// Settings are by name of the credential in the ledger of proofs.
	Settings map[string]CredentialSetting
}

// Setting returns how a credential is set; the zero setting, but for its name,
// if it never was.
func (h Holdings) Setting(credential string) CredentialSetting {
	s, ok := h.Settings[credential]
	if !ok {
		s.Credential = credential
	}
	return s
}

// HeldApp is an authenticator app without its secret.
type HeldApp struct {
	ID        string
	Digits    int
	CreatedAt time.Time
}

// HeldPasskey is a passkey without its key.
type HeldPasskey struct {
	ID, Name              string
	CreatedAt, LastUsedAt time.Time
}

// HeldIdentity is an account at another provider.
type HeldIdentity struct{ Provider, Issuer, Subject string }

// ExtraAddress is a validated address or number beside the one that SCIM sees.
type ExtraAddress struct {
	ID, UserID string
	Kind       EnrolledKind // EnrolledEmail or EnrolledPhone
	Value      string       // normalised
	CreatedAt  time.Time
}

// CredentialSetting is what a user has set for a credential, and when it was
// used last.
type CredentialSetting struct {
	// Credential is its name in the ledger of proofs.
	Credential string
	Name       string // what the user calls it
	// Off takes it from logins without removing it. What was shown with it before
	// still counts.
	Off bool
	// Preferred is the factor as which it is asked for first ("" if it is not):
	// a number can be reached as sms_otp and as voice_otp.
	Preferred  string
	LastUsedAt time.Time // zero: never, or not since it is kept
}

// HoldingStore reads what users have.
type HoldingStore interface {
	// Holdings returns what a user has; nothing for an unknown user. It joins the
	// transaction of ctx, in which it stays as it is while the user is locked: who
	// changes any of it locks the user first.
	Holdings(ctx context.Context, userID string) (Holdings, error)
}

// SettingStore keeps the settings of credentials. Every method joins the
// transaction of ctx.
type SettingStore interface {
	// SetCredential edits the setting of a credential, of the zero setting if
	// there is none; only Name and Off are stored. The edit may run again.
	SetCredential(ctx context.Context, userID, credential string, edit func(*CredentialSetting) error) error
	// PreferCredential makes a credential the one that is asked for first, as this
	// factor, and no other; with "" none is.
	PreferCredential(ctx context.Context, userID, credential, factor string) error
	// UseCredential records a use; an earlier time changes nothing.
	UseCredential(ctx context.Context, userID, credential string, at time.Time) error
	// ForgetCredential removes the setting with the credential.
	ForgetCredential(ctx context.Context, userID, credential string) error
}

// ExtraStore keeps apps, addresses and numbers beside the ones that SCIM sees.
// Every method joins the transaction of ctx. Who adds or removes locks the user
// first.
type ExtraStore interface {
	// ExtraApp returns an app of a user with its secret, or totp.ErrNotEnrolled.
	ExtraApp(ctx context.Context, userID, id string) (totp.Enrolment, error)
	// AddExtraApp stores another app, with LastStep the step of the enrolling code,
	// and returns its id.
	AddExtraApp(ctx context.Context, e totp.Enrolment) (string, error)
	// UseExtraAppStep makes a step of this very app count, once: later than every
	// step of it that counted before, else totp.ErrStepUsed; totp.ErrNotEnrolled
	// if it is gone.
	UseExtraAppStep(ctx context.Context, e totp.Enrolment, step int64) error
	// AddExtraAddress stores another address or number, whose Value was just
	// validated, and returns its id; ErrExtraExists if the user has it.
	AddExtraAddress(ctx context.Context, a ExtraAddress) (string, error)
	// DeleteExtra removes one of a kind and reports whether there was one. Its
	// setting goes with it; proofs, sessions and devices are up to the caller.
	DeleteExtra(ctx context.Context, userID string, kind EnrolledKind, id string) (bool, error)
}

// ExtraCredential is the name of an extra in the ledger of proofs.
func ExtraCredential(kind EnrolledKind, id string) string { return string(kind) + ":" + id }
