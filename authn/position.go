package authn

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// limitClosed is the limit that closes a factor for good.
const limitClosed = throttle.LimitFactorDisabled

// position is where a transaction stands for a browser: all that says what
// comes next. It is worked out anew for every step, and once more in the
// transaction that answers.
type position struct {
	visitor Visitor
	txn     Txn
	req     acr.Requirement
	live    []held // sessions of the browser
	held    *held  // the one that takes the proofs; nil: none
	ask     bool   // several would do
	factors factors
	// confirms tells that an enrolment is confirmed by mail.
	confirms bool
	// unproved are values of an administrator, of which one is to be confirmed.
	unproved []means
	device   *Device // by which the browser is remembered for the user; nil: it is not
	// decision is meaningless while ask is set.
	decision acr.Decision
}

// position reads everything anew. In a transaction of ctx the user and the
// session stay as they are.
func (e *Engine) position(ctx context.Context, v Visitor, t Txn) (*position, error) {
	purpose := e.purposes[t.Purpose]
	if purpose == nil || !t.of(v) {
		return nil, ErrTxnUnknown
	}
	if err := t.Ended(e.now()); err != nil {
		return nil, err
	}
	p := &position{visitor: v, txn: t}
	var err error
	if p.req, err = purpose.Requirement(ctx, t); err != nil {
		return nil, fmt.Errorf("ask what %s requires: %w", t.Purpose, err)
	}
	p.req.Txn, p.req.Skipped = t.ID, t.Progress.Skipped
	if p.live, err = e.browser(ctx, v); err != nil {
		return nil, err
	}
	p.pick()
	if err := e.mayEnrol(ctx, p); err != nil {
		return nil, err
	}
	return p, e.decide(ctx, p)
}

// pick chooses the session that the transaction is about.
func (p *position) pick() {
	find := func(ok func(h held) bool) *held {
		if i := slices.IndexFunc(p.live, ok); i >= 0 {
			return &p.live[i]
		}
		return nil
	}
	progress := p.txn.Progress
	switch {
	case progress.SessionID != "":
		// Gone if it has ended, or was taken over, meanwhile.
		p.held = find(func(h held) bool { return h.ID == progress.SessionID && h.UserID == progress.UserID })
	case progress.Chosen: // as somebody else
	case p.req.Subject != "":
		p.held = find(func(h held) bool { return h.UserID == p.req.Subject })
	case len(p.live) > 1 || progress.Select && len(p.live) > 0:
		p.ask = true
	case len(p.live) == 1:
		p.held = &p.live[0]
	}
}

func (e *Engine) decide(ctx context.Context, p *position) error {
	if p.ask {
		return nil
	}
	x := acr.Context{Now: e.now(), IP: p.visitor.IP, Header: p.visitor.Header}
	if p.held == nil {
		p.decision = acr.Decide(p.req, nil, nil, x)
		return nil
	}
	x.User = p.held.UserID
	var err error
	if p.factors, err = e.factors(ctx, p.held.user); err != nil {
		return err
	}
	if err := e.recall(ctx, p); err != nil {
		return err
	}
	if p.device != nil {
		x.Device = &p.device.CreatedAt
	}
	ledger, has := e.counted(p.factors, p.held.Proofs), e.enrolments(p.factors)
	p.decision = acr.Decide(p.req, ledger, has, x)
	if err := e.awaits(ctx, p, ledger, has, x); err != nil {
		return err
	}
	e.beforeEnrol(p, ledger, has, x)
	if p.factors.enabled || !asksFirst(p.decision) {
		return nil
	}
	// Whoever logs in with a code, or a passkey, in place of a password does so with
	// second factors switched off too.
	for _, m := range p.factors.means {
		if !m.closed && (isCode(m.Factor) || m.auth != nil && m.auth.Kind().First || m.Factor == acr.Passkey) {
			has = append(has, e.enrolmentsOf(m)...)
		}
	}
	again := acr.Decide(p.req, ledger, has, x)
	if _, ok := again.(acr.Prompt); ok && asksFirst(again) {
		p.decision = again
	}
	return nil
}

// asksFirst reports whether a decision asks for a first factor, or might if the
// user had another one.
func asksFirst(d acr.Decision) bool {
	switch d := d.(type) {
	case acr.Fail:
		return d.Reason == acr.Unreachable
	case acr.Prompt:
		return len(d.Steps) > 0 && d.Steps[0].First
	}
	return false
}

