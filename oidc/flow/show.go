package flow

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/scim"
)

// outcome is what became of an answer.
type outcome struct {
	urn string // "": of no authenticator
	// wrong is why it was not accepted; nil: it was.
	wrong *authn.Refusal
	// more are further members for the authenticator.
	more map[string]any
}

// kindOf is the flow in which a step is answered; "" for one that no flow
// answers.
func kindOf(t authn.Txn, step authn.Step) kind {
	switch step.(type) {
	case authn.AskAccount, authn.AskLogin, authn.AskNewPassword:
		return kindLogin
	case authn.AskCode:
		if firstCode(t) {
			return kindLogin
		}
		return kindSecond
	case authn.AskFactor, authn.AskPasskey:
		return kindSecond
	default:
		return ""
	}
}

// firstCode reports whether a code is asked for in place of a password.
func firstCode(t authn.Txn) bool {
	p := t.Progress
	return p.Sent != nil && p.Sent.First || p.Begun != nil && p.Begun.First
}

// next reads what comes next.
func (r *request) next() (authn.Step, error) {
	step, grants, err := r.flows.cfg.Engine.Next(r.ctx(), r.v, r.txn)
	r.grant(grants)
	return step, err
}

// show answers a GET of the login or second-factor flow.
func (r *request) show() error {
	step, err := r.next()
	if err != nil {
		return err
	}
	return r.present(step, nil)
}

// put takes an answer: the message counts once, whatever becomes of it.
func (r *request) put() error {
	data, err := r.body()
	if err != nil {
		return err
	}
	m, err := parse(data, AuthenticationURN)
	if err != nil {
		return err
	}
	step, err := r.next()
	if err != nil {
		return err
	}
	if kindOf(r.txn, step) != r.kind {
		return outOfDate()
	}
	if err := r.expected(m, step); err != nil {
		return err
	}
	if r.txn, err = r.flows.cfg.Engine.Advance(r.ctx(), r.v, r.txn, r.place.Number); err != nil {
		return err
	}
	done, err := r.perform(step, m)
	if err != nil && !errors.As(err, new(*authn.Refusal)) {
		return err
	}
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
		if refusal.Reason == authn.OutOfStep || refusal.Reason == authn.Busy {
			return err
		}
		done.wrong = refusal
		r.retryAfter(refusal.RetryAfter)
	}
	if err := r.reload(); err != nil {
		return err
	}
	if step, err = r.next(); err != nil {
		return err
	}
	return r.present(step, &done)
}

func outOfDate() error { return &authn.Refusal{Reason: authn.OutOfStep} }

// expected refuses members that the step did not offer, and more than one
// answer: what was not asked for is never judged.
func (r *request) expected(m message, step authn.Step) error {
	offered := r.members(step)
	for _, urn := range m.named {
		if _, ok := offered[urn]; !ok {
			return invalid("The member %s is not part of this step; leave it out.", shown(urn))
		}
	}
	if len(m.answers) > 1 && (len(m.answers) > 2 || !slices.ContainsFunc(m.answers, func(g given) bool { return g.urn == AccountLookupURN })) {
		return invalid("The message answers %s and %s; answer one authenticator at a time.", m.answers[0].urn, m.answers[len(m.answers)-1].urn)
	}
	return nil
}

// present writes the message of a step, or of a flow that is satisfied.
func (r *request) present(step authn.Step, done *outcome) error {
	if kindOf(r.txn, step) != r.kind {
		return r.finished(step, done)
	}
	m, err := r.frame(AuthenticationURN, step)
	if err != nil {
		return err
	}
	members := r.members(step)
	if done != nil && done.urn != "" {
		overlay(members, *done)
	}
	for urn, member := range members {
		m[urn] = member
	}
	maps.Copy(m, switches(step))
	m["success"] = false
	return answer(r.echo, m)
}

// finished says that the flow is satisfied and where to go on.
func (r *request) finished(step authn.Step, done *outcome) error {
	m, err := r.frame(AuthenticationURN, step)
	if err != nil {
		return err
	}
	if done != nil && done.urn != "" {
		m[done.urn] = map[string]any{"status": Success}
	}
	m["success"] = true
	return answer(r.echo, m)
}

// overlay writes what became of an answer into the members.
func overlay(members map[string]map[string]any, done outcome) {
	member, ok := members[done.urn]
	if !ok {
		member = map[string]any{}
		members[done.urn] = member
	}
	maps.Copy(member, done.more)
	if done.wrong == nil {
		if !ok {
			member["status"] = Success
		}
		return
	}
	member["status"] = Failure
	member["error"], member["errorDetail"] = wrong(done.urn, done.wrong)
}

