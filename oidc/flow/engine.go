package flow

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/oidc"
)

// Engine logs people in; *authn.Engine is one. An answer that is not accepted is
// an *authn.Refusal, after which the transaction goes on.
type Engine interface {
	Steps
	Answers
}

// Steps find transactions and say what comes next.
type Steps interface {
	// Load returns a live transaction of this browser, else authn.ErrTxnUnknown,
	// authn.ErrTxnExpired or authn.ErrTxnSpent.
	Load(ctx context.Context, v authn.Visitor, id string) (authn.Txn, error)
	// Next says what to ask for.
	Next(ctx context.Context, v authn.Visitor, t authn.Txn) (authn.Step, authn.Grants, error)
	// Advance takes the message of that number, once: the next has the next.
	// *authn.Refusal with authn.OutOfStep for every other number.
	Advance(ctx context.Context, v authn.Visitor, t authn.Txn, number int64) (authn.Txn, error)
	// Account picks a session of the browser, Another lets somebody else log in.
	Account(ctx context.Context, v authn.Visitor, t authn.Txn, sessionID string) (authn.Grants, error)
	Another(ctx context.Context, v authn.Visitor, t authn.Txn) error
	// Verify asks for the proofs of an ACR as well, Skip gives that up.
	Verify(ctx context.Context, v authn.Visitor, t authn.Txn, acrName string) error
	Skip(ctx context.Context, v authn.Visitor, t authn.Txn) error
	// SkipStep gives up an optional step; Remember says whether the browser is to
	// be remembered with the next proof.
	SkipStep(ctx context.Context, v authn.Visitor, t authn.Txn) error
	Remember(ctx context.Context, v authn.Visitor, t authn.Txn, on bool) error
}

// Answers take proofs.
type Answers interface {
	// Login takes the password as first factor.
	Login(ctx context.Context, v authn.Visitor, t authn.Txn, login, password string) (authn.Grants, error)
	// Choose picks the factor to show next and sends its code.
	Choose(ctx context.Context, v authn.Visitor, t authn.Txn, login string, f acr.Factor, credential string) error
	// Send sends another code.
	Send(ctx context.Context, v authn.Visitor, t authn.Txn) error
	// Code takes what was typed.
	Code(ctx context.Context, v authn.Visitor, t authn.Txn, code string) (authn.Grants, error)
	// NewPassword takes a new password in place of one that must be changed.
	NewPassword(ctx context.Context, v authn.Visitor, t authn.Txn, password string) (authn.Grants, error)
	// Federate prepares a login at a provider elsewhere.
	Federate(ctx context.Context, v authn.Visitor, t authn.Txn, upstream string) (federated.Redirect, error)
}

// Passkeys take passkeys; *authn.Engine does.
type Passkeys interface {
	// PasskeyOptions are those of navigator.credentials.get. Their challenge is
	// good once, in this transaction.
	PasskeyOptions(ctx context.Context, v authn.Visitor, t authn.Txn) (json.RawMessage, error)
	// Passkey takes what the browser has answered to them.
	Passkey(ctx context.Context, v authn.Visitor, t authn.Txn, answer json.RawMessage) (authn.Grants, error)
}

// Provider is the OpenID Connect provider; *oidc.Provider is one.
type Provider interface {
	// Authorize takes an authorization request.
	Authorize(ctx context.Context, v authn.Visitor, params url.Values) (oidc.Reply, authn.Grants, error)
	// ClientOf returns the application that a transaction is for, by its
	// ClientID.
	ClientOf(ctx context.Context, t authn.Txn) (oidc.Client, error)
	// Ask says what consent is still to be asked for; nil: none.
	Ask(ctx context.Context, v authn.Visitor, t authn.Txn, ready authn.Ready) (*oidc.ConsentView, error)
	// Continue gives the answer of a transaction whose login is ready, or says
	// what to ask consent for.
	Continue(ctx context.Context, v authn.Visitor, t authn.Txn, ready authn.Ready) (oidc.Reply, *oidc.ConsentView, error)
	// Consent grants the scopes, Deny refuses them all.
	Consent(ctx context.Context, v authn.Visitor, t authn.Txn, granted []string) (oidc.Reply, error)
	Deny(ctx context.Context, v authn.Visitor, t authn.Txn) (oidc.Reply, error)
	// Fail answers that the requirement cannot be met.
	Fail(ctx context.Context, v authn.Visitor, t authn.Txn, reason acr.Reason) (oidc.Reply, error)
}

// Browsers know the cookies of browsers, and the pages on which a login may
// end; *web.Web is one.
type Browsers interface {
	// Visitor is who makes a request, with what the cookies hold; an error if it
	// came to a host that is not ours.
	Visitor(c echo.Context) (authn.Visitor, error)
	// Grant writes the cookies.
	Grant(c echo.Context, g authn.Grants)
	// Finish sends the browser on, or shows why it cannot go on.
	Finish(c echo.Context, reply oidc.Reply, err error) error
}