// mustChange reports whether a password that logged in must be changed now: one
// that an administrator gave before anything else, one that became known
// elsewhere only when all is proved, for then whoever typed it may be anybody
// (security.md section 6).
func (p *position) mustChange() bool {
	if p.held == nil || !p.factors.password.MustChange ||
		!slices.ContainsFunc(p.held.Proofs, func(q session.Proof) bool { return q.Factor == acr.Password }) {
		return false
	}
	_, proved := p.decision.(acr.Issue)
	return proved || p.factors.password.Reason != validation.MustCompromised
}

// prompt is the step that the decision asks for; false if it asks for none.
func (p *position) prompt() (acr.Step, bool) {
	if prompt, ok := p.decision.(acr.Prompt); ok && !p.ask && len(prompt.Steps) > 0 {
		return prompt.Steps[0], true
	}
	return acr.Step{}, false
}

// step is what to show.
func (e *Engine) step(p *position) Step {
	if p.ask {
		return AskAccount{Accounts: accountsOf(p.live)}
	}
	if p.mustChange() {
		if p.req.Silent {
			return Failed{Reason: acr.InteractionRequired}
		}
		rules := e.cfg.Hasher.Rules()
		return AskNewPassword{
			User: p.held.user, MinLength: rules.MinLength, MaxLength: rules.MaxLength, Reason: p.factors.password.Reason,
		}
	}
	switch d := p.decision.(type) {
	case acr.Issue:
		if p.held == nil {
			return Failed{Reason: acr.LoginRequired} // Decide never issues without a user
		}
		return Ready{User: p.held.user, Session: p.held.Session, Issue: d}
	case acr.Fail:
		return Failed{Reason: d.Reason}
	}
	step, ok := p.prompt()
	switch {
	case !ok:
		return Failed{Reason: acr.Unreachable}
	case step.First:
		return e.firstStep(p, step)
	case step.Enrol:
		return AskEnrol{User: p.held.user, Factors: step.AnyOf, MaySkip: len(step.Skip) > 0, Reason: step.Reason}
	}
	return e.furtherStep(p, step)
}

// firstStep asks for a first factor, or for the code that was sent as one.
func (e *Engine) firstStep(p *position, step acr.Step) Step {
	if ask, ok := e.firstUnderWay(p, step); ok {
		return ask
	}
	ask := AskLogin{Hint: p.txn.LoginHint, Fixed: p.req.Subject != "", Reason: step.Reason}
	if slices.Contains(step.AnyOf, acr.Federated) {
		ask.Upstreams = e.upstreams(p)
	}
	for _, f := range step.AnyOf {
		if e.begins(f, ask) {
			ask.Factors = append(ask.Factors, f)
		}
	}
	if p.held != nil {
		ask.User = &p.held.user
		own := slices.DeleteFunc(slices.Clone(ask.Factors), func(f acr.Factor) bool {
			return !slices.ContainsFunc(step.Usable, func(u acr.Enrolment) bool { return u.Factor == f })
		})
		if len(own) > 0 {
			ask.Factors = own
		}
	}
	if len(ask.Factors) == 0 {
		return Failed{Reason: acr.Unreachable}
	}
	return ask
}

// firstUnderWay asks for the answer to a first factor that was begun.
func (e *Engine) firstUnderWay(p *position, step acr.Step) (AskCode, bool) {
	if begun := p.txn.Progress.Begun; begun != nil && begun.First && slices.Contains(step.AnyOf, begun.Factor) && e.plugged[begun.Factor] != nil {
		return e.askBegun(p, begun, step), true
	}
	sent := p.txn.Progress.Sent
	if sent == nil || !sent.First || !slices.Contains(step.AnyOf, sent.Factor) {
		return AskCode{}, false
	}
	ask := AskCode{
		Choice:   Choice{Factor: sent.Factor},
		ResendAt: sent.ResendAt, Digits: e.digits(sent.Factor), Reason: step.Reason,
	}
	if p.held != nil {
		ask.User = p.held.user
	}
	return ask, true
}

// begins reports whether a factor can be asked for at the beginning of a login.
func (e *Engine) begins(f acr.Factor, ask AskLogin) bool {
	switch {
	case f == acr.Password:
		return true
	case f == acr.Passkey:
		return e.cfg.Passkeys != nil
	case f == acr.Federated:
		return len(ask.Upstreams) > 0
	case isCode(f):
		return e.sends(f)
	}
	return e.plugged[f] != nil && e.plugged[f].Kind().First
}

