package validation

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// factorRecoveryCode is the name of recovery codes in epochs and counters.
const factorRecoveryCode = "recovery_code"

const (
	recoveryCodesURN          = "urn:sallyport:params:scim:api:messages:2.0:RecoveryCodes"
	recoveryCodesResourceType = "Recovery Codes"
)

// RecoverySets make and remove recovery codes.
type RecoverySets interface {
	// Prepare makes a new set, as it is shown once. It is slow on purpose and must
	// not run in a transaction; put stores it in the transaction of its context, in
	// place of the former set, and returns its id.
	Prepare(ctx context.Context) (codes []string, put func(ctx context.Context, userID string) (id string, err error), err error)
	// Remove removes the set of a user in the transaction of ctx and reports
	// whether there was one.
	Remove(ctx context.Context, userID string) (bool, error)
}

// recoveryRecord tells how many codes are left. Codes are in the reply to POST
// only, and nowhere else ever.
type recoveryRecord struct {
	Schemas   []string `json:"schemas"`
	Meta      meta     `json:"meta"`
	Remaining int      `json:"remaining"`
	Codes     []string `json:"codes,omitempty"`
}

func (r recoveryRecord) location() string { return r.Meta.Location }

// recoveryCodes adds the sub-resource of that name. Nobody but the user makes
// or sees codes.
func (r routes) recoveryCodes() {
	s := r.s
	e := endpoint{name: "recoveryCodes", status: http.StatusOK, own: "manage_recovery_codes", admin: "recovery_codes"}
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.showRecoveryCodes))
	e.fresh, e.status = true, http.StatusNoContent
	r.add(http.MethodDelete, e.name, call(s, e, noBody, s.dropRecoveryCodes))
	e.status, e.admin = http.StatusCreated, ""
	r.add(http.MethodPost, e.name, call(s, e, decodeRecoveryCodes, s.postRecoveryCodes))
}

// decodeRecoveryCodes reads the body of POST, which says nothing.
func decodeRecoveryCodes(m *members) (none, error) {
	if m == nil {
		return none{}, nil
	}
	m.message(recoveryCodesURN)
	return none{}, m.done()
}

func recoveryReply(t Target, remaining int, codes []string) recoveryRecord {
	return recoveryRecord{
		Schemas: []string{recoveryCodesURN}, Remaining: remaining, Codes: codes,
		Meta: meta{ResourceType: recoveryCodesResourceType, Location: t.Location("")},
	}
}

func (s *Service) showRecoveryCodes(ctx context.Context, t Target, _ none) (recoveryRecord, error) {
	has, err := s.cfg.Holdings.Holdings(ctx, t.User.ID)
	if err != nil {
		return recoveryRecord{}, err
	}
	return recoveryReply(t, has.RecoveryLeft, nil), nil
}

func (s *Service) postRecoveryCodes(ctx context.Context, t Target, _ none) (recoveryRecord, error) {
	codes, err := s.newRecoveryCodes(ctx, t)
	if err != nil {
		return recoveryRecord{}, err
	}
	return recoveryReply(t, len(codes), codes), nil
}

func (s *Service) dropRecoveryCodes(ctx context.Context, t Target, _ none) (none, error) {
	return none{}, s.removeRecoveryCodes(ctx, t)
}

// newRecoveryCodes makes a set in place of the former one, which is void from
// then on, and returns the codes to show once.
func (s *Service) newRecoveryCodes(ctx context.Context, t Target) ([]string, error) {
	codes, put, err := s.cfg.Recovery.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	err = s.changeHeld(ctx, t, func(ctx context.Context, user *scim.User) error {
		if _, err := put(ctx, user.ID); err != nil {
			return fmt.Errorf("store recovery codes: %w", err)
		}
		return s.settleHeld(ctx, t, user, heldChange{
			factor: factorRecoveryCode, event: audit.RecoveryCodesGenerated, notice: delivery.NoticeRecoveryCodesMade, count: len(codes),
		})
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// removeRecoveryCodes is done already without any.
func (s *Service) removeRecoveryCodes(ctx context.Context, t Target) error {
	return s.changeHeld(ctx, t, func(ctx context.Context, user *scim.User) error {
		had, err := s.cfg.Recovery.Remove(ctx, user.ID)
		if err != nil || !had {
			return err
		}
		return s.settleHeld(ctx, t, user, heldChange{
			factor: factorRecoveryCode, event: audit.FactorRemoved, notice: delivery.NoticeRecoveryCodesRemoved, lost: true,
		})
	})
}

// RecoveryCodeUsed announces that somebody has logged in with a recovery code;
// few adds that it is time to make new ones.
func (f *Follower) RecoveryCodeUsed(ctx context.Context, caller scim.Caller, userID string, user schema.Object, few bool) error {
	kind := delivery.NoticeRecoveryCodeUsed
	if few {
		kind = delivery.NoticeRecoveryCodesFew
	}
	return f.announce(ctx, caller, userID, user, kind)
}
