package authn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// sending is one code on its way.
type sending struct {
	means    means
	user     User   // the zero User: nobody gets it
	account  string // of the limits: the user, or the name as typed
	claims   state.Claims
	token    state.Token
	code     delivery.Code
	lifetime time.Duration
	language string
	prefix   string // country calling code; "" for e-mail
	first    bool
	taken    throttle.Taken
}

// errLimited rolls a transaction back after a limit has refused.
var errLimited = errors.New("a limit refused")

// Choose picks a factor. For one that is sent it also sends the code, unless the
// last one still waits: then the page shows it with its countdown. login is the
// name typed where a code takes the place of the password.
func (e *Engine) Choose(ctx context.Context, v Visitor, t Txn, login string, f acr.Factor, credential string) error {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return err
	}
	switch step := e.step(p).(type) {
	case AskLogin:
		return e.chooseFirst(ctx, p, step, login, f)
	case AskFactor, AskCode, AskPasskey:
		return e.chooseFurther(ctx, p, f, credential)
	}
	return outOfStep()
}

// Send sends another code. The earlier ones die with it; the tries already made
// are not given back.
func (e *Engine) Send(ctx context.Context, v Visitor, t Txn) error {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return err
	}
	ask, ok := e.step(p).(AskCode)
	sent := t.Progress.Sent
	begun := t.Progress.Begun
	switch {
	case ok && begun != nil && begun.First && e.plugged[begun.Factor] != nil:
		return e.startFirstAgain(ctx, p, begun)
	case ok && begun != nil && ask.Choice.Factor == begun.Factor && !begun.First:
		m, ok := p.find(begun.Factor, begun.Credential)
		if !ok || !m.starts() {
			return outOfStep()
		}
		return e.startPlugged(ctx, p, m)
	case !ok || sent == nil || !isCode(ask.Choice.Factor):
		return outOfStep()
	}
	if sent.First {
		return e.sendFirstAgain(ctx, p, sent)
	}
	m, ok := p.find(sent.Factor, sent.Credential)
	if !ok {
		return outOfStep()
	}
	return e.sendTo(ctx, p, m)
}

// find returns the means that the present step offers under a name.
func (p *position) find(f acr.Factor, credential string) (means, bool) {
	step, ok := p.prompt()
	if !ok || step.First || p.held == nil {
		return means{}, false
	}
	var found []means
	for _, m := range p.offered(step) {
		if m.Factor == f && (credential == "" || credential == m.Credential) {
			found = append(found, m)
		}
	}
	if len(found) != 1 {
		return means{}, false
	}
	return found[0], true
}

func (e *Engine) chooseFurther(ctx context.Context, p *position, f acr.Factor, credential string) error {
	m, ok := p.find(f, credential)
	if !ok {
		return outOfStep()
	}
	if m.LockedFor > 0 {
		return &Refusal{Reason: FactorLocked, RetryAfter: m.LockedFor}
	}
	sent, begun := p.txn.Progress.Sent, p.txn.Progress.Begun
	if m.auth != nil && m.starts() && (begun == nil || !begun.isFor(m, e.now())) {
		return e.startPlugged(ctx, p, m)
	}
	if !isCode(f) || sent != nil && sent.isFor(m) && e.now().Before(sent.Expires) {
		return e.update(ctx, p.txn, func(g *Progress) { g.Factor, g.Credential = f, m.Credential })
	}
	return e.sendTo(ctx, p, m)
}

// sendTo sends a code to somebody who has shown a first factor: who waits until
// the provider has taken it, and is told what the limits say.
func (e *Engine) sendTo(ctx context.Context, p *position, m means) error {
	if m.LockedFor > 0 {
		return &Refusal{Reason: FactorLocked, RetryAfter: m.LockedFor}
	}
	out := &sending{means: m, user: p.held.user, account: p.held.UserID}
	if err := e.seal(ctx, p, out); err != nil {
		return err
	}
	d, err := e.begin(ctx, p, out)
	if err != nil {
		return err
	}
	if !d.Allowed {
		return e.refuse(ctx, e.sendEvent(p, out, audit.ChallengeSendRefused, d.Limit), d.Limit,
			&Refusal{Reason: SendLimited, RetryAfter: d.RetryAfter})
	}
	return e.deliver(ctx, p, out)
}

