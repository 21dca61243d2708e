package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/session"
)

// LinkedAccount is a provider with the account there that is a user's.
type LinkedAccount struct {
	Provider federated.Provider
	Link     *federated.Link // nil: none
}

// Linker is who links or unlinks: a person on a page of ours, or an application
// with a token. Its caller has asked for a fresh proof.
type Linker struct {
	Visitor   Visitor
	UserID    string
	SessionID string
	// Actor is who stands in audit events; the zero value is the user.
	Actor audit.Party
	// Callback is where the answer goes when not to a page of ours: the address of
	// an application, which hands the answer to FinishLink.
	Callback string
}

// What linking is refused for besides what a provider does wrong.
var (
	// ErrNoProvider: there is no such provider, or it is switched off.
	ErrNoProvider = errors.New("there is no such provider")
	// ErrLinkTaken: the account there is another user's, or the user has another
	// account there.
	ErrLinkTaken = errors.New("the account is linked already")
	// ErrLinkOver: the request is not known, over, or of somebody else.
	ErrLinkOver = errors.New("the request to link is over")
	// ErrNotLinked: there is nothing to unlink.
	ErrNotLinked = errors.New("no account is linked")
)

// LinkedAccounts lists every provider that is set up and not switched off, and
// those that are but have a link.
func (e *Engine) LinkedAccounts(ctx context.Context, userID string) ([]LinkedAccount, error) {
	if e.cfg.Federation == nil {
		return nil, nil
	}
	links, err := e.cfg.Federation.Links.Links(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("read external identities: %w", err)
	}
	var out []LinkedAccount
	for _, p := range e.cfg.Federation.Providers.Providers() {
		one := LinkedAccount{Provider: p}
		if i := slices.IndexFunc(links, func(l federated.Link) bool { return l.Provider == p.ID }); i >= 0 {
			one.Link = &links[i]
		}
		if one.Link != nil || !p.Disabled {
			out = append(out, one)
		}
	}
	return out, nil
}

// BeginLink asks a provider who somebody is there, to link that account. The id
// in the Pending is what FinishLink wants.
func (e *Engine) BeginLink(ctx context.Context, by Linker, provider string) (federated.Redirect, federated.Pending, error) {
	if e.cfg.Federation == nil {
		return federated.Redirect{}, federated.Pending{}, ErrNoProvider
	}
	p, open := federated.Find(e.cfg.Federation.Providers, provider)
	if !open {
		return federated.Redirect{}, federated.Pending{}, ErrNoProvider
	}
	pending := federated.Pending{Purpose: federated.ForLink, UserID: by.UserID, SessionID: by.SessionID}
	callback := p.CallbackURL
	if by.Callback != "" {
		callback = by.Callback
	} else {
		pending.BrowserHash = session.Hash(by.Visitor.Browser)
	}
	to, pending, err := e.request(ctx, p, pending, asked{Callback: by.Callback}, federated.Request{
		CallbackURL: callback, Languages: by.Visitor.Languages,
	})
	if reason, ok := federated.ReasonOf(err); ok {
		return to, pending, e.refuseLink(ctx, by, p, string(reason), err)
	}
	return to, pending, err
}

// FinishLink takes the answer that an application brings, for the user and
// session that began.
func (e *Engine) FinishLink(ctx context.Context, by Linker, id string, a federated.Answer) (federated.Link, error) {
	if e.cfg.Federation == nil {
		return federated.Link{}, ErrLinkOver
	}
	pending, err := e.cfg.Federation.Requests.PendingRequest(ctx, id, e.now())
	switch {
	case errors.Is(err, federated.ErrUnknown), errors.Is(err, federated.ErrUsed):
		return federated.Link{}, ErrLinkOver
	case err != nil:
		return federated.Link{}, fmt.Errorf("read request to provider: %w", err)
	case pending.Purpose != federated.ForLink || pending.BrowserHash != nil,
		pending.UserID != by.UserID || pending.SessionID != by.SessionID, id != stateID(a.State):
		return federated.Link{}, ErrLinkOver
	}
	if err := e.cfg.Federation.Requests.UsePending(ctx, id, e.now()); err != nil {
		if errors.Is(err, federated.ErrUsed) {
			return federated.Link{}, ErrLinkOver
		}
		return federated.Link{}, fmt.Errorf("use request to provider: %w", err)
	}
	a.Provider = pending.Provider
	return e.link(ctx, by, pending, a)
}

// link judges the answer and links the account that it is about.
func (e *Engine) link(ctx context.Context, by Linker, pending federated.Pending, a federated.Answer) (federated.Link, error) {
	var keep asked
	if err := json.Unmarshal(pending.Private, &keep); err != nil {
		return federated.Link{}, fmt.Errorf("decode request to provider: %w", err)
	}
	p, open := federated.Find(e.cfg.Federation.Providers, pending.Provider)
	if !open {
		return federated.Link{}, e.refuseLink(ctx, by, p, reasonDisabled, nil)
	}
	id, err := sound(p.Upstream.Finish(ctx, keep.Upstream, a))
	if reason, ok := federated.ReasonOf(err); ok {
		return federated.Link{}, e.refuseLink(ctx, by, p, string(reason), err)
	}
	if err != nil {
		return federated.Link{}, fmt.Errorf("finish login at %s: %w", p.ID, err)
	}
	var link federated.Link
	err = e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		u, err := e.stillThere(ctx, by)
		if err != nil {
			return err
		}
		link, err = e.insertLinkBy(ctx, by, p, id, u)
		return err
	})
	if reason, ok := errors.AsType[refusedAs](err); ok {
		err = e.refuseLink(ctx, by, p, string(reason), nil)
		if reason == reasonTaken {
			err = errors.Join(ErrLinkTaken, err)
		}
	}
	return link, err
}

