package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
)

// Authorize takes an authorization request (OpenID Connect Core 1.0 section
// 3.1.2.1). A *PageError is for a page: the client or its redirect URI is not
// certain. Every other refusal is a Reply.
func (p *Provider) Authorize(ctx context.Context, v authn.Visitor, values url.Values) (Reply, authn.Grants, error) {
	q, bad := parseParams(values)
	c, r, err := p.read(ctx, q, bad)
	if err == nil {
		var grants authn.Grants
		var reply Reply
		if reply, grants, err = p.begin(ctx, v, c, r); err == nil {
			return reply, grants, nil
		}
	}
	if e, ok := errors.AsType[*Error](err); ok && r.RedirectURI != "" {
		return p.refuse(r, e), authn.Grants{}, nil
	}
	return nil, authn.Grants{}, err
}

// read checks a request. The request that comes with an *Error says where to
// tell it.
func (p *Provider) read(ctx context.Context, q params, bad []string) (Client, request, error) {
	c, err := p.clientOf(ctx, q, bad)
	if err != nil {
		return Client{}, request{}, err
	}
	resolved, r, err := p.resolve(ctx, c, q)
	if err != nil {
		return Client{}, p.fallbackReply(c, q, bad), pageUnlessRedirect(err, p.fallbackReply(c, q, bad))
	}
	if slices.Contains(bad, "redirect_uri") || !redirectRegistered(c, resolved["redirect_uri"]) {
		return Client{}, request{}, &PageError{
			Code: InvalidRequest, Description: "The redirect_uri is missing or is not registered for this application.",
		}
	}
	r.ClientID, r.RedirectURI, r.State = c.ID, resolved["redirect_uri"], resolved["state"]
	r.FormPost = resolved["response_mode"] == "form_post"
	if len(bad) > 0 {
		return c, r, badParams(bad)
	}
	err = p.validate(ctx, c, resolved, &r)
	return c, r, err
}

// fallbackReply is where to tell that a request object or request_uri is bad:
// the redirect URI beside it, when that is registered.
func (p *Provider) fallbackReply(c Client, q params, bad []string) request {
	if slices.Contains(bad, "redirect_uri") || !redirectRegistered(c, q["redirect_uri"]) {
		return request{}
	}
	return request{
		ClientID: c.ID, RedirectURI: q["redirect_uri"], State: q["state"], FormPost: q["response_mode"] == "form_post",
	}
}

// pageUnlessRedirect makes an error one for a page when there is nowhere to
// redirect it.
func pageUnlessRedirect(err error, r request) error {
	if e, ok := errors.AsType[*Error](err); ok && r.RedirectURI == "" {
		return &PageError{Code: e.Code, Description: e.Description}
	}
	return err
}

// clientOf finds the client of a request; a *PageError when it is not certain.
func (p *Provider) clientOf(ctx context.Context, q params, bad []string) (Client, error) {
	unknown := &PageError{Code: InvalidClient, Description: "The application is not known here."}
	if slices.Contains(bad, "client_id") || q["client_id"] == "" {
		return Client{}, &PageError{Code: InvalidRequest, Description: "The request does not name one application: client_id is missing or repeated."}
	}
	c, err := p.cfg.Clients.Client(ctx, q["client_id"])
	if errors.Is(err, ErrNotFound) || (err == nil && c.Disabled) {
		return Client{}, unknown
	}
	if err != nil {
		return Client{}, fmt.Errorf("look up client: %w", err)
	}
	return c, nil
}

// requestURN is the prefix of a request_uri of ours (RFC 9126 section 2.2).
const requestURN = "urn:ietf:params:oauth:request_uri:"

// resolve replaces the parameters of a request by those that were pushed or
// stand in a request object: parameters outside are not used (RFC 9101 section
// 6.3).
func (p *Provider) resolve(ctx context.Context, c Client, q params) (params, request, error) {
	uri, object := q["request_uri"], q["request"]
	switch {
	case uri != "" && object != "":
		return nil, request{}, &Error{Code: InvalidRequest, Description: "Send request or request_uri, not both."}
	case uri != "":
		return p.pushed(ctx, c, uri)
	case c.RequirePAR:
		return nil, request{}, &Error{Code: InvalidRequest, Description: "The client must push its requests (RFC 9126)."}
	case object != "":
		inner, err := p.objectParams(ctx, c, object)
		return inner, request{}, err
	default:
		return q, request{}, nil
	}
}

