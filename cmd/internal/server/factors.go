package server

import (
	"context"
	"fmt"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/challenge"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// newFollower reads the attribute paths and makes the hooks by which
// validations follow the values. It stands before the SCIM service, which
// calls it.
func (d *Directory) newFollower() error {
	paths, err := validation.NewPaths(d.Registry, d.cfg.SecondFactors.EmailPaths, d.cfg.SecondFactors.PhonePaths)
	if err != nil {
		return fmt.Errorf("second_factors: %w", err)
	}
	d.follower = &validation.Follower{Paths: paths, Records: d.db, Challenges: d.db, Audit: d.db, Lost: d.lostFactor, Held: d.db, Extras: d.db}
	if d.announces() {
		d.follower.Notices, d.follower.Now = d.db, d.now
	}
	d.stepUp, err = d.newStepUp()
	return err
}

// limits are the counters that all nodes share.
type limits struct {
	hash     *throttle.Hasher
	sends    *throttle.Sends
	factors  *throttle.Factors
	outcomes *throttle.Outcomes
	password *throttle.Passwords
	tries    int
}

func (d *Directory) newLimits(ctx context.Context) (*limits, error) {
	key, err := d.db.ServerKey(ctx, seal.PurposeThrottle)
	if err != nil {
		return nil, fmt.Errorf("load key of the limits: %w", err)
	}
	l := &limits{}
	if l.hash, err = throttle.NewHasher(key); err != nil {
		return nil, err
	}
	numbers, err := limitNumbers(d.cfg.SecondFactors.Limits)
	if err != nil {
		return nil, err
	}
	if err := numbers.Validate("second_factors.limits."); err != nil {
		return nil, err
	}
	l.tries = numbers.WithDefaults().Tries
	l.sends, err = throttle.NewSends(throttle.SendsConfig{Store: d.db, Limits: numbers, Hash: l.hash, Now: d.now})
	if err != nil {
		return nil, err
	}
	if l.factors, err = throttle.NewFactors(d.db, numbers, d.now); err != nil {
		return nil, err
	}
	l.password, err = throttle.NewPasswords(throttle.PasswordsConfig{Store: d.db, Limits: numbers, Hash: l.hash, Now: d.now})
	if err != nil {
		return nil, err
	}
	l.outcomes, err = throttle.NewOutcomes(d.db, d.now)
	return l, err
}

func limitNumbers(c config.FactorLimits) (throttle.Limits, error) {
	out := throttle.Limits{
		Tries: c.Tries, Pause: c.Pause, PauseMax: c.PauseMax, Ceiling: c.Ceiling,
		PasswordFirst: c.PasswordFirst, PasswordCeiling: c.PasswordCeiling, SeriesSends: c.SeriesSends,
		DestinationHour: c.DestinationHour, DestinationDay: c.DestinationDay, UserDay: c.UserDay,
		IPHour: c.IPHour, ClientHour: c.ClientHour, PrefixMinute: c.PrefixMinute,
		TelephoneMinute: c.TelephoneMinute, EmailMinute: c.EmailMinute, SpendDay: c.SpendDay,
	}
	for _, text := range c.ResendWaits {
		wait, err := config.ParseDuration(text)
		if err != nil {
			return out, fmt.Errorf("second_factors.limits.resend_waits: %w", err)
		}
		out.ResendWaits = append(out.ResendWaits, wait)
	}
	return out, nil
}

// newValidation makes the service of the sub-resources.
func (d *Directory) newValidation(l *limits, states *state.Sealer) (*validation.Service, error) {
	c := d.cfg.SecondFactors
	app := totp.Config{
		Algorithm: totp.Algorithm(c.TOTP.Algorithm), Digits: c.TOTP.Digits, Period: c.TOTP.Period,
		Skew: c.TOTP.Skew, SecretBytes: c.TOTP.SecretBytes,
	}
	if err := app.Validate("second_factors.totp."); err != nil {
		return nil, err
	}
	issuer := c.IssuerName
	if issuer == "" {
		issuer = d.cfg.Delivery.Service
	}
	return validation.New(validation.Config{
		Front: d.Service, Directory: d.Service, Tx: d.db, Records: d.db, Challenges: d.db, Secrets: d.db,
		States: states,
		Sends:  l.sends, Factors: l.factors, Outcomes: l.outcomes, Hash: l.hash, Tries: l.tries,
		Delivery: d.Delivery, Audit: d.db, Follower: d.follower, Paths: d.follower.Paths,
		Freshness: d.stepUp, Sessions: d.db, Passwords: d.db, Hasher: d.hasher, PasswordTries: l.password,
		SecondPasswords: d.db, Recovery: d.recoveryCodes(busy), Holdings: d.db, Extras: d.db,
		Consents:   userConsents{d},
		Passkeys:   d.passkeyKeeper(),
		Identities: d.identities(),
		History:    d.cfg.Password.History, Reused: d.ownReused,
		AdminSetsPasswords: d.cfg.AdminSetsPasswords,
		Issuer:             issuer, TOTP: app, Lifetime: c.Lifetime,
		IgnoreTexts: !c.TrustedMessageTexts, NoVoiceEnrolment: !d.cfg.Delivery.VoiceEnrolment,
		Logger: d.logger, Now: d.now,
	})
}

// Secrets are the authenticator apps of users.
func (d *Directory) Secrets() totp.Store { return d.db }

// Challenges are the codes that wait for their proof.
func (d *Directory) Challenges() challenge.Store { return d.db }

// RotateStateKeys moves the keys of sealed states on if they are due, as the
// janitor does, and reports whether another one became current.
func (d *Directory) RotateStateKeys(ctx context.Context) (bool, error) {
	return d.db.RotateStateKeys(ctx)
}
