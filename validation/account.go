package validation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

const (
	accountURN          = "urn:pingidentity:schemas:2.0:AccountState"
	accountResourceType = "Account State"

	memberDisabled   = "accountDisabled"
	memberMustChange = "mustChangePassword"
	memberChanged    = "passwordChangedTime"
)

// untracked are the members that may be written but stand for nothing that is
// kept here: clearing them is done already, setting them is refused, for a
// silent yes would be believed. passwordHistory and retiredPassword can be
// cleared and never set.
var untracked = [...]string{
	"accountExpirationTime", "accountActivationTime", "passwordExpirationWarnedTime",
	"passwordChangedByRequiredTime", "lastLoginTime", "lastLoginIpAddress",
	"authenticationFailureTimes", "graceLoginTimes", "passwordHistory", "retiredPassword",
}

// accountRecord is what is tracked of an account; the rest is left out.
type accountRecord struct {
	Schemas    []string        `json:"schemas"`
	Meta       meta            `json:"meta"`
	Disabled   bool            `json:"accountDisabled"`
	Changed    string          `json:"passwordChangedTime,omitempty"`
	MustChange bool            `json:"mustChangePassword"`
	Warnings   []accountNotice `json:"accountUsabilityWarnings,omitempty"`
	Errors     []accountNotice `json:"accountUsabilityErrors,omitempty"`
}

type accountNotice struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// accountChange is what a PUT sets; nil leaves a member as it is.
type accountChange struct {
	disabled, mustChange *bool
	changed              *time.Time // zero clears
}

// account adds the sub-resource of that name. It is for administrators and
// shows inactive users too: making them active again is one of its uses.
func (r routes) account() {
	s := r.s
	e := endpoint{name: "account", status: http.StatusOK, admin: "account_state", inactive: true}
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.showAccount))
	r.add(http.MethodPut, e.name, call(s, e, decodeAccount, s.putAccount))
}

func decodeAccount(m *members) (accountChange, error) {
	var change accountChange
	if m == nil {
		return change, nil
	}
	m.message(accountURN)
	change.disabled, change.mustChange = m.flag(memberDisabled), m.flag(memberMustChange)
	change.changed = m.time(memberChanged)
	for _, name := range untracked {
		v, ok := m.get(name)
		if list, isList := v.([]any); ok && (!isList || len(list) > 0) && m.fault == nil {
			m.fault = invalidValue(name + " cannot be set on this server.")
		}
	}
	return change, m.done()
}

// has reports whether a member is there, null included.
func (m *members) has(name string) bool {
	_, ok := m.values[strings.ToLower(name)]
	return ok
}

// flag reads a boolean: nil if it is absent, false for null.
func (m *members) flag(name string) *bool {
	if !m.has(name) {
		return nil
	}
	v, ok := m.get(name)
	b, isBool := v.(bool)
	if ok && !isBool {
		m.wrong(name, "true or false")
	}
	return &b
}

// time reads a dateTime (RFC 7643 section 2.3.5): nil if it is absent, the zero
// time for null.
func (m *members) time(name string) *time.Time {
	if !m.has(name) {
		return nil
	}
	var at time.Time
	if text := m.text(name); text != "" {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, text); err != nil {
			m.wrong(name, "a date and time such as 2026-11-01T12:00:00Z")
		}
		at = at.UTC().Truncate(time.Microsecond)
	}
	return &at
}

func (s *Service) showAccount(ctx context.Context, t Target, _ none) (accountRecord, error) {
	state, err := s.cfg.Passwords.Password(ctx, t.User.ID)
	if err != nil {
		return accountRecord{}, fmt.Errorf("read account: %w", err)
	}
	r := accountRecord{
		Schemas:  []string{accountURN},
		Meta:     meta{ResourceType: accountResourceType, Location: t.Location("")},
		Disabled: !t.User.Active(), Changed: dateTimeOrNone(state.ChangedAt), MustChange: state.MustChange,
	}
	if r.Disabled {
		r.Errors = append(r.Errors, accountNotice{"account-disabled", "The account is disabled."})
	}
	if r.MustChange {
		r.Warnings = append(r.Warnings, accountNotice{"must-change-password", "The password must be changed at the next login."})
	}
	return r, nil
}

// putAccount is a partial PUT: members that are absent stay. Disabling goes
// through the user's record, so that it ends sessions, tokens and states like
// any deactivation.
func (s *Service) putAccount(ctx context.Context, t Target, change accountChange) (accountRecord, error) {
	err := s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := s.cfg.Directory.User(ctx, t.Caller, t.User.ID)
		if err != nil {
			return err
		}
		t.User = user
		set, err := s.applyAccount(ctx, &t, change)
		if err != nil || len(set) == 0 {
			return err
		}
		event, err := scim.UserEvent(t.Caller, audit.AccountChanged, t.User.ID, map[string][]string{"members": set})
		if err != nil {
			return err
		}
		return s.cfg.Audit.Append(ctx, event)
	})
	if errors.Is(err, scim.ErrNotFound) {
		return accountRecord{}, notFound()
	}
	if err != nil {
		return accountRecord{}, err
	}
	return s.showAccount(ctx, t, none{})
}

// applyAccount writes what differs and names what it wrote beside the user's
// record.
func (s *Service) applyAccount(ctx context.Context, t *Target, change accountChange) ([]string, error) {
	if change.disabled != nil && *change.disabled == t.User.Active() {
		user, err := s.cfg.Directory.EditUser(ctx, t.Caller, t.User.ID, func(o schema.Object) error {
			o["active"] = !*change.disabled
			return nil
		})
		if err != nil {
			return nil, err
		}
		t.User = user
	}
	present, err := s.cfg.Passwords.Password(ctx, t.User.ID)
	if err != nil {
		return nil, fmt.Errorf("read account: %w", err)
	}
	var set []string
	if change.mustChange != nil && *change.mustChange != present.MustChange {
		if err := s.cfg.Passwords.SetMustChange(ctx, t.User.ID, *change.mustChange); err != nil {
			return nil, fmt.Errorf("change account: %w", err)
		}
		set = append(set, memberMustChange)
	}
	if change.changed != nil && dateTimeOrNone(*change.changed) != dateTimeOrNone(present.ChangedAt) {
		has, err := s.cfg.Passwords.SetPasswordTime(ctx, t.User.ID, *change.changed)
		if err != nil {
			return nil, fmt.Errorf("change account: %w", err)
		}
		if !has {
			return nil, invalidValue(memberChanged + " cannot be set for a user without a password.")
		}
		set = append(set, memberChanged)
	}
	slices.Sort(set)
	return set, nil
}