// frame is what every message has.
func (r *request) frame(urn string, step authn.Step) (map[string]any, error) {
	location, err := r.uri(r.kind, nil)
	if err != nil {
		return nil, err
	}
	follow, err := r.uri(kindFollowUp, nil)
	if err != nil {
		return nil, err
	}
	m := map[string]any{
		"schemas":  []string{urn},
		"meta":     map[string]any{"resourceType": string(r.kind), "location": location},
		"followUp": map[string]any{"type": "authorize", "$ref": follow},
		"client":   r.clientView(),
	}
	if u := userOf(step); u.ID != "" {
		m["sessionIdentityResource"] = map[string]any{"userName": u.UserName, "name.formatted": u.DisplayName()}
	}
	return m, nil
}

func (r *request) clientView() map[string]any {
	view := map[string]any{"name": cmp.Or(r.client.Name, r.client.ID)}
	for name, uri := range map[string]string{"url": r.client.URI, "policyUrl": r.client.PolicyURI, "termsUrl": r.client.TOSURI} {
		if uri != "" {
			view[name] = uri
		}
	}
	return view
}

// userOf is who a step is about; the zero User when that is not known.
func userOf(step authn.Step) authn.User {
	switch s := step.(type) {
	case authn.AskFactor:
		return s.User
	case authn.AskCode:
		return s.User
	case authn.AskPasskey:
		return s.User
	case authn.AskNewPassword:
		return s.User
	case authn.AskLogin:
		if s.User != nil {
			return *s.User
		}
	case authn.Ready:
		return s.User
	}
	return authn.User{}
}

// switches are what can be said beside an answer.
func switches(step authn.Step) map[string]any {
	out := map[string]any{}
	skip, remember, on, confirms := false, false, false, false
	switch s := step.(type) {
	case authn.AskFactor:
		skip, confirms = s.MaySkip, s.Confirms
	case authn.AskCode:
		confirms = s.Confirms
		skip, remember, on = s.MaySkip, s.MayRemember, s.Remember
	case authn.AskPasskey:
		skip, remember, on = s.MaySkip, s.MayRemember, s.Remember
	}
	if confirms {
		out["confirms"] = true
	}
	if skip {
		out["maySkip"] = true
	}
	if remember {
		out["mayRemember"], out["remember"] = true, on
	}
	return out
}

// members are the authenticators of a step.
func (r *request) members(step authn.Step) map[string]map[string]any {
	switch s := step.(type) {
	case authn.AskAccount:
		return map[string]map[string]any{AccountSelectionURN: {"status": Waiting, "accounts": accounts(s.Accounts)}}
	case authn.AskLogin:
		return r.firstFactors(s)
	case authn.AskNewPassword:
		member := map[string]any{
			"status": Failure, "error": mustChangePassword, "errorDetail": "The password must be changed: send newPassword.",
			"passwordRequirements": requirements(s.MinLength, s.MaxLength),
		}
		if s.Reason != "" {
			member["reason"] = s.Reason
		}
		return map[string]map[string]any{PasswordURN: member}
	case authn.AskFactor:
		return r.furtherFactors(s.Choices, nil, false)
	case authn.AskCode:
		if firstCode(r.txn) {
			return r.furtherFactors([]authn.Choice{s.Choice}, &s, true)
		}
		return r.furtherFactors(slices.Concat([]authn.Choice{s.Choice}, s.Others), &s, true)
	case authn.AskPasskey:
		return r.furtherFactors(slices.Concat([]authn.Choice{s.Choice}, s.Others), nil, false)
	default:
		return map[string]map[string]any{}
	}
}

func accounts(all []authn.Account) []map[string]any {
	out := make([]map[string]any, 0, len(all))
	for _, a := range all {
		out = append(out, map[string]any{"id": a.SessionID, "userName": a.User.UserName, "name": a.User.DisplayName()})
	}
	return out
}

// requirements are the rules of a new password.
func requirements(least, most int) []map[string]any {
	return []map[string]any{{
		"type": "length", "description": "The password must have a length within the bounds.",
		"minPasswordLength": least, "maxPasswordLength": most,
	}}
}

// firstFactors are the members with which a login begins.
func (r *request) firstFactors(s authn.AskLogin) map[string]map[string]any {
	out := map[string]map[string]any{}
	name := cmp.Or(r.place.Login, s.Hint)
	lookup := false
	for _, f := range s.Factors {
		member := map[string]any{"status": Waiting}
		switch f {
		case acr.Password:
			if s.User == nil && name != "" {
				member["username"] = name
			}
			r.addRecovery(member)
		case acr.Federated:
			if r.place.Key != nil { // the provider's answer comes to a browser
				continue
			}
			member["providers"] = providers(s.Upstreams)
		case acr.Passkey:
		default:
			lookup = s.User == nil
		}
		out[urnOf(f)] = member
	}
	if lookup {
		out[AccountLookupURN] = map[string]any{"status": Waiting, "lookupParameters": []string{"username"}}
	}
	if ref, ok := r.registration(); ok {
		out[RegistrationURN] = map[string]any{"status": Waiting, "registration": ref}
	}
	return out
}

