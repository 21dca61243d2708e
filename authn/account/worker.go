package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

const (
	// messageClaim is how long a node may take for the messages of one turn: more
	// than messageBatch sends of 10 s, with room for clocks that differ. Within it
	// a message that could not be sent is not tried again.
	messageClaim = 2 * time.Minute
	messageBatch = 8
	// mostNames bounds the user names that one message tells.
	mostNames = 5
)

// RunMessages finds out whom flows are about and sends what belongs to them,
// once every interval, until ctx ends. Every node runs it.
func (s *Service) RunMessages(ctx context.Context, interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, err := s.SendMessages(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "send account messages", "error", err)
		}
	}
}

// SendMessages works off the messages that wait and returns how many went out.
// One that could not be sent is tried again while its flow lives.
func (s *Service) SendMessages(ctx context.Context) (int, error) {
	sent := 0
	for {
		now := s.now()
		claimed, err := s.cfg.Messages.ClaimAccountMessages(ctx, now, now.Add(messageClaim), messageBatch)
		if err != nil {
			return sent, fmt.Errorf("claim account messages: %w", err)
		}
		for _, m := range claimed {
			ok, err := s.work(ctx, m)
			if err != nil {
				return sent, fmt.Errorf("account message %s: %w", m.ID, err)
			}
			if ok {
				sent++
			}
		}
		if len(claimed) < messageBatch {
			return sent, nil
		}
	}
}

// outgoing is one message on its way.
type outgoing struct {
	m    Message
	f    Flow
	v    Visitor
	user User // the zero User: who has no account yet
	to   string
	kind delivery.AccountMailKind
	// names are the user names that the message tells.
	names  []string
	code   delivery.Code
	link   string
	prefix string // country calling code; "" for e-mail
	taken  throttle.Taken
}

func (s *Service) work(ctx context.Context, m Message) (bool, error) {
	f, err := s.cfg.Store.Flow(ctx, m.FlowID)
	if errors.Is(err, ErrUnknown) || err == nil && (f.Stage != Sent || !s.now().Before(f.ExpiresAt)) {
		return false, s.cfg.Messages.RemoveAccountMessage(context.WithoutCancel(ctx), m.ID)
	}
	if err != nil {
		return false, fmt.Errorf("read account flow: %w", err)
	}
	out := &outgoing{m: m, f: f, v: Visitor{RequestID: m.RequestID, UserAgent: m.UserAgent}}
	out.v.IP, _ = netip.ParseAddr(m.IP) // the zero Addr: not known
	reason, err := s.address(ctx, out)
	if err != nil {
		return false, err
	}
	if reason == "" {
		if reason, err = s.prepare(ctx, out); err != nil {
			return false, err
		}
	}
	if reason != "" {
		return false, s.drop(context.WithoutCancel(ctx), out, reason)
	}
	return s.hand(ctx, out)
}

// drop records why nothing is sent, and forgets the message.
func (s *Service) drop(ctx context.Context, out *outgoing, reason string) error {
	return s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.cfg.Messages.RemoveAccountMessage(ctx, out.m.ID); err != nil {
			return fmt.Errorf("forget account message: %w", err)
		}
		f := out.f
		f.UserID = out.user.ID
		return s.record(ctx, s.refused(out.v, f, reason))
	})
}

// address finds out whom the message is for and where it goes, or why nobody
// gets it.
func (s *Service) address(ctx context.Context, out *outgoing) (reason string, err error) {
	out.kind = delivery.AccountMailKind(out.f.Kind)
	switch out.f.Kind {
	case SignUp:
		return "", s.newcomer(ctx, out)
	case UserName:
		return s.namesAt(ctx, out)
	case Invite:
		out.user, err = s.cfg.Users.UserByID(ctx, out.f.UserID)
	default:
		out.user, err = s.cfg.Users.UserByLogin(ctx, out.f.Doc.Login)
	}
	switch {
	case errors.Is(err, ErrNoUser):
		return "no_user", nil
	case err != nil:
		return "", fmt.Errorf("find user: %w", err)
	case !out.user.Active:
		return "inactive", nil
	case out.f.Kind == Invite:
		out.to = out.f.Doc.To
		return "", nil
	}
	reached, err := s.reachedAt(ctx, out.user, out.f.Doc.Channel)
	if err != nil {
		return "", err
	}
	if len(reached) == 0 {
		return "no_address", nil
	}
	out.to = reached[0]
	// Who typed an address of the account wants the message there.
	if i := slices.IndexFunc(reached, func(to string) bool { return strings.EqualFold(to, out.f.Doc.Login) }); i >= 0 {
		out.to = reached[i]
	}
	return "", nil
}

