package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// Bounds of what is typed, in bytes.
const (
	longestLogin = 512
	longestValue = 256
)

// Start begins a flow and queues its message. Work and answer are the same
// whoever is named, also when a limit lets nothing be sent. ErrOff when the
// server does not offer it.
func (s *Service) Start(ctx context.Context, v Visitor, b Begin) (Flow, error) {
	if b.Channel == "" {
		b.Channel = delivery.Email
	}
	if !s.offers(b.Kind, b.Channel) {
		return Flow{}, ErrOff
	}
	if v.Browser == "" {
		return Flow{}, ErrUnknown
	}
	if err := s.read(&b); err != nil {
		return Flow{}, err
	}
	id, err := newID()
	if err != nil {
		return Flow{}, err
	}
	now := s.now()
	f := Flow{
		ID: id, Kind: b.Kind, BrowserHash: hashOf(v.Browser), Stage: Sent, CreatedAt: now, ExpiresAt: now.Add(s.lifeOf(b.Channel)),
		Doc: Doc{Login: b.Login, Channel: b.Channel, Values: b.Values, Languages: first(b.Languages, v.Languages), Return: b.Return},
	}
	err = s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		d, wait, err := s.take(ctx, v, f)
		if err != nil {
			return err
		}
		f.Doc.ResendAt = now.Add(wait)
		if err := s.cfg.Store.InsertFlow(ctx, f); err != nil {
			return fmt.Errorf("store account flow: %w", err)
		}
		if err := s.cfg.Challenges.Start(ctx, s.challengeOf(f)); err != nil {
			return fmt.Errorf("start challenge: %w", err)
		}
		if !d.Allowed {
			return s.record(ctx, s.refused(v, f, d.Limit))
		}
		return s.queue(ctx, v, f, "")
	})
	if err != nil {
		return Flow{}, err
	}
	return f, nil
}

// Resend queues another message. The code and link before it die when it is
// made; the tries already made are not given back.
func (s *Service) Resend(ctx context.Context, v Visitor, f Flow) error {
	if f.Stage != Sent || f.Kind == Invite || f.Kind == UserName {
		return &Refusal{Reason: OutOfStep}
	}
	var answer error
	err := s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		answer = nil // the closure may run again
		d, wait, err := s.take(ctx, v, f)
		if err != nil {
			return err
		}
		if !d.Allowed {
			answer = &Refusal{Reason: SendLimited, RetryAfter: d.RetryAfter}
			return s.record(ctx, s.refused(v, f, d.Limit))
		}
		now := s.now()
		f, err = s.cfg.Store.UpdateFlow(ctx, f.ID, Sent, now, func(row *Flow) error {
			row.Doc.ResendAt = now.Add(wait)
			return nil
		})
		if err != nil {
			return fmt.Errorf("ask for another message: %w", err)
		}
		return s.queue(ctx, v, f, "")
	})
	if err != nil {
		return err
	}
	return answer
}

// read checks what was typed, by its form alone.
func (s *Service) read(b *Begin) error {
	b.Login = strings.TrimSpace(b.Login)
	switch {
	case b.Login == "":
		return &Refusal{Reason: Missing}
	case len(b.Login) > longestLogin || !utf8.ValidString(b.Login) || strings.ContainsRune(b.Login, 0):
		return &Refusal{Reason: BadAddress}
	case b.Kind != SignUp && b.Kind != UserName:
		b.Values = nil
		return nil
	}
	address, err := delivery.ParseEmail(b.Login)
	if err != nil {
		return &Refusal{Reason: BadAddress}
	}
	b.Login = address
	if b.Kind == UserName {
		b.Values = nil
		return nil
	}
	return s.readSignUp(b)
}

func (s *Service) readSignUp(b *Begin) error {
	_, domain, _ := strings.Cut(b.Login[strings.LastIndexByte(b.Login, '@'):], "@")
	rules := s.cfg.Rules.SignUp
	if len(rules.Domains) > 0 && !slices.ContainsFunc(rules.Domains, func(d string) bool { return strings.EqualFold(d, domain) }) {
		return &Refusal{Reason: BadAddress}
	}
	values := map[string]string{}
	for _, name := range rules.Attributes {
		text := strings.TrimSpace(b.Values[name])
		if len(text) > longestValue || !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return &Refusal{Reason: BadValue, Field: name}
		}
		if text != "" {
			values[name] = text
		}
	}
	b.Values = values
	return nil
}

func (s *Service) lifeOf(ch delivery.Channel) time.Duration {
	if ch.Telephone() {
		return smsLife
	}
	return s.cfg.Rules.LinkLife
}

// take counts a start by its address and by what was typed, whoever that is,
// and says when the next one may follow.
func (s *Service) take(ctx context.Context, v Visitor, f Flow) (throttle.Decision, time.Duration, error) {
	counter := typedAccount(f)
	send := throttle.Send{User: counter, Destination: counter, IP: v.IP, Cost: 1}
	_, d, err := s.cfg.Sends.Take(ctx, send)
	if err != nil || !d.Allowed {
		return d, defaultWait, err
	}
	taken, next, err := s.cfg.Sends.Take(ctx, send)
	if err != nil {
		return d, 0, err
	}
	if next.Allowed {
		return d, 0, s.cfg.Sends.GiveBack(ctx, taken)
	}
	return d, next.RetryAfter, nil
}

// defaultWait is the countdown where the true one would tell too much.
const defaultWait = 30 * time.Second

// typedAccount is the counter of what was typed, of a bounded length.
func typedAccount(f Flow) string {
	sum := sha256.Sum256([]byte(string(f.Kind) + "\x00" + schema.Fold(f.Doc.Login)))
	return throttle.UnknownLogin("account:" + hex.EncodeToString(sum[:16]))
}

// challengeOf is the row on which the tries of a flow are counted. It belongs to
// the flow alone: whoever starts one has proved nothing, and must not end those
// of others.
func (s *Service) challengeOf(f Flow) challenge.Challenge {
	return challenge.Challenge{
		JTI: f.ID, Subject: "flow:" + f.ID, Kind: challengeKind, Path: string(f.Kind), MaxAttempts: s.cfg.Tries,
		CreatedAt: f.CreatedAt, ExpiresAt: f.ExpiresAt,
	}
}

// queue leaves the rest to the worker.
func (s *Service) queue(ctx context.Context, v Visitor, f Flow, link string) error {
	id, err := newID()
	if err != nil {
		return err
	}
	m := Message{ID: id, FlowID: f.ID, Expires: f.ExpiresAt, RequestID: v.RequestID, UserAgent: cut(v.UserAgent), Link: link}
	if v.IP.IsValid() {
		m.IP = v.IP.String()
	}
	if err := s.cfg.Messages.QueueAccountMessage(ctx, m); err != nil {
		return fmt.Errorf("queue account message: %w", err)
	}
	return nil
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	i := slices.IndexFunc(texts, func(s string) bool { return s != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}
