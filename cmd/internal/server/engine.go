package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/state"
)

// outboxEvery is how often queued codes are looked for, by every node. Whoever
// logs in with a code waits for it, so often.
const outboxEvery = time.Second

// loginHasher gives the login engine the hashing of package password.
type loginHasher struct{ hasher }

var _ authn.Hasher = loginHasher{}

// Hash implements authn.Hasher.
func (h loginHasher) Hash(ctx context.Context, text string, user schema.Object) (string, error) {
	hash, err := h.Hasher.Hash(ctx, password.Of(text), wordsOf(user))
	return hash, busyLogin(err)
}

// Rehash implements authn.Hasher.
func (h loginHasher) Rehash(ctx context.Context, text string) (string, error) {
	hash, err := h.Hasher.Rehash(ctx, password.Of(text))
	return hash, busyLogin(err)
}

// Verify implements authn.Hasher.
func (h loginHasher) Verify(ctx context.Context, hash, text string) (bool, error) {
	if hash == "" {
		return false, busyLogin(h.VerifyUnknown(ctx, password.Of(text)))
	}
	ok, err := h.Hasher.Verify(ctx, hash, password.Of(text))
	return ok, busyLogin(err)
}

func busyLogin(err error) error {
	if _, busy := errors.AsType[*password.BusyError](err); busy {
		return fmt.Errorf("%w: %w", authn.ErrBusy, err)
	}
	return err
}

// newEngine makes the engine that logs people in.
func (d *Directory) newEngine(ctx context.Context, l *limits, states *state.Sealer) error {
	known, err := d.db.ServerKey(ctx, seal.PurposeKnown)
	if err != nil {
		return fmt.Errorf("load key of known browsers: %w", err)
	}
	authenticators, err := d.authenticators()
	if err != nil {
		return err
	}
	federation, err := d.newFederation(ctx)
	if err != nil {
		return err
	}
	acrs, err := ACRs(d.cfg)
	if err != nil {
		return err
	}
	idle, absolute := d.cfg.SessionLife()
	cfg := authn.Config{
		Users: d.db, Txns: d.db, Sessions: d.db, Ender: d.db, Tx: d.db, Passwords: d.db, Hasher: loginHasher{d.hasher},
		PasswordTries: l.password, Factors: l.factors, Sends: l.sends, Outcomes: l.outcomes, Hash: l.hash, Tries: l.tries,
		Challenges: d.db, Secrets: d.db, Held: d.db, Settings: d.db,
		Extras: d.db, Devices: d.db, Records: d.db, Paths: d.follower.Paths, States: states,
		Delivery: d.Delivery, Outbox: d.db, Audit: d.db, Life: authn.SessionLife{Idle: idle, Absolute: absolute},
		RememberFor: d.cfg.RememberDevice.Life(), MayEnrol: d.mayEnrol, Skew: d.cfg.SecondFactors.TOTP.Skew, KnownKey: known, PasswordChanged: d.passwordChanged,
		Warn:        d.warn,
		Compromised: d.passwordCompromised(), Reused: d.loginReused(),
		RememberedBy:   acr.RememberedBy(acrs),
		Confirmed:      d.valueConfirmed,
		Federation:     federation,
		Authenticators: authenticators,
		Logger:         d.logger, Now: d.now,
	}
	if d.passkeys != nil {
		cfg.Passkeys, cfg.PasskeyStore = d.passkeys, d.db
	}
	d.engine, err = authn.New(cfg)
	return err
}

// passwordChanged announces that a user has changed the password at a login.
func (d *Directory) passwordChanged(ctx context.Context, u authn.User, ip string) error {
	return d.follower.PasswordSet(ctx, scim.Caller{ActorType: "user", UserID: u.ID, IP: ip}, u.ID, u.Object)
}

// valueConfirmed records that a user has proved a value that an administrator
// set.
func (d *Directory) valueConfirmed(ctx context.Context, v authn.Visitor, u authn.User, c authn.Confirmation) error {
	caller := scim.Caller{ActorType: "user", UserID: u.ID, UserAgent: v.UserAgent, RequestID: v.RequestID}
	if v.IP.IsValid() {
		caller.IP = v.IP.String()
	}
	return d.follower.AssignedProved(ctx, caller, u.ID, u.Object, validation.Proved{
		Factor: c.Factor, Value: c.Value, JTI: c.JTI, Provider: c.Provider, At: d.now().UTC().Truncate(time.Microsecond),
	})
}

// SendQueuedCodes sends the codes of logins that wait, as every node does again
// and again, and returns how many went out.
func (d *Directory) SendQueuedCodes(ctx context.Context) (int, error) {
	return d.engine.SendQueued(ctx)
}

// forgetFactor removes the proofs of a factor that is gone from every session of
// a user: what was shown with it counts no more.
func (d *Directory) forgetFactor(ctx context.Context, userID, factor string) error {
	if done, err := d.forgetSecret(ctx, userID, factor); done || err != nil {
		return err
	}
	if strings.HasPrefix(factor, validation.PasskeyCredential("")) {
		_, err := d.db.ForgetProofs(ctx, userID, acr.Passkey, factor)
		return err
	}
	kind, ok := d.follower.Paths.KindOf(factor)
	if !ok {
		return nil
	}
	gone := map[validation.EnrolledKind][]acr.Factor{
		validation.EnrolledTOTP:  {acr.TOTP},
		validation.EnrolledEmail: {acr.EmailOTP},
		validation.EnrolledPhone: {acr.SMSOTP, acr.VoiceOTP},
	}
	for _, f := range gone[kind] {
		if _, err := d.db.ForgetProofs(ctx, userID, f, ""); err != nil {
			return err
		}
	}
	return nil
}
