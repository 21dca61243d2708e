package validation

import (
	"context"
	"fmt"
	"strconv"
)

const (
	qualityURN          = "urn:pingidentity:schemas:2.0:PasswordQualityRequirement"
	qualityResourceType = "Password Quality Requirements"
)

// The types of requirements.
const (
	requirementLength = "length"
	requirementListed = "dictionary"
	requirementOther  = "notCurrentPassword"
	requirementOlder  = "notEarlierPassword"
)

// passwordRequirement is one rule. Satisfied is absent where no password is
// judged. The lengths are strings, as the original's are.
type passwordRequirement struct {
	Type        string `json:"type"`
	Satisfied   *bool  `json:"requirementSatisfied,omitempty"`
	Description string `json:"description"`
	MinLength   string `json:"minPasswordLength,omitempty"`
	MaxLength   string `json:"maxPasswordLength,omitempty"`
}

// qualityRecord says what a new password must be like.
type qualityRecord struct {
	Schemas         []string              `json:"schemas"`
	Meta            meta                  `json:"meta"`
	CurrentRequired bool                  `json:"currentPasswordRequired"`
	MustChange      bool                  `json:"mustChangePassword"`
	Requirements    []passwordRequirement `json:"passwordRequirements"`
}

func (s *Service) showQuality(ctx context.Context, t Target, _ none) (qualityRecord, error) {
	state, err := s.cfg.Passwords.Password(ctx, t.User.ID)
	if err != nil {
		return qualityRecord{}, fmt.Errorf("read password: %w", err)
	}
	return qualityRecord{
		Schemas:         []string{qualityURN},
		Meta:            meta{ResourceType: qualityResourceType, Location: t.Location("")},
		CurrentRequired: t.Own, MustChange: state.MustChange,
		Requirements: s.requirements(t.Own),
	}, nil
}

// requirements are the rules in force; the last is known only to those who
// know the present password.
func (s *Service) requirements(own bool) []passwordRequirement {
	rules := s.cfg.Hasher.Rules()
	all := []passwordRequirement{{
		Type: requirementLength, Description: fmt.Sprintf("At least %d characters.", rules.MinLength),
		MinLength: strconv.Itoa(rules.MinLength), MaxLength: strconv.Itoa(rules.MaxLength),
	}}
	all = append(all, passwordRequirement{
		Type:        requirementListed,
		Description: "Not a common password, nor a name or an address of the user, nor the name of this service.",
	})
	if own {
		all = append(all, passwordRequirement{Type: requirementOther, Description: "Not the current password."})
		if n := s.cfg.History; n > 0 {
			all = append(all, passwordRequirement{
				Type: requirementOlder, Description: fmt.Sprintf("None of the last %d passwords.", n),
			})
		}
	}
	return all
}

// checkQuality judges a chosen password. A user who has just proved the present
// one may be told that the new one is the same; nobody else may.
func (s *Service) checkQuality(ctx context.Context, t Target, req passwordRequest) error {
	faults, err := s.cfg.Hasher.Judge(req.next, t.User.Object)
	if err != nil {
		return fmt.Errorf("judge password: %w", err)
	}
	reused := false
	if t.Own && s.cfg.History > 0 {
		if reused, err = s.cfg.Reused(ctx, t.User.ID, req.next); err != nil {
			return err
		}
	}
	all := s.requirements(t.Own)
	bad := false
	for i := range all {
		ok := map[string]bool{
			requirementLength: !faults.Length, requirementListed: !faults.Listed, requirementOther: req.next != req.current,
			requirementOlder: !reused,
		}[all[i].Type]
		all[i].Satisfied = &ok
		bad = bad || !ok
	}
	if !bad {
		return nil
	}
	e := badPassword()
	e.Members = map[string]any{passwordErrorURN: map[string]any{"passwordRequirements": all}}
	return e
}
