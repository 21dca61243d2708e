package validation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// finishAddress is PUT of a state with the code.
func (s *Service) finishAddress(ctx context.Context, k *addressKind, t Target, req addressRequest) (addressRecord, error) {
	if k.byKey(t.Key) != nil {
		return addressRecord{}, nothingPending()
	}
	claims, path, err := s.openAddress(ctx, k, t)
	if err != nil {
		return addressRecord{}, err
	}
	if err := k.unchanged(req, path, claims); err != nil {
		return addressRecord{}, err
	}
	p := proof{
		claims: claims, member: memberCode, code: req.code,
		detail: factorDetail{
			Kind: string(k.state), Path: path.Text, JTI: claims.JTI, Destination: k.mask(claims.Value), Provider: claims.Provider,
		},
		matches:  func() bool { return claims.CodeMatches(req.code) },
		nextSend: func(ctx context.Context) (time.Duration, error) { return s.nextSend(ctx, k, t, claims) },
	}
	if err := s.attempt(ctx, t, p); err != nil {
		return addressRecord{}, err
	}
	err = s.redeem(ctx, t, p, func(ctx context.Context, user *scim.User) error {
		return s.writeAddress(ctx, k, t, path, p, user)
	})
	if err != nil {
		return addressRecord{}, err
	}
	r, err := s.record(ctx, k, t, path, t.Key, claims.Value)
	r.MessagingProvider = claims.Provider
	return r, err
}

// unchanged holds the immutable members of a body against the state.
func (k *addressKind) unchanged(req addressRequest, path *Path, claims state.Claims) error {
	if req.path != "" {
		if asked, ok := k.paths.find(k.list, req.path); !ok || asked != path {
			return immutable(memberPath)
		}
	}
	if req.value != "" {
		if value, err := path.normal(req.value); err != nil || value != claims.Value {
			return immutable(memberValue)
		}
	}
	if k.telephone && req.provider != "" && req.provider != claims.Provider {
		return immutable(memberProvider)
	}
	return nil
}

// nextSend asks the limits when the next code may be sent, and changes nothing.
func (s *Service) nextSend(ctx context.Context, k *addressKind, t Target, claims state.Claims) (time.Duration, error) {
	out := &sending{kind: k, value: claims.Value}
	var err error
	if out.provider, err = s.provider(k, claims.Provider); err != nil {
		return 0, nil //nolint:nilerr // without a provider there is no next code to wait for
	}
	if k.telephone {
		phone, err := delivery.ParsePhone(claims.Value)
		if err != nil {
			return 0, nil //nolint:nilerr // the rules for numbers have changed since
		}
		out.prefix = phone.Country
	}
	return s.peek(ctx, t, out)
}

// peek returns how long the limits would make a send wait, and counts nothing.
func (s *Service) peek(ctx context.Context, t Target, out *sending) (time.Duration, error) {
	var decision throttle.Decision
	err := s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		var err error
		if _, decision, err = s.cfg.Sends.Take(ctx, out.send(t)); err != nil {
			return err
		}
		return errNotAllowed // only asked: roll back
	})
	if !errors.Is(err, errNotAllowed) {
		return 0, err
	}
	return decision.RetryAfter, nil
}

// writeAddress gives the user the value and records that it is validated.
func (s *Service) writeAddress(ctx context.Context, k *addressKind, t Target, path *Path, p proof, user *scim.User) error {
	value := p.claims.Value
	if path.comparable(path.Get(user.Object)) != value {
		var err error
		user, err = s.cfg.Directory.EditUser(ctx, t.Caller, user.ID, func(o schema.Object) error {
			path.Set(o, value)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := s.cfg.Records.SetValidated(ctx, user.ID, path.canonical, value, s.now()); err != nil {
		return err
	}
	if err := s.cfg.Records.BumpFactorEpoch(ctx, user.ID, path.canonical); err != nil {
		return err
	}
	if err := s.dropSame(ctx, user.ID, path, value); err != nil {
		return err
	}
	if err := s.cfg.Sends.Succeeded(ctx, user.ID, delivery.Key(path.channel, value)); err != nil {
		return err
	}
	if k.telephone {
		if err := s.cfg.Outcomes.Verified(ctx, p.claims.JTI); err != nil {
			return err
		}
	}
	if err := s.audit(ctx, t, audit.AddressValidated, p.detail); err != nil {
		return err
	}
	return s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, path.addedKind())
}

// dropSame removes a further address or number that is now the value of an
// attribute: one channel is one credential, so that it never counts twice.
func (s *Service) dropSame(ctx context.Context, userID string, path *Path, value string) error {
	return dropSame(ctx, s.cfg.Holdings, s.cfg.Extras, userID, path, value)
}

func dropSame(ctx context.Context, held HoldingStore, extras ExtraStore, userID string, path *Path, value string) error {
	if extras == nil || held == nil {
		return nil
	}
	has, err := held.Holdings(ctx, userID)
	if err != nil {
		return fmt.Errorf("look for further addresses: %w", err)
	}
	for _, a := range has.Addresses {
		if a.Value != value || (a.Kind == EnrolledPhone) != path.channel.Telephone() {
			continue
		}
		if _, err := extras.DeleteExtra(ctx, userID, a.Kind, a.ID); err != nil {
			return fmt.Errorf("remove further address: %w", err)
		}
	}
	return nil
}
