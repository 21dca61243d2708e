package validation

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// changeDetail is the detail of audit.FactorChanged.
type changeDetail struct {
	Kind       CredentialKind `json:"kind"`
	Credential string         `json:"credential,omitempty"`
	Change     string         `json:"change"`
}

// change runs fn about one credential in a transaction, in which the user is
// locked and the credential looked up again, with the audit event.
func (c *Credentials) change(ctx context.Context, t Target, id, what string, fn func(ctx context.Context, user *scim.User, one Credential) error) error {
	return c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := c.locked(ctx, t)
		if err != nil {
			return err
		}
		t.User = user
		one, err := c.find(ctx, t, id)
		if err != nil {
			return err
		}
		if err := fn(ctx, user, one); err != nil {
			return fmt.Errorf("%s credential: %w", what, err)
		}
		return c.record(ctx, t, changeDetail{Kind: one.Kind, Credential: one.ID, Change: what})
	})
}

func (c *Credentials) record(ctx context.Context, t Target, detail changeDetail) error {
	event, err := scim.UserEvent(t.Caller, audit.FactorChanged, t.User.ID, detail)
	if err != nil {
		return err
	}
	return c.s.cfg.Audit.Append(ctx, event)
}

// Rename gives a credential a name; "" takes it away. It protects nothing, so it
// asks for no recent proof.
func (c *Credentials) Rename(ctx context.Context, o Owner, id, name string) error {
	t, err := c.target(ctx, o)
	if err != nil {
		return err
	}
	name = credentialName(name)
	return c.change(ctx, t, id, "renamed", func(ctx context.Context, user *scim.User, one Credential) error {
		return c.cfg.Settings.SetCredential(ctx, user.ID, one.ID, func(s *CredentialSetting) error {
			s.Name = name
			return nil
		})
	})
}

// SwitchOff takes a credential from logins without removing it.
func (c *Credentials) SwitchOff(ctx context.Context, o Owner, id string) error {
	t, err := c.fresh(ctx, o)
	if err != nil {
		return err
	}
	return c.turn(ctx, t, id, "off")
}

// SwitchOn puts it back, which is a way to log in more: it asks for a recent
// proof while there is a second factor to give one by. With every one of them off
// it asks for none, for nobody could give it.
func (c *Credentials) SwitchOn(ctx context.Context, o Owner, id string) error {
	t, err := c.target(ctx, o)
	if err != nil {
		return err
	}
	all, _, err := c.list(ctx, t)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(one Credential) bool { return secondFactor(one) && !one.Off }) {
		if t, err = c.fresh(ctx, o); err != nil {
			return err
		}
	}
	return c.turn(ctx, t, id, "on")
}

func (c *Credentials) turn(ctx context.Context, t Target, id, to string) error {
	return c.change(ctx, t, id, to, func(ctx context.Context, user *scim.User, one Credential) error {
		if !one.Switches() {
			return ErrNoCredential
		}
		err := c.cfg.Settings.SetCredential(ctx, user.ID, one.ID, func(s *CredentialSetting) error {
			s.Off = to == "off"
			return nil
		})
		if err != nil || to == "on" || one.Off {
			return err
		}
		return c.s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, delivery.NoticeFactorOff)
	})
}

// Switches reports whether the credential can be switched off and on.
func (c Credential) Switches() bool { return c.Kind != CredentialRecovery }

// Factors are the factors as which the credential can be asked for first; none
// for what is no second step of choice.
func (c Credential) Factors() []string {
	switch c.Kind {
	case CredentialTOTP:
		return []string{"totp"}
	case CredentialEmail:
		return []string{"email_otp"}
	case CredentialPhone:
		return []string{"sms_otp", "voice_otp"}
	case CredentialPasskey:
		return []string{"passkey"}
	case CredentialSecondPassword:
		return []string{"second_password"}
	default:
		return nil
	}
}

// Prefer says that the credential is asked for first, as this factor. It takes
// no other way from anybody, so it asks for no recent proof.
func (c *Credentials) Prefer(ctx context.Context, o Owner, id, factor string) error {
	t, err := c.target(ctx, o)
	if err != nil {
		return err
	}
	return c.change(ctx, t, id, "preferred", func(ctx context.Context, user *scim.User, one Credential) error {
		if !slices.Contains(one.Factors(), factor) {
			return ErrNoCredential
		}
		return c.cfg.Settings.PreferCredential(ctx, user.ID, one.ID, factor)
	})
}

// Remove takes a credential away with all that was proved by it. Recovery codes
// go with the last second factor: there is nothing left that they stand in for.
func (c *Credentials) Remove(ctx context.Context, o Owner, id string) error {
	t, err := c.fresh(ctx, o)
	if err != nil {
		return err
	}
	if err := c.remove(ctx, o, t, id); err != nil {
		return err
	}
	left, err := c.List(ctx, o)
	if err != nil || left.Second || !left.Has(CredentialRecovery) {
		return err
	}
	return c.s.removeRecoveryCodes(ctx, t)
}

