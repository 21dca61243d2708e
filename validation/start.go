package validation

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// sending is one code on its way: everything that is known before anything is
// written.
type sending struct {
	kind     *addressKind
	path     *Path
	provider *delivery.Provider
	value    string // normalised
	prefix   string // country calling code; "" for e-mail
	subject  string // texts that the caller chose, "" for the template
	text     string
	language string
	claims   state.Claims
	token    state.Token
	code     delivery.Code
	lifetime time.Duration
	taken    throttle.Taken
}

// startAddress is POST: it sends a code and hands out the state.
func (s *Service) startAddress(ctx context.Context, k *addressKind, t Target, req addressRequest) (addressRecord, error) {
	out, err := s.plan(ctx, k, t, req)
	if err != nil {
		return addressRecord{}, err
	}
	if err := s.seal(ctx, t, out); err != nil {
		return addressRecord{}, err
	}
	if err := s.begin(ctx, t, out); err != nil {
		return addressRecord{}, err
	}
	if err := s.deliver(ctx, t, out); err != nil {
		return addressRecord{}, err
	}
	t.Key = out.token.Reveal()
	return s.pendingRecord(ctx, k, t, out.path, out.claims)
}

// plan judges the body: path, provider, value, texts, destination, in this
// order.
func (s *Service) plan(ctx context.Context, k *addressKind, t Target, req addressRequest) (*sending, error) {
	if req.path == "" {
		return nil, required(memberPath)
	}
	p, ok := k.paths.find(k.list, req.path)
	if !ok {
		return nil, pathNotConfigured()
	}
	out := &sending{kind: k, path: p, language: languages(t.User, req.language)}
	var err error
	if out.provider, err = s.provider(k, req.provider); err != nil {
		return nil, err
	}
	value := req.value
	if value == "" {
		value = p.Get(t.User.Object)
	}
	if value == "" {
		return nil, required(memberValue)
	}
	if out.value, err = p.normal(value); err != nil {
		return nil, err
	}
	if err := s.texts(t, req, out); err != nil {
		return nil, err
	}
	return out, s.reachable(ctx, t, out)
}

// provider picks the provider by name, or the default one of the kind.
func (s *Service) provider(k *addressKind, name string) (*delivery.Provider, error) {
	var pr *delivery.Provider
	var err error
	switch {
	case !k.telephone:
		pr, err = s.cfg.Delivery.Default(delivery.Email)
	case name == "":
		pr, err = s.cfg.Delivery.DefaultPhone()
	default:
		if pr, err = s.cfg.Delivery.Provider(name); err != nil || !pr.Channel.Telephone() {
			return nil, providerUnknown()
		}
	}
	if err != nil {
		return nil, notDelivered().Because(err)
	}
	return pr, nil
}

// texts takes over what the caller chose to say, if it may choose.
func (s *Service) texts(t Target, req addressRequest, out *sending) error {
	if s.cfg.IgnoreTexts || t.Caller.PublicClient || req.subject == "" && req.text == "" {
		return nil
	}
	err := delivery.CheckEmailTexts(req.subject, req.text)
	if out.kind.telephone {
		err = delivery.CheckPhoneText(req.text)
	}
	switch {
	case errors.Is(err, delivery.ErrNoCode):
		return invalidValue("messageSubject or messageText must contain %code%.").Because(err)
	case err != nil:
		return invalidValue("The message text is not allowed.").Because(err)
	}
	out.subject, out.text = req.subject, req.text
	return nil
}

// reachable refuses destinations that can never receive a code.
func (s *Service) reachable(ctx context.Context, t Target, out *sending) error {
	if err := out.provider.Check(out.value); err != nil {
		return cannotReceive().Because(err)
	}
	if !out.kind.telephone {
		return nil
	}
	phone, err := delivery.ParsePhone(out.value)
	if err != nil {
		return cannotReceive().Because(err)
	}
	out.prefix = phone.Country
	if out.provider.Channel != delivery.Voice || !s.cfg.NoVoiceEnrolment {
		return nil
	}
	_, known, err := s.cfg.Records.Validated(ctx, t.User.ID, out.path.canonical, out.value)
	if err == nil && !known {
		return cannotReceive()
	}
	return err
}

