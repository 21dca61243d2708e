package oidc

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
)

// plan is what becomes of the scopes of a request.
type plan struct {
	granted  []string       // without asking
	ask      bool           // the consent page is needed
	silently *Error         // why, for prompt=none
	scopes   []ConsentScope // for the page
}

// plan compares what a request asks for with what the user has said before and
// what is proved.
func (p *Provider) plan(ctx context.Context, v authn.Visitor, c Client, r request, ready authn.Ready) (plan, error) {
	known, err := p.catalogue(ctx, r.inQuestion())
	if err != nil {
		return plan{}, err
	}
	said, err := p.cfg.Consents.Consent(ctx, ready.User.ID, c.ID)
	if err != nil {
		return plan{}, fmt.Errorf("read consent: %w", err)
	}
	var out plan
	// A client without scopes is asked about once too; a device always, for its
	// user must see what asks (RFC 8628 section 5.4).
	if r.Prompt.Consent || r.DeviceHash != nil || (!c.Trusted && said.UpdatedAt.IsZero()) {
		out.need(ConsentRequired)
	}
	for _, name := range r.inQuestion() {
		s := known[name]
		view := ConsentScope{
			Name: name, Prompt: s.ConsentPrompt, Description: s.Description,
			Required: name == ScopeOpenID, Granted: said.Scopes[name] == Granted,
		}
		given := c.Trusted || view.Granted
		if s.RequiredACR != "" && !slices.Contains(ready.Issue.Scopes, name) {
			view.LockedACR = s.RequiredACR
			if view.Reachable, err = p.reachable(ctx, v, ready, p.acr(s.RequiredACR)); err != nil {
				return plan{}, err
			}
			out.locked(view, given, said.Scopes[name] == Denied)
			continue
		}
		out.open(view, given, said.Scopes[name] == Denied)
	}
	return out, nil
}

// need says that the page is needed; the first reason that is not consent_required wins.
func (o *plan) need(code Code) {
	if !o.ask || code == InteractionRequired {
		o.silently = &Error{Code: code, Description: "The user has to agree to what the client asks for."}
		if code == InteractionRequired {
			o.silently.Description = "The user has to show a further factor for a scope."
		}
	}
	o.ask = true
}

// open places a scope that nothing bars.
func (o *plan) open(s ConsentScope, given, declined bool) {
	o.scopes = append(o.scopes, s)
	switch {
	case given:
		o.granted = append(o.granted, s.Name)
	case !declined || s.Required:
		o.need(ConsentRequired)
	}
}

// locked places a scope that is still to be unlocked. One that the user cannot
// unlock asks for nothing: it is left out.
func (o *plan) locked(s ConsentScope, given, declined bool) {
	o.scopes = append(o.scopes, s)
	switch {
	case !s.Reachable || (declined && !given):
	case given:
		o.need(InteractionRequired)
	default:
		o.need(ConsentRequired)
	}
}

// reachable reports whether the user has what an ACR asks for.
func (p *Provider) reachable(ctx context.Context, v authn.Visitor, ready authn.Ready, a acr.ACR) (bool, error) {
	has, _, err := p.cfg.Engine.Enrolments(ctx, ready.User)
	if err != nil {
		return false, fmt.Errorf("read factors: %w", err)
	}
	need := acr.Requirement{MayEnrol: p.cfg.Policy.InlineEnrolment}
	return acr.Reachable(a, need, ready.Session.Ledger(), has,
		acr.Context{Now: p.now(), User: ready.User.ID, IP: v.IP, Header: v.Header}), nil
}

// Continue gives the answer of a transaction whose login is ready, or says what
// to ask consent for: exactly one of the two, or an error.
func (p *Provider) Continue(ctx context.Context, v authn.Visitor, t authn.Txn, ready authn.Ready) (Reply, *ConsentView, error) {
	view, err := p.Ask(ctx, v, t, ready)
	if err != nil || view != nil {
		return nil, view, err
	}
	r, err := requestOf(t)
	if err != nil {
		return nil, nil, err
	}
	reply, err := p.issue(ctx, v, t, r, nil)
	if errors.Is(err, authn.ErrNotReady) {
		return Interact{Txn: t.ID, FormAction: formAction(r.RedirectURI)}, nil, nil
	}
	return reply, nil, err
}

