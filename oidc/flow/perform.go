package flow

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/federated"
)

// perform does what a message asks for. A *authn.Refusal is about the
// authenticator of the outcome.
func (r *request) perform(step authn.Step, m message) (outcome, error) {
	// The message says again what it was told; only a change is one.
	if on, _ := switches(step)["remember"].(bool); m.remember != nil && *m.remember != on {
		if err := r.flows.cfg.Engine.Remember(r.ctx(), r.v, r.txn, *m.remember); err != nil {
			return outcome{}, err
		}
		if err := r.reload(); err != nil {
			return outcome{}, err
		}
	}
	switch {
	case m.restart:
		return outcome{}, r.flows.cfg.Engine.Another(r.ctx(), r.v, r.txn)
	case m.skip:
		return outcome{}, r.skip(step)
	}
	var g given
	for _, one := range m.answers {
		if one.urn == AccountLookupURN {
			r.place.Login = strings.TrimSpace(one.username)
			if g.urn != "" {
				continue
			}
		}
		g = one
	}
	if g.urn == "" {
		return outcome{}, nil
	}
	more, err := r.answer(step, g)
	return outcome{urn: g.urn, more: more}, err
}

// skip gives up an optional step, or what was to be unlocked.
func (r *request) skip(step authn.Step) error {
	if on, _ := switches(step)["maySkip"].(bool); on {
		return r.flows.cfg.Engine.SkipStep(r.ctx(), r.v, r.txn)
	}
	if len(r.txn.Progress.Verify) > 0 {
		return r.flows.cfg.Engine.Skip(r.ctx(), r.v, r.txn)
	}
	return invalid("The step cannot be skipped.")
}

// answer gives one authenticator its answer.
func (r *request) answer(step authn.Step, g given) (map[string]any, error) {
	e := r.flows.cfg.Engine
	switch g.urn {
	case AccountLookupURN:
		return map[string]any{"status": Success}, nil
	case AccountSelectionURN:
		grants, err := e.Account(r.ctx(), r.v, r.txn, g.account)
		r.grant(grants)
		return nil, err
	case PasswordURN:
		return nil, r.password(step, g)
	case PasskeyURN:
		return r.passkey(step, g)
	case ExternalIdentityURN:
		return r.federate(g.provider)
	case RegistrationURN:
		return nil, invalid("Register an account at the URI in %s.registration.$ref.", RegistrationURN)
	}
	choice, err := r.choice(step, g)
	if err != nil {
		return nil, err
	}
	if g.code == "" && g.send {
		return nil, r.send(step, choice)
	}
	return nil, r.code(step, choice, g)
}

// password takes user name and password, or the new password in place of one
// that must be changed: also both in one message.
func (r *request) password(step authn.Step, g given) error {
	if _, change := step.(authn.AskNewPassword); change {
		return r.newPassword(g.newPassword)
	}
	if g.password == "" {
		return &authn.Refusal{Reason: authn.Missing}
	}
	name := strings.TrimSpace(cmp.Or(g.username, r.place.Login))
	grants, err := r.flows.cfg.Engine.Login(r.ctx(), r.v, r.txn, name, g.password)
	r.grant(grants)
	if err != nil || g.newPassword == "" {
		return err
	}
	if err := r.reload(); err != nil {
		return err
	}
	if step, err = r.next(); err != nil {
		return err
	}
	if _, change := step.(authn.AskNewPassword); !change {
		return nil // nobody asked for another one
	}
	return r.newPassword(g.newPassword)
}

func (r *request) newPassword(text string) error {
	if text == "" {
		return &authn.Refusal{Reason: authn.Missing}
	}
	grants, err := r.flows.cfg.Engine.NewPassword(r.ctx(), r.v, r.txn, text)
	r.grant(grants)
	return err
}

// choice is what an answer is about: the destination that it names, else the one
// that is asked for now, else the first of its kind.
func (r *request) choice(step authn.Step, g given) (authn.Choice, error) {
	var all []authn.Choice
	switch s := step.(type) {
	case authn.AskLogin:
		for _, f := range s.Factors {
			all = append(all, authn.Choice{Factor: f})
		}
	case authn.AskFactor:
		all = s.Choices
	case authn.AskCode:
		all = append([]authn.Choice{s.Choice}, s.Others...)
	case authn.AskPasskey:
		all = append([]authn.Choice{s.Choice}, s.Others...)
	}
	for _, c := range all {
		if urnOf(c.Factor) == g.urn && (g.destination == "" || g.destination == choiceID(c)) {
			return c, nil
		}
	}
	return authn.Choice{}, unknownDestination(g.destination)
}

// asks reports whether a step asks for the code of the choice.
func asks(step authn.Step, c authn.Choice) bool {
	s, ok := step.(authn.AskCode)
	return ok && s.Choice.Factor == c.Factor && s.Choice.Credential == c.Credential
}

// send sends a code, or starts what waits: for the first time, or again.
func (r *request) send(step authn.Step, c authn.Choice) error {
	if asks(step, c) {
		return r.flows.cfg.Engine.Send(r.ctx(), r.v, r.txn)
	}
	return r.choose(c)
}

func (r *request) choose(c authn.Choice) error {
	return r.flows.cfg.Engine.Choose(r.ctx(), r.v, r.txn, r.place.Login, c.Factor, c.Credential)
}

// code takes what was typed. What needs no message is chosen on the way.
func (r *request) code(step authn.Step, c authn.Choice, g given) error {
	if !asks(step, c) {
		if delivered(c.Factor) {
			return &authn.Refusal{Reason: authn.CodeExpired}
		}
		if err := r.choose(c); err != nil {
			return err
		}
		if err := r.reload(); err != nil {
			return err
		}
	}
	text := strings.TrimSpace(g.code)
	if g.urn == SecondPasswordURN {
		text = g.code // blanks belong to it
	}
	grants, err := r.flows.cfg.Engine.Code(r.ctx(), r.v, r.txn, text)
	r.grant(grants)
	return err
}

// passkey makes the options of a passkey, or takes its answer.
func (r *request) passkey(step authn.Step, g given) (map[string]any, error) {
	e := r.flows.cfg.Passkeys
	if e == nil {
		return nil, outOfDate() // nobody was offered any
	}
	switch step.(type) {
	case authn.AskLogin, authn.AskPasskey:
	default:
		if err := r.choose(authn.Choice{Factor: acr.Passkey}); err != nil {
			return nil, err
		}
		if err := r.reload(); err != nil {
			return nil, err
		}
	}
	if g.credential == nil {
		options, err := e.PasskeyOptions(r.ctx(), r.v, r.txn)
		if err != nil {
			return nil, err
		}
		return map[string]any{"options": options}, nil
	}
	grants, err := e.Passkey(r.ctx(), r.v, r.txn, g.credential)
	r.grant(grants)
	return nil, err
}

// federate prepares a login at a provider elsewhere. The browser comes back to
// this server, which sends it to the login page of the application again.
func (r *request) federate(provider string) (map[string]any, error) {
	to, err := r.flows.cfg.Engine.Federate(r.ctx(), r.v, r.txn, provider)
	if err != nil {
		return nil, err
	}
	return redirectView(to), nil
}

func redirectView(to federated.Redirect) map[string]any {
	out := map[string]any{"providerRedirectUrl": to.URL}
	if to.Form != nil {
		out["providerRedirectForm"] = single(to.Form)
	}
	return out
}

// single is a form whose fields have one value each.
func single(form url.Values) map[string]string {
	out := make(map[string]string, len(form))
	for name := range form {
		out[name] = form.Get(name)
	}
	return out
}
