package validation

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// factorSecondPassword is the name of the factor in epochs and counters, and
// begins its name in the ledger of proofs.
const factorSecondPassword = "second_password"

//nolint:gosec // names, not credentials
const (
	secondPasswordURN          = "urn:sallyport:params:scim:api:messages:2.0:SecondPassword"
	secondPasswordResourceType = "Second Password"
)

// secondPasswordRecord says whether there is one.
type secondPasswordRecord struct {
	Schemas    []string `json:"schemas"`
	Meta       meta     `json:"meta"`
	Registered bool     `json:"registered"`
}

// secondPassword adds the sub-resource of that name.
func (r routes) secondPassword() {
	s := r.s
	e := endpoint{name: "secondPassword", status: http.StatusOK, own: "manage_second_password", admin: "second_password"}
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.showSecondPassword))
	e.fresh = true
	r.add(http.MethodPut, e.name, call(s, e, decodeSecondPassword, s.putSecondPassword))
	e.status = http.StatusNoContent
	r.add(http.MethodDelete, e.name, call(s, e, noBody, s.dropSecondPassword))
}

func decodeSecondPassword(m *members) (string, error) {
	m.message(secondPasswordURN)
	text := m.text(memberNew)
	return text, m.done()
}

func secondPasswordReply(t Target, registered bool) secondPasswordRecord {
	return secondPasswordRecord{
		Schemas: []string{secondPasswordURN}, Registered: registered,
		Meta: meta{ResourceType: secondPasswordResourceType, Location: t.Location("")},
	}
}

func (s *Service) showSecondPassword(ctx context.Context, t Target, _ none) (secondPasswordRecord, error) {
	has, err := s.cfg.Holdings.Holdings(ctx, t.User.ID)
	if err != nil {
		return secondPasswordRecord{}, err
	}
	return secondPasswordReply(t, has.SecondPassword != ""), nil
}

func (s *Service) putSecondPassword(ctx context.Context, t Target, text string) (secondPasswordRecord, error) {
	if err := s.setSecondPassword(ctx, t, text); err != nil {
		return secondPasswordRecord{}, err
	}
	return secondPasswordReply(t, true), nil
}

func (s *Service) dropSecondPassword(ctx context.Context, t Target, _ none) (none, error) {
	return none{}, s.removeSecondPassword(ctx, t)
}

// setSecondPassword stores a second password in place of the former, if there is
// one, by the rules for passwords. It is not compared with the password: who
// sets it need not know that one, and an answer would let them guess at it.
func (s *Service) setSecondPassword(ctx context.Context, t Target, text string) error {
	if !t.Own && !s.cfg.AdminSetsPasswords {
		return scim.NewError(http.StatusForbidden, "",
			"newPassword cannot be chosen for another user; remove the second password, and the user can set another one.")
	}
	if text == "" {
		return required(memberNew)
	}
	if err := s.checkSecondQuality(t, text); err != nil {
		return err
	}
	hash, err := s.cfg.Hasher.Hash(ctx, text, t.User.Object)
	if err != nil {
		return err
	}
	return s.changeHeld(ctx, t, func(ctx context.Context, user *scim.User) error {
		held, err := s.cfg.Holdings.Holdings(ctx, user.ID)
		if err != nil {
			return err
		}
		_, err = s.cfg.SecondPasswords.SetSecondPassword(ctx, SecondPassword{UserID: user.ID, Hash: hash, ChangedAt: s.now()})
		if err != nil {
			return fmt.Errorf("store second password: %w", err)
		}
		change := heldChange{factor: factorSecondPassword, event: audit.FactorEnrolled, notice: delivery.NoticeSecondPasswordAdded}
		if held.SecondPassword != "" {
			change.event, change.notice, change.lost = audit.FactorReplaced, delivery.NoticeSecondPasswordReplaced, true
		}
		return s.settleHeld(ctx, t, user, change)
	})
}

// removeSecondPassword is done already without one.
func (s *Service) removeSecondPassword(ctx context.Context, t Target) error {
	return s.changeHeld(ctx, t, func(ctx context.Context, user *scim.User) error {
		had, err := s.cfg.SecondPasswords.DeleteSecondPassword(ctx, user.ID)
		if err != nil || !had {
			return err
		}
		return s.settleHeld(ctx, t, user, heldChange{
			factor: factorSecondPassword, event: audit.FactorRemoved, notice: delivery.NoticeSecondPasswordRemoved, lost: true,
		})
	})
}

// checkSecondQuality judges by the rules for passwords, without those that need
// another password to compare with.
func (s *Service) checkSecondQuality(t Target, text string) error {
	faults, err := s.cfg.Hasher.Judge(text, t.User.Object)
	if err != nil {
		return fmt.Errorf("judge second password: %w", err)
	}
	if faults == (PasswordFaults{}) {
		return nil
	}
	all := s.requirements(false)
	for i := range all {
		ok := map[string]bool{requirementLength: !faults.Length, requirementListed: !faults.Listed}[all[i].Type]
		all[i].Satisfied = &ok
	}
	e := badPassword()
	e.Members = map[string]any{passwordErrorURN: map[string]any{"passwordRequirements": all}}
	return e
}