// objectParams verifies a request object and returns its parameters.
func (p *Provider) objectParams(ctx context.Context, c Client, object string) (params, error) {
	claims, err := p.verifyRequestObject(ctx, c, object)
	if err != nil {
		return nil, err
	}
	values := make(url.Values, len(claims))
	for name, value := range claims {
		values.Set(name, value)
	}
	inner, bad := parseParams(values)
	switch {
	case len(bad) > 0:
		return nil, &Error{Code: InvalidRequestObject, Description: "Parameter " + printable(bad[0]) + " of the request object is too long or not text."}
	case inner["request"] != "" || inner["request_uri"] != "":
		// RFC 9101 section 4.
		return nil, &Error{Code: InvalidRequestObject, Description: "A request object cannot hold another."}
	}
	return inner, nil
}

// pushed returns the parameters behind a request_uri. It may be used again
// until one of its requests is complete, so that a page can be reloaded (RFC
// 9126 section 4).
func (p *Provider) pushed(ctx context.Context, c Client, uri string) (params, request, error) {
	id, ours := strings.CutPrefix(uri, requestURN)
	if !ours {
		return nil, request{}, &Error{Code: RequestURINotSupported, Description: "Only a request_uri of a pushed request is supported."}
	}
	stored, err := p.cfg.Pushed.Pushed(ctx, id)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, request{}, fmt.Errorf("look up pushed request: %w", err)
	}
	if err != nil || stored.ClientID != c.ID || !stored.UsedAt.IsZero() || !p.now().Before(stored.ExpiresAt) {
		return nil, request{}, &Error{Code: InvalidRequestURI, Description: "The request_uri is unknown, expired or was used."}
	}
	return params(stored.Params), request{PushedID: id, KeyThumbprint: stored.KeyThumbprint}, nil
}

// begin starts the transaction of a request and goes as far as it goes without
// a page. Nothing is stored of a transaction that needs none.
func (p *Provider) begin(ctx context.Context, v authn.Visitor, c Client, r request) (Reply, authn.Grants, error) {
	t, err := p.newTxn(v, PurposeAuthorize, r)
	if err != nil {
		return nil, authn.Grants{}, err
	}
	if silentlyIssued(v, c, r) {
		reply, err := p.issue(ctx, v, t, r, nil)
		if !errors.Is(err, authn.ErrNotReady) {
			return reply, authn.Grants{}, err
		}
	}
	step, grants, err := p.cfg.Engine.Next(ctx, v, t)
	if err != nil {
		return nil, authn.Grants{}, fmt.Errorf("begin login: %w", err)
	}
	switch s := step.(type) {
	case authn.Ready:
		reply, err := p.settle(ctx, v, t, c, r, s)
		return reply, grants, err
	case authn.Failed:
		return p.refuse(r, p.unmet(c, s.Reason)), grants, nil
	}
	if r.Prompt.None {
		return p.refuse(r, silent(step)), grants, nil
	}
	reply, err := p.interact(ctx, t, r)
	return reply, grants, err
}

// silentlyIssued guesses that a request needs no page: then the decision in the
// transaction of the code, which has the last word anyway, need not be made
// once before. Consent, which is judged there after the first write, is not
// asked for by clients of the operator.
func silentlyIssued(v authn.Visitor, c Client, r request) bool {
	return len(v.Sessions) > 0 && c.Trusted && !r.Prompt.Login && !r.Prompt.Select && !r.Prompt.Consent
}

// silent is why a step cannot be left out (OpenID Connect Core 1.0 section
// 3.1.2.6).
func silent(step authn.Step) *Error {
	switch step.(type) {
	case authn.AskAccount:
		return &Error{Code: AccountSelection, Description: "Several accounts are logged in."}
	case authn.AskLogin:
		return &Error{Code: LoginRequired, Description: "The user is not logged in."}
	default:
		return &Error{Code: InteractionRequired, Description: "The user has to do something."}
	}
}

// newTxn makes a transaction that is not stored yet.
func (p *Provider) newTxn(v authn.Visitor, purpose string, r request) (authn.Txn, error) {
	doc, err := json.Marshal(r)
	if err != nil {
		return authn.Txn{}, fmt.Errorf("encode request: %w", err)
	}
	t, err := p.cfg.Engine.Begin(v, authn.NewTxn{
		Purpose: purpose, ClientID: r.ClientID, Request: doc, LoginHint: r.loginHint,
		Languages: r.languages, SelectAccount: r.Prompt.Select,
	})
	if err != nil {
		return authn.Txn{}, fmt.Errorf("begin login: %w", err)
	}
	return t, nil
}

