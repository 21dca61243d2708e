package validation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// resetDetail is the detail of audit.FactorResetByAdmin.
type resetDetail struct {
	Methods []CredentialKind `json:"methods"`
	Reason  string           `json:"reason"`
}

// ResetFactors is what an administrator takes away from a user.
type ResetFactors struct {
	UserID string
	// Kinds are the kinds of credentials to remove; none: every one.
	Kinds []CredentialKind
	// Reason is why, for the audit record; required.
	Reason string
}

// ErrReason says that a reset gives no reason.
var ErrReason = errors.New("a reset needs a reason")

// ListOf is List for somebody else: a command of an administrator.
func (c *Credentials) ListOf(ctx context.Context, caller scim.Caller, userID string) (Overview, error) {
	t, err := c.targetOf(ctx, caller, userID)
	if err != nil {
		return Overview{}, err
	}
	return c.overview(ctx, t)
}

// targetOf is a user's record for a command of an administrator, who may look at
// inactive users too.
func (c *Credentials) targetOf(ctx context.Context, caller scim.Caller, userID string) (Target, error) {
	t := Target{Caller: caller}
	var err error
	t.User, err = c.s.cfg.Directory.User(ctx, caller, userID)
	if errors.Is(err, scim.ErrNotFound) {
		return Target{}, notFound()
	}
	return t, err
}

// Reset removes credentials of a user with all that was proved by them, ends the
// user's sessions, remembered browsers and pending states, and returns what is
// gone. It is for administrators, whose right is up to the caller. The password
// stays.
func (c *Credentials) Reset(ctx context.Context, caller scim.Caller, r ResetFactors) ([]Credential, error) {
	if r.Reason == "" {
		return nil, ErrReason
	}
	var gone []Credential
	err := c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		gone = nil // it may run again
		t, err := c.targetOf(ctx, caller, r.UserID)
		if err != nil {
			return err
		}
		all, _, err := c.list(ctx, t)
		if err != nil {
			return err
		}
		for _, one := range all {
			if len(r.Kinds) == 0 || slices.Contains(r.Kinds, one.Kind) {
				gone = append(gone, one)
			}
		}
		if len(gone) == 0 {
			return nil
		}
		return c.reset(ctx, t, gone, r.Reason)
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

func (c *Credentials) reset(ctx context.Context, t Target, gone []Credential, reason string) error {
	// The addresses that go are told while they are there, and go last.
	err := c.s.cfg.Follower.announce(ctx, t.Caller, t.User.ID, t.User.Object, delivery.NoticeFactorsReset)
	if err != nil {
		return err
	}
	address := func(one Credential) bool { return one.Kind == CredentialEmail || one.Kind == CredentialPhone }
	detail := resetDetail{Reason: reason}
	for _, addresses := range []bool{false, true} {
		for _, one := range gone {
			if address(one) != addresses {
				continue
			}
			if err := c.take(ctx, t, one); err != nil {
				return fmt.Errorf("remove %s: %w", one.Kind, err)
			}
			if !slices.Contains(detail.Methods, one.Kind) {
				detail.Methods = append(detail.Methods, one.Kind)
			}
		}
	}
	event, err := scim.UserEvent(t.Caller, audit.FactorResetByAdmin, t.User.ID, detail)
	if err != nil {
		return err
	}
	return c.s.cfg.Audit.Append(ctx, event)
}

// take removes one credential as its owner would, whoever the caller is.
func (c *Credentials) take(ctx context.Context, t Target, one Credential) error {
	switch one.Kind {
	case CredentialTOTP:
		if !one.First {
			return c.removeExtra(ctx, t, one)
		}
		if _, err := c.s.removeTOTP(ctx, t, none{}); err != nil {
			return err
		}
		return c.cfg.Settings.ForgetCredential(ctx, t.User.ID, one.ID)
	case CredentialEmail, CredentialPhone:
		if !one.First {
			return c.removeExtra(ctx, t, one)
		}
		return c.clear(ctx, t, one)
	case CredentialPasskey:
		user, err := c.locked(ctx, t)
		if err != nil {
			return err
		}
		return c.s.dropPasskey(ctx, t, user, one.key())
	case CredentialSecondPassword:
		return c.s.removeSecondPassword(ctx, t)
	case CredentialRecovery:
		return c.s.removeRecoveryCodes(ctx, t)
	default:
		return ErrNoCredential
	}
}

// Require switches second factors on for a user, or off again: the attribute
// secondFactorEnabled. It is for administrators.
func (c *Credentials) Require(ctx context.Context, caller scim.Caller, userID, to string) error {
	t, err := c.targetOf(ctx, caller, userID)
	if err != nil {
		return err
	}
	return c.enable(ctx, t, to)
}

// SetValue gives a user an address or number to log in with, normalised, and
// switches second factors on. The value is not validated: only its user proves
// that, by an invitation or at the next login, which knows it as one that an
// administrator set. It returns the value as it was written.
func (c *Credentials) SetValue(ctx context.Context, caller scim.Caller, userID string, kind EnrolledKind, value string) (string, error) {
	paths := c.s.cfg.Paths.of(kind)
	if len(paths) == 0 {
		return "", pathNotConfigured()
	}
	path := paths[0]
	value, err := path.normal(value)
	if err != nil {
		return "", err
	}
	return value, c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		t, err := c.targetOf(ctx, caller, userID)
		if err != nil {
			return err
		}
		_, err = c.s.cfg.Directory.EditUser(ctx, caller, t.User.ID, func(o schema.Object) error {
			if path.comparable(path.Get(o)) != value {
				path.Set(o, value)
			}
			switchSecondFactor(o, true)
			return nil
		})
		if err != nil {
			return err
		}
		return c.s.cfg.Records.SetAssigned(ctx, t.User.ID, path.canonical, value)
	})
}

// switchSecondFactor sets the attribute secondFactorEnabled.
func switchSecondFactor(o schema.Object, on bool) {
	extension, ok := o[schema.SecondFactorURN].(schema.Object)
	if !ok {
		extension = schema.Object{}
		o[schema.SecondFactorURN] = extension
	}
	extension["secondFactorEnabled"] = on
}