// stillThere reads whoever links: the user and the session must not have ended
// meanwhile.
func (e *Engine) stillThere(ctx context.Context, by Linker) (User, error) {
	u, err := e.cfg.Users.UserByID(ctx, by.UserID)
	if errors.Is(err, ErrNoUser) || err == nil && !u.Active {
		return User{}, refusedAs(reasonInactive)
	}
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	if by.SessionID == "" {
		return u, nil
	}
	s, err := e.cfg.Sessions.SessionByID(ctx, by.SessionID, e.now())
	if errors.Is(err, session.ErrNotFound) || err == nil && s.UserID != by.UserID {
		return User{}, ErrLinkOver
	}
	if err != nil {
		return User{}, fmt.Errorf("read session: %w", err)
	}
	return u, nil
}

func (e *Engine) insertLinkBy(ctx context.Context, by Linker, p federated.Provider, id federated.Identity, u User) (federated.Link, error) {
	present, err := e.cfg.Federation.Links.Link(ctx, p.ID, id.Issuer, id.Subject)
	if err == nil && present.UserID == u.ID {
		return present, nil // linked already, as after a second try
	}
	if err != nil && !errors.Is(err, federated.ErrUnknown) {
		return federated.Link{}, fmt.Errorf("read external identity: %w", err)
	}
	return e.insertLink(ctx, by, p, id, u)
}

// returnedLink takes the answer that a browser brought to a page of ours.
func (e *Engine) returnedLink(ctx context.Context, v Visitor, a federated.Answer, pending federated.Pending) (*federated.Link, error) {
	live, err := e.browser(ctx, v)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(live, func(h held) bool { return h.ID == pending.SessionID && h.UserID == pending.UserID }) {
		return nil, ErrLinkOver
	}
	link, err := e.link(ctx, Linker{Visitor: v, UserID: pending.UserID, SessionID: pending.SessionID}, pending, a)
	if err != nil {
		return nil, err
	}
	return &link, nil
}

// factorIdentity names linked accounts in the epochs of factors.
const factorIdentity = "external_identity"

// Unlink takes an account at a provider from a user. What was shown with it
// counts no more, remembered browsers and what was begun to link are forgotten,
// and all other sessions of the user end (security.md 6).
func (e *Engine) Unlink(ctx context.Context, by Linker, provider string) error {
	if e.cfg.Federation == nil {
		return ErrNotLinked
	}
	err := e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		u, err := e.cfg.Users.UserByID(ctx, by.UserID)
		if err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		gone, err := e.cfg.Federation.Links.DeleteLink(ctx, by.UserID, provider)
		if err != nil {
			return err
		}
		now, own := e.now(), by.SessionID
		if _, err := e.cfg.Ender.EndSessions(ctx, by.UserID, own, now); err != nil {
			return fmt.Errorf("end other sessions: %w", err)
		}
		if err := e.forgetLink(ctx, gone); err != nil {
			return err
		}
		if err := e.cfg.Records.BumpFactorEpoch(ctx, by.UserID, factorIdentity); err != nil {
			return fmt.Errorf("end what was begun to link: %w", err)
		}
		ev := by.event(audit.FederationUnlinked, loginDetail{Upstream: provider, Issuer: gone.Issuer, Subject: gone.Subject})
		return errors.Join(e.record(ctx, ev), e.linkChanged(ctx, by.Visitor, u, false))
	})
	if errors.Is(err, federated.ErrUnknown) || errors.Is(err, ErrNoUser) {
		return ErrNotLinked
	}
	return err
}

// forgetLink removes what was shown with a link, and what counted because of it.
func (e *Engine) forgetLink(ctx context.Context, l federated.Link) error {
	name := linkCredential(l)
	credentials := map[acr.Factor]string{acr.Federated: name}
	for _, f := range []acr.Factor{acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP} {
		credentials[f] = name + ":" + string(f)
	}
	for f, credential := range credentials {
		if _, err := e.cfg.Sessions.ForgetProofs(ctx, l.UserID, f, credential); err != nil {
			return fmt.Errorf("forget proofs: %w", err)
		}
	}
	return nil
}

// event is an event by whoever links.
func (by Linker) event(name audit.Name, d loginDetail) audit.Event {
	ev := event(by.Visitor, name, by.Actor.Client, by.UserID, d)
	ev.Actor, ev.Session = by.Actor, by.SessionID
	if by.Actor == (audit.Party{}) {
		ev.Actor = audit.Party{Type: "user", ID: by.UserID}
	}
	return ev
}

func (e *Engine) refuseLink(ctx context.Context, by Linker, p federated.Provider, reason string, cause error) error {
	d := loginDetail{Upstream: p.ID, Purpose: federated.ForLink}
	if r, ok := errors.AsType[*federated.Refusal](cause); ok {
		d.Note = r.Detail
		e.cfg.Logger.WarnContext(ctx, "link refused", "provider", p.ID, "error", cause)
	}
	return e.refuse(ctx, by.event(audit.FederationLoginRefused, d), reason,
		&Refusal{Reason: upstreamReason(reason), Provider: p.Name})
}