// sends reports whether codes of a factor can be sent at all.
func (e *Engine) sends(f acr.Factor) bool {
	_, err := e.cfg.Delivery.Default(channelOf(f))
	return err == nil
}

// furtherStep asks for one of the factors that the step allows.
func (e *Engine) furtherStep(p *position, step acr.Step) Step {
	open := p.offered(step)
	if len(open) == 0 {
		return Failed{Reason: acr.Unreachable}
	}
	confirms := p.unproved != nil
	pick := AskFactor{User: p.held.user, Choices: choicesOf(open), Confirms: confirms, MaySkip: len(step.Skip) > 0, Reason: step.Reason}
	chosen := slices.IndexFunc(open, func(m means) bool {
		return m.Factor == p.txn.Progress.Factor && m.Credential == p.txn.Progress.Credential
	})
	// Nothing must be done before the only one, or the preferred one, is asked for.
	if chosen < 0 && !open[0].starts() && (len(open) == 1 || open[0].preferred()) {
		chosen = 0
	}
	if chosen < 0 {
		return pick
	}
	m := open[chosen]
	others := choicesOf(slices.Delete(slices.Clone(open), chosen, chosen+1))
	may, remember := !confirms && e.mayRemember(p) && e.remembers(m.Factor), p.txn.Progress.Remember
	if m.Factor == acr.Passkey {
		return AskPasskey{
			User: p.held.user, Choice: m.Choice, Others: others, MaySkip: pick.MaySkip,
			MayRemember: may, Remember: remember, Reason: step.Reason,
		}
	}
	ask := AskCode{
		User: p.held.user, Choice: m.Choice, Digits: e.digitsOf(m), Confirms: confirms, Others: others, MaySkip: pick.MaySkip,
		MayRemember: may, Remember: remember, Reason: step.Reason,
	}
	sent, begun := p.txn.Progress.Sent, p.txn.Progress.Begun
	switch {
	case isCode(m.Factor):
		if sent == nil || !sent.isFor(m) { // not sent, or for something else
			return pick
		}
		ask.ResendAt = sent.ResendAt
	case m.auth != nil:
		if m.starts() && (begun == nil || !begun.isFor(m, e.now())) {
			return pick
		}
		ask.Waits = m.auth.Kind().Waits
		if begun != nil && begun.isFor(m, e.now()) {
			ask.Prompt = begun.Prompt
		}
	}
	return ask
}

// starts reports whether something must be done before these means are asked
// for, so that the person must choose them.
func (m means) starts() bool { return isCode(m.Factor) || m.auth != nil && m.auth.Kind().Starts }

// preferred reports whether the user wants to be asked for these means first.
func (m means) preferred() bool { return m.setting.Preferred == string(m.Factor) }

// isFor reports whether the code was sent for these means.
func (s *Sent) isFor(m means) bool {
	return !s.First && s.Factor == m.Factor && s.Credential == m.Credential
}

// offered are the means for a step: what the user prefers, then what was used
// last; recovery codes come last.
func (p *position) offered(step acr.Step) []means {
	var out []means
	for _, m := range p.shown() {
		if slices.ContainsFunc(step.Usable, m.is) {
			out = append(out, m)
		}
	}
	used := func(m means) int64 {
		last := m.setting.LastUsedAt
		for _, q := range p.held.Proofs {
			if m.is(acr.Enrolment{Factor: q.Factor, Credential: q.Credential}) && q.At.After(last) {
				last = q.At
			}
		}
		return last.UnixMicro()
	}
	rank := func(m means) int {
		switch {
		case m.Factor == acr.RecoveryCode:
			return 2
		case m.preferred():
			return 0
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b means) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(used(b), used(a)))
	})
	return out
}

func choicesOf(all []means) []Choice {
	out := make([]Choice, 0, len(all))
	for _, m := range all {
		out = append(out, m.Choice)
	}
	return out
}

// digits is the length of a sent code that has digits only, else 0.
func (e *Engine) digits(f acr.Factor) int {
	g := e.cfg.Delivery.Rules(channelOf(f)).Generator
	if !g.Numeric() {
		return 0
	}
	return g.Len()
}

func (e *Engine) digitsOf(m means) int {
	switch {
	case isCode(m.Factor):
		return e.digits(m.Factor)
	case m.auth != nil:
		return m.auth.Kind().Digits
	}
	return m.of.Digits
}