// newcomer writes to the address of a new account; if somebody has it already,
// they are told so, and nobody else is.
func (s *Service) newcomer(ctx context.Context, out *outgoing) error {
	out.to = out.f.Doc.Login
	known, err := s.cfg.Users.UsersByAddress(ctx, out.to, 1)
	if err != nil {
		return fmt.Errorf("find user: %w", err)
	}
	_, err = s.cfg.Users.UserByLogin(ctx, out.to)
	if err != nil && !errors.Is(err, ErrNoUser) {
		return fmt.Errorf("find user: %w", err)
	}
	if err == nil || len(known) > 0 {
		out.kind = delivery.MailHaveAccount
	}
	return nil
}

// namesAt collects the user names of those who are reached at an address.
func (s *Service) namesAt(ctx context.Context, out *outgoing) (string, error) {
	users, err := s.cfg.Users.UsersByAddress(ctx, out.f.Doc.Login, mostNames)
	if err != nil {
		return "", fmt.Errorf("find users: %w", err)
	}
	for _, u := range users {
		if !u.Active {
			continue
		}
		reached, err := s.reachedAt(ctx, u, delivery.Email)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(reached, func(to string) bool { return strings.EqualFold(to, out.f.Doc.Login) }) {
			out.names = append(out.names, u.UserName)
			out.user = u
		}
	}
	if len(out.names) == 0 {
		return "no_user", nil
	}
	out.to = out.f.Doc.Login
	return "", nil
}

// reachedAt lists where a user can be reached, the best first: destinations that
// the user has proved; for mail, if there is none and the rules allow it, the
// addresses of the record. An SMS goes to proved numbers only.
func (s *Service) reachedAt(ctx context.Context, u User, ch delivery.Channel) ([]string, error) {
	enrolled, err := s.cfg.Enrolled.Enrolled(ctx, u.ID, u.Object)
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	want := validation.EnrolledEmail
	if ch.Telephone() {
		want = validation.EnrolledPhone
	}
	var out []string
	for _, e := range enrolled {
		if e.Kind == want && !slices.Contains(out, e.Value) {
			out = append(out, e.Value)
		}
	}
	if ch.Telephone() {
		return out, nil
	}
	listed := Addresses(u)
	for _, to := range listed {
		_, ok, err := s.cfg.Enrolled.Records.Validated(ctx, u.ID, AddressPath, to)
		if err != nil {
			return nil, fmt.Errorf("read addresses: %w", err)
		}
		if ok && !slices.Contains(out, to) {
			out = append(out, to)
		}
	}
	if len(out) == 0 && s.cfg.Rules.Unvalidated {
		out = listed
	}
	return out, nil
}

// prepare counts the send and makes code and link, in one transaction with what
// the flow keeps of them.
func (s *Service) prepare(ctx context.Context, out *outgoing) (reason string, err error) {
	if out.f.Doc.Channel.Telephone() {
		phone, err := delivery.ParsePhone(out.to)
		if err != nil {
			return "destination_refused", nil // the rules for numbers have changed
		}
		out.prefix = phone.Country
		d, err := s.cfg.Outcomes.Check(ctx, out.prefix)
		if err != nil || !d.Allowed {
			return d.Limit, err
		}
	}
	err = s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		reason = ""
		counter := first(out.user.ID, typedAccount(out.f))
		var d throttle.Decision
		out.taken, d, err = s.cfg.Sends.Take(ctx, throttle.Send{
			User: counter, Destination: delivery.Key(out.f.Doc.Channel, out.to), Telephone: out.prefix != "", Prefix: out.prefix, Cost: 1,
		})
		if err != nil {
			return err
		}
		if !d.Allowed {
			reason = d.Limit
			return nil
		}
		return s.arm(ctx, out)
	})
	if errors.Is(err, ErrOver) || errors.Is(err, ErrUnknown) {
		return "over", nil
	}
	return reason, err
}