func providers(all []authn.Upstream) []map[string]any {
	out := make([]map[string]any, 0, len(all))
	for _, u := range all {
		out = append(out, map[string]any{"name": u.ID, "description": u.Name, "type": u.Kind})
	}
	return out
}

// furtherFactors are the members of the factors to choose from; asked is the
// one whose code is asked for, the first.
func (r *request) furtherFactors(choices []authn.Choice, asked *authn.AskCode, sent bool) map[string]map[string]any {
	out := map[string]map[string]any{}
	for i, c := range choices {
		urn, current := urnOf(c.Factor), asked != nil && i == 0
		member, known := out[urn]
		if !known {
			member = map[string]any{"status": Waiting}
			out[urn] = member
			describe(member, c)
		}
		if current {
			r.describeAsked(member, *asked, sent)
		}
		member["destinations"] = append(destinationsOf(member), destination(c))
	}
	for _, member := range out {
		all := destinationsOf(member)
		if !slices.ContainsFunc(all, func(d map[string]any) bool { return d["status"] == Waiting }) {
			member["status"] = Unavailable
			member["errorDetail"] = "There were too many wrong codes; wait, or choose another authenticator."
		}
		if len(all) == 1 {
			delete(member, "destinations")
		}
	}
	return out
}

func destinationsOf(member map[string]any) []map[string]any {
	all, _ := member["destinations"].([]map[string]any)
	return all
}

// describe tells what a choice is.
func describe(member map[string]any, c authn.Choice) {
	if delivered(c.Factor) {
		member["codeSent"] = false
		if c.Masked != "" {
			member["attributeValue"] = c.Masked
		}
	}
}

// describeAsked tells of the choice whose code is asked for now.
func (r *request) describeAsked(member map[string]any, asked authn.AskCode, sent bool) {
	if delivered(asked.Choice.Factor) {
		member["codeSent"] = sent
		if asked.Choice.Masked != "" {
			member["attributeValue"] = asked.Choice.Masked
		}
	}
	if wait := asked.ResendAt.Sub(r.flows.cfg.Now()); !asked.ResendAt.IsZero() {
		member["resendAfter"] = max(0, seconds(wait))
	}
	if asked.Digits > 0 {
		member["digits"] = asked.Digits
	}
	if asked.Prompt != "" {
		member["prompt"] = asked.Prompt
	}
	if asked.Waits {
		member["waits"] = true
	}
}

// destination is one of several of a kind to choose from.
func destination(c authn.Choice) map[string]any {
	out := map[string]any{"id": choiceID(c), "method": string(c.Factor), "status": Waiting}
	if c.Masked != "" {
		out["attributeValue"] = c.Masked
	}
	if c.Name != "" {
		out["name"] = c.Name
	}
	if c.LockedFor > 0 {
		out["status"], out["retryAfter"] = Unavailable, seconds(c.LockedFor)
	}
	return out
}

// choiceID names a choice, as the forms of the pages do.
func choiceID(c authn.Choice) string {
	if c.Credential == "" {
		return string(c.Factor)
	}
	return string(c.Factor) + ":" + c.Credential
}

// wrong is what is told of a refused answer. What tells a known name from an
// unknown one is told to nobody.
func wrong(urn string, why *authn.Refusal) (code, detail string) {
	wait := ""
	if why.RetryAfter > 0 {
		wait = " Wait " + why.RetryAfter.Round(time.Second).String() + "."
	}
	switch why.Reason {
	case authn.WrongCode:
		return invalidCredentials, "The code is wrong."
	case authn.CodeExpired:
		return codeExpired, "No code is open: ask for another one."
	case authn.FactorLocked:
		return tooManyAttempts, "There were too many wrong codes." + wait
	case authn.SendLimited:
		return tooManyMessages, "There were too many messages." + wait
	case authn.SendFailed:
		return deliveryFailed, "The message could not be sent; try again, or choose another authenticator."
	case authn.PasswordRules:
		return invalidPassword, "The new password does not meet the requirements."
	case authn.Unavailable:
		return notAvailable, "The authenticator is not available now; try again, or choose another one."
	case authn.Waiting:
		return stillWaiting, "Nothing has happened yet."
	case authn.Missing:
		return invalidCredentials, "The answer is empty."
	default:
		if urn != PasswordURN {
			return invalidCredentials, "The answer is wrong."
		}
		return invalidCredentials, "The user name or the password is wrong."
	}
}

// unknownDestination refuses a choice that was not offered.
func unknownDestination(id string) error {
	return scim.Errorf(http.StatusBadRequest, scim.TypeInvalidValue, "destination %q is not one that was offered.", shown(id))
}
