package account

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Code takes the code of a message. The try is counted and committed before the
// code is looked at. A flow about nobody judges it alike.
func (s *Service) Code(ctx context.Context, v Visitor, f Flow, code string) (Flow, error) {
	if f.Stage != Sent || f.Kind == Invite || f.Kind == UserName {
		return f, &Refusal{Reason: OutOfStep}
	}
	if code == "" {
		return f, &Refusal{Reason: Missing}
	}
	err := s.cfg.Challenges.CountAttempt(ctx, f.ID, s.now())
	if over(err) {
		return f, s.refuse(ctx, v, f, &Refusal{Reason: CodeExpired})
	}
	if err != nil {
		return f, fmt.Errorf("count attempt: %w", err)
	}
	// What was counted for may have been sent since the flow was loaded.
	row, err := s.cfg.Store.Flow(ctx, f.ID)
	if err != nil {
		return f, fmt.Errorf("read account flow: %w", err)
	}
	d := row.Doc
	if len(d.CodeKey) == 0 { // nobody has the code: the same work
		d.CodeKey, d.CodeMAC = make([]byte, 32), make([]byte, 32)
	}
	right := hmac.Equal(d.CodeMAC, codeMAC(d.CodeKey, f.ID, code))
	if !right || len(row.Doc.CodeKey) == 0 {
		return f, s.refuse(ctx, v, row, &Refusal{Reason: WrongCode})
	}
	if !s.now().Before(d.CodeExpires) {
		return f, s.refuse(ctx, v, row, &Refusal{Reason: CodeExpired})
	}
	return s.prove(ctx, v, row, func(ctx context.Context) error {
		return s.cfg.Challenges.Consume(ctx, f.ID, s.now())
	}, func(f *Flow) error {
		if !hmac.Equal(f.Doc.CodeMAC, d.CodeMAC) {
			return ErrOver // a newer code was made
		}
		return nil
	})
}

// over reports whether a challenge takes no attempt.
func over(err error) bool {
	for _, e := range []error{challenge.ErrUsed, challenge.ErrSuperseded, challenge.ErrExpired, challenge.ErrExhausted, challenge.ErrUnknown} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// OpenLink returns the flow that a link of a message leads to, and changes
// nothing, so that a mail scanner may open it: ErrUnknown or ErrOver if it is
// good no more. What was in the address is then kept in a cookie, and Confirm
// takes it.
func (s *Service) OpenLink(ctx context.Context, token string) (Flow, error) {
	if len(token) != secretLength {
		return Flow{}, ErrUnknown
	}
	f, err := s.cfg.Store.FlowByLink(ctx, hashOf(token))
	if err != nil {
		return Flow{}, fmt.Errorf("open link: %w", err)
	}
	if f.Stage != Sent || !s.now().Before(f.ExpiresAt) {
		return Flow{}, ErrOver
	}
	return f, nil
}

// Confirm consumes a link: it works once. The flow then belongs to this visitor
// and to nobody else, whoever started it.
func (s *Service) Confirm(ctx context.Context, v Visitor, token string) (Flow, error) {
	if v.Browser == "" {
		return Flow{}, ErrUnknown
	}
	f, err := s.OpenLink(ctx, token)
	if err != nil {
		if errors.Is(err, ErrUnknown) || errors.Is(err, ErrOver) {
			// The link itself never stands in the event.
			return Flow{}, errors.Join(err, s.record(context.WithoutCancel(ctx), s.refused(v, f, "link")))
		}
		return Flow{}, err
	}
	hash := hashOf(token)
	return s.prove(ctx, v, f, func(ctx context.Context) error {
		err := s.cfg.Challenges.Consume(ctx, f.ID, s.now())
		if f.Kind == Invite && errors.Is(err, challenge.ErrUnknown) {
			return nil // an invitation has no code
		}
		return err
	}, func(f *Flow) error {
		if !hmac.Equal(f.LinkHash, hash) {
			return ErrOver // used, or a newer one was made
		}
		f.BrowserHash = hashOf(v.Browser)
		return nil
	})
}

// prove moves a flow on, once, in one transaction with what follows from it.
func (s *Service) prove(ctx context.Context, v Visitor, f Flow, consume func(context.Context) error, still func(*Flow) error) (Flow, error) {
	var out Flow
	err := s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := consume(ctx); err != nil {
			return err
		}
		now := s.now()
		if f.Kind != SignUp {
			if err := s.unchanged(ctx, f); err != nil {
				return err
			}
		}
		var err error
		out, err = s.cfg.Store.UpdateFlow(ctx, f.ID, Sent, now, func(row *Flow) error {
			if err := still(row); err != nil {
				return err
			}
			row.Stage, row.ExpiresAt, row.LinkHash = Proved, now.Add(provedLife), nil
			row.Doc.CodeKey, row.Doc.CodeMAC = nil, nil
			if row.Kind == Verify {
				row.Stage, row.UsedAt, row.ExpiresAt = Ended, now, now.Add(endedLife)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return s.proved(ctx, v, out)
	})
	if over(err) || errors.Is(err, ErrOver) || errors.Is(err, ErrNoUser) {
		return f, s.refuse(ctx, v, f, &Refusal{Reason: CodeExpired})
	}
	if err != nil {
		return f, fmt.Errorf("go on with account flow: %w", err)
	}
	return out, nil
}

// unchanged reports ErrOver unless the user is there, active, and has the
// credentials as of the time when the message was made.
func (s *Service) unchanged(ctx context.Context, f Flow) error {
	u, err := s.cfg.Users.UserByID(ctx, f.UserID)
	if err != nil {
		return err
	}
	if !u.Active || u.Epoch != f.Doc.Epoch {
		return ErrOver
	}
	return nil
}

// proved writes down what a code or link that came back proves.
func (s *Service) proved(ctx context.Context, v Visitor, f Flow) error {
	if err := s.record(ctx, event(v, f, audit.ChallengeVerified, detail{Destination: delivery.Mask(f.Doc.Channel, f.Doc.To)})); err != nil {
		return err
	}
	if f.Kind == SignUp || f.Doc.To == "" {
		return nil
	}
	if err := s.cfg.Sends.Succeeded(ctx, f.UserID, delivery.Key(f.Doc.Channel, f.Doc.To)); err != nil {
		return err
	}
	if f.Doc.Channel.Telephone() {
		return s.cfg.Outcomes.Verified(ctx, f.Doc.SendID)
	}
	factors := AccountOnly
	if f.Kind == Invite {
		if !f.Doc.Mailed {
			return nil
		}
		factors = WithFactors
	}
	return s.cfg.Directory.AddressProved(ctx, v, f.UserID, f.Doc.To, factors)
}