func (c *Credentials) remove(ctx context.Context, o Owner, t Target, id string) error {
	one, err := c.find(ctx, t, id)
	switch {
	case err != nil:
		return err
	case one.Kind == CredentialTOTP && one.First:
		_, err = c.s.removeTOTP(ctx, t, none{})
		if err != nil {
			return err
		}
		return c.cfg.Settings.ForgetCredential(ctx, t.User.ID, one.ID)
	case one.First && (one.Kind == CredentialEmail || one.Kind == CredentialPhone):
		return c.clear(ctx, t, one)
	}
	switch one.Kind {
	case CredentialPasskey:
		return c.RemovePasskey(ctx, o, one.ID)
	case CredentialSecondPassword:
		return c.s.removeSecondPassword(ctx, t)
	case CredentialRecovery:
		return c.s.removeRecoveryCodes(ctx, t)
	case CredentialTOTP, CredentialEmail, CredentialPhone:
		return c.removeExtra(ctx, t, one)
	default:
		return ErrNoCredential
	}
}

// clear empties the attribute of an address or number; what follows from that
// is up to Follower.UserChanged, as for any other way to do it.
func (c *Credentials) clear(ctx context.Context, t Target, one Credential) error {
	return c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := c.locked(ctx, t)
		if err != nil {
			return err
		}
		t.User = user
		if one, err = c.find(ctx, t, one.ID); err != nil {
			return err
		}
		path := c.pathOf(one)
		if path == nil {
			return ErrNoCredential
		}
		_, err = c.s.cfg.Directory.EditUser(ctx, t.Caller, user.ID, func(o schema.Object) error {
			path.Clear(o)
			return nil
		})
		if err != nil {
			return err
		}
		return c.cfg.Settings.ForgetCredential(ctx, user.ID, one.ID)
	})
}

// pathOf is the attribute of the first address or number: its key stands behind
// the kind in the name.
func (c *Credentials) pathOf(one Credential) *Path {
	for _, p := range c.s.cfg.Paths.All() {
		prefix := string(one.Kind) + ":" + p.Key + ":"
		if len(one.ID) > len(prefix) && one.ID[:len(prefix)] == prefix {
			return p
		}
	}
	return nil
}

// removeExtra removes a further app, address or number, with the consequences
// that the first of its kind has.
func (c *Credentials) removeExtra(ctx context.Context, t Target, one Credential) error {
	return c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := c.locked(ctx, t)
		if err != nil {
			return err
		}
		slot := c.slotOf(EnrolledKind(one.Kind))
		// Before it is gone: an address that goes is told too.
		if err := c.s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, slot.removed); err != nil {
			return err
		}
		had, err := c.cfg.Extras.DeleteExtra(ctx, user.ID, EnrolledKind(one.Kind), one.key())
		if err != nil {
			return fmt.Errorf("remove credential: %w", err)
		}
		if !had {
			return ErrNoCredential
		}
		return c.settleRemoval(ctx, t, slot, one)
	})
}

// settleRemoval ends what was pending for a further credential and for its kind,
// the proofs by it, and the user's other sessions.
func (c *Credentials) settleRemoval(ctx context.Context, t Target, slot slot, one Credential) error {
	for _, factor := range []string{one.ID, slot.path.canonical} {
		if err := c.s.cfg.Follower.end(ctx, t.User.ID, slot.state, factor); err != nil {
			return err
		}
	}
	if err := c.cfg.Forget(ctx, t.User.ID, one.ID); err != nil {
		return err
	}
	detail := factorDetail{Kind: string(one.Kind), Destination: one.Masked}
	return c.s.cfg.Follower.lost(ctx, t.Caller, t.User.ID, one.ID, audit.FactorRemoved, detail)
}

// SecondFactorOn and SecondFactorOff switch second factors as a whole, which is
// the attribute secondFactorEnabled.
func (c *Credentials) SecondFactorOn(ctx context.Context, o Owner) error {
	t, err := c.target(ctx, o)
	if err != nil {
		return err
	}
	return c.enable(ctx, t, "on")
}

// SecondFactorOff switches them off; see SecondFactorOn.
func (c *Credentials) SecondFactorOff(ctx context.Context, o Owner) error {
	t, err := c.fresh(ctx, o)
	if err != nil {
		return err
	}
	return c.enable(ctx, t, "off")
}

func (c *Credentials) enable(ctx context.Context, t Target, to string) error {
	return c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := c.locked(ctx, t)
		if err != nil || SecondFactorEnabled(user.Object) == (to == "on") {
			return err
		}
		_, err = c.s.cfg.Directory.EditUser(ctx, t.Caller, user.ID, func(o schema.Object) error {
			switchSecondFactor(o, to == "on")
			return nil
		})
		if err != nil || to == "on" {
			return err
		}
		return c.s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, delivery.NoticeSecondFactorOff)
	})
}