// beginTxn makes a transaction and stores it.
func (p *Provider) beginTxn(ctx context.Context, v authn.Visitor, purpose string, r request) (authn.Txn, error) {
	t, err := p.newTxn(v, purpose, r)
	if err != nil {
		return authn.Txn{}, err
	}
	if err := p.cfg.Engine.Keep(ctx, t); err != nil {
		return authn.Txn{}, fmt.Errorf("store login: %w", err)
	}
	return t, nil
}

// interact stores the transaction and sends the browser to its pages.
func (p *Provider) interact(ctx context.Context, t authn.Txn, r request) (Reply, error) {
	if err := p.cfg.Engine.Keep(ctx, t); err != nil {
		return nil, fmt.Errorf("store login: %w", err)
	}
	return Interact{Txn: t.ID, FormAction: formAction(r.RedirectURI)}, nil
}

// settle answers a request whose login is ready, or sends the browser to the
// consent page.
func (p *Provider) settle(ctx context.Context, v authn.Visitor, t authn.Txn, c Client, r request, ready authn.Ready) (Reply, error) {
	plan, err := p.plan(ctx, v, c, r, ready)
	if err != nil {
		return nil, err
	}
	if plan.ask {
		if r.Prompt.None {
			return p.refuse(r, plan.silently), nil
		}
		return p.interact(ctx, t, r)
	}
	reply, err := p.issue(ctx, v, t, r, nil)
	if errors.Is(err, authn.ErrNotReady) {
		if r.Prompt.None {
			return p.refuse(r, &Error{Code: LoginRequired, Description: "The login has ended meanwhile."}), nil
		}
		return p.interact(ctx, t, r)
	}
	return reply, err
}

// FormAction is the source that the pages of a transaction must allow in
// form-action; "": none.
func (p *Provider) FormAction(_ context.Context, t authn.Txn) (string, error) {
	r, err := requestOf(t)
	if err != nil || r.RedirectURI == "" {
		return "", err
	}
	return formAction(r.RedirectURI), nil
}

// ClientOf returns the application that a transaction is for.
func (p *Provider) ClientOf(ctx context.Context, t authn.Txn) (Client, error) {
	c, err := p.cfg.Clients.Client(ctx, t.ClientID)
	if err != nil {
		return Client{}, fmt.Errorf("look up client: %w", err)
	}
	return c, nil
}

// Fail answers that the requirement of a transaction cannot be met.
func (p *Provider) Fail(ctx context.Context, _ authn.Visitor, t authn.Txn, reason acr.Reason) (Reply, error) {
	c, err := p.ClientOf(ctx, t)
	if err != nil {
		return nil, err
	}
	return p.end(ctx, t, p.unmet(c, reason))
}

// Cancel answers that the person gave up.
func (p *Provider) Cancel(ctx context.Context, _ authn.Visitor, t authn.Txn) (Reply, error) {
	return p.end(ctx, t, &Error{Code: AccessDenied, Description: "The user has cancelled the login."})
}

// Deny answers that the person refuses what the client asks for.
func (p *Provider) Deny(ctx context.Context, _ authn.Visitor, t authn.Txn) (Reply, error) {
	return p.end(ctx, t, &Error{Code: AccessDenied, Description: "The user has denied the request."})
}

// end gives a transaction its one answer, an error.
func (p *Provider) end(ctx context.Context, t authn.Txn, e *Error) (Reply, error) {
	r, err := requestOf(t)
	if err != nil {
		return nil, err
	}
	err = p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := p.cfg.Txns.SpendTxn(ctx, t.ID, p.now()); err != nil {
			return err
		}
		if r.DeviceHash != nil {
			return p.cfg.Devices.SettleDevice(ctx, r.DeviceHash, DevicePending, DeviceDenied, "")
		}
		if r.PushedID == "" {
			return nil
		}
		if err := p.cfg.Pushed.ConsumePushed(ctx, r.PushedID, p.now()); !errors.Is(err, ErrUsed) {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("end login: %w", err)
	}
	if r.DeviceHash != nil {
		return Done{Message: DoneDenied}, nil
	}
	return p.refuse(r, e), nil
}
