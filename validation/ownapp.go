package validation

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// StartApp makes a secret for an authenticator app: the first app of the owner,
// or a further one. Nothing is enrolled before FinishApp.
func (c *Credentials) StartApp(ctx context.Context, o Owner) (Pending, error) {
	t, err := c.fresh(ctx, o)
	if err != nil {
		return Pending{}, err
	}
	has, err := c.cfg.Holdings.Holdings(ctx, t.User.ID)
	if err != nil {
		return Pending{}, fmt.Errorf("read credentials: %w", err)
	}
	if has.App == nil {
		r, err := c.s.startTOTP(ctx, t, totpRequest{})
		if err != nil {
			return Pending{}, err
		}
		return c.PendingApp(ctx, o, r.VerifyState)
	}
	if len(has.Apps) >= MostExtras {
		return Pending{}, ErrTooMany
	}
	return c.startExtraApp(ctx, o, t)
}

func (c *Credentials) startExtraApp(ctx context.Context, o Owner, t Target) (Pending, error) {
	slot := c.slotOf(EnrolledTOTP)
	path := slot.path.canonical
	detail := factorDetail{Kind: factorTOTP, Path: slot.path.Text}
	wait, closed, err := c.s.closed(ctx, t.User.ID, path)
	if err != nil {
		return Pending{}, err
	}
	if closed {
		return Pending{}, c.s.refuse(ctx, t, audit.ChallengeExhausted, detail, tooManyAttempts(wait))
	}
	now := c.s.now().Truncate(time.Second)
	claims := state.Claims{
		JTI: state.NewJTI(), Kind: state.KindTOTP, Subject: t.User.ID, IssuedAt: now, ExpiresAt: now.Add(c.s.cfg.Lifetime),
		Actor: actor(t.Caller), Path: path, Secret: totp.NewSecret(c.s.cfg.TOTP),
	}
	if claims.CredentialEpoch, claims.FactorEpoch, err = c.s.cfg.Records.Epochs(ctx, t.User.ID, path); err != nil {
		return Pending{}, err
	}
	token, err := c.s.cfg.States.Mint(ctx, claims)
	if err != nil {
		return Pending{}, err
	}
	detail.JTI = claims.JTI
	err = c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := c.s.cfg.Challenges.Start(ctx, c.s.row(claims, nil)); err != nil {
			return err
		}
		return c.s.audit(ctx, t, audit.FactorEnrolmentStarted, detail)
	})
	if err != nil {
		return Pending{}, err
	}
	return c.PendingApp(ctx, o, token.Reveal())
}

// PendingApp shows an enrolment of an app once more, to the session that began
// it.
func (c *Credentials) PendingApp(ctx context.Context, o Owner, token string) (Pending, error) {
	t, err := c.target(ctx, o)
	if err != nil {
		return Pending{}, err
	}
	claims, err := c.openApp(ctx, t, token)
	if err != nil {
		return Pending{}, err
	}
	if err := c.s.judge(ctx, t, claims); err != nil {
		return Pending{}, err
	}
	secret := totp.Secret(claims.Secret)
	return Pending{
		State: token, Kind: EnrolledTOTP, Digits: c.s.cfg.TOTP.Digits, ExpiresAt: claims.ExpiresAt,
		Secret: secret.Base32(), URI: totp.URI(c.s.cfg.Issuer, t.User.Name(), secret, c.s.cfg.TOTP),
	}, nil
}

// PendingAddress is PendingApp for an address or number.
func (c *Credentials) PendingAddress(ctx context.Context, o Owner, kind EnrolledKind, token string) (Pending, error) {
	t, err := c.target(ctx, o)
	if err != nil {
		return Pending{}, err
	}
	k := c.s.kinds[0]
	if kind == EnrolledPhone {
		k = c.s.kinds[1]
	}
	claims, err := c.s.open(ctx, t, k.state, token)
	if err == nil {
		err = c.s.judge(ctx, t, claims)
	}
	if err != nil {
		return Pending{}, err
	}
	return c.pendingAddress(claims, k, token), nil
}

// openApp opens the state of an app, the first or a further one.
func (c *Credentials) openApp(ctx context.Context, t Target, token string) (state.Claims, error) {
	claims, err := c.s.open(ctx, t, state.KindTOTP, token)
	if err != nil {
		return claims, err
	}
	further := claims.Path == c.slotOf(EnrolledTOTP).path.canonical
	if len(claims.Secret) == 0 || claims.Path != factorTOTP && !further {
		return claims, stateInvalid()
	}
	return claims, nil
}

// FinishApp takes a code of the app, and a name if the owner gave one.
func (c *Credentials) FinishApp(ctx context.Context, o Owner, token, code, name string) error {
	t, err := c.target(ctx, o)
	if err != nil {
		return err
	}
	claims, err := c.openApp(ctx, t, token)
	if err != nil {
		return err
	}
	var step int64
	p := proof{
		claims: claims, member: memberTOTP, code: code, detail: factorDetail{Kind: factorTOTP, JTI: claims.JTI},
		matches: func() bool {
			var ok bool
			step, ok = totp.Match(claims.Secret, code, c.s.now(), c.s.cfg.TOTP)
			return ok
		},
	}
	if err := c.s.attempt(ctx, t, p); err != nil {
		return err
	}
	return c.s.redeem(ctx, t, p, func(ctx context.Context, user *scim.User) error {
		t.User = user
		if claims.Path != factorTOTP {
			return c.writeExtraApp(ctx, t, p, step, name)
		}
		if err := c.s.writeTOTP(ctx, t, p, user, step); err != nil {
			return err
		}
		has, err := c.cfg.Holdings.Holdings(ctx, user.ID)
		if err != nil || has.App == nil {
			return err
		}
		return c.name(ctx, user.ID, ExtraCredential(EnrolledTOTP, has.App.ID), name)
	})
}

func (c *Credentials) writeExtraApp(ctx context.Context, t Target, p proof, step int64, name string) error {
	slot := c.slotOf(EnrolledTOTP)
	has, err := c.cfg.Holdings.Holdings(ctx, t.User.ID)
	if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	if len(has.Apps) >= MostExtras {
		return ErrTooMany
	}
	id, err := c.cfg.Extras.AddExtraApp(ctx, totp.Enrolment{
		UserID: t.User.ID, Secret: p.claims.Secret, Algorithm: c.s.cfg.TOTP.Algorithm, Digits: c.s.cfg.TOTP.Digits,
		Period: c.s.cfg.TOTP.Period, LastStep: step, CreatedAt: c.s.now(),
	})
	if err != nil {
		return fmt.Errorf("store further app: %w", err)
	}
	if err := c.s.cfg.Records.BumpFactorEpoch(ctx, t.User.ID, slot.path.canonical); err != nil {
		return err
	}
	if err := c.s.audit(ctx, t, audit.FactorEnrolled, p.detail); err != nil {
		return err
	}
	if err := c.name(ctx, t.User.ID, ExtraCredential(EnrolledTOTP, id), name); err != nil {
		return err
	}
	return c.s.cfg.Follower.announce(ctx, t.Caller, t.User.ID, t.User.Object, slot.added)
}