// seal makes code and state. The state belongs to this transaction and nowhere
// else. Nothing is written yet.
func (e *Engine) seal(ctx context.Context, p *position, out *sending) error {
	rules := e.cfg.Delivery.Rules(channelOf(out.means.Factor))
	now := e.now().Truncate(time.Second)
	out.code, out.lifetime = rules.Generator.New(), min(rules.Lifetime, state.MaxLife)
	out.language = cmpOr(p.txn.Languages, out.user.Languages())
	out.claims = state.Claims{
		JTI: state.NewJTI(), Kind: state.KindLogin, Subject: out.account, IssuedAt: now, ExpiresAt: now.Add(out.lifetime),
		Actor: state.Actor{Client: p.txn.ClientID, Session: p.txn.ID}, Path: out.means.of.Factor, Value: out.means.of.Value,
	}
	if out.means.channel.Telephone() {
		phone, err := delivery.ParsePhone(out.means.of.Value)
		if err != nil {
			return fmt.Errorf("read number: %w", err)
		}
		out.prefix, out.claims.Provider = phone.Country, out.means.provider.Name
	}
	var err error
	if out.user.ID != "" {
		out.claims.CredentialEpoch, out.claims.FactorEpoch, err = e.cfg.Records.Epochs(ctx, out.user.ID, out.claims.Path)
		if err != nil {
			return fmt.Errorf("read epochs: %w", err)
		}
	}
	if out.token, err = e.cfg.States.MintCode(ctx, out.claims, out.code.Reveal()); err != nil {
		return fmt.Errorf("seal code: %w", err)
	}
	return nil
}

// cmpOr returns the first text that is not empty.
func cmpOr(texts ...string) string {
	i := slices.IndexFunc(texts, func(s string) bool { return s != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}

// send is what the limits count.
func (out *sending) send(v Visitor) throttle.Send {
	s := throttle.Send{User: out.account, Destination: out.account, IP: v.IP, Cost: 1}
	if out.user.ID != "" {
		s.Destination = delivery.Key(out.means.channel, out.means.of.Value)
		s.Telephone, s.Prefix = out.means.channel.Telephone(), out.prefix
	}
	return s
}

// begin counts the send and stores the challenge, which kills an older one, in
// one transaction; or it is refused and changes nothing.
func (e *Engine) begin(ctx context.Context, p *position, out *sending) (throttle.Decision, error) {
	if out.prefix != "" {
		d, err := e.cfg.Outcomes.Check(ctx, out.prefix)
		if err != nil || !d.Allowed {
			return d, err
		}
	}
	var decision throttle.Decision
	err := e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		var err error
		if out.taken, decision, err = e.cfg.Sends.Take(ctx, out.send(p.visitor)); err != nil {
			return err
		}
		if !decision.Allowed {
			return errLimited
		}
		wait, err := e.nextSend(ctx, p, out)
		if err != nil {
			return err
		}
		return e.startChallenge(ctx, p, out, wait)
	})
	if errors.Is(err, errLimited) {
		return decision, nil
	}
	return decision, err
}

// nextSend asks the limits, in the transaction of a send, when the one after it
// may follow.
func (e *Engine) nextSend(ctx context.Context, p *position, out *sending) (time.Duration, error) {
	taken, d, err := e.cfg.Sends.Take(ctx, out.send(p.visitor))
	if err != nil {
		return 0, err
	}
	if d.Allowed {
		return 0, e.cfg.Sends.GiveBack(ctx, taken)
	}
	return d.RetryAfter, nil
}

func (e *Engine) startChallenge(ctx context.Context, p *position, out *sending, wait time.Duration) error {
	row := e.challengeOf(p, out)
	if err := e.cfg.Challenges.Start(ctx, row); err != nil {
		return fmt.Errorf("start challenge: %w", err)
	}
	if out.first && out.user.ID != "" {
		if err := e.queue(ctx, p, out, row.DestHash); err != nil {
			return err
		}
	}
	return e.update(ctx, p.txn, func(g *Progress) { out.note(g, e.now().Add(wait)) })
}

// challengeOf is the row on which the tries of a code are counted. A code in
// place of a password kills only earlier ones of its own transaction: whoever
// begins a login has proved nothing, and must not end the codes of others.
func (e *Engine) challengeOf(p *position, out *sending) challenge.Challenge {
	series := out.claims.Path
	switch {
	case out.first:
		series = "first:" + p.txn.ID + ":" + series
	case out.means.confirms:
		series = out.means.Credential
	}
	return challenge.Challenge{
		JTI: out.claims.JTI, Subject: out.account, Kind: string(state.KindLogin), Path: series,
		MaxAttempts: e.cfg.Tries, CreatedAt: out.claims.IssuedAt, ExpiresAt: out.claims.ExpiresAt,
		DestHash: e.cfg.Hash.Destination(out.send(p.visitor).Destination),
	}
}

