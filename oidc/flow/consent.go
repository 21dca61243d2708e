package flow

import (
	"cmp"
	"slices"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/oidc"
)

// consent is what is to be agreed to; nil: nothing, or it is not its turn.
func (r *request) consent() (authn.Step, *oidc.ConsentView, error) {
	step, err := r.next()
	if err != nil {
		return nil, nil, err
	}
	ready, ok := step.(authn.Ready)
	if !ok {
		return step, nil, nil
	}
	view, err := r.flows.cfg.Provider.Ask(r.ctx(), r.v, r.txn, ready)
	return step, view, err
}

// showConsent answers a GET of the consent flow.
func (r *request) showConsent() error {
	step, view, err := r.consent()
	if err != nil {
		return err
	}
	return r.presentConsent(step, view, nil)
}

// putConsent takes what is granted. It is said to the provider when the browser
// opens continue_redirect_uri: until then the sealed followUp holds it.
func (r *request) putConsent() error {
	data, err := r.body()
	if err != nil {
		return err
	}
	m, err := parse(data, ConsentURN)
	if err != nil {
		return err
	}
	step, view, err := r.consent()
	if err != nil {
		return err
	}
	if view == nil {
		return outOfDate()
	}
	said, err := decide(m, *view)
	if err != nil {
		return err
	}
	if r.txn, err = r.flows.cfg.Engine.Advance(r.ctx(), r.v, r.txn, r.place.Number); err != nil {
		return err
	}
	if m.unlock != "" {
		if err := r.unlock(m.unlock, *view); err != nil {
			return err
		}
		return r.presentConsent(step, nil, nil)
	}
	return r.presentConsent(step, view, said)
}

// unlock asks for the proofs of an ACR that a scope needs.
func (r *request) unlock(name string, view oidc.ConsentView) error {
	if !slices.ContainsFunc(view.Scopes, func(s oidc.ConsentScope) bool { return s.LockedACR == name && s.Reachable }) {
		return invalid("unlockACR: no scope that can be unlocked needs %q.", shown(name))
	}
	if err := r.flows.cfg.Engine.Verify(r.ctx(), r.v, r.txn, name); err != nil {
		return err
	}
	return r.reload()
}

// decide reads the decision; nil when the message makes none yet.
func decide(m message, view oidc.ConsentView) (*decision, error) {
	if len(m.named) > 0 {
		return nil, invalid("The member %s is not part of this flow; leave it out.", shown(m.named[0]))
	}
	if m.unlock != "" {
		return nil, nil
	}
	if m.approved == nil {
		return nil, invalid("approved must be true or false.")
	}
	if !*m.approved {
		return &decision{}, nil
	}
	for _, name := range m.scopes {
		i := slices.IndexFunc(view.Scopes, func(s oidc.ConsentScope) bool { return s.Name == name })
		switch {
		case i < 0:
			return nil, invalid("optionalScopes: %q is not asked for.", shown(name))
		case view.Scopes[i].LockedACR != "":
			return nil, invalid("optionalScopes: %q must be unlocked first, with unlockACR.", shown(name))
		}
	}
	return &decision{Approved: true, Scopes: m.scopes}, nil
}

// presentConsent writes the message of the consent flow.
func (r *request) presentConsent(step authn.Step, view *oidc.ConsentView, said *decision) error {
	m, err := r.frame(ConsentURN, step)
	if err != nil {
		return err
	}
	m["success"], m["approved"] = view == nil || said != nil, said != nil && said.Approved
	if view != nil {
		m["scopes"] = scopes(view.Scopes)
	}
	if said != nil {
		follow, err := r.uri(kindFollowUp, func(p *place) { p.Decision = said })
		if err != nil {
			return err
		}
		m["followUp"] = map[string]any{"type": "authorize", "$ref": follow}
		if said.Approved {
			m["optionalScopes"] = slices.Concat([]string{}, said.Scopes)
		}
	}
	return answer(r.echo, m)
}

// scopes are what a consent page shows.
func scopes(all []oidc.ConsentScope) []map[string]any {
	out := make([]map[string]any, 0, len(all))
	for _, s := range all {
		one := map[string]any{
			"name": s.Name, "description": cmp.Or(s.Description, s.Name), "optional": !s.Required, "granted": s.Granted,
		}
		if s.Prompt != "" {
			one["consentPromptText"] = s.Prompt
		}
		if s.LockedACR != "" {
			one["requiredACR"], one["unlockable"] = s.LockedACR, s.Reachable
		}
		out = append(out, one)
	}
	return out
}