// Ask says what consent is still to be asked for in a transaction whose login is
// ready; nil: none, the answer can be given.
func (p *Provider) Ask(ctx context.Context, v authn.Visitor, t authn.Txn, ready authn.Ready) (*ConsentView, error) {
	r, err := requestOf(t)
	if err != nil {
		return nil, err
	}
	c, err := p.ClientOf(ctx, t)
	if err != nil {
		return nil, err
	}
	plan, err := p.plan(ctx, v, c, r, ready)
	if err != nil || !plan.ask {
		return nil, err
	}
	if err := p.asked(ctx, t); err != nil {
		return nil, err
	}
	return &ConsentView{Client: c, Scopes: plan.scopes, Device: r.DeviceHash != nil}, nil
}

// asked remembers when the consent page was first shown, for scopes that want
// proofs made on it.
func (p *Provider) asked(ctx context.Context, t authn.Txn) error {
	if !t.Progress.ConsentAt.IsZero() {
		return nil
	}
	now := p.now()
	_, err := p.cfg.Txns.UpdateTxn(ctx, t.ID, now, func(t *authn.Txn) error {
		if t.Progress.ConsentAt.IsZero() {
			t.Progress.ConsentAt = now
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for consent: %w", err)
	}
	return nil
}

// Consent grants the scopes and answers the client. What is locked or was not
// asked for is not granted, whatever the form says.
func (p *Provider) Consent(ctx context.Context, v authn.Visitor, t authn.Txn, granted []string) (Reply, error) {
	r, err := requestOf(t)
	if err != nil {
		return nil, err
	}
	if granted == nil {
		granted = []string{}
	}
	reply, err := p.issue(ctx, v, t, r, granted)
	if errors.Is(err, authn.ErrNotReady) {
		return Interact{Txn: t.ID, FormAction: formAction(r.RedirectURI)}, nil
	}
	return reply, err
}

// grantScopes settles in the transaction of the code which scopes are granted.
// said is what the consent page has answered; nil: there was none.
func (p *Provider) grantScopes(ctx context.Context, v authn.Visitor, c Client, r request, ready authn.Ready, said []string) ([]string, error) {
	plan, err := p.plan(ctx, v, c, r, ready)
	if err != nil {
		return nil, err
	}
	if said == nil {
		if plan.ask {
			return nil, authn.ErrNotReady
		}
		return plan.granted, nil
	}
	var granted []string
	answer := make(map[string]ConsentState)
	for _, s := range plan.scopes {
		switch yes := s.Required || slices.Contains(said, s.Name); {
		case s.LockedACR != "" && !s.Reachable: // was not in question
		case yes && s.LockedACR == "":
			granted = append(granted, s.Name)
			answer[s.Name] = Granted
		default:
			answer[s.Name] = Denied
		}
	}
	return granted, p.saveConsent(ctx, v, c, ready, answer)
}

// saveConsent remembers an answer beside what was said about other scopes.
func (p *Provider) saveConsent(ctx context.Context, v authn.Visitor, c Client, ready authn.Ready, answer map[string]ConsentState) error {
	old, err := p.cfg.Consents.Consent(ctx, ready.User.ID, c.ID)
	if err != nil {
		return fmt.Errorf("read consent: %w", err)
	}
	scopes := make(map[string]ConsentState, len(answer)+len(old.Scopes))
	maps.Copy(scopes, old.Scopes)
	maps.Copy(scopes, answer)
	err = p.cfg.Consents.SaveConsent(ctx, Consent{UserID: ready.User.ID, ClientID: c.ID, Scopes: scopes, UpdatedAt: p.now()})
	if err != nil {
		return fmt.Errorf("store consent: %w", err)
	}
	return p.audit(ctx, audit.Event{
		Name: audit.ConsentGranted, Actor: userParty(ready.User.ID, c.ID), Target: audit.Party{Type: "client", ID: c.ID},
		Subject: audit.Party{Type: "User", ID: ready.User.ID}, Session: ready.Session.ID,
		RequestID: v.RequestID, IP: addressOf(v), UserAgent: v.UserAgent,
	}, map[string]any{"scopes": answer})
}

// addressOf is the address of a browser for audit; "" when it is not known.
func addressOf(v authn.Visitor) string {
	if !v.IP.IsValid() {
		return ""
	}
	return v.IP.String()
}