// languages lists the languages to address a user in as Accept-Language does:
// what the request asks, preferredLanguage, locale.
func languages(u *scim.User, asked string) string {
	preferred, _ := u.Object["preferredLanguage"].(string)
	locale, _ := u.Object["locale"].(string)
	for _, candidate := range []string{asked, preferred, locale} {
		candidate = strings.ReplaceAll(strings.TrimSpace(candidate), "_", "-")
		if tags, _, err := language.ParseAcceptLanguage(candidate); err == nil && len(tags) > 0 {
			return candidate
		}
	}
	return ""
}

// seal makes code and state. Nothing is written yet.
func (s *Service) seal(ctx context.Context, t Target, out *sending) error {
	rules := s.cfg.Delivery.Rules(out.provider.Channel)
	now := s.now().Truncate(time.Second)
	out.code, out.lifetime = rules.Generator.New(), min(rules.Lifetime, state.MaxLife)
	out.claims = state.Claims{
		JTI: state.NewJTI(), Kind: out.kind.state, Subject: t.User.ID, IssuedAt: now, ExpiresAt: now.Add(out.lifetime),
		Actor: actor(t.Caller), Path: out.path.canonical, Value: out.value,
	}
	if out.kind.telephone {
		out.claims.Provider = out.provider.Name
	}
	var err error
	out.claims.CredentialEpoch, out.claims.FactorEpoch, err = s.cfg.Records.Epochs(ctx, t.User.ID, out.path.canonical)
	if err != nil {
		return err
	}
	out.token, err = s.cfg.States.MintCode(ctx, out.claims, out.code.Reveal())
	return err
}

// begin counts the send and stores the challenge, which kills an older one, in
// one transaction; or refuses and changes nothing.
func (s *Service) begin(ctx context.Context, t Target, out *sending) error {
	wait, closed, err := s.closed(ctx, t.User.ID, out.path.canonical)
	if err != nil {
		return err
	}
	if closed {
		next, err := s.peek(ctx, t, out)
		if err != nil {
			return err
		}
		return s.refuse(ctx, t, audit.ChallengeExhausted, out.detail().limit("factor_closed"), tooManyAttempts(max(wait, next)))
	}
	if out.prefix != "" {
		d, err := s.cfg.Outcomes.Check(ctx, out.prefix)
		if err != nil {
			return err
		}
		if !d.Allowed {
			return s.limited(ctx, t, out, d)
		}
	}
	var decision throttle.Decision
	err = s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		var err error
		if out.taken, decision, err = s.cfg.Sends.Take(ctx, out.send(t)); err != nil {
			return err
		}
		if !decision.Allowed {
			return errNotAllowed
		}
		if err := s.cfg.Challenges.Start(ctx, s.row(out.claims, s.cfg.Hash.Destination(out.key()))); err != nil {
			return err
		}
		return s.audit(ctx, t, audit.FactorEnrolmentStarted, out.detail())
	})
	if errors.Is(err, errNotAllowed) {
		return s.limited(ctx, t, out, decision)
	}
	return err
}

// errNotAllowed rolls a transaction back after a limit has refused.
var errNotAllowed = errors.New("a limit refused")

func (s *Service) limited(ctx context.Context, t Target, out *sending, d throttle.Decision) error {
	return s.refuse(ctx, t, audit.ChallengeSendRefused, out.detail().limit(d.Limit), tooManyCodes(d.RetryAfter))
}

func (s *Service) row(c state.Claims, destination []byte) challenge.Challenge {
	return challenge.Challenge{
		JTI: c.JTI, Subject: c.Subject, Kind: string(c.Kind), Path: c.Path, DestHash: destination,
		MaxAttempts: s.cfg.Tries, CreatedAt: c.IssuedAt, ExpiresAt: c.ExpiresAt,
	}
}