// note writes the code on its way into the progress.
func (out *sending) note(g *Progress, resendAt time.Time) {
	c := out.means.Choice
	g.Factor, g.Credential = c.Factor, c.Credential
	g.Sent = &Sent{
		State: out.token.Reveal(), First: out.first, JTI: out.claims.JTI, Factor: c.Factor, Credential: c.Credential,
		Masked: c.Masked, ResendAt: resendAt, Expires: out.claims.ExpiresAt,
	}
}

// deliver hands the message to the provider. The request may be given up by the
// browser, the send may not: what it did must be known.
func (e *Engine) deliver(ctx context.Context, p *position, out *sending) error {
	ctx = context.WithoutCancel(ctx)
	m := delivery.Message{
		ID: out.claims.JTI, Channel: out.means.channel, To: out.means.of.Value, Code: out.code, Language: out.language,
		Purpose: out.means.purpose(), Validity: out.lifetime, DestHash: e.cfg.Hash.Destination(out.send(p.visitor).Destination),
	}
	receipt, err := out.means.provider.Hand(ctx, m)
	if err == nil {
		return e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
			if err := out.means.provider.Record(ctx, m, receipt); err != nil {
				return fmt.Errorf("record send: %w", err)
			}
			if err := e.record(ctx, e.sendEvent(p, out, audit.ChallengeSent, "")); err != nil {
				return err
			}
			return e.watch(ctx, out.claims.JTI, out.prefix, out.means.provider.Inbox)
		})
	}
	if undo := e.undo(ctx, p, out, err); undo != nil {
		return undo
	}
	return &Refusal{Reason: SendFailed}
}

// watch counts a telephone send for the conversion alarm.
func (e *Engine) watch(ctx context.Context, jti, prefix string, inbox bool) error {
	if prefix == "" || inbox {
		return nil
	}
	alarm, err := e.cfg.Outcomes.Sent(ctx, jti, prefix)
	if err != nil || !alarm {
		return err
	}
	ev := event(Visitor{}, audit.AbuseConversionAlarm, "", "", loginDetail{})
	ev.Actor, ev.Outcome, ev.Reason = audit.Party{Type: "server"}, audit.Refused, "low_conversion"
	ev.Target = audit.Party{Type: "country", ID: "+" + prefix}
	ev.Detail = nil
	return e.record(ctx, ev)
}

// undo ends the challenge of a message that was not sent and gives the counters
// back, unless nobody knows whether it was.
func (e *Engine) undo(ctx context.Context, p *position, out *sending, cause error) error {
	reason := "provider_unavailable"
	switch {
	case errors.Is(cause, delivery.ErrRefused):
		reason = "destination_refused"
	case errors.Is(cause, delivery.ErrUnknown):
		reason = "delivery_unknown"
	}
	return e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := e.cfg.Challenges.Void(ctx, out.claims.JTI); err != nil {
			return fmt.Errorf("end challenge: %w", err)
		}
		if !errors.Is(cause, delivery.ErrUnknown) {
			if err := e.cfg.Sends.GiveBack(ctx, out.taken); err != nil {
				return err
			}
		}
		_, err := e.cfg.Txns.UpdateTxn(ctx, p.txn.ID, e.now(), func(row *Txn) error {
			if sent := row.Progress.Sent; sent != nil && sent.JTI == out.claims.JTI {
				row.Progress.Sent, row.Progress.Factor, row.Progress.Credential = nil, "", ""
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("take login back: %w", err)
		}
		ev := e.sendEvent(p, out, audit.ChallengeSent, "")
		ev.Outcome, ev.Reason = audit.Failed, reason
		return e.record(ctx, ev)
	})
}

func (e *Engine) sendEvent(p *position, out *sending, name audit.Name, limit string) audit.Event {
	d := loginDetail{
		Factor: out.means.Factor, Txn: p.txn.ID, JTI: out.claims.JTI, Path: out.means.of.Text,
		Destination: out.means.Masked, Limit: limit,
	}
	if out.means.provider != nil {
		d.Provider = out.means.provider.Name
	}
	if out.first || p.held == nil {
		return event(p.visitor, name, p.txn.ClientID, out.user.ID, d)
	}
	return proved(p.visitor, name, p.txn.ClientID, out.user.ID, p.held.ID, d)
}

// nobody begins the account of a name that is nobody's.
var nobody = throttle.UnknownLogin("")

// isNobody reports whether an account is no user.
func isNobody(account string) bool { return strings.HasPrefix(account, nobody) }
