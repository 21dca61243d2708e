package web

import (
	"context"
	"net/url"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
)

// Provider is the OpenID Connect provider; *oidc.Provider is one.
type Provider interface {
	Requests
	Answers
	Logouts
}

// Requests are what applications and devices ask for.
type Requests interface {
	// Authorize takes an authorization request. *oidc.PageError is for a page;
	// every other refusal is a Reply.
	Authorize(ctx context.Context, v authn.Visitor, params url.Values) (oidc.Reply, authn.Grants, error)
	// DeviceBegin makes a stored transaction of a user code (RFC 8628 section
	// 3.3); *authn.Refusal when it is not good.
	DeviceBegin(ctx context.Context, v authn.Visitor, userCode string) (authn.Txn, error)
	// Hold stores a form that another site has posted; Held returns it while it
	// lives, else oidc.ErrNotFound.
	Hold(ctx context.Context, params url.Values) (handle string, err error)
	Held(ctx context.Context, handle string) (url.Values, error)
	// ClientOf returns the application that a transaction is for.
	ClientOf(ctx context.Context, t authn.Txn) (oidc.Client, error)
	// FormAction is the CSP source to which answers of the transaction may
	// redirect; "": none.
	FormAction(ctx context.Context, t authn.Txn) (string, error)
}

// Answers end transactions.
type Answers interface {
	// Continue gives the answer of a transaction whose login is ready, or says
	// what to ask consent for: exactly one of the two.
	Continue(ctx context.Context, v authn.Visitor, t authn.Txn, ready authn.Ready) (oidc.Reply, *oidc.ConsentView, error)
	// Consent grants the scopes, Deny refuses them all.
	Consent(ctx context.Context, v authn.Visitor, t authn.Txn, granted []string) (oidc.Reply, error)
	Deny(ctx context.Context, v authn.Visitor, t authn.Txn) (oidc.Reply, error)
	// Fail answers that the requirement cannot be met, Cancel that the person gave
	// up.
	Fail(ctx context.Context, v authn.Visitor, t authn.Txn, reason acr.Reason) (oidc.Reply, error)
	Cancel(ctx context.Context, v authn.Visitor, t authn.Txn) (oidc.Reply, error)
}

// Logouts end sessions (OpenID Connect RP-Initiated Logout 1.0).
type Logouts interface {
	// Logout takes a logout request: it ends the session at once when the request
	// proves that it may, else it asks to confirm.
	Logout(ctx context.Context, v authn.Visitor, params url.Values) (oidc.LogoutView, authn.Grants, error)
	// ConfirmLogout takes the ticket of a confirmation page.
	ConfirmLogout(ctx context.Context, v authn.Visitor, ticket string) (oidc.LogoutView, authn.Grants, error)
}
