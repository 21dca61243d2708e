package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/validation"
)

// outcome is what the pages of a transaction ask whoever it is for.
type outcome interface {
	Answers
	ClientOf(ctx context.Context, t authn.Txn) (oidc.Client, error)
	FormAction(ctx context.Context, t authn.Txn) (string, error)
}

// outcomeOf is who answers a transaction: the provider, or the account pages.
func (w *Web) outcomeOf(t authn.Txn) outcome {
	if t.Purpose == PurposeAccount && w.cfg.Account != nil {
		return accountOutcome{w}
	}
	return w.cfg.Provider
}

// accountOutcome answers transactions of PurposeAccount.
type accountOutcome struct{ w *Web }

var _ outcome = accountOutcome{}

// ClientOf is this service itself.
func (a accountOutcome) ClientOf(context.Context, authn.Txn) (oidc.Client, error) {
	return oidc.Client{ID: PurposeAccount, Name: a.w.look.Name}, nil
}

// FormAction is none: all stays here.
func (a accountOutcome) FormAction(context.Context, authn.Txn) (string, error) { return "", nil }

// Continue ends the transaction and leads back to the page.
func (a accountOutcome) Continue(ctx context.Context, v authn.Visitor, t authn.Txn, ready authn.Ready) (oidc.Reply, *oidc.ConsentView, error) {
	q, err := AccountRequestOf(t)
	if err != nil {
		return nil, nil, err
	}
	if q.Fresh {
		// What the login asked for and what the change asks for are one rule; should
		// they ever differ, this is no loop.
		owner := validation.Owner{UserID: ready.User.ID, SessionID: ready.Session.ID}
		if err := a.w.cfg.Account.Credentials.Fresh(ctx, owner); errors.Is(err, validation.ErrNotFresh) {
			return nil, nil, a.stuck(err)
		} else if err != nil {
			return nil, nil, err
		}
	}
	err = a.w.cfg.Account.Logins.Issue(ctx, v, t, func(context.Context, authn.Ready) error { return nil })
	if err != nil {
		return nil, nil, fmt.Errorf("go on to account: %w", err)
	}
	return oidc.Redirect{URL: a.w.at(q.To)}, nil, nil
}

// Fail says that the account has no way to prove what is asked for.
func (a accountOutcome) Fail(_ context.Context, _ authn.Visitor, _ authn.Txn, reason acr.Reason) (oidc.Reply, error) {
	return nil, a.stuck(fmt.Errorf("account pages: %s", reason))
}

func (a accountOutcome) stuck(cause error) error {
	return &refusal{status: http.StatusForbidden, text: "error.stuck", again: a.w.at(accountSecurityPath), cause: cause}
}

// Cancel leads back to where nothing more is asked for.
func (a accountOutcome) Cancel(_ context.Context, _ authn.Visitor, t authn.Txn) (oidc.Reply, error) {
	q, err := AccountRequestOf(t)
	if err != nil {
		return nil, err
	}
	if q.Fresh {
		return oidc.Redirect{URL: a.w.at(accountSecurityPath)}, nil
	}
	return oidc.Redirect{URL: a.w.at("/")}, nil
}

// Consent is never asked for.
func (a accountOutcome) Consent(context.Context, authn.Visitor, authn.Txn, []string) (oidc.Reply, error) {
	return nil, &authn.Refusal{Reason: authn.OutOfStep}
}

// Deny is never asked for.
func (a accountOutcome) Deny(context.Context, authn.Visitor, authn.Txn) (oidc.Reply, error) {
	return nil, &authn.Refusal{Reason: authn.OutOfStep}
}