// key is the form of the destination that limits count.
func (out *sending) key() string { return delivery.Key(out.provider.Channel, out.value) }

// send is what the limits count: the address of a user's own browser or
// application, or the client that acts for others.
func (out *sending) send(t Target) throttle.Send {
	send := throttle.Send{
		User: t.User.ID, Destination: out.key(), Telephone: out.kind.telephone, Prefix: out.prefix, Cost: 1,
	}
	if t.Caller.UserID == "" {
		send.Client = t.Caller.Client()
		return send
	}
	if ip, err := netip.ParseAddr(t.Caller.IP); err == nil {
		send.IP = ip
	}
	return send
}

// deliver hands the message to the provider. The request may be given up by its
// client, the send may not: what it did must be known.
func (s *Service) deliver(ctx context.Context, t Target, out *sending) error {
	ctx = context.WithoutCancel(ctx)
	m := delivery.Message{
		ID: out.claims.JTI, Channel: out.provider.Channel, To: out.value, Code: out.code, Language: out.language,
		Purpose: delivery.Enrolment, Subject: delivery.Text(out.subject), Text: delivery.Text(out.text),
		Validity: out.lifetime, DestHash: s.cfg.Hash.Destination(out.key()),
	}
	receipt, err := out.provider.Hand(ctx, m)
	if err == nil {
		return s.sent(ctx, t, out, m, receipt)
	}
	reason, answer, keep := "provider_unavailable", notDelivered(), false
	switch {
	case errors.Is(err, delivery.ErrRefused):
		reason, answer = "destination_refused", cannotReceive()
	case errors.Is(err, delivery.ErrUnknown):
		reason, keep = "delivery_unknown", true
	}
	if err := s.undo(ctx, t, out, reason, keep); err != nil {
		return err
	}
	return answer.Because(err)
}

// sent records a message that a provider has taken over.
func (s *Service) sent(ctx context.Context, t Target, out *sending, m delivery.Message, receipt delivery.Receipt) error {
	return s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := out.provider.Record(ctx, m, receipt); err != nil {
			return err
		}
		if err := s.audit(ctx, t, audit.ChallengeSent, out.detail()); err != nil || out.prefix == "" || out.provider.Inbox {
			return err
		}
		alarm, err := s.cfg.Outcomes.Sent(ctx, out.claims.JTI, out.prefix)
		if err != nil || !alarm {
			return err
		}
		event, err := scim.UserEvent(scim.Caller{ActorType: "server"}, audit.AbuseConversionAlarm, "",
			map[string]any{"country": "+" + out.prefix})
		if err != nil {
			return err
		}
		event.Outcome, event.Reason = audit.Refused, "low_conversion"
		event.Target = audit.Party{Type: "country", ID: "+" + out.prefix}
		return s.cfg.Audit.Append(ctx, event)
	})
}

// undo ends the challenge of a message that was not sent and gives the counters
// back, unless nobody knows whether it was.
func (s *Service) undo(ctx context.Context, t Target, out *sending, reason string, keep bool) error {
	return s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.cfg.Challenges.Void(ctx, out.claims.JTI); err != nil {
			return err
		}
		if !keep {
			if err := s.cfg.Sends.GiveBack(ctx, out.taken); err != nil {
				return err
			}
		}
		event, err := scim.UserEvent(t.Caller, audit.ChallengeSent, t.User.ID, out.detail())
		if err != nil {
			return err
		}
		event.Outcome, event.Reason = audit.Failed, reason
		return s.cfg.Audit.Append(ctx, event)
	})
}

func (out *sending) detail() factorDetail {
	return factorDetail{
		Kind: string(out.kind.state), Path: out.path.Text, JTI: out.claims.JTI,
		Destination: out.kind.mask(out.value), Provider: out.provider.Name,
	}
}
