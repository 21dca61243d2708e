package web

import (
	"context"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
)

// Engine logs people in; *authn.Engine is one. An answer that is not accepted
// is an *authn.Refusal, after which the transaction goes on.
type Engine interface {
	Flow
	Accounts
	Factors
	Passkeys
	Sparing
	Federation
	Unlocking
}

// Flow finds transactions and says what comes next.
type Flow interface {
	// Load returns a live transaction of this browser, else authn.ErrTxnUnknown,
	// authn.ErrTxnExpired or authn.ErrTxnSpent.
	Load(ctx context.Context, v authn.Visitor, id string) (authn.Txn, error)
	// Next says what to show.
	Next(ctx context.Context, v authn.Visitor, t authn.Txn) (authn.Step, authn.Grants, error)
}

// Accounts choose who logs in.
type Accounts interface {
	// Account picks one of this browser's sessions.
	Account(ctx context.Context, v authn.Visitor, t authn.Txn, sessionID string) (authn.Grants, error)
	// Another lets somebody else log in.
	Another(ctx context.Context, v authn.Visitor, t authn.Txn) error
}

// Factors take proofs.
type Factors interface {
	// Login takes the password as first factor; the name does not count when it is
	// known who logs in.
	Login(ctx context.Context, v authn.Visitor, t authn.Txn, login, password string) (authn.Grants, error)
	// Choose picks the factor to show next and sends its code.
	Choose(ctx context.Context, v authn.Visitor, t authn.Txn, login string, f acr.Factor, credential string) error
	// Send sends another code.
	Send(ctx context.Context, v authn.Visitor, t authn.Txn) error
	// Code takes a code.
	Code(ctx context.Context, v authn.Visitor, t authn.Txn, code string) (authn.Grants, error)
	// NewPassword takes a new password in place of one that must be changed.
	NewPassword(ctx context.Context, v authn.Visitor, t authn.Txn, password string) (authn.Grants, error)
}

// Sparing is what spares people a step.
type Sparing interface {
	// Remember says whether this browser is to be remembered with the next proof.
	Remember(ctx context.Context, v authn.Visitor, t authn.Txn, on bool) error
	// SkipStep gives up the present step, an optional one.
	SkipStep(ctx context.Context, v authn.Visitor, t authn.Txn) error
}

// Unlocking reaches for more than is required, to unlock scopes.
type Unlocking interface {
	// Verify asks for the proofs of an ACR as well.
	Verify(ctx context.Context, v authn.Visitor, t authn.Txn, acrName string) error
	// Skip gives that up.
	Skip(ctx context.Context, v authn.Visitor, t authn.Txn) error
}