// arm gives the flow its user, code and link.
func (s *Service) arm(ctx context.Context, out *outgoing) error {
	now := s.now()
	if out.kind == delivery.MailHaveAccount || out.f.Kind == UserName {
		return nil
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails, says crypto/rand
	if out.f.Kind != Invite {
		out.code = s.cfg.Delivery.Rules(out.f.Doc.Channel).Generator.New()
		if !out.f.Doc.Channel.Telephone() {
			out.link = newSecret()
		}
	} else {
		out.link = out.m.Link
	}
	_, err := s.cfg.Store.UpdateFlow(ctx, out.f.ID, Sent, now, func(row *Flow) error {
		row.UserID = out.user.ID
		row.Doc.To, row.Doc.Epoch, row.Doc.UserName, row.Doc.SendID = out.to, out.user.Epoch, out.user.UserName, out.m.ID
		if row.Kind == SignUp {
			row.Doc.UserName = row.Doc.Login
		}
		if out.code != "" {
			row.Doc.CodeKey, row.Doc.CodeMAC = key, codeMAC(key, row.ID, out.code.Reveal())
			row.Doc.CodeExpires = row.ExpiresAt
		}
		if out.link != "" {
			row.LinkHash = hashOf(out.link)
		}
		return nil
	})
	return err
}

// hand gives the message to the provider and writes down what became of it.
func (s *Service) hand(ctx context.Context, out *outgoing) (bool, error) {
	provider, err := s.cfg.Delivery.Default(out.f.Doc.Channel)
	var receipt delivery.Receipt
	m := delivery.Message{
		ID: out.m.ID, Channel: out.f.Doc.Channel, To: out.to, Code: out.code, Purpose: delivery.Recovery,
		Language: first(out.f.Doc.Languages, out.user.Languages()), Validity: out.f.ExpiresAt.Sub(s.now()),
		DestHash: s.cfg.Hash.Destination(delivery.Key(out.f.Doc.Channel, out.to)),
	}
	switch {
	case err != nil:
	case out.f.Doc.Channel.Telephone():
		receipt, err = provider.Hand(ctx, m)
	default:
		receipt, err = provider.HandAccount(ctx, delivery.AccountMail{
			ID: m.ID, Kind: out.kind, To: m.To, Language: m.Language, Code: m.Code, Link: s.linkOf(out.link), Names: out.names,
			Validity: m.Validity, IP: out.m.IP,
		})
	}
	// What has happened is written down although the server stops.
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		return false, s.notSent(ctx, out, err)
	}
	return true, s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.cfg.Messages.RemoveAccountMessage(ctx, out.m.ID); err != nil {
			return fmt.Errorf("forget account message: %w", err)
		}
		if err := provider.Record(ctx, m, receipt); err != nil {
			return fmt.Errorf("record send: %w", err)
		}
		if out.prefix != "" && !provider.Inbox {
			if _, err := s.cfg.Outcomes.Sent(ctx, out.m.ID, out.prefix); err != nil {
				return err
			}
		}
		return s.record(ctx, out.event(audit.OK, ""))
	})
}

// linkOf is the address in a message; "" without a link.
func (s *Service) linkOf(token string) string {
	if token == "" {
		return ""
	}
	return s.cfg.Issuer + LinkPath + token
}

// event tells that a message went out, or not.
func (out *outgoing) event(outcome audit.Outcome, reason string) audit.Event {
	name := audit.ChallengeSent
	if out.f.Kind == Password || out.f.Kind == Invite {
		name = audit.PasswordResetRequested
	}
	f := out.f
	f.UserID = out.user.ID
	e := event(out.v, f, name, detail{Destination: delivery.Mask(f.Doc.Channel, out.to)})
	e.Outcome, e.Reason = outcome, reason
	return e
}

// notSent gives a message up that can never arrive or may have arrived; any
// other stays claimed for a while and is tried again.
func (s *Service) notSent(ctx context.Context, out *outgoing, cause error) error {
	reason, final := "provider_unavailable", true
	switch {
	case errors.Is(cause, delivery.ErrRefused):
		reason = "destination_refused"
	case errors.Is(cause, delivery.ErrUnknown):
		reason = "delivery_unknown"
	default:
		final = false
		s.cfg.Logger.InfoContext(ctx, "account message not sent yet", "flow", out.f.ID, "error", cause)
	}
	return s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if final {
			if err := s.cfg.Messages.RemoveAccountMessage(ctx, out.m.ID); err != nil {
				return fmt.Errorf("forget account message: %w", err)
			}
		}
		if !errors.Is(cause, delivery.ErrUnknown) {
			if err := s.cfg.Sends.GiveBack(ctx, out.taken); err != nil {
				return err
			}
		}
		return s.record(ctx, out.event(audit.Failed, reason))
	})
}
